"""Fixtures of every service's own tests, for identity: the whole service without its processes, and what customers do with it."""

import functools
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from identity.accounts import store as accounts
from identity.budgets.service import Budgets
from identity.configuration.service import ConfigurationService
from identity.contact_change.tools import MESSAGE as CONTACT
from identity.credentials.service import Passwords
from identity.reach.service import Contacts
from identity.registration.sending import Messages
from identity.registration.tools import MESSAGE
from identity.sign_in.noticing import NOTICE
from identity.sign_in.service import FAILED
from identity.social.providers import Providers
from identity.social.remote import Remote
from identity.wiring import features
from latchkey_contracts.http.access import AccessQuestion, AccessState, StepUpMethods
from latchkey_contracts.http.factors import FactorChoice
from latchkey_contracts.http.links import ConfirmRequest
from latchkey_contracts.http.registration import Identifiers, RegistrationFlow, RegistrationRequest
from latchkey_contracts.http.sign_in import PasswordRequest, SignInFlow, SignInRequest
from latchkey_contracts.messages import MessageContent
from latchkey_contracts.sealed import Sealed
from servicekit.db import Database
from servicekit.errors import NotFound, Overloaded
from servicekit.events.wakeups import Wakeups
from servicekit.keys import Keys
from servicekit.sealing import Opener, Sealer
from servicekit.throttle import Throttle
from servicekit.web.caller import Caller
from servicekit.web.idempotency import Idempotency
from testkit.service import clock, connected, db, dsn, keys, wakeups
from testkit.wire import Wire

__all__ = ["clock", "connected", "db", "dsn", "keys", "wakeups"]

DOCUMENT: dict[str, Any] = {
    "identity_stores": [
        {
            "name": "Default",
            "identifiers": {"email": {"use": "required"}, "phone": {"use": "optional"}, "username": {"use": "required"}},
            "attributes": [
                {
                    "name": "given_name",
                    "type": "text",
                    "max_length": 100,
                    "label": {"en": "First name"},
                    "at_registration": "shown",
                },
                {"name": "about", "type": "text", "max_length": 2000, "label": {"en": "About you"}, "at_registration": "shown"},
            ],
        }
    ],
    "self_service_policies": [{"name": "Default", "resend": {"per_hour": 50, "per_day": 200}}],
    "applications": [{"slug": "demo", "languages": ["en", "de"], "brand": {"name": "Elmstead", "brand": "#0b3d45"}}],
}


@pytest.fixture(scope="session")
def service() -> str:
    return "identity"


class Mfa:
    """What the other service says, as identity asks it: nothing is needed, or a factor that this test proves."""

    def __init__(self) -> None:
        self.away = False
        self.states: dict[UUID, AccessState] = {}
        self.always: AccessState | None = None
        self.asked: list[AccessQuestion] = []

    async def decide(self, question: AccessQuestion, caller: Caller) -> AccessState:
        await self.check_reachable()
        self.asked.append(question)
        if self.always is not None:
            return self.always
        choice = FactorChoice(id=UUID(int=1), kind="totp")
        return self.states.setdefault(question.flow_id, AccessState(decision="challenge", factors=[choice], next=["code"]))

    async def state(self, flow_id: UUID, caller: Caller) -> AccessState:
        await self.check_reachable()
        if flow_id not in self.states:
            raise NotFound
        return self.states[flow_id]

    async def check_reachable(self) -> None:
        if self.away:
            raise Overloaded

    async def step_up_methods(self, caller: Caller) -> StepUpMethods:
        await self.check_reachable()
        return StepUpMethods(methods=["passkey", "totp"])

    def prove(self, flow_id: UUID, at: datetime) -> None:
        self.states[flow_id] = AccessState(decision="proven", methods=["otp"], proven_at=at)


@functools.cache
def _passwords() -> Passwords:
    """One for all: making it measures for a while. A cheap hash; what a real one costs is tested with the credentials."""
    return Passwords(memory_kib=256, passes=1, threads=2)


