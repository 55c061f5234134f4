"""Fixtures of every service's own tests, for the notifier: an application to send for, providers that do as they are told, and
a whole notifier without its processes.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from latchkey_contracts import wire
from latchkey_contracts.configuration import Application, IdentityStore, SelfServicePolicy
from latchkey_contracts.event import Event
from latchkey_contracts.messages import Contact, MessageContent, Reach, Secrets
from latchkey_contracts.notifier import Channel
from latchkey_contracts.templates import LANES, TEMPLATES
from notifier.channels.base import Callback, CallStep, Forged, Message, Receipt, Refused, Unknown
from notifier.channels.chain import Chain
from notifier.delivery import store
from notifier.delivery.service import Delivery
from notifier.intake.consumers import Consumers
from notifier.intake.service import Intake
from notifier.templates.render import Renderer
from notifier.wiring import features, sender
from servicekit.clock import ManualClock
from servicekit.context import new_trace
from servicekit.db import Database
from servicekit.events.wakeups import Wakeups
from servicekit.ids import uuid7
from servicekit.keys import Keys
from servicekit.process.configuration import Configuration
from servicekit.sealing import Sealer
from testkit.service import clock, connected, db, dsn, keys, wakeups

__all__ = ["clock", "connected", "db", "dsn", "keys", "wakeups"]

LINK = "https://id.example/demo/l/" + "x" * 43
MAIL, PHONE = "mira@posteo.example", "+4934155501234"
PROVEN = datetime(2026, 1, 1, tzinfo=UTC)  # long before these tests' clock
APPLICATION = {
    "slug": "demo",
    "brand": {
        "name": "Elmstead Energy",
        "short_name": "Elmstead",
        "brand": "#0b3d45",
        "sender_address": "account@elmstead.example",
    },
    "languages": ["en", "ar", "de", "es", "fr"],
    "timezone": "Europe/Berlin",
}
POLICY: dict[str, Any] = {
    "name": "Default",
    "sms": {"countries": ["+49"], "price": 0.25, "prices": {"+49": 0.08}},
    "voice": {"countries": ["+49"], "price": 0.50},
    "fallback": {"email": ["sms"], "sms": ["voice", "email"], "voice": ["sms", "email"], "after": 30},
    "spending": {"per_hour": 20, "per_day": 100},
}


class Provider:
    """In a provider's place: what it was given, and the trouble that it makes, one a message."""

    def __init__(self, name: str, *channels: Channel, repeatable: bool = True) -> None:
        self.name = name
        self.channels = frozenset(channels)
        self.repeatable = repeatable
        self.keyed = False
        self.sent: list[Message] = []
        self.trouble: list[Exception] = []
        self.always: Exception | None = None
        self.seconds = 0.0
        self.told: list[Receipt] | CallStep | None = None
        self.urls: list[str] = []
        self.during: Callable[[], Any] | None = None
        self.unwritable: Refused | None = None

    def written(self, message: Message) -> Message:
        if self.unwritable is not None:
            raise self.unwritable
        return message

    async def send(self, message: Message, *, callback_url: str, expires_in: float, hurry: bool = False) -> str | None:
        assert expires_in > 0
        self.urls.append(callback_url)
        if self.seconds:
            await asyncio.sleep(self.seconds)
        error = self.trouble.pop(0) if self.trouble else self.always
        if error is None or isinstance(error, Unknown):  # in doubt it may well have gone out
            self.sent.append(message)
        if self.during is not None:
            await self.during()
        if error is not None:
            raise error
        return f"{self.name}-{len(self.sent)}"

    def read(self, callback: Callback) -> list[Receipt] | CallStep:
        if callback.body != b"signed" or self.told is None:
            raise Forged("the signature is wrong")
        return self.told

    async def close(self) -> None: ...

    @property
    def ids(self) -> list[str]:
        return [one.message_id for one in self.sent]


