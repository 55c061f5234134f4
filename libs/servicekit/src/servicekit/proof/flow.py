"""The one way in which a link or a code proves something (LNK-1 to 9, OTP-4, C5).

Begin, lock the row, ask whose it is, take its tenant, consume, let the feature do what is proven, keep the answer, commit, count, and
only then raise: a wrong try that was raised inside the transaction would not have been counted. A feature is a subclass that supplies
`purpose`, `find`, `lock`, `prove` and `shown`, and says otherwise where the rest doesn't fit it.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Generic, Literal, Protocol, TypeVar
from uuid import UUID

from latchkey_contracts.http.links import (
    ConfirmedElsewhere,
    ConfirmRequest,
    LinkDone,
    LinkFlow,
    LinkInfo,
    LinkPurpose,
    LinkSubject,
)

from servicekit.context import set_tenant
from servicekit.db import Conn, Database, Tx
from servicekit.errors import FlowEnded, LinkEnded, LinkMalformed, NotFound, ServiceError, TooManyRequests
from servicekit.logging import security_event
from servicekit.proof.guessing import Guesses
from servicekit.throttle import Decision
from servicekit.web.caller import Caller
from servicekit.web.idempotency import Idempotency

from .onetime import OneTimeSecrets
from .secret import LINK_ERRORS, Link, LinkResult, code_error, same_browser


class Provable(Protocol):
    """A row that a proof is about: frozen, one class per feature."""

    @property
    def id(self) -> UUID: ...
    @property
    def application(self) -> str: ...
    @property
    def store_id(self) -> UUID: ...
    @property
    def browser(self) -> bytes | None: ...


Row = TypeVar("Row", bound=Provable)
Answer = TypeVar("Answer", bound=LinkFlow | LinkDone)
Over = Literal["effective", "cancelled", "void"]


@dataclass(frozen=True)
class ProofKit:
    """What proofs are built on. `guesses`: of the codes of this purpose, if it has any."""

    db: Database
    onetime: OneTimeSecrets
    idempotency: Idempotency
    guesses: Guesses | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """How it was proven, by whom, and whether in another browser than the one that asked."""

    method: Literal["link", "code", "password"]
    caller: Caller
    elsewhere: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the page behind a link may say of it beside its state (see LinkInfo). `to` is masked (ENU-3)."""

    requested_at: datetime
    requested_from: str | None
    to: str | None = None
    own: bool = False
    renewable: bool = True
    over: Over | None = None
    expires_at: datetime | None = None  # if not with the link
    done: LinkSubject | None = None
    about: str | None = None


