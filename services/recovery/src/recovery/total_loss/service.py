"""Total-loss recovery: for who can't read the account's mailbox any more (REC-12). Switched by policy, off by default.

A delay, a notice to every verified address and number at once and every day, and one press in any of them ends it for good. So does
whatever secures the account meanwhile: a new password, a freeze. Where nobody can be told there is no such recovery. When the time is
over, a reset link goes to the address that was given. Until then nobody is told anything: known and unknown are alike.

Here: how it begins and how it is stopped. What happens meanwhile is in waiting.py.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

from email_validator import EmailNotValidError, validate_email
from latchkey_contracts.event import AccountEvent
from latchkey_contracts.http.links import Cancelled
from latchkey_contracts.http.recovery import TotalLossFlow, TotalLossRequest
from latchkey_contracts.recovery import TotalLossRecoveryCancelled
from servicekit.context import set_tenant
from servicekit.db import Conn, Tx
from servicekit.devices import in_words
from servicekit.errors import FeatureDisabled, FieldError, ValidationFailed
from servicekit.events import work
from servicekit.ids import random_id
from servicekit.logging import security_event
from servicekit.proof.flow import Proof, Proofs, Shown
from servicekit.throttle import Limit
from servicekit.web.caller import Caller

from recovery.flows.rules import folded
from recovery.flows.service import Tools

from . import store
from .store import Case

PURPOSE = "recovery_cancel"
ANNOUNCE = "total_loss.announce"
TAKE_EFFECT = "total_loss.take_effect"
STARTS = (Limit(3, 86400),)
KEEP = timedelta(days=90)


class TotalLoss(Proofs[Case, Cancelled]):
    """Its links work from anywhere, without signing in; cancel wins as long as it has not taken effect."""

    purpose = "recovery_cancel"

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools.proofs)
        self._t = tools

    async def start(self, slug: str, body: TotalLossRequest, caller: Caller) -> TotalLossFlow:
        """202 whatever was typed; above three a day for one identifier nothing happens, and nobody is told."""
        app = self._t.configuration.application(slug)
        if not app.policy.total_loss_recovery.enabled:
            raise FeatureDisabled
        try:
            validate_email(body.email, check_deliverability=False, allow_smtputf8=True, test_environment=True)
        except EmailNotValidError:
            raise ValidationFailed([FieldError("/email", "email_not_valid", "This is not an e-mail address")]) from None
        language = app.language_for(body.language, caller)
        set_tenant(str(app.store.id), "unauthenticated")
        async with self._t.db.transaction() as tx:
            await self._t.idempotency.begin(tx, caller)
            case = store.New(
                id=random_id(),
                store_id=app.store.id,
                application=slug,
                identifier=body.identifier,
                new_address=body.email,
                language=language,
                requested_from=in_words(caller.user_agent),
                takes_effect_at=tx.now + app.policy.total_loss_recovery.delay,
            )
            key = self._t.throttle.key("total_loss", str(app.store.id), folded(body.identifier))
            if (await self._t.throttle.take(tx, [(key, STARTS)])).allowed:
                await store.insert(tx, case)
                await work.enqueue(tx, ANNOUNCE, payload(case.id))
                await work.enqueue(tx, TAKE_EFFECT, payload(case.id), due_at=case.takes_effect_at)
            at = case.takes_effect_at
            answer = TotalLossFlow(id=case.id, status="waiting", expires_at=at, next=[], takes_effect_at=at)
            await self._t.idempotency.store(tx, caller, 202, answer)
        return answer

    # --- cancelling ------------------------------------------------------------------------------------------------------------

    async def find(self, conn: Conn, flow_id: UUID) -> Case | None:
        return await store.by_notice(conn, flow_id)

    async def lock(self, tx: Tx, flow_id: UUID) -> Case | None:
        found = await store.by_notice(tx, flow_id)
        return await store.lock(tx, found.id) if found is not None else None

    def from_anywhere(self, row: Case) -> bool:
        return True

    def shown(self, row: Case, caller: Caller) -> Shown:
        return Shown(
            requested_at=row.created_at,
            requested_from=row.requested_from,
            expires_at=row.takes_effect_at,
            renewable=False,
            over=row.status if row.status != "waiting" else None,
        )

    def leads_nowhere(self, row: Case) -> bool:
        return row.status != "waiting"

    async def prove(self, tx: Tx, row: Case, proof: Proof) -> Cancelled | None:
        if row.account_id is None or not await store.end(tx, row.id, "cancelled"):
            return None
        cancelled = TotalLossRecoveryCancelled(account_id=row.account_id, flow_id=row.id, application=row.application)
        await tx.emit(cancelled, tenant=row.store_id)
        security_event("sensitive_update", "success", what="total_loss.cancelled", account_id=str(row.account_id))
        return Cancelled()

    async def secured(self, tx: Tx, event: AccountEvent) -> None:
        """Whoever has just set the password, or frozen the account, has not lost everything."""
        await store.void(tx, event.account_id, event.meta.time)

    async def purge(self) -> None:
        async with self._t.db.transaction() as tx:
            await store.purge(tx, tx.now - KEEP)


def payload(case_id: UUID) -> dict[str, Any]:
    """Of the work for a case; `message_id` makes a question to identity that is repeated count once."""
    return {"case_id": str(case_id), "message_id": str(random_id())}
