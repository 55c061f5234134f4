"""While a total-loss recovery waits: a notice every day, and what became of it; at last its effect, if the owner could be told (REC-12)."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from latchkey_contracts.http.contacts import ContactAnswer, ContactRequest
from latchkey_contracts.messages import Contact, Origin, Secrets
from latchkey_contracts.recovery import TotalLossRecoveryAnnounced
from prometheus_client import Counter
from servicekit.db import Tx
from servicekit.events import messages, work
from servicekit.ids import random_id
from servicekit.logging import get_logger, security_event
from servicekit.proof import ToIssue
from servicekit.web.caller import Caller

from recovery.flows.reaching import ASK_SECONDS, Items
from recovery.flows.service import Tools
from recovery.password_reset.sending import Messages

from . import rules, store
from .service import ANNOUNCE, PURPOSE, TAKE_EFFECT, payload
from .store import Case

LINK_LIFETIME = timedelta(days=7)  # longer than any delay
log = get_logger(__name__)
PUT_OFF = Counter("latchkey_total_loss_put_off", "Total-loss recoveries that wait a day more: on some day no notice left")


class Waiting:
    def __init__(self, tools: Tools, messages: Messages) -> None:
        self._t = tools
        self._messages = messages

    async def ask(self, items: Items) -> ContactAnswer | None:
        """Whose it is and where that person can be told. None: it is over."""
        ((_, given),) = items
        async with self._t.db.read() as conn:
            case = await store.get(conn, UUID(given["case_id"]))
        if case is None or case.status != "waiting":
            return None
        body = ContactRequest(
            application=case.application,
            purpose="total_loss",
            reach="every_verified",
            identifier=case.identifier,
            account_id=str(case.account_id) if case.account_id else None,
            verified_before=case.created_at.isoformat(),
            store_id=str(case.store_id),
        )
        caller = Caller(service="recovery", idempotency_key=given["message_id"], fingerprint="")
        found = await self._t.identity.request(
            "POST", "/internal/contacts", caller=caller, json=body.model_dump(mode="json"), deadline=ASK_SECONDS
        )
        return ContactAnswer.model_validate(found)

    async def announce(self, tx: Tx, items: Items, answer: ContactAnswer | None) -> None:
        """To every verified address, at once and every day; each notice has a link of its own that ends it."""
        case = await self._lock(tx, items)
        if case is None or answer is None or case.takes_effect_at <= tx.now:
            return
        day = rules.day_of(case.created_at, tx.now)
        if case.announced_day is not None and case.announced_day >= day:
            return
        first = case.account_id is None
        told = answer.contacts or answer.sms_contacts
        if answer.account_id is None or not told or (first and not await store.found(tx, case.id, answer.account_id)):
            await store.end(tx, case.id, "void")  # nobody's, nobody could stop it, or one is on its way already
            return
        await tx.emit(
            TotalLossRecoveryAnnounced(
                account_id=answer.account_id,
                flow_id=case.id,
                application=case.application,
                language=answer.language or case.language,
                takes_effect_at=case.takes_effect_at,
                contacts=answer.contacts,
                sms_contacts=answer.sms_contacts,
                message=self._t.sealer.seal(await self._secrets(tx, case, day), expires_at=tx.now + rules.DAY),
            ),
            tenant=case.store_id,
        )
        await work.enqueue(tx, ANNOUNCE, payload(case.id), due_at=case.created_at + (day + 1) * rules.DAY)

    async def _secrets(self, tx: Tx, case: Case, day: int) -> Secrets:
        notice_id = random_id()
        await store.add_notice(tx, case.id, notice_id, day)
        one = ToIssue(
            purpose=PURPOSE,
            flow_id=notice_id,
            subject=None,
            tenant=str(case.store_id),
            browser=None,
            link_lifetime=LINK_LIFETIME,
        )
        issued = await self._t.onetime.issue(tx, one)
        return Secrets(
            link=f"{self._t.db.origin}/{case.application}/l/{issued.token}",
            asked=Origin(at=case.created_at, device=case.requested_from),
            takes_effect_at=case.takes_effect_at,
        )

    async def take_effect(self, tx: Tx, items: Items, answer: ContactAnswer | None) -> None:
        """The delay is over and nobody has cancelled: a reset link to the new address, usable in any browser. Not before a notice has
        left on each day of it: whoever could keep them from leaving would otherwise have the account.
        """
        case = await self._lock(tx, items)
        if case is None or answer is None or case.account_id is None or case.new_address is None:
            return
        if answer.account_id is None:
            await store.end(tx, case.id, "void")  # frozen or disabled since the last notice
            return
        told = [rules.day_of(case.created_at, one) for one in await messages.left_at(tx, case.id)]
        at = rules.takes_effect_at(case.created_at, case.delay, told)
        if at is None or at > tx.now:
            await self._put_off(tx, case, told_days=len(set(told)))
            return
        await store.end(tx, case.id, "effective")
        contact = Contact(channel="email", to=case.new_address)
        await self._messages.send_to(tx, case.application, case.account_id, contact, case.language)
        security_event("sensitive_update", "success", what="total_loss.effective", account_id=str(case.account_id))

    async def _put_off(self, tx: Tx, case: Case, told_days: int) -> None:
        if tx.now >= case.created_at + rules.GIVEN_UP_AFTER:
            log.warning("total_loss.given_up", case_id=str(case.id), told_days=told_days)
            await store.end(tx, case.id, "void")
            return
        if case.takes_effect_at > tx.now:
            return  # another look has done it
        at = rules.next_look(case.created_at, case.delay, tx.now)
        log.warning("total_loss.put_off", case_id=str(case.id), told_days=told_days, takes_effect_at=at.isoformat())
        tx.on_commit(PUT_OFF.inc)
        await store.put_off(tx, case, at)
        await work.enqueue(tx, ANNOUNCE, payload(case.id))
        await work.enqueue(tx, TAKE_EFFECT, payload(case.id), due_at=at)

    async def look_again(self, tx: Tx, case_id: UUID) -> None:
        """A notice was heard of; it may have been the last one that was missing."""
        case = await store.lock(tx, case_id)
        if case is None or case.status != "waiting":
            return
        told = [rules.day_of(case.created_at, one) for one in await messages.left_at(tx, case.id)]
        at = rules.takes_effect_at(case.created_at, case.delay, told)
        if at is not None and at <= tx.now:
            await work.enqueue(tx, TAKE_EFFECT, payload(case.id))

    @staticmethod
    async def _lock(tx: Tx, items: Items) -> Case | None:
        """If it still waits."""
        given: dict[str, Any]
        ((_, given),) = items
        case = await store.lock(tx, UUID(given["case_id"]))
        return case if case is not None and case.status == "waiting" else None
