"""With which accounts of other companies customers may sign in here: OpenID Connect, and plain OAuth 2 where there is nothing better."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field

from .parts import Part

TemplateName = Literal["google", "apple", "microsoft", "github", "facebook", "oidc", "local"]


@dataclass(frozen=True, slots=True)
class Template:
    """What is known of a provider. `issuer`: of OpenID Connect, or the name under which accounts of OAuth 2 are kept. `origins`: where it
    is, beside its issuer. `reauthenticates`: it asks anew who somebody is, and says when it did (`max_age`, `auth_time`).
    """

    label: str
    issuer: str
    scopes: tuple[str, ...] = ("openid", "email", "profile")
    origins: tuple[str, ...] = ()
    authorization: str | None = None
    token: str | None = None
    userinfo: str | None = None
    emails: str | None = None
    form_post: bool = False
    reauthenticates: bool = False

    @property
    def openid(self) -> bool:
        return self.token is None


TEMPLATES: Mapping[TemplateName, Template] = {
    "google": Template(
        "Google",
        "https://accounts.google.com",
        origins=("https://oauth2.googleapis.com", "https://www.googleapis.com", "https://openidconnect.googleapis.com"),
    ),
    "apple": Template("Apple", "https://appleid.apple.com", scopes=("openid", "email", "name"), form_post=True),
    "microsoft": Template("Microsoft", "https://login.microsoftonline.com/{tenant}/v2.0", reauthenticates=True),
    "github": Template(
        "GitHub",
        "https://github.com",
        scopes=("read:user", "user:email"),
        origins=("https://api.github.com",),
        authorization="https://github.com/login/oauth/authorize",
        token="https://github.com/login/oauth/access_token",  # noqa: S106 - an address
        userinfo="https://api.github.com/user",
        emails="https://api.github.com/user/emails",
    ),
    "facebook": Template(
        "Facebook",
        "https://www.facebook.com",
        scopes=("public_profile", "email"),
        origins=("https://graph.facebook.com",),
        authorization="https://www.facebook.com/dialog/oauth",
        token="https://graph.facebook.com/oauth/access_token",  # noqa: S106 - an address
        userinfo="https://graph.facebook.com/me?fields=id,name,first_name,last_name,email",
    ),
    "oidc": Template("", "", reauthenticates=True),
    "local": Template("Local provider", "", reauthenticates=True),
}


class SocialProvider(Part):
    """`authoritative`: an address that it says it has verified counts as proven; else the customer proves it by a mail, as at registration.
    `local` is the stand-in of `make run`: without `LATCHKEY_LOCAL_PROVIDER_URL` nobody is offered it.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,29}$", description="As in `<origin>/v1/callbacks/social/<name>`")
    template: TemplateName
    label: str | None = Field(default=None, min_length=1, max_length=40, description="On the button: Continue with ...")
    client_id: str = Field(min_length=1, max_length=300)
    client_secret_file: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$", description="A file below LATCHKEY_SOCIAL_SECRETS_DIR; Apple's private key"
    )
    issuer: str | None = Field(default=None, max_length=300, description="oidc")
    hosts: list[str] = Field(default_factory=list, max_length=10, description="oidc: further hosts that its discovery names")
    tenant: str = Field(
        default="common",
        pattern=r"^(common|organizations|consumers|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$",
        description="microsoft",
    )
    team_id: str | None = Field(default=None, pattern=r"^[A-Z0-9]{10}$", description="apple")
    key_id: str | None = Field(default=None, pattern=r"^[A-Z0-9]{10}$", description="apple")
    authoritative: bool = False

    @property
    def known(self) -> Template:
        return TEMPLATES[self.template]

    @property
    def said(self) -> str:
        return self.label or self.known.label or self.name

    @property
    def identified_by(self) -> str:
        """Its issuer; of Microsoft's many tenants as its discovery says it."""
        return self.issuer or self.known.issuer.format(tenant=self.tenant)

    @property
    def origins(self) -> list[str]:
        """Where it is, and nowhere else."""
        parts = urlsplit(self.identified_by)
        return [f"{parts.scheme}://{parts.netloc}", *self.known.origins, *(f"https://{host}" for host in self.hosts)]


def offered(providers: Iterable[SocialProvider], local: str | None) -> Sequence[SocialProvider]:
    """Those that can be used here. `local`: where the stand-in of the local run is."""
    found = []
    for one in providers:
        if one.template != "local":
            found.append(one)
        elif local is not None:
            found.append(one.model_copy(update={"issuer": local}))
    return found
