"""GET /v1/apps/{app}: what a sign-up page needs to know."""

from typing import Literal

from pydantic import Field

from .common import Response


class IdentifierField(Response):
    kind: Literal["username", "email", "phone"] = Field(description="The member of `identifiers` in a registration")
    required: bool = Field(description="Whether an account must have it")


class AttributeOption(Response):
    value: str = Field(description="What to send")
    label: str = Field(description="What to show")


class AttributeField(Response):
    name: str = Field(description="The member of `profile` in a registration")
    type: Literal["text", "email", "phone", "date", "checkbox", "select", "list", "address"] = Field(
        description="How it is asked for; an `address` is an object with `country_code` and the fields of that country"
    )
    label: str = Field(description="In the language asked for, else the application's own")
    required: bool = Field(description="Whether a registration must have it")
    options: list[AttributeOption] | None = Field(default=None, description="For `select` and `list`: what may be chosen")


class ConsentField(Response):
    id: str = Field(description="Id of the purpose")
    version: str = Field(description="Version of its text; a decision names the version that was shown")
    mandatory: bool = Field(description="Whether there is no account without it")
    title: str = Field(description="Its short name, in the language asked for")
    text: str = Field(description="What the customer agrees to, in the language asked for")
    hash: str = Field(description="SHA-256 of `text`, hexadecimal")


class PasswordRule(Response):
    min_length: int = Field(description="At least so many characters")
    max_length: int = Field(description="At most so many characters")


class BrandLinks(Response):
    website: str | None = Field(default=None, description="The application's own front page")
    privacy: str | None = Field(default=None, description="Its privacy notice")
    terms: str | None = Field(default=None, description="Its terms")
    help: str | None = Field(default=None, description="Its help page")


class ApplicationBrand(Response):
    """How the application looks; colours are `#rrggbb`."""

    name: str = Field(description="As people know it")
    short_name: str | None = Field(default=None, description="As in a mail's subject")
    brand: str = Field(description="The colour of the banner")
    accent: str | None = Field(default=None, description="The colour of buttons and links; none: follows from `brand`")
    radii: Literal["soft", "round", "square"] = Field(description="How corners look")
    logo: Literal["leaf", "none"] = Field(description="The picture beside the name")
    links: BrandLinks = Field(description="Addresses on the application's own site")
    support_text: str | None = Field(default=None, description="When and how people help, in the language asked for")
    support_phone: str | None = Field(default=None, description="The number to call")
    postal_line: str | None = Field(default=None, description="The postal address, as mails show it")
    sender_name: str | None = Field(default=None, description="Who mails are from, by name")
    sender_address: str | None = Field(default=None, description="Who mails are from, by address")


class Features(Response):
    """What the policy of the application offers."""

    registration: bool = Field(description="Customers may register by themselves")
    activation: bool = Field(description="A new account waits until its address is proven")
    password_last: bool = Field(description="A registration may leave the password out: it is chosen once the address is proven")


class SocialOption(Response):
    name: str = Field(description="What to send as `provider`")
    label: str = Field(description="What to show")


class Application(Response):
    slug: str = Field(description="The application's name in addresses")
    name: str = Field(description="The application's name for people")
    brand: ApplicationBrand = Field(description="How it looks")
    languages: list[str] = Field(description="The languages it speaks (BCP 47)")
    identifiers: list[IdentifierField] = Field(description="What customers may register and sign in with")
    attributes: list[AttributeField] = Field(description="What a registration asks beside them")
    consents: list[ConsentField] = Field(description="What a registration asks to agree to")
    password: PasswordRule = Field(description="How long a password must and may be")
    social: list[SocialOption] = Field(
        default_factory=list, description="Whose accounts may be signed in with, in the order of their buttons"
    )
    features: Features = Field(description="What the policy offers")