@dataclass
class Notifier:
    """Everything of the notifier on one database, by hand."""

    db: Database
    keys: Keys
    clock: ManualClock
    configuration: Configuration
    chain: Chain
    code_limit: int = 1000
    least_codes: int = 100
    concurrency: int = 8
    lease_seconds: float = 60

    def __post_init__(self) -> None:
        renderer = Renderer("no-reply@localhost", "https://id.example")
        self.made = made = features(self.db, self.keys, self.clock, self.configuration, self.chain, renderer, 30)
        self.switches, self.traffic, self.fraud = made.switches, made.traffic, made.fraud
        self.watch, self.receipts = made.watch, made.receipts
        self.handlers = Consumers(Intake(self.chain, self.code_limit, self.least_codes), self.fraud).handlers

    def delivery(self) -> Delivery:
        return sender(
            self.db,
            Wakeups(self.db),
            self.chain,
            self.made,
            origin="https://id.example",
            concurrency=self.concurrency,
            lease_seconds=self.lease_seconds,
            keep_days=90,
            poll_seconds=0.02,
        )

    @asynccontextmanager
    async def running(self, replicas: int = 1) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self.delivery().run()) for _ in range(replicas)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def handle(self, event: Any) -> None:
        async with self.db.transaction() as tx:
            await self.handlers[event.publisher][type(event)](tx, event)

    async def queue(
        self,
        *,
        channel: Channel = "email",
        template: str = "activation",
        lifetime: timedelta = timedelta(hours=1),
        two_envelopes: bool = False,
        code: str | None = None,
        code_lifetime: timedelta | None = None,
        others: Sequence[Reach] = (),
        to: str | None = None,
        application: str = "demo",
        proven: timedelta | None = timedelta(days=30),
        known: bool = False,
        account_id: UUID | None = None,
        flow_id: UUID | None = None,
        hushed: bool = False,
    ) -> UUID:
        """A message that waits, as the intake would have left it. `proven`: how long ago its address was; None: never."""
        sealer, one = Sealer(self.keys), uuid4()
        async with self.db.transaction() as tx:
            until = tx.now + lifetime
            address = to or (MAIL if channel == "email" else PHONE)
            proven_at = tx.now - proven if proven is not None else None
            whom = Contact(channel=channel, to=address, given_name="Mira", others=list(others), proven_at=proven_at, known=known)
            link = LINK if channel == "email" else None
            code_until = tx.now + (code_lifetime or lifetime) if code else None
            secrets = Secrets(link=link, link_expires_at=until, code=code, code_expires_at=code_until)
            both = MessageContent(**whom.model_dump(), **secrets.model_dump(), hushed=hushed)
            sealed = sealer.seal(secrets if two_envelopes else both, expires_at=until)
            contact = sealer.seal(whom, expires_at=until) if two_envelopes else None
            new = store.New(
                id=one,
                account_id=account_id or uuid4(),
                flow_id=flow_id or uuid4(),
                application=application,
                language="en",
                template=template,
                channel=channel,
                lane=LANES.index(TEMPLATES[template].lane),
                short=lifetime <= timedelta(minutes=10),
                sealed=sealed.model_dump(mode="json"),
                contact=contact.model_dump(mode="json") if contact else None,
                trace={name: getattr(new_trace(), name) for name in new_trace().__slots__},
                caused_at=tx.now,
                expires_at=until,
            )
            assert await store.insert(tx, new) is not None
        return one

    async def row(self, message_id: UUID) -> Any:
        async with self.db.read() as conn:
            return await conn.fetchrow("SELECT * FROM delivery WHERE id = $1", message_id)

    async def rows(self) -> list[Any]:
        async with self.db.read() as conn:
            return await conn.fetch("SELECT * FROM delivery ORDER BY created_at, id")

    async def told(self) -> list[str]:
        """The events' names in order."""
        async with self.db.read() as conn:
            rows = await conn.fetch("SELECT attributes FROM outbox ORDER BY id")
        return [one["attributes"]["type"].split(".")[2] for one in rows]

    async def wait(self, message_id: UUID, *states: str) -> Any:
        async def look() -> Any:
            found = await self.row(message_id)
            return found if found["state"] in states else None

        return await until(look)


def received(event: Event, at: datetime | None = None) -> Event:
    """As it comes from the broker."""
    meta = wire.new_meta(
        event,
        id=uuid7(),
        origin="https://id.example",
        time=at or datetime.now(UTC),
        aggregateversion=1,
        correlationid="c",
        causationid=None,
        traceparent=None,
        authtype="system",
        tenant=None,
        expirytime=None,
    )
    return event.received(meta)


def number(place: int) -> str:
    """Another German mobile number for each, no two of one range."""
    return f"+49151{(place * 7919) % 10**6:06d}{place % 100:02d}"


async def until(look: Callable[[], Any], seconds: float = 20) -> Any:
    """The first true answer."""
    async with asyncio.timeout(seconds):
        while not (found := await look()):
            await asyncio.sleep(0.01)
        return found


@pytest.fixture
def application() -> Application:
    return Application.model_validate(APPLICATION)


@pytest.fixture
def policy() -> dict[str, Any]:
    """The notification policy; a test's own `configuration` may say otherwise."""
    return POLICY


@pytest.fixture
def configuration(policy: dict[str, Any]) -> Configuration:
    found = Configuration()
    store, self_service = IdentityStore(name="Default"), SelfServicePolicy(name="Default")
    found.replace(
        {"Default": store.model_dump(mode="json")},
        {"Default": self_service.model_dump(mode="json")},
        {"demo": APPLICATION},
        {"Default": policy},
    )
    return found


@pytest.fixture
def provider() -> Provider:
    """E-mail."""
    return Provider("mail", "email")


@pytest.fixture
def phones() -> Provider:
    """SMS and voice, by a provider that knows no idempotency key."""
    return Provider("phones", "sms", "voice", repeatable=False)


@pytest.fixture
def chain(clock: ManualClock, provider: Provider, phones: Provider) -> Chain:
    return Chain([provider, phones], clock)


@pytest.fixture
def notifier(db: Database, keys: Keys, clock: ManualClock, configuration: Configuration, chain: Chain) -> Notifier:
    return Notifier(db, keys, clock, configuration, chain)


@pytest.fixture(scope="session")
def service() -> str:
    return "notifier"
