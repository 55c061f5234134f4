"""Somebody with a phone: what is for it is read where the notifier reads it, with its key, so that no test needs a provider."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx
from latchkey_contracts import wire
from latchkey_contracts.event import Event
from latchkey_contracts.identity import ActivationRequested, RegistrationRepeated
from latchkey_contracts.messages import Contact, MessageContent, Secrets
from latchkey_contracts.recovery import RecoveryMessage
from servicekit.clock import FileClock
from servicekit.keys import Keys
from servicekit.sealing import Opener
from testkit.stack import LINK, Person, Product, eventually

from .conftest import read_records


@dataclass
class Phoned(Person):
    """`email` is empty: the number is all that this person signs in with."""

    number: str = ""
    app: str = "mobile"

    def register(self, **more: Any) -> httpx.Response:
        body = {"identifiers": {"phone": self.number}, "password": self.password, "client": "api", **more}
        response = self.http.post(self.url("/registrations"), json=body)
        if response.status_code == 202:
            self.take(response)
        return response

    def messages(self, count: int = 1) -> list["Opened"]:
        """Those of this flow, oldest first."""
        return opened(self.product, UUID(self.flow["id"]), count)

    def code(self) -> str:
        newest = self.messages()[-1]
        assert newest.code is not None
        return newest.code

    def type_code(self, code: str, flow: str = "registrations") -> httpx.Response:
        return self.post(f"/{flow}/{self.flow['id']}/code", {"code": code})

    def type_at_once(self, code: str, flow: str) -> list[int]:
        """Sixteen times, over both gateways: the statuses."""
        path = self.url(f"/{flow}/{self.flow['id']}/code")

        def type_it(number: int) -> int:
            with self.product.client(number % 2) as client:
                return client.post(path, json={"code": code}, headers=self.headers).status_code

        with ThreadPoolExecutor(16) as pool:
            return list(pool.map(type_it, range(16)))

    def activate(self) -> "Phoned":
        assert self.register().status_code == 202
        assert self.type_code(self.code()).json()["status"] == "activated"
        return self

    def ask(self, identifier: str | None = None) -> httpx.Response:
        response = self.post("/password-resets", {"identifier": identifier or self.number, "client": "api"})
        if response.status_code == 202:
            self.take(response)
        return response

    def resend(self, channel: str | None = None, flow: str = "password-resets") -> httpx.Response:
        return self.post(f"/{flow}/{self.flow['id']}/resend", {} if channel is None else {"channel": channel})


@dataclass
class Opened:
    """One message as the notifier finds it."""

    event: Event
    channel: str
    to: str
    code: str | None
    link: str | None
    contact: Contact


def new_number() -> str:
    """Of a German mobile network; another one for each person, with one ending, so that masks are alike."""
    return f"+49151{uuid4().int % 10**6:06d}41"


def phoned(product: Product, http: httpx.Client, number: str | None = None, *, app: str = "mobile") -> Phoned:
    return Phoned(product, http, "", number=number or new_number(), app=app)


def opened(product: Product, flow_id: UUID, count: int = 1) -> list[Opened]:
    infrastructure = product.stack.infrastructure
    assert infrastructure is not None
    opener = Opener(Keys(product.stack.data / "keys"), _Past())

    def look() -> list[Opened] | None:
        events = [
            wire.decode(one.value, list(one.headers))
            for publisher in ("identity", "recovery")
            for one in read_records(infrastructure.kafka_bootstrap, product.stack.topic_prefix, publisher)
        ]
        mine = [one for one in events if getattr(one, "flow_id", None) == flow_id]
        found = [
            _open(opener, one) for one in mine if isinstance(one, ActivationRequested | RegistrationRepeated | RecoveryMessage)
        ]
        return found if len(found) >= count else None

    found: list[Opened] = eventually(look, seconds=20, every=0.3)
    for one in found:
        product.secrets.update(secret for secret in (one.code, *LINK.findall(one.link or "")) if secret)
    return found


class _Past(FileClock):
    """Opens what a test's clock has passed, too."""

    def __init__(self) -> None:
        pass

    def now(self) -> Any:
        from datetime import UTC, datetime

        return datetime(2000, 1, 1, tzinfo=UTC)


def _open(opener: Opener, event: Any) -> Opened:
    if isinstance(event, RecoveryMessage):
        contact, secrets = opener.open(event.contact, Contact), opener.open(event.message, Secrets)
        return Opened(event, event.channel, contact.to, secrets.code, secrets.link, contact)
    content = opener.open(event.message, MessageContent)
    return Opened(event, event.channel, content.to, content.code, content.link, content)
