"""Registration: the answer is the same whoever asks (REG-1); what has to be looked up happens behind it.

start() writes an attempt and work for the message; sending.py does that work and publishes ActivationRequested or
RegistrationRepeated; the activation feature adopts the attempt whose link or code was used.
"""

from datetime import timedelta
from uuid import UUID

from latchkey_contracts.http.common import Delivery, Resend
from latchkey_contracts.http.registration import RegistrationFlow, RegistrationRequest
from latchkey_contracts.http.social import NewcomerRequest
from latchkey_contracts.identity import RegistrationExpired
from servicekit.context import set_tenant
from servicekit.db import Conn, Tx
from servicekit.devices import in_words
from servicekit.errors import (
    FeatureDisabled,
    FieldError,
    FlowEnded,
    NotFound,
    StepMissing,
    TooManyRequests,
    ValidationFailed,
)
from servicekit.events import messages, work
from servicekit.ids import random_id
from servicekit.logging import security_event
from servicekit.process.configuration import Resolved
from servicekit.proof import new_match, same_browser
from servicekit.throttle import Decision
from servicekit.web.caller import Caller

from identity.accounts import store as accounts
from identity.accounts.rules import Identifier, channel_of, given_name, mask, read_identifiers
from identity.accounts.values import clean_profile
from identity.linked.rules import Newcomer

from . import rules, store
from .at_once import AtOnce
from .states import Status
from .store import Registration
from .tools import MESSAGE, PURPOSE, Tools

KEEP_ATTEMPTS = timedelta(days=30)
PURGE_BATCH = 200


