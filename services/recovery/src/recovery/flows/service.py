"""What reminder and reset have in common: answer first, look up behind it (REC-1, docs/architecture.md), and the 20 s rule (D18).

start() and resend() write the request and work; that work (reaching.py) asks identity whom to write to and publishes the event.
No statement in the customer's request depends on whether the identifier is known.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self, TypeAlias
from uuid import UUID

from latchkey_contracts.http.common import Channel, Resend
from latchkey_contracts.sealed import Sealed
from servicekit.context import Trace, current_trace, set_tenant
from servicekit.db import Conn, Database, Tx
from servicekit.devices import in_words
from servicekit.errors import FieldError, FlowEnded, NotFound, ValidationFailed
from servicekit.events import work
from servicekit.ids import random_id
from servicekit.logging import security_event
from servicekit.process.configuration import Configuration, Resolved
from servicekit.proof import OneTimeSecrets, new_match, same_browser
from servicekit.proof.flow import ProofKit, in_time
from servicekit.proof.guessing import Guesses
from servicekit.sealing import Sealer
from servicekit.throttle import Decision, Limit, Throttle
from servicekit.web.caller import Caller
from servicekit.web.client import InternalClient
from servicekit.web.idempotency import Idempotency

from recovery.kinds import Kind

from . import rules, store
from .store import Request

# The spacing, then the caps.
Limits: TypeAlias = list[tuple[bytes, list[Limit]]]


@dataclass
class Tools:
    """What all features are built on."""

    db: Database
    configuration: Configuration
    onetime: OneTimeSecrets
    guesses: Guesses
    throttle: Throttle
    idempotency: Idempotency
    sealer: Sealer
    identity: InternalClient

    @property
    def proofs(self) -> ProofKit:
        return ProofKit(self.db, self.onetime, self.idempotency, self.guesses)

    def moved(self, row: Request) -> bool:
        """It began in a store that the application has left: nothing comes of it any more."""
        return row.store_id != self.configuration.application(row.application).store.id


@dataclass(frozen=True)
class Asked:
    """What a customer typed, who that was, and the language of the message."""

    app: Resolved
    typed: str
    caller: Caller
    language: str
    trace: Trace
    renewed: bool = False  # by somebody who holds an older link and may not know what was typed (ENU-3)
    restarted: bool = False  # while that link was still valid, which proves the mailbox

    @classmethod
    def now(
        cls,
        app: Resolved,
        typed: str,
        caller: Caller,
        language: str,
        *,
        renewed: bool = False,
        restarted: bool = False,
    ) -> Self:
        set_tenant(str(app.store.id), "unauthenticated")
        return cls(app, typed, caller, language, current_trace(), renewed, restarted)


@dataclass
class Requests:
    """One kind of request; `work_kind` names the work that sends its message."""

    tools: Tools
    kind: Kind
    work_kind: str

    async def start(self, tx: Tx, asked: Asked, *, in_turn: bool = True) -> tuple[Request, datetime]:
        """Accepted whatever the identifier: now, when its turn comes, or (above a cap) silently not at all. Answers the request,
        and when the next message may be asked for.

        `in_turn` false: 429 instead of waiting, for whoever follows a link and so knows of the earlier message.
        """
        return (await self.start_several(tx, [asked], in_turn=in_turn))[0]

    async def start_several(self, tx: Tx, several: Sequence[Asked], *, in_turn: bool = True) -> list[tuple[Request, datetime]]:
        """The same, one after the other in this order, for the price of one."""
        limits = [self._limits(one.app, rules.folded(one.typed), restarted=one.restarted) for one in several]
        decisions = await self.tools.throttle.take_several(tx, limits)
        if not in_turn:
            for decision in decisions:
                in_time(decision)
        rows = await store.insert_several(tx, [self._new(tx, one) for one in several])
        begun, messages = [], []
        for one, wanted, decision, row in zip(several, limits, decisions, rows, strict=True):
            turn = decision if decision.allowed else await self._turn(tx, wanted)
            begun.append((row, (turn or decision).next_at))
            if turn is not None:
                messages.append((one.trace, self._payload(row.id, asn=one.caller.asn), turn.available_at))
        await work.enqueue_several(tx, self.work_kind, messages)
        return begun

    async def _turn(self, tx: Tx, wanted: Limits) -> Decision | None:
        """Of a message that comes too early: it has its place among those of the same name, so that whoever asks again is told when
        there is room behind it. None: above a cap.
        """
        caps = await self.tools.throttle.peek(tx, wanted[1:])
        return await self.tools.throttle.reserve(tx, wanted) if caps.allowed else None

    async def start_for_rep(
        self, tx: Tx, app: Resolved, account_id: UUID, language: str | None, contact: Sealed | None = None
    ) -> UUID:
        """REC-11: nobody chooses or sees anything but the customer. Its link works from anywhere: no window waits for it.

        `contact`: where it goes instead of the account's own addresses (REC-12).
        """
        row = await self._insert_for_account(tx, app, account_id, language, contact=contact)
        await self._enqueue(tx, row.id)
        return row.id

    async def again(self, tx: Tx, app: Resolved, older: Request, caller: Caller) -> Request:
        """A fresh link in place of one that nobody typed a name for; 429 by the 20 s rule."""
        assert older.account_id is not None  # noqa: S101 - nobody typed a name
        in_time(await self.tools.throttle.take(tx, self._limits_of(app, older)))
        row = await self._insert_for_account(
            tx, app, older.account_id, older.language, contact=older.contact, browser=caller.browser
        )
        await self._enqueue(tx, row.id, asn=caller.asn)
        return row

    async def _insert_for_account(
        self,
        tx: Tx,
        app: Resolved,
        account_id: UUID,
        language: str | None,
        *,
        contact: Sealed | None,
        browser: bytes | None = None,
    ) -> Request:
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
            contact=contact.model_dump_json() if contact is not None else None,
        )
        return await store.insert(tx, one)

    async def resend(self, tx: Tx, app: Resolved, row: Request, channel: Channel | None, asn: int | None) -> None:
        """In its own flow, by the way that is wanted: 429 when too early or above a cap. Whether that person has such a way is
        found out behind the answer, which is the same (ENU-1).
        """
        if channel is not None and channel not in rules.channels(self.kind, app):
            raise ValidationFailed([FieldError("/channel", "not_an_option", "This way isn't offered here")])
        if not row.waits or row.expires_at <= tx.now or self.tools.moved(row):
            raise FlowEnded
        decision = await self.tools.throttle.take(tx, self._limits_of(app, row))
        if not decision.allowed:
            security_event("excess_rate_limit_exceeded", "fail", limit="resend", flow_id=str(row.id))
        in_time(decision)
        await store.prolong(tx, row.id, tx.now + rules.lifetime(self.kind, app.policy))
        await self._enqueue(tx, row.id, channel, asn)

    async def mine(self, conn: Conn, slug: str, request_id: UUID, caller: Caller) -> Request:
        """If this browser started it; anybody else is told that there is none."""
        row = await store.get(conn, request_id)
        if row is None or not self.belongs(row, slug, caller):
            raise NotFound
        return row

    def belongs(self, row: Request, slug: str, caller: Caller) -> bool:
        return row.kind == self.kind and row.application == slug and same_browser(row.browser, caller.browser)

    async def resend_state(self, conn: Conn, app: Resolved, row: Request, next_at: datetime | None = None) -> Resend:
        """From the typed identifier alone, so that known and unknown ones are alike. `next_at`: as `start` has just said."""
        if next_at is None:
            next_at = (await self.tools.throttle.peek(conn, self._limits_of(app, row))).next_at
        available = max(next_at, row.created_at + app.policy.resend.spacing)
        seconds = Decision(False, available, conn.now, available).retry_after_seconds
        return Resend(available_at=available, retry_after_seconds=seconds, channels=rules.channels(self.kind, app))

    def _new(self, tx: Tx, one: Asked) -> store.New:
        return store.New(
            id=random_id(),
            kind=self.kind,
            store_id=one.app.store.id,
            application=one.app.application.slug,
            identifier=one.typed,
            language=one.language,
            browser=one.caller.browser,
            match=new_match(),
            requested_from=in_words(one.caller.user_agent),
            expires_at=tx.now + rules.lifetime(self.kind, one.app.policy),
            renewed=one.renewed,
            restarted=one.restarted,
        )

    async def _enqueue(self, tx: Tx, request_id: UUID, channel: Channel | None = None, asn: int | None = None) -> None:
        await work.enqueue(tx, self.work_kind, self._payload(request_id, channel, asn))

    @staticmethod
    def _payload(request_id: UUID, channel: Channel | None = None, asn: int | None = None) -> dict[str, Any]:
        return {"flow_id": str(request_id), "message_id": str(random_id()), "channel": channel, "asn": asn}

    def _limits_of(self, app: Resolved, row: Request) -> Limits:
        """By what was typed, or by the account where nobody typed anything."""
        whose = (rules.folded(row.identifier),) if row.identifier is not None else ("account", str(row.account_id))
        return self._limits(app, *whose, restarted=row.restarted)

    def _limits(self, app: Resolved, *whose: str, restarted: bool = False) -> Limits:
        """The spacing, and the caps for reset and reminder together; identity has the recipient's own budget beside them (REG-9).

        `restarted`: a budget of its own, which nobody uses up who can't read that mailbox.
        """
        key, tenant = self.tools.throttle.key, str(app.store.id)
        return [
            (key("spacing", self.kind, tenant, *whose), rules.spacing(app.policy)),
            (key("restarted" if restarted else "recipient", tenant, *whose), rules.caps(app.policy)),
        ]

    async def purge(self) -> None:
        async with self.tools.db.transaction() as tx:
            await store.purge(tx, tx.now - rules.KEEP)
