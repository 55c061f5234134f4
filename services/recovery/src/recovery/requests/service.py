"""What reminder and reset have in common: answer first, look up behind it (REC-1, design.md §3.15), and the 20 s rule (D18).

start() and resend() write the request and work; message() (that work) asks identity whom to write to and publishes the event.
No statement in the customer's request depends on whether the identifier is known.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Self, TypeVar
from uuid import UUID

import orjson
from latchkey_contracts.http.common import Channel, Resend
from latchkey_contracts.http.contacts import ContactAsked, ContactsAnswer, ContactsRequest
from latchkey_contracts.http.recovery import ReminderFlow, ResetFlow
from latchkey_contracts.messages import Origin, Secrets
from latchkey_contracts.recovery import RecoveryMessage
from latchkey_contracts.sealed import Sealed
from servicekit import work
from servicekit.caller import Caller
from servicekit.client import InternalClient
from servicekit.configuration import Configuration, Resolved
from servicekit.context import Trace, current_trace, set_tenant, use_trace
from servicekit.db import Conn, Database, Record, Tx
from servicekit.devices import in_words
from servicekit.errors import FieldError, FlowEnded, NotFound, TooManyRequests, ValidationFailed
from servicekit.guessing import Guesses
from servicekit.idempotency import Idempotency
from servicekit.ids import random_id
from servicekit.logging import security_event
from servicekit.onetime import OneTimeSecrets, new_match, same_browser
from servicekit.sealing import Sealer
from servicekit.throttle import Decision, Limit, Throttle
from servicekit.together import Together

from . import rules, store
from .rules import Kind

Flow = TypeVar("Flow", bound=ResetFlow | ReminderFlow)
PACE_SECONDS = 0.02  # starts that come within it share a transaction


@dataclass
class Tools:
    """What both features are built on."""

    db: Database
    configuration: Configuration
    onetime: OneTimeSecrets
    guesses: Guesses
    throttle: Throttle
    idempotency: Idempotency
    sealer: Sealer
    identity: InternalClient


@dataclass(frozen=True)
class ToReach:
    """A request, and whose it is: `contact` was sealed by identity, `masked` is what whoever holds the link may see."""

    trace: Trace
    row: Record
    app: Resolved
    account_id: UUID
    contact: Sealed
    masked: str | None
    channel: Channel


@dataclass(frozen=True)
class Asked:
    """What a customer typed, who that was, and the language of the message."""

    app: Resolved
    typed: str
    caller: Caller
    language: str | None
    trace: Trace
    renewed: bool = False  # by somebody who holds an older link and may not know what was typed (ENU-3)

    @classmethod
    def now(cls, app: Resolved, typed: str, caller: Caller, language: str | None, *, renewed: bool = False) -> Self:
        set_tenant(str(app.store.id), "unauthenticated")
        return cls(app, typed, caller, language, current_trace(), renewed)


@dataclass
class Requests:
    """One kind of request; `work_kind` names the work that sends its message."""

    tools: Tools
    kind: Kind
    work_kind: str

    async def start(self, tx: Tx, asked: Asked, *, in_turn: bool = True) -> tuple[Record, datetime]:
        """Accepted whatever the identifier: now, when its turn comes, or (above a cap) silently not at all. Answers the request,
        and when the next message may be asked for.

        `in_turn` false: 429 instead of waiting, for whoever follows a link and so knows of the earlier message.
        """
        return (await self.start_several(tx, [asked], in_turn=in_turn))[0]

    async def start_several(self, tx: Tx, several: Sequence[Asked], *, in_turn: bool = True) -> list[tuple[Record, datetime]]:
        """The same, one after the other in this order, for the price of one."""
        limits = [self._limits(one.app, rules.folded(one.typed)) for one in several]
        decisions = await self.tools.throttle.take_several(tx, limits)
        for decision in decisions:
            if not decision.allowed and not in_turn:
                raise TooManyRequests(decision.retry_after_seconds, available_at=decision.available_at.isoformat())
        rows = await store.insert_several(tx, [self._new(tx, one) for one in several])
        messages = []
        for one, (_, caps), decision, row in zip(several, limits, decisions, rows, strict=True):
            if decision.allowed or (await self.tools.throttle.peek(tx, [caps])).allowed:
                messages.append((one.trace, self._payload(row["id"]), decision.available_at))
        await work.enqueue_several(tx, self.work_kind, messages)
        return [(row, decision.next_at) for row, decision in zip(rows, decisions, strict=True)]

    async def start_for_rep(
        self, tx: Tx, app: Resolved, account_id: UUID, language: str | None, contact: Sealed | None = None
    ) -> UUID:
        """REC-11: nobody chooses or sees anything but the customer. Its link works from anywhere: no window waits for it.

        `contact`: where it goes instead of the account's own addresses (REC-12).
        """
        sealed = contact.model_dump_json() if contact is not None else None
        row = await self._insert_for_account(tx, app, account_id, language, contact=sealed)
        await self._enqueue(tx, row["id"])
        return UUID(str(row["id"]))

    async def again(self, tx: Tx, app: Resolved, older: Record, caller: Caller) -> Record:
        """A fresh link in place of one that nobody typed a name for; 429 by the 20 s rule."""
        decision = await self.tools.throttle.take(tx, self._limits(app, *_whose(older)))
        if not decision.allowed:
            raise TooManyRequests(decision.retry_after_seconds, available_at=decision.available_at.isoformat())
        contact = orjson.dumps(older["contact"]).decode() if older["contact"] is not None else None
        row = await self._insert_for_account(
            tx, app, older["account_id"], older["language"], contact=contact, browser=caller.browser
        )
        await self._enqueue(tx, row["id"])
        return row

    async def _insert_for_account(
        self, tx: Tx, app: Resolved, account_id: UUID, language: str | None, *, contact: str | None, browser: bytes | None = None
    ) -> Record:
        one = store.New(
            id=random_id(),
            kind=self.kind,
            store_id=app.store.id,
            application=app.application.slug,
            identifier=None,
            language=language or app.application.default_language,
            browser=browser,
            match=new_match(),
            requested_from=None,
            expires_at=tx.now + rules.lifetime(self.kind, app.policy, lost=contact is not None),
            started_by_rep=True,
            account_id=account_id,
            contact=contact,
        )
        return await store.insert(tx, one)

    async def resend(self, tx: Tx, app: Resolved, row: Record, channel: Channel | None) -> None:
        """In its own flow, by the way that is wanted: 429 when too early or above a cap. Whether that person has such a way is
        found out behind the answer, which is the same (ENU-1).
        """
        if channel is not None and channel not in rules.channels(self.kind, app):
            raise ValidationFailed([FieldError("/channel", "not_an_option", "This way isn't offered here")])
        if row["status"] != "check_your_messages" or row["expires_at"] <= tx.now:
            raise FlowEnded
        decision = await self.tools.throttle.take(tx, self._limits(app, *_whose(row)))
        if not decision.allowed:
            security_event("excess_rate_limit_exceeded", "fail", limit="resend", flow_id=str(row["id"]))
            raise TooManyRequests(decision.retry_after_seconds, available_at=decision.available_at.isoformat())
        await store.prolong(tx, row["id"], tx.now + rules.lifetime(self.kind, app.policy))
        await self._enqueue(tx, row["id"], channel)

    async def contacts(self, tx: Tx, items: Sequence[tuple[Trace, dict[str, Any]]]) -> list["ToReach"]:
        """Whom to write to, asked of identity in one call, where it isn't known already; left out are those where there is nobody, or
        nothing to write any more.

        The call happens inside the work's transaction, which holds no locks but those of its own rows, so nobody waits for it.
        A message's id makes a repetition after a crash count once.
        """
        rows = await store.get_several(tx, [UUID(payload["flow_id"]) for _, payload in items])
        waiting = [
            (trace, payload, row)
            for trace, payload in items
            if (row := rows.get(UUID(payload["flow_id"]))) is not None
            and row["status"] == "check_your_messages"
            and row["voided_at"] is None
            and row["expires_at"] > tx.now
        ]
        known = [self._known(trace, row) for trace, _, row in waiting if row["contact"] is not None]
        to_reach = known + await self._ask(tx, [one for one in waiting if one[2]["contact"] is None])
        await store.reached(tx, [(one.row["id"], one.account_id, one.masked) for one in to_reach])
        return to_reach

    def _known(self, trace: Trace, row: Record) -> "ToReach":
        app, contact = self.tools.configuration.application(row["application"]), Sealed.model_validate(row["contact"])
        return ToReach(trace, row, app, row["account_id"], contact, None, "email")

    async def _ask(self, tx: Tx, waiting: Sequence[tuple[Trace, dict[str, Any], Record]]) -> list["ToReach"]:
        if not waiting:
            return []
        body = ContactsRequest(items=[self._asked(row, payload) for _, payload, row in waiting])
        found = await self.tools.identity.request(
            "POST", "/internal/contacts/several", caller=Caller(service="recovery"), json=body.model_dump(mode="json"), deadline=5
        )
        answers = ContactsAnswer.model_validate(found).items
        to_reach: list[ToReach] = []
        for (trace, payload, row), answer in zip(waiting, answers, strict=True):
            if answer.wait_until is not None:
                with use_trace(trace):
                    await work.enqueue(tx, self.work_kind, payload, due_at=answer.wait_until)
            elif answer.account_id is not None and answer.contact is not None:
                app = self.tools.configuration.application(row["application"])
                to_reach.append(ToReach(trace, row, app, answer.account_id, answer.contact, answer.to, answer.channel or "email"))
        return to_reach

    async def publish(self, tx: Tx, event: type[RecoveryMessage], one: ToReach, secrets: Secrets, expires_at: datetime) -> None:
        """What the notifier is to send, to whom identity has sealed."""
        message = event(
            account_id=one.account_id,
            flow_id=one.row["id"],
            application=one.row["application"],
            channel=one.channel,
            language=one.row["language"] or one.app.application.default_language,
            contact=one.contact,
            message=self.tools.sealer.seal(secrets, expires_at=expires_at),
            expires_at=expires_at,
        )
        await tx.emit(message, expirytime=expires_at)

    def _asked(self, row: Record, payload: dict[str, Any]) -> ContactAsked:
        return ContactAsked(
            message_id=payload["message_id"],
            application=row["application"],
            purpose=self.kind,
            identifier=row["identifier"],
            account_id=str(row["account_id"]) if row["started_by_rep"] else None,
            channel=payload.get("channel"),
        )

    async def mine(self, conn: Conn, slug: str, request_id: UUID, caller: Caller) -> Record:
        """If this browser started it; anybody else is told that there is none."""
        row = await store.get(conn, request_id)
        if row is None or not self.belongs(row, slug, caller):
            raise NotFound
        return row

    def belongs(self, row: Record, slug: str, caller: Caller) -> bool:
        return row["kind"] == self.kind and row["application"] == slug and same_browser(row["browser"], caller.browser)

    async def resend_state(self, conn: Conn, app: Resolved, row: Record, next_at: datetime | None = None) -> Resend:
        """From the typed identifier alone, so that known and unknown ones are alike. `next_at`: as `start` has just said."""
        if next_at is None:
            next_at = (await self.tools.throttle.peek(conn, self._limits(app, *_whose(row)))).next_at
        available = max(next_at, row["created_at"] + app.policy.resend.spacing)
        seconds = Decision(False, available, conn.now, available).retry_after_seconds
        return Resend(available_at=available, retry_after_seconds=seconds, channels=rules.channels(self.kind, app))

    def asked(self, row: Record) -> Origin:
        return Origin(at=row["created_at"], device=row["requested_from"])

    def _new(self, tx: Tx, one: Asked) -> store.New:
        return store.New(
            id=random_id(),
            kind=self.kind,
            store_id=one.app.store.id,
            application=one.app.application.slug,
            identifier=one.typed,
            language=one.language or one.app.application.default_language,
            browser=one.caller.browser,
            match=new_match(),
            requested_from=in_words(one.caller.user_agent),
            expires_at=tx.now + rules.lifetime(self.kind, one.app.policy),
            renewed=one.renewed,
        )

    async def _enqueue(self, tx: Tx, request_id: UUID, channel: Channel | None = None) -> None:
        await work.enqueue(tx, self.work_kind, self._payload(request_id, channel))

    @staticmethod
    def _payload(request_id: UUID, channel: Channel | None = None) -> dict[str, Any]:
        return {"flow_id": str(request_id), "message_id": str(random_id()), "channel": channel}

    def _limits(self, app: Resolved, *whose: str) -> list[tuple[bytes, list[Limit]]]:
        """The spacing, and the caps for reset and reminder together; identity has the recipient's own budget beside them (REG-9)."""
        key, tenant = self.tools.throttle.key, str(app.store.id)
        return [
            (key("spacing", self.kind, tenant, *whose), rules.spacing(app.policy)),
            (key("recipient", tenant, *whose), rules.caps(app.policy)),
        ]

    async def purge(self) -> None:
        async with self.tools.db.transaction() as tx:
            await store.purge(tx, tx.now - rules.KEEP)
            await self.tools.onetime.purge(tx, rules.KEEP)
            await self.tools.throttle.purge(tx)
            await self.tools.idempotency.purge(tx)


