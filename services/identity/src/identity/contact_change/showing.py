"""How far a change is, as its owner sees it."""

from typing import Any

from latchkey_contracts.http.common import Delivery, Resend
from latchkey_contracts.http.contact_change import Approval, ContactChangeFlow
from servicekit.db import Conn
from servicekit.events import messages
from servicekit.process.configuration import Resolved
from servicekit.proof import same_browser
from servicekit.throttle import Decision
from servicekit.web.caller import Caller

from identity.accounts.rules import Identifier, channel_of, mask

from .store import Change
from .tools import PURPOSE, Tools


class Showing:
    def __init__(self, tools: Tools) -> None:
        self._t = tools

    async def flow(self, conn: Conn, row: Change, caller: Caller) -> ContactChangeFlow:
        """Its codes are typed where it was asked for (OTP-4); other windows of the same customer see it and may end it."""
        app = self._t.configuration.application(row.application)
        waits = row.is_open(conn.now)
        status = "undone" if row.reverted_at else "complete" if row.completed_at else "check_your_messages" if waits else "ended"
        mine = waits and same_browser(row.browser, caller.browser)
        following = await self._following(conn, row) if mine else []
        new = row.new
        asks = waits and new is not None and row.confirmed_at is None
        return ContactChangeFlow(
            id=row.id,
            status=status,
            expires_at=row.expires_at,
            next=following,
            delivery=await self._delivery(conn, row.id, new, row) if asks and new else None,
            resend=await self._resend(conn, app, new, row) if asks and new and mine else None,
            match=row.match if mine and (asks or (row.approval_id and not row.approved_at)) and self._linked(row) else None,
            identifier=row.kind,
            mode=row.mode,
            value=row.value,
            confirmed=row.confirmed_at is not None,
            approval=await self._approval(conn, app, row, waits=waits, mine=mine),
            link_ended=row.link_ended,
            revert_until=row.revert_until,
        )

    async def _following(self, conn: Conn, row: Change) -> list[Any]:
        waiting = [one for one, done in ((row.id, row.confirmed_at), (row.approval_id, row.approved_at)) if one and not done]
        left = [await self._t.onetime.tries_left(conn, flow_id=one, purpose=PURPOSE) for one in waiting]
        return ["resend", "code"] if any(left) else ["resend"]

    @staticmethod
    def _linked(row: Change) -> bool:
        """Whether a link waits: a text message has a code alone."""
        new = row.confirmed_at is None and row.kind == "email" and not row.link_ended
        old = (
            row.approval_id is not None
            and row.approved_at is None
            and row.approver_kind == "email"
            and not row.approval_link_ended
        )
        return new or old

    async def _approval(self, conn: Conn, app: Resolved, row: Change, *, waits: bool, mine: bool) -> Approval | None:
        to = row.approver
        if to is None or row.approval_id is None:
            return None
        asks = waits and row.approved_at is None
        return Approval(
            to=mask(to.kind, to.value),
            given=row.approved_at is not None,
            delivery=await self._delivery(conn, row.approval_id, to, row) if asks else None,
            resend=await self._resend(conn, app, to, row) if asks and mine else None,
            link_ended=row.approval_link_ended,
        )

    @staticmethod
    async def _delivery(conn: Conn, flow_id: Any, to: Identifier, row: Change) -> Delivery:
        told = await messages.told(conn, flow_id) or messages.Told("queued", row.created_at, None)
        return Delivery(channel=told.channel or channel_of(to.kind), to=mask(to.kind, to.value), state=told.state, at=told.at)

    async def _resend(self, conn: Conn, app: Resolved, to: Identifier, row: Change) -> Resend:
        way = channel_of(to.kind)
        found = await self._t.budgets.peek(conn, app, PURPOSE, to.canonical, way, alone=True)
        available = max(found.available_at, row.created_at + app.policy.resend.spacing)
        seconds = Decision(False, available, conn.now, available).retry_after_seconds
        return Resend(available_at=available, retry_after_seconds=seconds, channels=[way])