class Proofs(ABC, Generic[Row, Answer]):
    """Links and codes of one purpose."""

    purpose: ClassVar[LinkPurpose]

    def __init__(self, kit: ProofKit) -> None:
        self.kit = kit

    # --- what a feature supplies -----------------------------------------------------------------------------------------

    @abstractmethod
    async def find(self, conn: Conn, flow_id: UUID) -> Row | None:
        """The row that links and codes of this flow are about."""

    @abstractmethod
    async def lock(self, tx: Tx, flow_id: UUID) -> Row | None:
        """The same, and whatever else a press changes, locked in one order for everybody."""

    @abstractmethod
    async def prove(self, tx: Tx, row: Row, proof: Proof) -> Answer | None:
        """Does what was proven and answers what whoever proved it is told. None: it leads nowhere any more."""

    @abstractmethod
    def shown(self, row: Row, caller: Caller) -> Shown: ...

    def from_anywhere(self, row: Row) -> bool:
        """No window asked for it, so any may press."""
        return False

    def leads_nowhere(self, row: Row) -> bool:
        """Something else has settled it. Links say so; codes are wrong ones, as whoever asked sees no difference (ENU-1)."""
        return False

    def has_ended(self, row: Row, now: datetime) -> bool:
        """The window that asked is shown that it has ended, so that a code typed there isn't looked at."""
        return False

    async def spoil(self, tx: Tx, row: Row) -> None:
        """A wrong number was typed, and its link has ended: the window that asked says so (D17)."""

    async def again(self, tx: Tx, row: Row, caller: Caller, *, mine: bool, valid: bool) -> Answer:
        """A fresh link to the same address, in a flow of whoever pressed. `mine`: in the browser that asked. `valid`: the older one
        still was, so the mailbox is proven. Raises TooManyRequests.
        """
        raise LinkMalformed

    # --- links -----------------------------------------------------------------------------------------------------------

    async def inspect(self, slug: str, token: str, caller: Caller) -> LinkInfo:
        """What the landing page may say; never writes (LNK-1). A link of another application is as unknown as any (LNK-7)."""
        async with self.kit.db.read() as conn:
            link, row = await self._look(conn, slug, token)
        if row is None:
            return LinkInfo(purpose=None, state="malformed")
        shown, state = self.shown(row, caller), self._state(link, row)
        elsewhere = state == "valid" and not self.from_anywhere(row) and not same_browser(link.browser, caller.browser)
        return LinkInfo(
            purpose=self.purpose,
            state="other_browser" if elsewhere else state,
            to=shown.to,
            requested_at=shown.requested_at,
            requested_from=shown.requested_from,
            expires_at=shown.expires_at or link.expires_at,
            used_at=link.used_at,
            superseded_at=link.superseded_at,
            own=shown.own,
            renewable=shown.renewable,
            over=shown.over,
            done=shown.done,
            about=shown.about,
        )

    async def confirm(self, slug: str, body: ConfirmRequest, caller: Caller) -> Answer | ConfirmedElsewhere:
        """The press. Exactly one of many wins; elsewhere the asking window's number is needed, and a wrong one ends the link."""
        answer: Answer | ConfirmedElsewhere | None = None
        async with self.kit.db.transaction() as tx:
            await self.kit.idempotency.begin(tx, caller)
            result, row = await self._press(tx, slug, body, caller)
            outcome = result.outcome
            if row is not None and outcome == "ok":
                proven = await self.prove(tx, row, Proof("link", caller, result.elsewhere))
                if proven is None:
                    outcome = "ended"
                else:
                    answer = ConfirmedElsewhere() if result.elsewhere else proven
                    await self.kit.idempotency.store(tx, caller, 200, answer)
            elif row is not None and outcome == "match_wrong":
                await self.spoil(tx, row)
        if answer is None:
            raise self.refused(outcome)
        return answer

    async def renew(self, slug: str, token: str, caller: Caller) -> Answer:
        """For a link that is too old or replaced (R19), or a valid one that another browser asked for: that window may be gone, or a
        stranger's, and the mailbox is the proof.
        """
        async with self.kit.db.transaction() as tx:
            await self.kit.idempotency.begin(tx, caller)
            link, row = await self._look(tx, slug, token)
            if row is None:
                raise LinkMalformed
            set_tenant(str(row.store_id), "unauthenticated")
            mine, valid = same_browser(link.browser, caller.browser), link.state == "valid"
            if valid and self.leads_nowhere(row):
                raise LinkEnded
            if valid and (mine or self.from_anywhere(row)):
                raise LinkMalformed
            if link.state not in {"valid", "expired", "superseded"}:
                raise LINK_ERRORS[link.state]
            if self.leads_nowhere(row):
                raise LinkEnded
            answer = await self.again(tx, row, caller, mine=mine, valid=valid)
            await self.kit.idempotency.store(tx, caller, 202, answer)
        return answer

    async def _look(self, conn: Conn, slug: str, token: str) -> tuple[Link, Row | None]:
        link = await self.kit.onetime.inspect(conn, token)
        row = await self.find(conn, link.flow_id) if link.flow_id is not None and link.purpose == self.purpose else None
        return link, row if row is not None and row.application == slug else None

    def _state(self, link: Link, row: Row) -> Literal["valid", "used", "expired", "superseded", "ended", "malformed"]:
        return "ended" if link.state == "valid" and self.leads_nowhere(row) else link.state

    async def _press(self, tx: Tx, slug: str, body: ConfirmRequest, caller: Caller) -> tuple[LinkResult, Row | None]:
        link = await self.kit.onetime.inspect(tx, body.token)
        row = await self.lock(tx, link.flow_id) if link.flow_id is not None and link.purpose == self.purpose else None
        if row is None or row.application != slug:
            return LinkResult("malformed", Link("malformed")), None
        set_tenant(str(row.store_id), "unauthenticated")
        if link.state == "valid" and self.leads_nowhere(row):
            state = (await self.kit.onetime.inspect(tx, body.token)).state  # what another press has made of it meanwhile
            return LinkResult("ended" if state == "valid" else state, link), row
        result = await self.kit.onetime.consume_link(
            tx,
            body.token,
            purposes=[self.purpose],
            browser=caller.browser,
            match=body.match,
            from_anywhere=self.from_anywhere(row),
        )
        return result, row

    def refused(self, outcome: str) -> ServiceError:
        security_event("authn_login_fail", "fail", purpose=self.purpose, reason=outcome)
        return LINK_ERRORS[outcome]()

    # --- codes -----------------------------------------------------------------------------------------------------------

    async def by_code(self, slug: str, flow_id: UUID, code: str, caller: Caller) -> Answer:
        """Bound to the flow and the browser that asked; five wrong tries burn all codes of the flow, the link lives.

        Counted for unknown identifiers, too. From another browser even the right code is a wrong try, and the answer is that of no
        such flow (OTP-4).
        """
        answer = None
        async with self.kit.db.transaction() as tx:
            await self.kit.idempotency.begin(tx, caller)
            row = await self.lock(tx, flow_id)
            if row is None or row.application != slug:
                raise NotFound
            mine = same_browser(row.browser, caller.browser)
            if mine and self.has_ended(row, tx.now):
                raise FlowEnded
            set_tenant(str(row.store_id), "unauthenticated")
            browser = None if self.leads_nowhere(row) else caller.browser
            result = await self.kit.onetime.consume_code(tx, flow_id=flow_id, purpose=self.purpose, code=code, browser=browser)
            if result.outcome == "ok":
                answer = await self.prove(tx, row, Proof("code", caller))
                if answer is None:
                    raise FlowEnded
                await self.kit.idempotency.store(tx, caller, 200, answer)
        if self.kit.guesses is not None:
            self.kit.guesses.count(result.outcome)
        if answer is not None:
            return answer
        security_event("authn_login_fail", "fail", purpose=self.purpose, reason=f"code_{result.outcome}", flow_id=str(flow_id))
        if not mine:
            raise NotFound
        raise code_error(result)


def in_time(decision: Decision) -> None:
    """429 with the moment from which it is allowed (the 20 s rule)."""
    if not decision.allowed:
        raise TooManyRequests(decision.retry_after_seconds, available_at=decision.available_at.isoformat())
