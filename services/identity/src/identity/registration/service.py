"""Registration: the answer is the same whoever asks (REG-1); what has to be looked up happens behind it.

start() writes an attempt and work for the message; sending.py does that work and publishes ActivationRequested or
RegistrationRepeated; the activation feature adopts the attempt whose link or code was used.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from latchkey_contracts.http.common import Delivery, Resend
from latchkey_contracts.http.registration import RegistrationFlow, RegistrationRequest
from latchkey_contracts.identity import RegistrationExpired, UserActivated, UserRegistered
from servicekit import work
from servicekit.caller import Caller
from servicekit.configuration import Configuration, Resolved
from servicekit.context import set_tenant
from servicekit.db import Conn, Database, Record, Tx
from servicekit.devices import in_words
from servicekit.errors import FeatureDisabled, FieldError, FlowEnded, NotFound, TooManyRequests, UsernameTaken, ValidationFailed
from servicekit.guessing import Guesses
from servicekit.idempotency import Idempotency
from servicekit.ids import random_id
from servicekit.logging import security_event
from servicekit.onetime import MAX_WRONG, OneTimeSecrets, new_match, same_browser
from servicekit.sealing import Sealer
from servicekit.throttle import Decision, Throttle

from identity.accounts import store as accounts
from identity.accounts.rules import Identifier, channel_of, mask, read_identifiers
from identity.credentials import store as credentials
from identity.credentials.service import Passwords
from identity.recipients.service import Recipients
from identity.sessions.service import Sessions, Started

from . import rules, store

PURPOSE = "activation"
MESSAGE = "registration.message"
KEEP_ATTEMPTS = timedelta(days=30)


@dataclass
class Tools:
    """What registration and activation are built on."""

    db: Database
    configuration: Configuration
    passwords: Passwords
    sessions: Sessions
    onetime: OneTimeSecrets
    guesses: Guesses
    throttle: Throttle
    recipients: Recipients
    idempotency: Idempotency
    sealer: Sealer
    keep_pending: timedelta


class Registrations:
    def __init__(self, tools: Tools) -> None:
        self._t = tools

    # --- what the caller does ------------------------------------------------------------------------------------------

    async def start(self, slug: str, body: RegistrationRequest, caller: Caller) -> RegistrationFlow:
        app = self._t.configuration.application(slug)
        if not app.policy.registration.enabled:
            raise FeatureDisabled
        set_tenant(str(app.store.id), "unauthenticated")
        identifiers = self._validate(app, body)
        password_hash = await self._t.passwords.hash(body.password or "")
        if (recipient := rules.recipient_of(identifiers)) is None or not app.policy.registration.activation:
            return await self._start_without_activation(app, body, identifiers, password_hash, caller)
        async with self._t.db.transaction() as tx:
            await self._t.idempotency.begin(tx, caller)
            attempt = store.Attempt(
                id=random_id(),
                store_id=app.store.id,
                application=slug,
                identifiers=identifiers,
                recipient=recipient,
                password_hash=password_hash,
                profile=rules.clean_profile(body.profile),
                consents=[one.model_dump() for one in body.consents],
                language=body.language or caller.language or app.application.default_language,
                return_to=body.return_to,
                browser=caller.browser,
                match=new_match(),
                requested_from=in_words(caller.user_agent),
                expires_at=tx.now + app.policy.registration.link_lifetime,
            )
            await store.insert(tx, attempt)
            await self._request_message(tx, app, attempt.id, recipient)
            answer = await self._view(tx, await _found(tx, attempt.id), app)
            await self._t.idempotency.store(tx, caller, 202, answer)
        return answer

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
            way = channel_of(row["recipient_kind"])
            if channel not in {None, way}:
                raise ValidationFailed([FieldError("/channel", "not_an_option", "This message goes where the account's name is")])
            if row["status"] != "check_your_messages" or row["expires_at"] <= tx.now or await self._burned(tx, row):
                raise FlowEnded
            decision = await self._t.recipients.take(tx, app, PURPOSE, row["recipient"], way)
            if not decision.allowed:
                security_event("excess_rate_limit_exceeded", "fail", limit="resend", flow_id=str(flow_id))
                raise TooManyRequests(decision.retry_after_seconds, available_at=decision.available_at.isoformat())
            await work.enqueue(tx, MESSAGE, {"flow_id": str(flow_id), "taken": True})
            answer = await self._view(tx, row, app)
            await self._t.idempotency.store(tx, caller, 202, answer)
        return answer

    async def purge(self) -> None:
        """Accounts that were never activated (REG-8), and attempts that are long over."""
        async with self._t.db.transaction() as tx:
            gone = await accounts.delete_never_activated(tx, tx.now - self._t.keep_pending)
            await store.forget(tx, [row["id"] for row in gone])
            for row in gone:
                await self._t.onetime.end_subject(tx, str(row["id"]))
                await tx.emit(RegistrationExpired(account_id=row["id"], store_id=row["store_id"]))
            await store.purge(tx, tx.now - KEEP_ATTEMPTS)
            await self._t.onetime.purge(tx, KEEP_ATTEMPTS)
            await self._t.throttle.purge(tx)
            await self._t.idempotency.purge(tx)

    # --- parts -----------------------------------------------------------------------------------------------------------

    def _validate(self, app: Resolved, body: RegistrationRequest) -> list[Identifier]:
        given = {"email": body.identifiers.email, "username": body.identifiers.username, "phone": body.identifiers.phone}
        identifiers, errors = read_identifiers(given, app.store)  # type: ignore[arg-type]
        if body.password is None:
            errors.append(FieldError("/password", "required", "This is needed"))
        else:
            errors += self._t.passwords.check_for(app, body.password, [one.value for one in identifiers])
        errors += rules.check_profile(body.profile, app.store)
        errors += rules.check_consents(body.consents, app.application)
        if body.language is not None and body.language not in app.application.languages:
            errors.append(FieldError("/language", "not_an_option", "This application doesn't speak it"))
        if body.return_to is not None and body.return_to not in app.application.return_urls:
            errors.append(FieldError("/return_to", "not_an_option", "This address is not registered"))
        if errors:
            raise ValidationFailed(errors)
        return identifiers

    async def _start_without_activation(
        self, app: Resolved, body: RegistrationRequest, identifiers: list[Identifier], password_hash: str, caller: Caller
    ) -> RegistrationFlow:
        """Activation is off, or the store has nothing to prove (R8, D4): the account is there at once, with a session.

        The one place where an identifier in use is told, since nobody's mailbox could tell it (REG-1's stated exception).
        """
        async with self._t.db.transaction() as tx:
            await self._t.idempotency.begin(tx, caller)
            account_id = await accounts.insert(tx, app.store.id, caller.language or app.application.default_language)
            for one in identifiers:
                if not await accounts.add_identifier(tx, account_id, app.store.id, one, verified_at=None):
                    raise UsernameTaken(
                        errors=[FieldError(f"/identifiers/{one.kind}", "username_taken", "Choose another one").as_dict()]
                    )
            await credentials.put(tx, account_id, password_hash)
            language = body.language or caller.language or app.application.default_language
            profile, consents = rules.clean_profile(body.profile), [one.model_dump() for one in body.consents]
            await accounts.activate(tx, account_id, profile=profile, consents=consents, language=language)
            flow_id = random_id()
            slug = app.application.slug
            kinds = [one.kind for one in identifiers]
            await tx.emit(UserRegistered(account_id=account_id, store_id=app.store.id, application=slug, identifier_kinds=kinds))
            await tx.emit(
                UserActivated(
                    account_id=account_id,
                    flow_id=flow_id,
                    application=slug,
                    store_id=app.store.id,
                    method="none",
                    language=language,
                )
            )
            started: Started = await self._t.sessions.start(
                tx, account_id=account_id, app=app, caller=caller, methods=["password"]
            )
            answer = RegistrationFlow(
                id=flow_id, status="complete", expires_at=started.expires_at, next=[], session=started.for_client()
            )
            await self._t.idempotency.store(tx, caller, 202, answer)
        return answer

    async def _request_message(self, tx: Tx, app: Resolved, flow_id: UUID, recipient: Identifier) -> None:
        """Now, or when its turn comes; above a cap nothing leaves, and nobody is told (REG-9)."""
        turn = await self._t.recipients.turn(tx, app, PURPOSE, recipient.canonical, channel_of(recipient.kind))
        if turn is None:
            await store.set_suppressed(tx, flow_id)
        else:
            await work.enqueue(tx, MESSAGE, {"flow_id": str(flow_id), "taken": turn <= tx.now}, due_at=turn)

    async def _mine(self, conn: Conn, slug: str, flow_id: UUID, caller: Caller) -> Record:
        """The flow, if this browser started it; anybody else is told that there is none."""
        row = await store.get(conn, flow_id)
        if row is None or row["application"] != slug or not same_browser(row["browser"], caller.browser):
            raise NotFound
        return row

    async def mine(self, conn: Conn, slug: str, flow_id: UUID, caller: Caller) -> Record:
        return await self._mine(conn, slug, flow_id, caller)

    async def view(self, conn: Conn, row: Record) -> RegistrationFlow:
        return await self._view(conn, row, self._t.configuration.application(row["application"]))

    async def _view(self, conn: Conn, row: Record, app: Resolved) -> RegistrationFlow:
        status, waiting = row["status"], row["status"] == "check_your_messages"
        if waiting and (row["expires_at"] <= conn.now or await self._burned(conn, row)):
            status, waiting = "ended", False
        following: list[str] = []
        resend, way = None, channel_of(row["recipient_kind"])
        if waiting:
            tries = await self._t.onetime.tries_left(conn, flow_id=row["id"], purpose=PURPOSE)
            following = ["resend", "code"] if tries else ["resend"]
            resend = await self._resend(conn, row, app)
        if status == "password" or (waiting and row["password_hash"] is None):
            following = [*following, "password"]
        return RegistrationFlow(
            id=row["id"],
            status=status,
            expires_at=row["expires_at"],
            next=following,
            delivery=Delivery(
                channel=row["delivery_channel"] or way,
                to=mask(row["recipient_kind"], row["recipient_value"]),
                state=row["delivery_state"],
                at=row["delivery_at"],
            ),
            resend=resend,
            typed=row["recipient_value"],
            match=row["match"] if waiting and way == "email" and not row["link_ended"] else None,
            link_ended=row["link_ended"],
        )

    async def _burned(self, conn: Conn, row: Record) -> bool:
        """Five wrong tries burn every code of a flow for good; where there is no link beside them, that is its end (OTP-5)."""
        if channel_of(row["recipient_kind"]) == "email":
            return False
        return not await self._t.onetime.tries_left(conn, flow_id=row["id"], purpose=PURPOSE)

    async def _resend(self, conn: Conn, row: Record, app: Resolved) -> Resend:
        way = channel_of(row["recipient_kind"])
        found = await self._t.recipients.peek(conn, app, PURPOSE, row["recipient"], way)
        available: datetime = max(found.available_at, row["created_at"] + app.policy.resend.spacing)
        seconds = Decision(False, available, conn.now, available).retry_after_seconds
        return Resend(available_at=available, retry_after_seconds=seconds, channels=[way])


async def _found(conn: Conn, flow_id: UUID) -> Record:
    row = await store.get(conn, flow_id)
    assert row is not None  # noqa: S101 - inserted in this transaction
    return row


__all__ = ["MAX_WRONG", "MESSAGE", "PURPOSE", "Registrations", "Tools"]
