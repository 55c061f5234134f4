"""Fixtures of every service's own tests, for mfa: the whole service without its processes, beside an identity that knows one person."""

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.hotp import HOTP
from latchkey_contracts.configuration import IdentityStore
from latchkey_contracts.http.access import AccessQuestion, AccessState, Owner
from latchkey_contracts.http.contacts import ContactAnswer
from latchkey_contracts.http.factors import ChallengeRequest, Factor, FactorCode, FactorRequest
from latchkey_contracts.http.links import ConfirmRequest
from latchkey_contracts.http.sign_in import SignInFlow
from latchkey_contracts.messages import Contact, Secrets
from latchkey_contracts.sealed import Sealed
from mfa.factors.service import added
from mfa.wiring import Features, features
from servicekit.clock import ManualClock
from servicekit.db import Database
from servicekit.ids import random_id
from servicekit.keys import Keys
from servicekit.process.configuration import Configuration
from servicekit.sealing import Opener, Sealer
from servicekit.web.caller import Caller, Signer
from servicekit.web.client import InternalClient
from servicekit.web.step_up import Grant, payload_hash
from servicekit.web.transport import Answer, NotSent
from testkit.service import clock, connected, db, dsn, keys, wakeups, work_due

__all__ = ["clock", "connected", "db", "dsn", "keys", "wakeups"]

TEN_MINUTES = timedelta(minutes=10)
MAIL = "mira@posteo.example"
APPLICATION = {"slug": "demo", "brand": {"name": "Elmstead", "brand": "#0b3d45"}}


@pytest.fixture(scope="session")
def service() -> str:
    return "mfa"


class Identity:
    """The far end of the line to identity, as far as mfa calls it. `marked`: its marker of the account, as it was told last."""

    def __init__(self, keys: Keys, db: Database) -> None:
        self._sealer, self._db = Sealer(keys), db
        self.account_id = uuid4()
        self.away = False
        self.at_password: set[UUID] = set()
        self.marked: list[tuple[bool, int]] = []
        self.active_when_marked: list[int] = []
        self.ended = False
        self.first: dict[UUID, str] = {}
        self.names, self.proven = {MAIL: self.account_id}, {"email": MAIL}
        self._waiting: dict[UUID, int] = {}

    def needs_factor(self, flow_id: UUID, count: int = 1) -> None:
        """All else of this sign-in is proven, and so many factors must be added."""
        self._waiting[flow_id] = count

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None, params: Mapping[str, str] | None
    ) -> Answer:
        if self.away:
            raise NotSent
        body = json.loads(content or b"{}")
        if url.endswith("/second-factor"):
            self.marked.append((body["enrolled"], body["version"]))
            async with self._db.read() as conn:
                self.active_when_marked.append(await conn.fetchval("SELECT count(*) FROM factor WHERE status = 'active'"))
            return Answer(204)
        if "/proven/" in url:
            value = self.proven.get(url.rsplit("/", 1)[1])
            return Answer(404, b'{"code": "not_found"}') if value is None else Answer(200, json.dumps({"value": value}).encode())
        if url.endswith("/name"):
            return Answer(200, json.dumps({"name": MAIL}).encode())
        if url.endswith("/sign-in-owners"):
            return Answer(200, self._owner(body).model_dump_json().encode())
        if url.endswith("/contacts"):
            contact = self._sealer.seal(
                Contact(channel="email", to=MAIL), expires_at=datetime.max.replace(tzinfo=self._db.clock.now().tzinfo)
            )
            found: Any = ContactAnswer(account_id=self.account_id, language="en", contacts=[contact])
            return Answer(200, found.model_dump_json().encode())
        return Answer(200, json.dumps(await self._flow(url)).encode())

    def _owner(self, asked: dict[str, Any]) -> Owner:
        """By a name, and a proven address or number of hers."""
        account_id, to = self.names.get(asked["identifier"]), self.proven.get(asked["channel"])
        if account_id is None or to is None:
            return Owner(account_id=account_id)
        contact = Contact(channel=asked["channel"], to=to, known=True)
        until = datetime.max.replace(tzinfo=self._db.clock.now().tzinfo)
        return Owner(account_id=account_id, contact=self._sealer.seal(contact, expires_at=until), to="m•••@p•••")

    async def _flow(self, url: str) -> dict[str, Any]:
        """It asks how far it is, and goes on."""
        flow_id = UUID(url.rsplit("/", 1)[1])
        async with self._db.read() as conn:
            status = await conn.fetchval("SELECT status FROM challenge WHERE id = $1", flow_id)
        expires_at = (self._db.clock.now() + TEN_MINUTES).isoformat()
        head = {"id": str(flow_id), "expires_at": expires_at, "next": []}
        if flow_id in self.at_password and status is None:
            return {**head, "kind": "sign_in", "status": "password", "next": ["password", "passkey"]}
        if "/step-ups/" in url:
            return {**head, "kind": "step_up", "status": "complete", "action": "factor.add", "grant": "granted"}
        if flow_id in self.first:
            async with self._db.read() as conn:
                first = await conn.fetchval("SELECT status FROM first_step WHERE id = $1", flow_id)
            head["expires_at"] = (self._db.clock.now() + TEN_MINUTES).isoformat()
            status = "ended" if self.ended else "complete" if first == "proven" else "needs_factor"
            return {**head, "kind": "sign_in", "status": status, "typed": self.first[flow_id]}
        if flow_id in self._waiting:
            async with self._db.read() as conn:
                added = await conn.fetchval("SELECT count(*) FROM factor WHERE flow_id = $1 AND status = 'active'", flow_id)
            status = "ended" if self.ended else "complete" if added >= self._waiting[flow_id] else "needs_action"
            return {**head, "kind": "sign_in", "status": status, "actions": ["factor"] if status == "needs_action" else []}
        return {**head, "kind": "sign_in", "actions": [], "status": "complete" if status == "proven" else "needs_factor"}

    async def close(self) -> None:
        pass