class Registrations:
    def __init__(self, tools: Tools) -> None:
        self._t = tools
        self._at_once = AtOnce(tools)

    # --- what the caller does ------------------------------------------------------------------------------------------

    async def start(self, slug: str, body: RegistrationRequest, caller: Caller) -> RegistrationFlow:
        app = self._t.configuration.application(slug)
        if not app.policy.registration.enabled:
            raise FeatureDisabled
        set_tenant(str(app.store.id), "unauthenticated")
        identifiers = self._validate(app, body)
        password_hash = await self._t.passwords.hash(body.password) if body.password is not None else None
        recipient = rules.recipient_of(identifiers)
        if recipient is None or not app.policy.registration.activation:
            assert password_hash is not None  # noqa: S101 - it was asked for
            return await self._at_once.start(app, body, identifiers, password_hash, caller)
        return await self.begin(app, body, identifiers, recipient, caller, password_hash=password_hash, return_to=body.return_to)

    async def begin(
        self,
        app: Resolved,
        body: RegistrationRequest | NewcomerRequest,
        identifiers: list[Identifier],
        recipient: Identifier,
        caller: Caller,
        *,
        password_hash: str | None = None,
        return_to: str | None = None,
        newcomer: Newcomer | None = None,
    ) -> RegistrationFlow:
        """Of what was found to be right; the message of it goes behind the answer. `newcomer`: who signs in by an account elsewhere."""
        async with self._t.db.transaction() as tx:
            await self._t.idempotency.begin(tx, caller)
            attempt = store.Attempt(
                id=random_id(),
                store_id=app.store.id,
                application=app.application.slug,
                identifiers=identifiers,
                recipient=recipient,
                password_hash=password_hash,
                profile=clean_profile(body.profile, app.store),
                consents=[decision.model_dump() for decision in body.consents],
                language=app.language_for(body.language, caller),
                return_to=return_to,
                browser=caller.browser,
                match=new_match(),
                requested_from=in_words(caller.user_agent),
                expires_at=tx.now + app.policy.registration.link_lifetime,
                newcomer=newcomer,
            )
            return await self._begun(tx, app, attempt, caller)

    async def read(self, slug: str, flow_id: UUID, caller: Caller) -> RegistrationFlow:
        async with self._t.db.read() as conn:
            return await self._view(conn, await self._mine(conn, slug, flow_id, caller), self._t.configuration.application(slug))

    async def resend(self, slug: str, flow_id: UUID, channel: str | None, caller: Caller) -> RegistrationFlow:
        """In its own flow: 429 when too early or above a cap (the 20 s rule); the older link and code die when the new ones leave."""
        app = self._t.configuration.application(slug)
        set_tenant(str(app.store.id), "unauthenticated")
        async with self._t.db.transaction() as tx:
            await self._t.idempotency.begin(tx, caller)
            row = await self._mine(tx, slug, flow_id, caller)
            way = channel_of(row.recipient.kind)
            if channel not in {None, way}:
                raise ValidationFailed([FieldError("/channel", "not_an_option", "This message goes where the account's name is")])
            over = not row.waits or row.expires_at <= tx.now or row.store_id != app.store.id
            if over or await self._burned(tx, row):
                raise FlowEnded
            decision = await self._t.budgets.take(tx, app, PURPOSE, row.recipient.canonical, way, restarted=row.restarted)
            if not decision.allowed:
                security_event("excess_rate_limit_exceeded", "fail", limit="resend", flow_id=str(flow_id))
                raise TooManyRequests(decision.retry_after_seconds, available_at=decision.available_at.isoformat())
            await work.enqueue(tx, MESSAGE, {"flow_id": str(flow_id), "taken": True, "asn": caller.asn})
            await messages.asked_again(tx, flow_id)
            answer = await self._view(tx, await self._mine(tx, slug, flow_id, caller), app)
            await self._t.idempotency.store(tx, caller, 202, answer)
        return answer

    async def by_email(self, slug: str, flow_id: UUID, email: str, caller: Caller) -> RegistrationFlow:
        """Of whoever waits for a text: goes on by mail with all that was typed (FRD-8). Raises StepMissing, FlowEnded, ValidationFailed.

        As a registration of its own with an address beside the number, so whatever holds for those holds here. One flow for both would
        count what the mail proves as the use of a text that nobody may have got (FRD-5).
        """
        app = self._t.configuration.application(slug)
        set_tenant(str(app.store.id), "unauthenticated")
        found, errors = read_identifiers({"email": email}, app.store)
        async with self._t.db.transaction() as tx:
            await self._t.idempotency.begin(tx, caller)
            row = await self._mine(tx, slug, flow_id, caller)
            offered = (await self._view(tx, row, app)).next
            if not offered:
                raise FlowEnded
            if "email" not in offered:
                raise StepMissing
            if errors:
                raise ValidationFailed([FieldError("/email", one.code, one.message) for one in errors])
            attempt = store.Attempt(
                id=random_id(),
                store_id=row.store_id,
                application=slug,
                identifiers=[*found, *row.identifiers],
                recipient=found[0],
                password_hash=row.password_hash,
                profile=row.profile,
                consents=row.consents,
                language=app.speaks(caller.language) or row.language,
                return_to=row.return_to,
                browser=caller.browser,
                match=new_match(),
                requested_from=in_words(caller.user_agent),
                expires_at=tx.now + app.policy.registration.link_lifetime,
            )
            return await self._begun(tx, app, attempt, caller)

    async def purge(self) -> None:
        """Accounts that were never activated (REG-8), and attempts that are long over: all of them, however many a day brings."""
        while await self._purge_some():
            pass
        async with self._t.db.transaction() as tx:
            await store.purge(tx, tx.now - KEEP_ATTEMPTS)

    async def _purge_some(self) -> bool:
        """In a transaction that is short whatever there is. True: there may be more."""
        async with self._t.db.transaction() as tx:
            gone = await accounts.delete_never_activated(tx, tx.now - self._t.keep_pending, PURGE_BATCH)
            await store.forget(tx, [row.id for row in gone])
            for row in gone:
                await self._t.onetime.end_subject(tx, str(row.id))
                await tx.emit(RegistrationExpired(account_id=row.id, store_id=row.store_id))
        return len(gone) == PURGE_BATCH

    # --- parts -----------------------------------------------------------------------------------------------------------

    def _validate(self, app: Resolved, body: RegistrationRequest) -> list[Identifier]:
        given = {"email": body.identifiers.email, "username": body.identifiers.username, "phone": body.identifiers.phone}
        identifiers, errors = read_identifiers(given, app.store)  # type: ignore[arg-type]
        recipient = rules.recipient_of(identifiers)
        if body.password is not None:
            errors += self._t.passwords.check_for(app, body.password, [identifier.value for identifier in identifiers])
        elif recipient is None or not app.policy.password_last:
            errors.append(FieldError("/password", "required", "This is needed"))
        errors += rules.check_rest(body.profile, body.consents, body.language, app, recipient)
        if body.return_to is not None and body.return_to not in app.application.return_urls:
            errors.append(FieldError("/return_to", "not_an_option", "This address is not registered"))
        if errors:
            raise ValidationFailed(errors)
        return identifiers

    async def _begun(self, tx: Tx, app: Resolved, attempt: store.Attempt, caller: Caller) -> RegistrationFlow:
        await store.insert(tx, attempt)
        await self._request_message(tx, app, attempt.id, attempt.recipient, caller.asn)
        answer = await self._view(tx, await _found(tx, attempt.id), app)
        await self._t.idempotency.store(tx, caller, 202, answer)
        return answer

    async def _request_message(self, tx: Tx, app: Resolved, flow_id: UUID, recipient: Identifier, asn: int | None) -> None:
        """Now, or when its turn comes; above a cap nothing leaves, and nobody is told (REG-9)."""
        turn = await self._t.budgets.turn(tx, app, PURPOSE, recipient.canonical, channel_of(recipient.kind))
        if turn is None:
            await messages.suppressed(tx, flow_id)
        else:
            await work.enqueue(tx, MESSAGE, {"flow_id": str(flow_id), "taken": True, "asn": asn}, due_at=turn)

    async def _mine(self, conn: Conn, slug: str, flow_id: UUID, caller: Caller) -> Registration:
        """The flow, if this browser started it; anybody else is told that there is none."""
        row = await store.get(conn, flow_id)
        if row is None or row.application != slug or not same_browser(row.browser, caller.browser):
            raise NotFound
        return row

    async def mine(self, conn: Conn, slug: str, flow_id: UUID, caller: Caller) -> Registration:
        return await self._mine(conn, slug, flow_id, caller)

    async def view(self, conn: Conn, row: Registration) -> RegistrationFlow:
        return await self._view(conn, row, self._t.configuration.application(row.application))

    async def _view(self, conn: Conn, row: Registration, app: Resolved) -> RegistrationFlow:
        status: Status = row.status
        waiting = row.waits
        if waiting and (row.store_id != app.store.id or row.expires_at <= conn.now or await self._burned(conn, row)):
            status, waiting = "ended", False
        following: list[str] = []
        resend, way = None, channel_of(row.recipient.kind)
        if waiting:
            tries = await self._t.onetime.tries_left(conn, flow_id=row.id, purpose=PURPOSE)
            following = ["resend", "code"] if tries else ["resend"]
            if way == "sms" and "email" in app.store.used():
                following.append("email")  # whatever became of the text: nobody learns by it whether the number is known (ENU-1)
            resend = await self._resend(conn, row, app)
        if status == "password" or (waiting and not row.complete):
            following = [*following, "password"]
        return RegistrationFlow(
            id=row.id,
            status=status,
            expires_at=row.expires_at,
            next=following,
            delivery=await self._delivery(conn, row),
            resend=resend,
            typed=row.recipient.value,
            given_name=given_name(row.profile) if status == "activated" else None,
            match=row.match if waiting and way == "email" and not row.link_ended else None,
            link_ended=row.link_ended,
        )

    @staticmethod
    async def _delivery(conn: Conn, row: Registration) -> Delivery:
        told = await messages.told(conn, row.id) or messages.Told("queued", row.created_at, None)
        way = channel_of(row.recipient.kind)
        to = mask(row.recipient.kind, row.recipient.value)
        return Delivery(channel=told.channel or way, to=to, state=told.state, at=told.at)

    async def _burned(self, conn: Conn, row: Registration) -> bool:
        """Five wrong tries burn every code of a flow for good; where there is no link beside them, that is its end (OTP-5)."""
        if channel_of(row.recipient.kind) == "email":
            return False
        return not await self._t.onetime.tries_left(conn, flow_id=row.id, purpose=PURPOSE)

    async def _resend(self, conn: Conn, row: Registration, app: Resolved) -> Resend:
        way = channel_of(row.recipient.kind)
        found = await self._t.budgets.peek(conn, app, PURPOSE, row.recipient.canonical, way, restarted=row.restarted)
        available = max(found.available_at, row.created_at + app.policy.resend.spacing)
        seconds = Decision(False, available, conn.now, available).retry_after_seconds
        return Resend(available_at=available, retry_after_seconds=seconds, channels=[way])


async def _found(conn: Conn, flow_id: UUID) -> Registration:
    row = await store.get(conn, flow_id)
    assert row is not None  # noqa: S101 - inserted in this transaction
    return row
