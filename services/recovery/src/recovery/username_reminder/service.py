"""Username reminder: all usernames of an address, to that address alone (R10-R14, D8, REC-10)."""

from datetime import datetime
from uuid import UUID

from latchkey_contracts.http.common import Channel
from latchkey_contracts.http.recovery import ReminderFlow, ReminderRequest
from latchkey_contracts.messages import Secrets
from latchkey_contracts.recovery import UsernameReminderRequested
from servicekit import numbers
from servicekit.context import use_trace
from servicekit.db import Conn, Tx
from servicekit.errors import FeatureDisabled, FieldError, ValidationFailed
from servicekit.process.configuration import Resolved
from servicekit.web.caller import Caller

from recovery.flows import rules
from recovery.flows.reaching import Answers, Items, Reaching, ToReach
from recovery.flows.service import Asked, Requests, Tools
from recovery.flows.starts import Starts
from recovery.flows.store import Request

MESSAGE = "username_reminder.message"


class Reminders:
    def __init__(self, tools: Tools) -> None:
        self._t = tools
        self._requests = Requests(tools, "username_reminder", MESSAGE)
        self._reaching = Reaching(tools, "username_reminder", MESSAGE, reach="as_typed")
        self.ask = self._reaching.ask
        self._starts = Starts(self._requests, self._view)

    async def start(self, slug: str, body: ReminderRequest, caller: Caller) -> ReminderFlow:
        """202 whatever was typed. Offered where the store has usernames and the policy allows it (R13)."""
        app = self._app(slug)
        if body.phone is not None and (wrong := numbers.closed(body.phone, app.notification, "/phone")):
            raise ValidationFailed(wrong)
        language = app.language_for(body.language, caller)
        return await self._starts(Asked.now(app, body.email or body.phone or "", caller, language))

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
            await self._requests.resend(tx, app, row, None, caller.asn)
            answer = await self._view(tx, app, row)
            await self._t.idempotency.store(tx, caller, 202, answer)
        return answer

    async def messages(self, tx: Tx, items: Items, answers: Answers) -> None:
        for one in await self._reaching.to_reach(tx, items, answers):
            with use_trace(one.trace):
                await self._send(tx, one)

    async def _send(self, tx: Tx, one: ToReach) -> None:
        expires_at = min(one.contact.expires_at, tx.now + rules.REMINDER_LIFETIME)
        secrets = Secrets(link=f"{self._t.db.origin}/{one.row.application}/sign-in", asked=one.asked)
        await self._reaching.publish(tx, UsernameReminderRequested, one, secrets, expires_at)

    def _app(self, slug: str) -> Resolved:
        app = self._t.configuration.application(slug)
        if not app.policy.username_reminder.enabled or app.store.identifiers.username.use == "hidden":
            raise FeatureDisabled
        return app

    async def _view(self, conn: Conn, app: Resolved, row: Request, next_at: datetime | None = None) -> ReminderFlow:
        waiting = row.waits and row.expires_at > conn.now and not self._t.moved(row)
        resend = await self._requests.resend_state(conn, app, row, next_at) if waiting else None
        return ReminderFlow(
            id=row.id,
            status="check_your_messages" if waiting else "ended",
            expires_at=row.expires_at,
            next=["resend"] if waiting else [],
            resend=resend.model_copy(update={"channels": _ways(row)}) if resend is not None else None,
            typed=row.identifier,
        )


def _ways(row: Request) -> list[Channel]:
    """By what was typed: an address is written to, a number is texted (D8)."""
    return ["email"] if "@" in (row.identifier or "") else ["sms"]