class Customers:
    """Two browsers (`here`, `elsewhere`) and two passwords; all that they do is at the application `demo`."""

    document = DOCUMENT
    here = Caller(service="gateway", flow="ab" * 32)
    elsewhere = Caller(service="gateway", flow="cd" * 32)
    old, new = "correct horse staple battery", "seven copper lanterns drifting north"

    def __init__(
        self,
        db: Database,
        configuration: ConfigurationService,
        keys: Keys,
        mfa: Mfa | None = None,
        providers: Providers | None = None,
    ) -> None:
        self.db = db
        self.configuration = configuration
        self.passwords = _passwords()
        self.mfa = mfa or Mfa()
        away = Providers(Remote(Wire({})), db.clock, Path("/nonexistent"))
        made = features(db, keys, configuration, self.passwords, self.mfa, providers or away, keep_pending=timedelta(days=30))
        self.social = made.social
        self.sessions = made.tools.sessions
        self.registrations = made.registrations
        self.activations = made.activations
        self.freezes = made.freezes
        self.changes = made.changes
        self.sign_ins = made.sign_ins
        self.sign_in_notices = made.sign_in_notices
        self.actions = made.actions
        self.step_ups = made.step_ups
        self.endings = made.endings
        self.profiles = made.profiles
        self.activity = made.activity
        self.second_factors = made.second_factors
        self.moves = made.contact_changes
        self.proofs = made.links
        self._messages = Messages(made.tools)
        self._opener = Opener(keys, db.clock)  # type: ignore[arg-type]  # a whole clock, in every test

    async def register(
        self, caller: Caller = here, *, profile: dict[str, Any] | None = None, **identifiers: str
    ) -> RegistrationFlow:
        """The message of it has left."""
        flow = await self.begin(caller, profile=profile, **identifiers)
        await self.work()
        return flow

    async def begin(
        self, caller: Caller = here, *, profile: dict[str, Any] | None = None, **identifiers: str
    ) -> RegistrationFlow:
        body = RegistrationRequest(identifiers=Identifiers(**identifiers), password=self.old, profile=profile or {})
        return await self.registrations.start("demo", body, caller)

    async def work(self) -> None:
        """What waits behind the answers, as the worker does it."""
        contact = self.moves.messages.send
        handlers = {
            MESSAGE: self._messages.send,
            CONTACT: contact,
            FAILED: self.sign_in_notices.tell_failure,
            NOTICE: self.sign_in_notices.tell,
        }
        async with self.db.transaction() as tx:
            for row in await tx.fetch("DELETE FROM work RETURNING kind, payload"):
                await handlers[row["kind"]](tx, row["payload"])

    def contacts(self, keys: Keys) -> Contacts:
        return Contacts(self.db, self.configuration, Budgets(Throttle(keys)), Sealer(keys), Idempotency(keys))

    async def token(self, flow: RegistrationFlow) -> str:
        """Of the link in the newest message."""
        newest = (await self.told("activation_requested"))[-1]
        assert newest["flow_id"] == str(flow.id)
        return self._link_in(newest)

    async def links(self) -> list[str]:
        """The tokens in all activation messages, oldest first."""
        return [self._link_in(one) for one in await self.told("activation_requested")]

    def _link_in(self, told: dict[str, Any]) -> str:
        return (self.opened(told).link or "").rsplit("/", 1)[1]

    def opened(self, told: dict[str, Any]) -> MessageContent:
        return self._opener.open(Sealed.model_validate(told["message"]), MessageContent)

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
        return found.id

    async def sign_in(self, typed: str, password: str = old, caller: Caller = here) -> SignInFlow:
        flow = await self.sign_ins.start("demo", SignInRequest(identifier=typed), caller)
        return await self.sign_ins.password("demo", flow.id, PasswordRequest(password=password), caller)

    async def workflow(self, workflow: str, **policy: Any) -> None:
        """Of the application's access policy, from now on."""
        policies = {"access_policies": [{"name": "Default", "workflow": workflow, **policy}]}
        await self.configuration.apply({**self.document, **policies})

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
