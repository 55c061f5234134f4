"""Username reminder: all usernames of an address, to that address alone (R10-R14, D8, REC-10)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from latchkey_contracts.http.common import Channel
from latchkey_contracts.http.recovery import ReminderFlow, ReminderRequest
from latchkey_contracts.messages import Secrets
from latchkey_contracts.recovery import UsernameReminderRequested
from servicekit.caller import Caller
from servicekit.configuration import Resolved
from servicekit.context import Trace, use_trace
from servicekit.db import Conn, Record, Tx
from servicekit.errors import FeatureDisabled, FieldError, ValidationFailed

from recovery.requests import rules
from recovery.requests.service import Asked, Requests, Starts, Tools, ToReach

MESSAGE = "username_reminder.message"


class Reminders:
    def __init__(self, tools: Tools) -> None:
        self._t = tools
        self._requests = Requests(tools, "username_reminder", MESSAGE)
        self._starts = Starts(self._requests, self._view)

    async def start(self, slug: str, body: ReminderRequest, caller: Caller) -> ReminderFlow:
        """202 whatever was typed. Offered where the store has usernames and the policy allows it (R13)."""
        return await self._starts(Asked.now(self._app(slug), body.email or body.phone or "", caller, caller.language))

    async def read(self, slug: str, request_id: UUID, caller: Caller) -> ReminderFlow:
        async with self._t.db.read() as conn:
            row = await self._requests.mine(conn, slug, request_id, caller)
            return await self._view(conn, self._t.configuration.application(slug), row)

    async def resend(self, slug: str, request_id: UUID, channel: Channel | None, caller: Caller) -> ReminderFlow:
        """To what was typed, an address or a number; so there is one way, and another is a new request."""
        app = self._app(slug)
        async with self._t.db.transaction() as tx:
            await self._t.idempotency.begin(tx, caller)
            row = await self._requests.mine(tx, slug, request_id, caller)
            if channel not in {None, *_ways(row)}:
                raise ValidationFailed(
                    [FieldError("/channel", "not_an_option", "It goes to the address or number that was given")]
                )
            await self._requests.resend(tx, app, row, None)
            answer = await self._view(tx, app, row)
            await self._t.idempotency.store(tx, caller, 202, answer)
        return answer

    async def messages(self, tx: Tx, items: Sequence[tuple[Trace, dict[str, Any]]]) -> None:
        for one in await self._requests.contacts(tx, items):
            with use_trace(one.trace):
                await self._send(tx, one)

    async def _send(self, tx: Tx, one: ToReach) -> None:
        row = one.row
        expires_at = min(one.contact.expires_at, tx.now + rules.REMINDER_LIFETIME)
        secrets = Secrets(link=f"{self._t.db.origin}/{row['application']}/sign-in", asked=self._requests.asked(row))
        await self._requests.publish(tx, UsernameReminderRequested, one, secrets, expires_at)

    def _app(self, slug: str) -> Resolved:
        app = self._t.configuration.application(slug)
        if not app.policy.username_reminder.enabled or app.store.identifiers.username.use == "hidden":
            raise FeatureDisabled
        return app

    async def _view(self, conn: Conn, app: Resolved, row: Record, next_at: datetime | None = None) -> ReminderFlow:
        waiting = row["status"] == "check_your_messages" and row["expires_at"] > conn.now
        resend = await self._requests.resend_state(conn, app, row, next_at) if waiting else None
        return ReminderFlow(
            id=row["id"],
            status="check_your_messages" if waiting else "ended",
            expires_at=row["expires_at"],
            next=["resend"] if waiting else [],
            resend=resend.model_copy(update={"channels": _ways(row)}) if resend is not None else None,
            typed=row["identifier"],
        )


def _ways(row: Record) -> list[Channel]:
    """By what was typed: an address is written to, a number is texted (D8)."""
    return ["email"] if "@" in (row["identifier"] or "") else ["sms"]
