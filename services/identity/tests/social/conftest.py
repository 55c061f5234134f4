"""A person, her browser, and the provider of the local run in this very process: real protocol, real lies."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx
import pytest
from devstack.provider.web import CLIENT, Provider
from identity.configuration.service import ConfigurationService
from identity.configuration.social_rules import Surroundings
from identity.social.providers import Providers
from identity.social.remote import Remote
from latchkey_contracts.http.sign_in import SignInFlow, SignInRequest
from latchkey_contracts.http.social import NewcomerRequest, SocialAnswer, SocialCallback, SocialRequest
from servicekit.db import Database
from servicekit.web.caller import Caller
from testkit.service import ORIGIN
from testkit.wire import Wire

from ..conftest import DOCUMENT, Customers, Mfa

ISSUER, SECRET = "http://127.0.0.1:9", "a secret between the two"
EMAIL = "noor@posteo.example"
SOCIAL = [
    {"name": "local", "template": "local", "client_id": CLIENT, "client_secret_file": "local", "authoritative": True},
    {
        "name": "other",
        "template": "oidc",
        "issuer": "http://localhost:9",
        "client_id": CLIENT,
        "client_secret_file": "local",
        "label": "Other",
    },
]
STORE = {**DOCUMENT["identity_stores"][0], "identifiers": {"email": {"use": "required"}, "username": {"use": "optional"}}}
WITH_SOCIAL: dict[str, Any] = {
    **DOCUMENT,
    "identity_stores": [STORE],
    "applications": [{**DOCUMENT["applications"][0], "social": SOCIAL}],
}
NOOR = {"sub": "1001", "email": EMAIL, "email_verified": "on", "given_name": "Noor", "family_name": "Haddad"}


@dataclass
class World:
    """`providers`: by name; `wire`: what was asked of whom."""

    customers: Customers
    configuration: ConfigurationService
    providers: Mapping[str, Provider]
    wire: Wire
    db: Database

    async def apply(self, **changes: Any) -> None:
        await self.configuration.apply({**WITH_SOCIAL, **changes})

    async def begin(self, caller: Caller | None = None) -> SignInFlow:
        return await self.customers.sign_ins.start("demo", SignInRequest(), caller or self.customers.here)

    async def out(self, flow: SignInFlow, name: str = "local", caller: Caller | None = None) -> str:
        found = await self.customers.social.sign_in("demo", flow.id, SocialRequest(provider=name), caller or self.customers.here)
        return found.redirect_to

    async def there(self, url: str, who: Mapping[str, str] = NOOR) -> SocialCallback:
        """What the provider sends the browser back with."""
        parts = urlsplit(url)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        app = self.wire.hosts[f"{parts.scheme}://{parts.netloc}"]
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app)) as client:
            answer = await client.post(f"{parts.scheme}://{parts.netloc}/authorize", data={**asked, **who})
        assert answer.status_code == 303, answer.text
        said = {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}
        return SocialCallback(**said)

    async def back(self, said: SocialCallback, name: str = "local", caller: Caller | None = None) -> SocialAnswer:
        return await self.customers.social.back(name, said, caller or self.customers.here)

    async def sign_in(
        self, who: Mapping[str, str] = NOOR, name: str = "local", caller: Caller | None = None, lie: str | None = None
    ) -> SignInFlow:
        flow = await self.begin(caller)
        url = await self.out(flow, name, caller)
        self.providers[name].lies.name = lie
        try:
            answer = await self.back(await self.there(url, who), name, caller)
        finally:
            self.providers[name].lies.name = None
        assert answer.sign_in is not None
        return answer.sign_in

    async def join(
        self, who: Mapping[str, str] = NOOR, name: str = "local", caller: Caller | None = None, **body: Any
    ) -> SignInFlow:
        """With an account, where that needs no mail."""
        flow = await self.sign_in(who, name, caller)
        answer = await self.customers.social.joining.join(
            "demo", flow.id, NewcomerRequest.model_validate(body), caller or self.customers.here
        )
        assert isinstance(answer, SignInFlow)
        return answer

    async def linked(self) -> list[tuple[str, str]]:
        async with self.db.read() as conn:
            rows = await conn.fetch("SELECT issuer, subject FROM linked_identity ORDER BY linked_at")
        return [(row["issuer"], row["subject"]) for row in rows]

    async def signed_in(self, flow: SignInFlow, caller: Caller | None = None) -> Caller:
        """The same browser with its newest session."""
        async with self.db.read() as conn:
            session: UUID = await conn.fetchval(
                "SELECT id FROM session WHERE account_id = $1 AND revoked_at IS NULL ORDER BY created_at DESC LIMIT 1",
                flow.account_id,
            )
        return replace(caller or self.customers.here, account_id=flow.account_id, session_id=session, application="demo")


@pytest.fixture
async def world(db: Database, wakeups: Any, keys: Any, tmp_path: Path) -> World:
    (tmp_path / "local").write_text(SECRET)
    here = Surroundings(tmp_path, ISSUER, development=True)
    configuration = ConfigurationService(db, wakeups, None, here)
    await configuration.apply(WITH_SOCIAL)
    providers = {
        "local": Provider(ISSUER, SECRET, ORIGIN, db.clock),
        "other": Provider("http://localhost:9", SECRET, ORIGIN, db.clock),
    }
    wire = Wire({one.issuer: one.app() for one in providers.values()})
    made = Providers(Remote(wire), db.clock, tmp_path)
    customers = Customers(db, configuration, keys, Mfa(), made)
    customers.document = WITH_SOCIAL
    return World(customers, configuration, providers, wire, db)