class Desk:
    """One person, signed in (`mira`), and two browsers that sign in (`here`, `elsewhere`) at the application `demo`."""

    here = Caller(service="gateway", flow="ab" * 32, language="en", user_agent="Mozilla/5.0 (X11; Linux) Firefox/130.0")
    elsewhere = Caller(service="gateway", flow="cd" * 32, language="en")

    def __init__(self, db: Database, made: Features, identity: Identity, keys: Keys, configuration: Configuration) -> None:
        self.db, self.made, self.identity, self.keys, self.configuration = db, made, identity, keys, configuration
        self.opener = Opener(keys, db.clock)  # type: ignore[arg-type]  # a whole clock, in every test
        self.mira = replace(self.here, account_id=identity.account_id, session_id=uuid4(), application="demo")

    def policy(self, timezone: str = "UTC", **access: Any) -> None:
        self.configuration.replace(
            {"Default": IdentityStore(name="Default").model_dump(mode="json")},
            {"Default": {"name": "Default"}},
            {"demo": {**APPLICATION, "timezone": timezone}},
            {"Default": {"name": "Default", "sms": {"countries": ["+49"]}, "voice": {"countries": ["+49"]}}},
            access={"Default": {"name": "Default", **access}},
        )

    def granted(self, action: str, payload: dict[str, Any]) -> Caller:
        """With a grant, as identity makes one."""
        assert self.mira.account_id is not None
        assert self.mira.session_id is not None
        grant = Grant(
            id=random_id(),
            account_id=self.mira.account_id,
            session_id=self.mira.session_id,
            action=action,
            payload=payload_hash(payload),
            methods=["pwd"],
            proven_at=self.db.clock.now(),
        )
        return replace(self.mira, step_up=grant.signed(self.keys))

    async def begin(self, kind: Any = "totp", target: str | None = None) -> Factor:
        body = FactorRequest(kind=kind, target=target)
        return await self.made.factors.add(body, self.granted("factor.add", added(kind, target)))

    async def enrol(self, kind: Any = "totp", target: str | None = None) -> Factor:
        """Confirmed: it counts. Answers it as it was while it was pending, with its secrets."""
        pending = await self.begin(kind, target)
        code = (await self.sent()).code if target else self.app_code(pending) if kind == "totp" else None
        assert (await self.made.confirming.confirm(pending.id, code, self.mira)).status == "active"
        self.db.clock.move(30)  # type: ignore[attr-defined]  # the step that confirmed it is spent
        return pending

    def app_code(self, pending: Factor, steps: int = 0) -> str:
        """What the app shows now, or so many steps later."""
        assert pending.totp is not None
        secret = base64.b32decode(pending.totp.secret + "=" * (-len(pending.totp.secret) % 8))
        step = int(self.db.clock.now().timestamp()) // 30 + steps
        return HOTP(secret, 6, SHA1()).generate(step).decode()  # noqa: S303 - what apps know

    async def ask(self, caller: Caller = here, kind: Any = "sign_in") -> tuple[UUID, AccessState]:
        """A sign-in, or a step-up, has proven the password."""
        question = AccessQuestion(
            flow_id=random_id(),
            kind=kind,
            application="demo",
            account_id=self.identity.account_id,
            expires_at=self.db.clock.now().replace(microsecond=0) + TEN_MINUTES,
            **({"action": "factor.add", "about": "•••41"} if kind == "step_up" else {}),
        )
        return question.flow_id, await self.made.decisions.decide(question, caller)

    async def code(self, flow_id: UUID, code: str, caller: Caller = here) -> str:
        return (await self.made.challenges.sign_in_code("demo", flow_id, FactorCode(code=code), caller)).status

    async def send(self, flow_id: UUID, caller: Caller = here, **how: Any) -> SignInFlow:
        return await self.made.sending.for_sign_in("demo", flow_id, ChallengeRequest(**how), caller)

    async def sent(self) -> Secrets:
        """What the newest message to a factor says."""
        return self.opener.open(Sealed.model_validate((await self.told("challenge_issued"))[-1]["message"]), Secrets)

    async def press(self, link: str | None, caller: Caller = here, match: str | None = None) -> Any:
        body = ConfirmRequest(token=(link or "").rsplit("/", 1)[1], match=match)
        return await self.made.links.confirm("demo", body, caller)

    async def work(self) -> None:
        """Does what is due, as the worker does."""
        await work_due(self.db, self.made.work)

    def begins(self, typed: str = MAIL) -> UUID:
        """A sign-in of an application that asks for a factor first, by this name."""
        flow = random_id()
        self.identity.first[flow] = typed
        return flow

    async def ask_first(self, flow: UUID, caller: Caller = here, **how: Any) -> SignInFlow:
        """The message of it, if there is any, has left."""
        found = await self.made.first.send("demo", flow, ChallengeRequest(**how), caller)
        await self.work()
        return found

    async def first_code(self, flow: UUID, code: str, caller: Caller = here) -> str:
        return (await self.made.first.code("demo", flow, FactorCode(code=code), caller)).status

    async def told(self, event: str) -> list[dict[str, Any]]:
        """Bodies of the events of a type, as far as they wait for the relay."""
        async with self.db.read() as conn:
            rows = await conn.fetch(
                "SELECT value FROM outbox WHERE attributes->>'type' LIKE '%.' || $1 || '.v1' ORDER BY id", event
            )
        return [json.loads(row["value"]) for row in rows]

    async def notices(self) -> list[str]:
        """What the owner was told, in any order."""
        await self.work()
        return sorted(one["what"] for one in await self.told("security_notice_requested"))


@pytest.fixture
async def desk(db: Database, keys: Keys, clock: ManualClock) -> Desk:
    identity, configuration = Identity(keys, db), Configuration()
    client = InternalClient("identity", "http://identity", Signer("mfa", keys, clock), clock, transport=identity)
    made = Desk(db, features(db, keys, configuration, client), identity, keys, configuration)
    made.policy()
    return made
