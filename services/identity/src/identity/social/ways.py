"""To a provider and back: one way each, of the browser that asked, for one answer (RFC 9700 §4.7)."""

from dataclasses import dataclass, replace

from latchkey_contracts.configuration import SocialProvider
from latchkey_contracts.http.social import SocialCallback, SocialRedirect
from servicekit.db import Database, Tx
from servicekit.errors import FieldError, FlowEnded, NotFound, ValidationFailed
from servicekit.failpoints import failpoint
from servicekit.keys import Keys
from servicekit.process.configuration import Configuration, Resolved
from servicekit.proof import hash_token, new_token, same_browser
from servicekit.web.caller import Caller

from identity.linked.rules import Newcomer

from . import protocol, store
from .protocol import Secrets
from .providers import Providers
from .store import Way


@dataclass(frozen=True, slots=True)
class Out:
    """Where the browser goes, before anything is written."""

    way: Way
    state: str
    url: str

    @property
    def answer(self) -> SocialRedirect:
        return SocialRedirect(redirect_to=self.url)


@dataclass
class Ways:
    db: Database
    keys: Keys
    configuration: Configuration
    providers: Providers

    def provider(self, app: Resolved, name: str) -> SocialProvider:
        """Raises ValidationFailed."""
        found = next((one for one in app.application.social if one.name == name), None)
        if found is None:
            raise ValidationFailed([FieldError("/provider", "not_an_option", "This application doesn't offer it")])
        return found

    async def out(self, app: Resolved, provider: SocialProvider, way: Way, caller: Caller) -> Out:
        """The provider may be asked where it is: never inside a transaction. Raises ProviderUnavailable."""
        endpoints = await self.providers.endpoints(provider)
        state = new_token()
        secrets = Secrets.of(self.keys.secret("code"), state)
        language = app.speaks(caller.language)
        url = protocol.authorization_url(
            provider, endpoints, secrets, self.redirect_uri(provider.name), fresh=way.purpose == "step_up", language=language
        )
        return Out(way, state, url)

    async def begin(self, tx: Tx, out: Out) -> SocialRedirect:
        await store.insert(tx, replace(out.way, created_at=tx.now), hash_token(out.state))
        return out.answer

    async def back(self, name: str, answer: SocialCallback, caller: Caller) -> tuple[Way, Resolved]:
        """Whose answer it is, used up from now on. Raises NotFound for any browser but the one that asked, and FlowEnded for a second answer."""
        async with self.db.transaction() as tx:
            found = await store.get(tx, hash_token(answer.state or ""))
            if found is None or found.provider != name or not _asked(found, caller):
                raise NotFound
            app = self.configuration.application(found.application)
            used = await store.use(tx, found)
            if used is None or app.store.id != found.store_id:
                raise FlowEnded(**about(found))
        failpoint("social.after_state")
        return used, app

    async def prove(self, app: Resolved, way: Way, answer: SocialCallback) -> tuple[SocialProvider, Newcomer]:
        """Raises SocialDenied, SocialRefused, ProviderUnavailable; FlowEnded where the provider is offered no more."""
        provider = next((one for one in app.application.social if one.name == way.provider), None)
        if provider is None:
            raise FlowEnded
        secrets = Secrets.of(self.keys.secret("code"), answer.state or "")
        fresh_since = way.created_at if way.purpose == "step_up" else None
        return provider, await self.providers.prove(provider, answer, secrets, self.redirect_uri(provider.name), fresh_since)

    def redirect_uri(self, name: str) -> str:
        return f"{self.db.origin}/v1/callbacks/social/{name}"

    async def purge(self) -> None:
        async with self.db.transaction() as tx:
            await store.purge(tx, tx.now)


def _asked(way: Way, caller: Caller) -> bool:
    """By this session, where one began it, else by this browser."""
    if way.session_id is not None:
        return (way.account_id, way.session_id) == (caller.account_id, caller.session_id)
    return same_browser(way.browser, caller.browser)


def about(way: Way) -> dict[str, str | None]:
    """For the gateway: where whoever came back goes on."""
    flow = str(way.flow_id) if way.flow_id is not None else None
    return {"application": way.application, "purpose": way.purpose, "flow_id": flow}
