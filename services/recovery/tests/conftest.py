"""Fixtures of every service's own tests, for recovery: the whole service without its processes, beside an identity that knows one person."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from latchkey_contracts.configuration import IdentityStore
from latchkey_contracts.http.contacts import ContactAnswer, ContactRequest, ContactsAnswer, ContactsRequest, PasswordResetDone
from latchkey_contracts.http.recovery import ResetFlow, ResetRequest
from latchkey_contracts.messages import Contact, Secrets
from latchkey_contracts.sealed import Sealed
from recovery.wiring import Features, features
from servicekit.clock import ManualClock
from servicekit.db import Database
from servicekit.keys import Keys
from servicekit.process.configuration import Configuration
from servicekit.sealing import Opener, Sealer
from servicekit.web.caller import Caller, Signer
from servicekit.web.client import InternalClient
from servicekit.web.transport import Answer
from testkit.service import clock, connected, db, dsn, keys, wakeups, work_due

__all__ = ["clock", "connected", "db", "dsn", "keys", "wakeups"]

MAIL = "mira@posteo.example"
APPLICATION = {"slug": "demo", "brand": {"name": "Elmstead", "brand": "#0b3d45"}}
POLICY: dict[str, Any] = {
    "name": "Default",
    "resend": {"per_hour": 5, "per_day": 20},
    "total_loss_recovery": {"enabled": True, "delay": "72 h"},
}


@pytest.fixture(scope="session")
def service() -> str:
    return "recovery"


class Identity:
    """The far end of the line to identity, as far as recovery calls it: it knows one person, by her address and her account."""

    def __init__(self, keys: Keys, db: Database) -> None:
        self._sealer, self._db = Sealer(keys), db
        self.account_id, self.verified_at = uuid4(), db.clock.now()
        self.reachable = True
        self.asked: list[ContactRequest] = []
        self.passwords: list[str] = []
        self.waiting: list[int] = []  # transactions that were open while it was asked

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None, params: Mapping[str, str] | None
    ) -> Answer:
        async with self._db.read() as conn:
            self.waiting.append(
                await conn.fetchval(
                    "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()"
                )
            )
        body = json.loads(content or b"{}")
        if url.endswith("/contacts/several"):
            answer: Any = ContactsAnswer(items=[self._one(one) for one in ContactsRequest.model_validate(body).items])
        elif url.endswith("/contacts"):
            answer = self._everywhere(ContactRequest.model_validate(body))
        else:
            self.passwords.append(body["password"])
            answer = PasswordResetDone(done=True)
        return Answer(200, answer.model_dump_json().encode())

    async def close(self) -> None:
        pass

    def _knows(self, one: ContactRequest) -> bool:
        self.asked.append(one)
        return one.identifier == MAIL or one.account_id == str(self.account_id)

    def _one(self, one: ContactRequest) -> ContactAnswer:
        if not self._knows(one):
            return ContactAnswer()
        contact = self._sealer.seal(
            Contact(channel="email", to=MAIL), expires_at=datetime.max.replace(tzinfo=self.verified_at.tzinfo)
        )
        return ContactAnswer(account_id=self.account_id, channel="email", to="m•••@p•••", language="en", contact=contact)

    def _everywhere(self, one: ContactRequest) -> ContactAnswer:
        before = datetime.fromisoformat(one.verified_before or "")
        if not self._knows(one) or not self.reachable or self.verified_at > before:
            return ContactAnswer()
        contact = self._sealer.seal(Contact(channel="email", to=MAIL), expires_at=datetime.max.replace(tzinfo=before.tzinfo))
        return ContactAnswer(account_id=self.account_id, language="en", contacts=[contact])


class Desk:
    """Two browsers (`here`, `elsewhere`) at the application `demo`, and all that happens behind it."""

    mail = MAIL
    here = Caller(service="gateway", flow="ab" * 32, language="en")
    elsewhere = Caller(service="gateway", flow="cd" * 32, language="en")

    def __init__(self, db: Database, made: Features, identity: Identity, opener: Opener) -> None:
        self.db, self.made, self.identity, self._opener = db, made, identity, opener
        self.resets = made.resets

    async def start(self, caller: Caller = here, typed: str = MAIL) -> ResetFlow:
        """Nothing is sent yet."""
        return await self.resets.start("demo", ResetRequest(identifier=typed), caller)

    async def asked(self, caller: Caller = here, typed: str = MAIL) -> ResetFlow:
        """Its message has left."""
        flow = await self.start(caller, typed)
        await self.work()
        return flow

    async def work(self) -> None:
        """Does what is due, as the worker does."""
        await work_due(self.db, self.made.work)

    async def message(self, event: str = "reset_requested") -> Secrets:
        """What the newest of a type says."""
        return self._opener.open(Sealed.model_validate((await self.told(event))[-1]["message"]), Secrets)

    async def token(self, event: str = "reset_requested") -> str:
        """Of the link in the newest message."""
        return ((await self.message(event)).link or "").rsplit("/", 1)[1]

    async def code(self) -> str:
        code = (await self.message()).code
        assert code is not None
        return code

    async def sent(self) -> int:
        """How many messages of resets have left."""
        return len(await self.told("reset_requested"))

    async def told(self, event: str) -> list[dict[str, Any]]:
        """Bodies of the events of a type, as far as they wait for the relay."""
        async with self.db.read() as conn:
            rows = await conn.fetch(
                "SELECT value FROM outbox WHERE attributes->>'type' LIKE '%.' || $1 || '.v1' ORDER BY id", event
            )
        return [json.loads(row["value"]) for row in rows]

    async def status(self, table: str, row_id: UUID) -> str:
        async with self.db.read() as conn:
            found: str = await conn.fetchval(f"SELECT status FROM {table} WHERE id = $1", row_id)  # noqa: S608 - a test's own words
        return found


@pytest.fixture
async def desk(db: Database, keys: Keys, clock: ManualClock) -> Desk:
    configuration = Configuration()
    configuration.replace(
        {"Default": IdentityStore(name="Default").model_dump(mode="json")}, {"Default": POLICY}, {"demo": APPLICATION}
    )
    identity = Identity(keys, db)
    client = InternalClient("identity", "http://identity", Signer("recovery", keys, clock), clock, transport=identity)
    return Desk(db, features(db, keys, configuration, client), identity, Opener(keys, clock))
