"""The whole product as end-to-end tests see it: addressed through its public origin alone, clock and faults at hand."""

import contextlib
import functools
import os
import re
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
from devstack.inbox import finder
from devstack.inbox.store import Message
from devstack.supervisor import Stack
from servicekit import clock as clocks

from . import moving

LINK = re.compile(r"https?://\S+/l/(\S+)")
CODE = re.compile(r"(?m)^([0-9]{3} [0-9]{3})$")
PASSWORD = "correct horse staple battery"  # noqa: S105 - of invented people
QUIET_LOOKS = 3  # a tenth of a second apart


def eventually(look: Callable[[], Any], *, seconds: float = 15, every: float = 0.03) -> Any:
    """The first true answer; fails with the last one when time is up."""
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < end, f"did not come true in {seconds} s: {found!r}"
        time.sleep(every)


@dataclass
class Product:
    """A running stack as a test sees it."""

    stack: Stack
    secrets: set[str] = field(default_factory=set)
    _sessions: dict[str, psycopg.Connection] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        return self.stack.origin

    def client(self, replica: int = 0) -> httpx.Client:
        """An API client without cookies."""
        url = self.origin if replica == 0 else self.stack.url("gateway", replica)
        return httpx.Client(base_url=url, timeout=20, trust_env=False)

    @functools.cached_property
    def _inbox(self) -> httpx.Client:
        """One for all the looks into it that a test waits with. It keeps no connection that the inbox is about to close (5 s)."""
        limits = httpx.Limits(keepalive_expiry=2)
        return httpx.Client(base_url=self.stack.inbox_url, timeout=20, trust_env=False, limits=limits)

    # --- the inbox ---------------------------------------------------------------------------------------------------

    def mails(self, to: str | None = None) -> list[dict[str, Any]]:
        return list(self._inbox.get("/inbox/messages", params={"to": to} if to else {}).json()["items"])

    def messages(self, to: str) -> list[dict[str, Any]]:
        """By Message-ID: where a test moved the clock, a lease may end in the middle of a delivery, whose outcome is then
        unknown, and a second copy is allowed (INV-17).
        """
        return list({one["message_id"]: one for one in self.mails(to)}.values())

    def wait_mails(self, to: str, count: int = 1, *, subject: str = "", seconds: float = 15) -> list[dict[str, Any]]:
        def look() -> list[dict[str, Any]] | None:
            found = [one for one in self.mails(to) if subject in one["subject"]]
            return found if len(found) >= count else None

        found: list[dict[str, Any]] = eventually(look, seconds=seconds)
        self._remember(found)
        return found

    def fail_mails(self, fault: str, count: int = 1) -> None:
        self.fail("email", fault, count)

    def fail(self, channel: str | None, fault: str, count: int | str = 1, *, provider: str | None = None) -> None:
        """The next `count` messages, or all from now on (`"until_cleared"`). `fault` "none" takes back; `channel` None: all."""
        asked = {"channel": channel, "fault": fault, "count": count, "provider": provider}
        self._inbox.post("/inbox/faults", json=asked).raise_for_status()

    def received(self, channel: str, to: str | None = None) -> list[dict[str, Any]]:
        """In the order in which they came. Their codes and links are secrets of this run from now on."""
        found = [one for one in self.mails(to) if one["channel"] == channel]
        self._remember(found)
        return found

    def texts(self, to: str | None = None) -> list[dict[str, Any]]:
        return self.received("sms", to)

    def calls(self, to: str | None = None) -> list[dict[str, Any]]:
        """Those that are over; `text` is the transcript, `state` how it went."""
        return self.received("voice", to)

    def wait_message(self, to: str, *, channel: str = "email", count: int = 1, seconds: float = 15) -> dict[str, Any]:
        """The newest, when there are so many."""

        def look() -> list[dict[str, Any]] | None:
            found = self.received(channel, to)
            return found if len(found) >= count else None

        newest: dict[str, Any] = eventually(look, seconds=seconds)[-1]
        return newest

    def code_of(self, message: dict[str, Any]) -> str | None:
        """Without the space in it."""
        found = finder.code_in(Message(**message))
        return found.replace(" ", "") if found else None

    def _remember(self, messages: list[dict[str, Any]]) -> None:
        for one in messages:
            self.secrets.update(LINK.findall(one["text"]))
            self.secrets.update(CODE.findall(one["text"]))
            if one["channel"] != "email" and (code := self.code_of(one)) is not None:
                self.secrets.add(code)

    # --- time, crashes -----------------------------------------------------------------------------------------------

    def move_clock(self, seconds: float) -> None:
        moving.move(Path(self.stack.extra["LATCHKEY_CLOCK_FILE"]), seconds, self.rows)

    def now(self) -> datetime:
        moved = self.stack.extra.get("LATCHKEY_CLOCK_FILE")
        return clocks.FileClock(Path(moved)).now() if moved else datetime.now(UTC)

    def arm(self, service: str, point: str) -> Path:
        path = Path(self.stack.extra["LATCHKEY_FAILPOINTS_DIR"]) / f"{service}.{point}"
        path.touch()
        return path

    def pid(self, name: str) -> int:
        process = self.stack.children[name].process
        assert process is not None
        return int(process.pid)

    def kill(self, name: str) -> None:
        """Kill -9; `watch` brings it back."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid(name), signal.SIGKILL)

    def watch(self) -> None:
        self.stack.watch_once()

    def ready(self, name: str) -> bool:
        self.watch()
        child = self.stack.children[name]
        return child.process is not None and child.process.poll() is None and child.ready()

    def all_ready(self) -> bool:
        return not [name for name in self.stack.children if not self.ready(name)]

    def rows(self, service: str, sql: str, *args: Any) -> list[tuple[Any, ...]]:
        """Over a session that is kept; one that a test has ended is made anew."""
        try:
            return list(self._session(service).execute(sql, args).fetchall())
        except psycopg.OperationalError:
            self._sessions.pop(service).close()
            return list(self._session(service).execute(sql, args).fetchall())

    def _session(self, service: str) -> psycopg.Connection:
        found = self._sessions.get(service)
        return found or self._sessions.setdefault(service, psycopg.connect(self.stack.postgres[service], autocommit=True))

    def close(self) -> None:
        while self._sessions:
            self._sessions.popitem()[1].close()

    def waiting(self) -> dict[str, list[tuple[Any, ...]]]:
        """INV-18: what still waits in an outbox, in a work table or to be sent. Empty when the product is quiet."""
        found = {
            f"outbox of {service}": self.rows(service, "SELECT id, topic, created_at FROM outbox ORDER BY id LIMIT 5")
            for service in self.stack.services
        }
        # Only what is due: a message that waits its turn by the 20 s rule, for money or for its number's limit, or a recovery for its delay, is no queue.
        soon = "SELECT kind, attempts, due_at, reason FROM work WHERE failed_at IS NULL AND due_at < %s LIMIT 5"
        for service in ("identity", "recovery", "mfa"):
            found[f"work of {service}"] = self.rows(service, soon, self.now() + timedelta(seconds=1))
        found["delivery"] = self.rows(
            "notifier",
            "SELECT template, state, attempts, tries, due_at, leased_until, reason FROM delivery "
            "WHERE state IN ('queued', 'sending', 'submitting') "
            "AND NOT (coalesce(reason, '') IN ('later', 'spending_cap') AND due_at > %s) LIMIT 5",
            self.now() + timedelta(seconds=1),
        )
        return {name: rows for name, rows in found.items() if rows}

    def wait_quiet(self, *, seconds: float = 90) -> None:
        """Until nothing waits any more, at several looks: what has left an outbox is in no table until its reader has read it.
        Processes that died meanwhile are brought back. Fails with what waits, and their states.
        """
        end, quiet = time.monotonic() + seconds, 0
        while quiet < QUIET_LOOKS:
            quiet = 0 if (waiting := self.waiting()) else quiet + 1
            self.watch()
            if waiting and time.monotonic() > end:
                states = {name: self.ready(name) for name in self.stack.children}
                raise AssertionError(f"not quiet after {seconds} s: {waiting}; now {self.now()}; ready: {states}")
            time.sleep(0.1)


@dataclass
class Person:
    """Somebody with a mailbox and an API client's tokens."""

    product: Product
    http: httpx.Client
    email: str
    password: str = PASSWORD
    app: str = "demo"
    flow: dict[str, Any] = field(default_factory=dict)
    flow_token: str = ""
    session_token: str = ""
    seen: int = 0

    def url(self, path: str) -> str:
        return f"/v1/apps/{self.app}{path}"

    @property
    def headers(self) -> dict[str, str]:
        return {"Latchkey-Flow": self.flow_token} if self.flow_token else {}

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.session_token}"}

    def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        return self.http.post(self.url(path), json=body, headers={**self.headers, **headers})

    def register(self, **more: Any) -> httpx.Response:
        self.seen = len([one for one in self.product.mails(self.email) if "Activate" in one["subject"]])
        body = {"identifiers": {"email": self.email}, "password": self.password, "client": "api", **more}
        response = self.http.post(self.url("/registrations"), json=body)
        if response.status_code == 202:
            self.take(response)
        return response

    def take(self, response: httpx.Response) -> dict[str, Any]:
        self.flow = response.json()
        if "flow_token" in self.flow:
            self.flow_token = self.flow["flow_token"]
            self.product.secrets.add(self.flow_token)
        if self.flow.get("session"):
            self.session_token = self.flow["session"]["token"]
            self.product.secrets.add(self.session_token)
        return self.flow

    def read(self) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get(self.url(f"/registrations/{self.flow['id']}"), headers=self.headers).json()
        return found

    def mail(self, *, subject: str = "Activate") -> dict[str, Any]:
        """The one that this registration caused."""
        return self.product.wait_mails(self.email, self.seen + 1, subject=subject)[self.seen]

    def link(self) -> str:
        return str(LINK.findall(self.mail()["text"])[0])

    def code(self) -> str:
        return str(CODE.findall(self.mail()["text"])[0])

    def confirm(self, token: str | None = None, **more: Any) -> httpx.Response:
        return self.post("/links/confirm", {"token": token or self.link(), **more})

    def activate(self) -> "Person":
        assert self.register().status_code == 202
        assert self.confirm().status_code == 200
        return self

    def begin_sign_in(self, identifier: str | None = None) -> httpx.Response:
        response = self.post("/sign-ins", {"identifier": identifier or self.email, "client": "api"})
        self.take(response)
        return response

    def sign_in(self, password: str | None = None, identifier: str | None = None) -> httpx.Response:
        self.begin_sign_in(identifier)
        response = self.post(f"/sign-ins/{self.flow['id']}/password", {"password": password or self.password})
        if response.status_code == 200:
            self.take(response)
        return response


def new_email() -> str:
    return f"person-{uuid4().hex[:10]}@posteo.example"


def person(product: Product, http: httpx.Client, email: str | None = None) -> Person:
    product.secrets.add(PASSWORD)
    return Person(product, http, email or new_email())