class Starts(Generic[Flow]):
    """A customer's start: together with others that come within a moment, unless its answer is to be kept under a key.

    `view` makes the answer, in the transaction that has begun the request; `next_at`: when the next message may be asked for.
    """

    def __init__(self, requests: Requests, view: Callable[[Tx, Resolved, Record, datetime], Awaitable[Flow]]) -> None:
        self._requests = requests
        self._view = view
        self._together = Together(self._run, pace_seconds=PACE_SECONDS)

    async def __call__(self, asked: Asked) -> Flow:
        """What is answered with 202."""
        if asked.caller.idempotency_key is None:
            return await self._together(asked)
        tools = self._requests.tools
        async with tools.db.transaction() as tx:
            await tools.idempotency.begin(tx, asked.caller)
            (answer,) = await self._begin(tx, [asked])
            await tools.idempotency.store(tx, asked.caller, 202, answer)
        return answer

    async def _run(self, several: Sequence[Asked]) -> list[Flow]:
        async with self._requests.tools.db.transaction() as tx:
            return await self._begin(tx, several)

    async def _begin(self, tx: Tx, several: Sequence[Asked]) -> list[Flow]:
        begun = await self._requests.start_several(tx, several)
        return [await self._view(tx, one.app, row, next_at) for one, (row, next_at) in zip(several, begun, strict=True)]


def _whose(row: Record) -> tuple[str, ...]:
    """What its messages are counted for: what was typed, or the account where nobody typed anything."""
    return (rules.folded(row["identifier"]),) if row["identifier"] is not None else ("account", str(row["account_id"]))
