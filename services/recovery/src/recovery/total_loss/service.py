"""Total-loss recovery: for who can't read the account's mailbox any more (REC-12). Switched by policy, off by default.

A delay, a notice to every verified address and number at once and every day, and one press in any of them ends it for good. So does
whatever secures the account meanwhile: a new password, a freeze. Where nobody can be told there is no such recovery. When the time is
over, a reset link goes to the address that was given. Until then nobody is told anything: known and unknown are alike.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

from email_validator import EmailNotValidError, validate_email
from latchkey_contracts.event import AccountEvent
from latchkey_contracts.http.contacts import ContactAnswer, ContactRequest
from latchkey_contracts.http.links import Cancelled, ConfirmRequest, LinkInfo
from latchkey_contracts.http.recovery import TotalLossFlow, TotalLossRequest
from latchkey_contracts.messages import Contact, Origin, Secrets
from latchkey_contracts.recovery import TotalLossRecoveryAnnounced, TotalLossRecoveryCancelled
from servicekit import work
from servicekit.caller import Caller
from servicekit.context import set_tenant
from servicekit.db import Record, Tx
from servicekit.devices import in_words
from servicekit.errors import FeatureDisabled, FieldError, LinkMalformed, ValidationFailed
from servicekit.ids import random_id
from servicekit.logging import security_event
from servicekit.onetime import LINK_ERRORS, ToIssue
from servicekit.throttle import Limit

from recovery.password_reset.sending import Messages
from recovery.requests import rules
from recovery.requests.service import Tools

from . import store

PURPOSE = "recovery_cancel"
ANNOUNCE = "total_loss.announce"
TAKE_EFFECT = "total_loss.take_effect"
EVERY = timedelta(days=1)
LINK_LIFETIME = timedelta(days=7)  # longer than any delay
STARTS = (Limit(3, 86400),)
KEEP = timedelta(days=90)


class TotalLoss:
    def __init__(self, tools: Tools, messages: Messages) -> None:
        self._t = tools
        self._messages = messages

    async def start(self, slug: str, body: TotalLossRequest, caller: Caller) -> TotalLossFlow:
        """202 whatever was typed; above three a day for one identifier nothing happens, and nobody is told."""
        app = self._t.configuration.application(slug)
        if not app.policy.total_loss_recovery.enabled:
            raise FeatureDisabled
        try:
            validate_email(body.email, check_deliverability=False, allow_smtputf8=True, test_environment=True)
        except EmailNotValidError:
            raise ValidationFailed([FieldError("/email", "email_not_valid", "This is not an e-mail address")]) from None
        set_tenant(str(app.store.id), "unauthenticated")
        async with self._t.db.transaction() as tx:
            await self._t.idempotency.begin(tx, caller)
            case_id, takes_effect_at = random_id(), tx.now + app.policy.total_loss_recovery.delay
            key = self._t.throttle.key("total_loss", str(app.store.id), rules.folded(body.identifier))
            if (await self._t.throttle.take(tx, [(key, STARTS)])).allowed:
                await store.insert(
                    tx,
                    case_id,
                    store_id=app.store.id,
                    application=slug,
                    identifier=body.identifier,
                    new_address=body.email,
                    language=caller.language or app.application.default_language,
                    requested_from=in_words(caller.user_agent),
                    takes_effect_at=takes_effect_at,
                )
                await work.enqueue(tx, ANNOUNCE, _payload(case_id))
                await work.enqueue(tx, TAKE_EFFECT, _payload(case_id), due_at=takes_effect_at)
            answer = TotalLossFlow(
                id=case_id, status="waiting", expires_at=takes_effect_at, next=[], takes_effect_at=takes_effect_at
            )
            await self._t.idempotency.store(tx, caller, 202, answer)
        return answer

    # --- the work behind it --------------------------------------------------------------------------------------------------

    async def announce(self, tx: Tx, payload: dict[str, Any]) -> None:
        """To every verified address, at once and every day; each notice has a link of its own that ends it."""
        row = await store.lock(tx, UUID(payload["case_id"]))
        if row is None or row["status"] != "waiting" or row["takes_effect_at"] <= tx.now:
            return
        answer = await self._contacts(row, payload["message_id"])
        first = row["account_id"] is None
        told = answer.contacts or answer.sms_contacts
        if answer.account_id is None or not told or (first and not await store.found(tx, row["id"], answer.account_id)):
            await store.end(tx, row["id"], "void")  # nobody's, nobody could stop it, or one is on its way already
            return
        notice_id = random_id()
        await store.add_notice(tx, row["id"], notice_id)
        issued = await self._t.onetime.issue(
            tx,
            ToIssue(
                purpose=PURPOSE,
                flow_id=notice_id,
                subject=None,
                tenant=str(row["store_id"]),
                browser=None,
                link_lifetime=LINK_LIFETIME,
            ),
        )
        secrets = Secrets(
            link=f"{self._t.db.origin}/{row['application']}/l/{issued.token}",
            asked=Origin(at=row["created_at"], device=row["requested_from"]),
            takes_effect_at=row["takes_effect_at"],
        )
        await tx.emit(
            TotalLossRecoveryAnnounced(
                account_id=answer.account_id,
                flow_id=row["id"],
                application=row["application"],
                language=answer.language or row["language"],
                takes_effect_at=row["takes_effect_at"],
                contacts=answer.contacts,
                sms_contacts=answer.sms_contacts,
                message=self._t.sealer.seal(secrets, expires_at=tx.now + EVERY),
            )
        )
        await work.enqueue(tx, ANNOUNCE, _payload(row["id"]), due_at=tx.now + EVERY)

    async def take_effect(self, tx: Tx, payload: dict[str, Any]) -> None:
        """The delay is over and nobody has cancelled: a reset link to the new address, usable in any browser."""
        row = await store.lock(tx, UUID(payload["case_id"]))
        if row is None or row["status"] != "waiting" or row["account_id"] is None:
            return
        if (await self._contacts(row, payload["message_id"])).account_id is None:
            await store.end(tx, row["id"], "void")  # frozen or disabled since the last notice
            return
        contact = Contact(channel="email", to=row["new_address"])
        await store.end(tx, row["id"], "effective")
        await self._messages.send_to(tx, row["application"], row["account_id"], contact, row["language"])
        security_event("sensitive_update", "success", what="total_loss.effective", account_id=str(row["account_id"]))

    async def _contacts(self, row: Record, message_id: str) -> ContactAnswer:
        body = ContactRequest(
            application=row["application"],
            purpose="total_loss",
            identifier=row["identifier"],
            account_id=str(row["account_id"]) if row["account_id"] else None,
        )
        caller = Caller(service="recovery", idempotency_key=message_id, fingerprint="")
        found = await self._t.identity.request(
            "POST", "/internal/contacts", caller=caller, json=body.model_dump(mode="json"), deadline=5
        )
        return ContactAnswer.model_validate(found)

    # --- cancelling ------------------------------------------------------------------------------------------------------------

    async def inspect(self, slug: str, token: str, _caller: Caller) -> LinkInfo:
        async with self._t.db.read() as conn:
            link = await self._t.onetime.inspect(conn, token)
            row = await store.by_notice(conn, link.flow_id) if link.flow_id else None
        if row is None or row["application"] != slug:
            return LinkInfo(purpose=None, state="malformed")
        over = row["status"] if row["status"] != "waiting" else None
        return LinkInfo(
            purpose=PURPOSE,
            state="ended" if link.state == "valid" and over else link.state,
            requested_at=row["created_at"],
            requested_from=row["requested_from"],
            expires_at=row["takes_effect_at"],
            used_at=link.used_at,
            renewable=False,
            over=over,
        )

    async def confirm(self, slug: str, body: ConfirmRequest, caller: Caller) -> Cancelled:
        """From anywhere, without signing in; cancel wins as long as it has not taken effect."""
        answer = None
        async with self._t.db.transaction() as tx:
            await self._t.idempotency.begin(tx, caller)
            link = await self._t.onetime.inspect(tx, body.token)
            found = await store.by_notice(tx, link.flow_id) if link.flow_id else None
            row = await store.lock(tx, found["id"]) if found else None
            if row is None or row["application"] != slug:
                raise LinkMalformed
            result = await self._t.onetime.consume_link(
                tx, body.token, purposes=[PURPOSE], browser=caller.browser, from_anywhere=True
            )
            outcome = result.outcome
            if outcome == "ok" and await store.end(tx, row["id"], "cancelled"):
                await tx.emit(
                    TotalLossRecoveryCancelled(account_id=row["account_id"], flow_id=row["id"], application=row["application"])
                )
                answer = Cancelled()
                await self._t.idempotency.store(tx, caller, 200, answer)
            elif outcome == "ok":
                outcome = "ended"
        if answer is None:
            raise LINK_ERRORS.get(outcome, LinkMalformed)
        security_event("sensitive_update", "success", what="total_loss.cancelled", account_id=str(row["account_id"]))
        return answer

    async def secured(self, tx: Tx, event: AccountEvent) -> None:
        """Whoever has just set the password, or frozen the account, has not lost everything."""
        await store.void(tx, event.account_id, event.meta.time)

    async def purge(self) -> None:
        async with self._t.db.transaction() as tx:
            await store.purge(tx, tx.now - KEEP)


def _payload(case_id: UUID) -> dict[str, Any]:
    return {"case_id": str(case_id), "message_id": str(random_id())}
