"""Password reset: a link and a code to the account's own address, then a new password, never a session (R15-R19, REC-1 to 8).

A request changes nothing (REC-2). The proof is a press on the link or the code, in the window that asked; from elsewhere the
number of that window is needed (LNK-3). What follows the proof is in new_password.py.
"""

from datetime import datetime
from uuid import UUID

from latchkey_contracts.http.common import Channel
from latchkey_contracts.http.recovery import ResetFlow, ResetRequest
from latchkey_contracts.recovery import ResetProven
from servicekit.db import Conn, Tx
from servicekit.errors import CodeBurned, FeatureDisabled, LinkEnded
from servicekit.logging import security_event
from servicekit.process.configuration import Resolved
from servicekit.proof.flow import Proof, Proofs, Shown
from servicekit.web.caller import Caller

from recovery.flows import rules, store
from recovery.flows.service import Asked, Requests, Tools
from recovery.flows.starts import Starts
from recovery.flows.store import Request

PURPOSE = "password_reset"
MESSAGE = "password_reset.message"


class Resets(Proofs[Request, ResetFlow]):
    purpose = "password_reset"

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools.proofs)
        self._t = tools
        self._requests = Requests(tools, "password_reset", MESSAGE)
        self.purge = self._requests.purge
        self._starts = Starts(self._requests, self._view)

    # --- asking ------------------------------------------------------------------------------------------------------------

    async def start(self, slug: str, body: ResetRequest, caller: Caller) -> ResetFlow:
        """202 whatever was typed."""
        app = self._app(slug)
        return await self._starts(Asked.now(app, body.identifier, caller, app.language_for(body.language, caller)))

    async def start_for_rep(self, slug: str, account_id: UUID, caller: Caller) -> UUID:
        """REC-11; also where customers can't start one themselves (D14)."""
        app = self._t.configuration.application(slug)
        async with self._t.db.transaction() as tx:
            request_id = await self._requests.start_for_rep(tx, app, account_id, caller.language)
        security_event("sensitive_update", "success", what="password_reset.started", account_id=str(account_id))
        return request_id

    async def read(self, slug: str, request_id: UUID, caller: Caller) -> ResetFlow:
        async with self._t.db.read() as conn:
            row = await self._requests.mine(conn, slug, request_id, caller)
            return await self._view(conn, self._t.configuration.application(slug), row)

    async def resend(self, slug: str, request_id: UUID, channel: Channel | None, caller: Caller) -> ResetFlow:
        """The same or another way (R24-R28, D10); the older link and code die when the new ones leave, whatever way they went."""
        app = self._app(slug)
        async with self._t.db.transaction() as tx:
            await self._t.idempotency.begin(tx, caller)
            row = await self._requests.mine(tx, slug, request_id, caller)
            if channel in {"sms", "voice"} and not await self._t.onetime.tries_left(tx, flow_id=request_id, purpose=PURPOSE):
                raise CodeBurned
            await self._requests.resend(tx, app, row, channel, caller.asn)
            answer = await self._view(tx, app, row)
            await self._t.idempotency.store(tx, caller, 202, answer)
        return answer

    # --- proving -----------------------------------------------------------------------------------------------------------

    async def find(self, conn: Conn, flow_id: UUID) -> Request | None:
        return _reset(await store.get(conn, flow_id))

    async def lock(self, tx: Tx, flow_id: UUID) -> Request | None:
        return _reset(await store.lock(tx, flow_id))

    def from_anywhere(self, row: Request) -> bool:
        return row.started_by_rep

    def leads_nowhere(self, row: Request) -> bool:
        return not row.waits or row.voided_at is not None or self._t.moved(row)

    def has_ended(self, row: Request, now: datetime) -> bool:
        return not row.waits or row.expires_at <= now or self._t.moved(row)

    def shown(self, row: Request, caller: Caller) -> Shown:
        own = caller.account_id is not None and caller.account_id == row.account_id
        return Shown(to=row.recipient, requested_at=row.created_at, requested_from=row.requested_from, own=own)

    async def prove(self, tx: Tx, row: Request, proof: Proof) -> ResetFlow:
        """First success voids all other links and codes of the account (LNK-9)."""
        browser = proof.caller.browser if row.started_by_rep else row.browser
        await store.proven(tx, row.id, browser, tx.now + rules.PROOF_LIFETIME)
        if row.account_id is not None:
            await store.void(tx, row.account_id, tx.now, but=row.id)
            await self._t.onetime.end_subject(tx, str(row.account_id))
            proven = ResetProven(account_id=row.account_id, flow_id=row.id, application=row.application)
            await tx.emit(proven, tenant=row.store_id)
        return await self.view_of(tx, row.id)

    async def spoil(self, tx: Tx, row: Request) -> None:
        await store.set_link_ended(tx, row.id)

    async def again(self, tx: Tx, row: Request, caller: Caller, *, mine: bool, valid: bool) -> ResetFlow:
        """To the same person. What a stranger has typed so often that it is above its cap doesn't count for whoever holds a link."""
        app = self._app(row.application)
        if row.started_by_rep:
            return await self._view(tx, app, await self._requests.again(tx, app, row, caller))
        if row.identifier is None:
            raise LinkEnded
        language = app.speaks(caller.language) or row.language
        asked = Asked.now(app, row.identifier, caller, language, renewed=not mine, restarted=valid or row.restarted)
        new, next_at = await self._requests.start(tx, asked, in_turn=False)
        return await self._view(tx, app, new, next_at)

    # --- parts ---------------------------------------------------------------------------------------------------------------

    def _app(self, slug: str) -> Resolved:
        """D14: switched off for customers, or of no use to them (R43), it is refused here; reps can still start one."""
        app = self._t.configuration.application(slug)
        if not app.policy.password_reset.enabled or app.access.passwordless:
            raise FeatureDisabled
        return app

    async def view_of(self, conn: Conn, request_id: UUID) -> ResetFlow:
        row = await store.get(conn, request_id)
        assert row is not None  # noqa: S101 - the caller holds it
        return await self._view(conn, self._t.configuration.application(row.application), row)

    async def _view(self, conn: Conn, app: Resolved, row: Request, next_at: datetime | None = None) -> ResetFlow:
        """`delivery` is null and nothing else depends on what was found either (ENU-1). `next_at`: it has just begun, so that
        nothing was tried yet.
        """
        status, waiting, resend = row.status, row.waits, None
        if row.status in {"check_your_messages", "new_password"} and (row.expires_at <= conn.now or self._t.moved(row)):
            status, waiting = "ended", False
        following = ["password"] if status == "new_password" else []
        if waiting:
            tries = next_at is not None or await self._t.onetime.tries_left(conn, flow_id=row.id, purpose=PURPOSE)
            resend = await self._requests.resend_state(conn, app, row, next_at)
            if not tries:  # the link of a mail lives on
                resend = resend.model_copy(update={"channels": [channel for channel in resend.channels if channel == "email"]})
            following = ["resend"] * bool(resend.channels) + ["code"] * bool(tries)
        return ResetFlow(
            id=row.id,
            status=status,
            expires_at=row.expires_at,
            next=following,
            resend=resend,
            match=row.match if resend is not None and "email" in resend.channels and not row.link_ended else None,
            typed=row.identifier if not row.renewed else None,
            link_ended=row.link_ended,
        )


def _reset(row: Request | None) -> Request | None:
    return row if row is not None and row.kind == PURPOSE else None
