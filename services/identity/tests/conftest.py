"""Fixtures of every service's own tests, for identity: the whole service without its processes, and what customers do with it."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from identity.accounts import store as accounts
from identity.activation.service import Activations
from identity.configuration.service import ConfigurationService
from identity.credentials.service import Passwords
from identity.credentials.slowdown import Slowdown
from identity.freeze.service import Freezes
from identity.notices.service import Notices
from identity.password_change.service import PasswordChanges
from identity.recipients.service import Recipients
from identity.registration.sending import Messages
from identity.registration.service import PURPOSE, Registrations, Tools
from identity.sessions.service import Sessions
from identity.signin.factors import Factors
from identity.signin.service import SignIns
from latchkey_contracts.http.links import ConfirmRequest
from latchkey_contracts.http.registration import Identifiers, RegistrationFlow, RegistrationRequest
from latchkey_contracts.http.sign_in import PasswordRequest, SignInFlow, SignInRequest
from latchkey_contracts.identity import CodeGuessingSuspected
from latchkey_contracts.messages import MessageContent
from latchkey_contracts.sealed import Sealed
from servicekit.caller import Caller
from servicekit.db import Database
from servicekit.guessing import Guesses
from servicekit.idempotency import Idempotency
from servicekit.keys import Keys
from servicekit.onetime import OneTimeSecrets
from servicekit.sealing import Opener, Sealer
from servicekit.throttle import Throttle
from servicekit.wakeups import Wakeups
from testkit.service import clock, db, dsn, keys, wakeups

__all__ = ["clock", "db", "dsn", "keys", "wakeups"]

DOCUMENT: dict[str, Any] = {
    "identity_stores": [
        {
            "name": "Default",
            "identifiers": {"email": {"use": "required"}, "phone": {"use": "optional"}, "username": {"use": "required"}},
            "attributes": [
                {"name": "about", "type": "text", "max_length": 2000, "label": {"en": "About you"}, "at_registration": "shown"}
            ],
        }
    ],
    "self_service_policies": [{"name": "Default", "resend": {"per_hour": 50, "per_day": 200}}],
    "applications": [{"slug": "demo", "brand": {"name": "Elmstead", "brand": "#0b3d45"}}],
}


@pytest.fixture(scope="session")
def service() -> str:
    return "identity"


class Customers:
    """Two browsers (`here`, `elsewhere`) and two passwords; all that they do is at the application `demo`."""

    document = DOCUMENT
    here = Caller(service="gateway", flow="ab" * 32)
    elsewhere = Caller(service="gateway", flow="cd" * 32)
    old, new = "correct horse staple battery", "seven copper lanterns drifting north"

    def __init__(self, db: Database, configuration: ConfigurationService, keys: Keys, factors: Factors | None = None) -> None:
        self.db = db
        self.configuration = configuration
        self.passwords = passwords = Passwords(threads=2)
        self.sessions = sessions = Sessions(db)
        onetime, throttle, idempotency, sealer = OneTimeSecrets(keys), Throttle(keys), Idempotency(keys), Sealer(keys)
        slowdown, notices = Slowdown(throttle), Notices(db, onetime, sealer)
        tools = Tools(
            db=db,
            configuration=configuration,
            passwords=passwords,
            sessions=sessions,
            onetime=onetime,
            guesses=Guesses(db, PURPOSE, CodeGuessingSuspected),
            throttle=throttle,
            recipients=Recipients(throttle),
            idempotency=idempotency,
            sealer=sealer,
            keep_pending=timedelta(days=30),
        )
        self.registrations = Registrations(tools)
        self.activations = Activations(tools, self.registrations)
        self.freezes = Freezes(db, configuration, onetime, sessions, notices, idempotency)
        self.changes = PasswordChanges(
            db=db,
            configuration=configuration,
            passwords=passwords,
            sessions=sessions,
            onetime=onetime,
            slowdown=slowdown,
            idempotency=idempotency,
            notices=notices,
        )
        self.sign_ins = SignIns(
            db=db,
            configuration=configuration,
            passwords=passwords,
            changes=self.changes,
            sessions=sessions,
            slowdown=slowdown,
            idempotency=idempotency,
            factors=factors,
        )
        self._messages = Messages(tools)
        self._opener = Opener(keys, db.clock)  # type: ignore[arg-type]  # a whole clock, in every test

    async def register(
        self, caller: Caller = here, *, profile: dict[str, Any] | None = None, **identifiers: str
    ) -> RegistrationFlow:
        """The message of it has left."""
        body = RegistrationRequest(identifiers=Identifiers(**identifiers), password=self.old, profile=profile or {})
        flow = await self.registrations.start("demo", body, caller)
        async with self.db.transaction() as tx:
            for row in await tx.fetch("DELETE FROM work RETURNING payload"):
                await self._messages.send(tx, row["payload"])
        return flow

    async def token(self, flow: RegistrationFlow) -> str:
        """Of the link in the newest message."""
        message = (await self.told("activation_requested"))[-1]
        assert message["flow_id"] == str(flow.id)
        content = self._opener.open(Sealed.model_validate(message["message"]), MessageContent)
        assert content.link is not None
        return content.link.rsplit("/", 1)[1]

    async def join(self, caller: Caller = here, *, profile: dict[str, Any] | None = None, **identifiers: str) -> UUID:
        """Registered and activated, by e-mail."""
        token = await self.token(await self.register(caller, profile=profile, **identifiers))
        assert (await self.activations.confirm("demo", ConfirmRequest(token=token), caller)).status == "activated"
        return await self.account(identifiers["email"])

    async def account(self, email: str) -> UUID:
        store_id = self.configuration.application("demo").store.id
        async with self.db.read() as conn:
            found = await accounts.find(conn, store_id, [("email", email)])
        assert found is not None
        account_id: UUID = found["id"]
        return account_id

    async def sign_in(self, typed: str, password: str = old, caller: Caller = here) -> SignInFlow:
        flow = await self.sign_ins.start("demo", SignInRequest(identifier=typed), caller)
        return await self.sign_ins.password("demo", flow.id, PasswordRequest(password=password), caller)

    async def told(self, event: str) -> list[dict[str, Any]]:
        """Bodies of the events of a type, as far as they wait for the relay."""
        async with self.db.read() as conn:
            rows = await conn.fetch(
                "SELECT value FROM outbox WHERE attributes->>'type' LIKE '%.' || $1 || '.v1' ORDER BY id", event
            )
        return [json.loads(row["value"]) for row in rows]


@pytest.fixture
async def customers(db: Database, wakeups: Wakeups, keys: Keys) -> Customers:
    configuration = ConfigurationService(db, wakeups)
    await configuration.apply(DOCUMENT)
    return Customers(db, configuration, keys)


@pytest.fixture
def another_replica(customers: Customers, keys: Keys) -> Callable[[Database], Customers]:
    """The same service on another pool."""
    return lambda other: Customers(other, customers.configuration, keys)
