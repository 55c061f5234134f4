"""The last step of a reset: one call to identity, which owns the password; and what identity's events mean for resets (REC-5, LNK-7)."""

from dataclasses import replace
from uuid import UUID

from latchkey_contracts.event import AccountEvent
from latchkey_contracts.http.contacts import PasswordReset, PasswordResetDone
from latchkey_contracts.http.recovery import ResetFlow
from latchkey_contracts.identity import AccountDisabled, AccountFrozen, IdentifierChanged, PasswordChanged
from latchkey_contracts.recovery import ResetCompleted
from servicekit.db import Tx
from servicekit.errors import FlowEnded, StepMissing
from servicekit.failpoints import failpoint
from servicekit.web.caller import Caller

from recovery.flows import store
from recovery.flows.service import Requests, Tools

from .service import MESSAGE, Resets


def moves(event: IdentifierChanged) -> bool:
    """Whether an address that the account had isn't its own, or not its first, any more."""
    return event.undone or (event.kind != "username" and event.mode != "add")


class NewPasswords:
    def __init__(self, tools: Tools, resets: Resets) -> None:
        self._t = tools
        self._resets = resets
        self._requests = Requests(tools, "password_reset", MESSAGE)

    async def choose(self, slug: str, request_id: UUID, password: str, caller: Caller) -> ResetFlow:
        """Identity checks and sets it, ends sessions and tells every address; no session comes of it (REC-5)."""
        async with self._t.db.read() as conn:
            await self._t.idempotency.recall(conn, caller)
            row = await self._requests.mine(conn, slug, request_id, caller)
            now = conn.now
        if row.waits and row.expires_at > now:
            raise StepMissing
        if row.status != "new_password" or row.expires_at <= now or row.account_id is None or self._t.moved(row):
            raise FlowEnded
        asked_at = row.created_at.isoformat()
        body = PasswordReset(application=slug, flow_id=str(request_id), password=password, requested_at=asked_at)
        asker = replace(caller, service="recovery", idempotency_key=None, fingerprint=None)
        path = f"/internal/accounts/{row.account_id}/password"
        found = await self._t.identity.request("POST", path, caller=asker, json=body.model_dump(mode="json"))
        failpoint("after_identity")
        async with self._t.db.transaction() as tx:
            await self._t.idempotency.begin(tx, caller)
            await self._complete(tx, request_id)
            answer = await self._resets.view_of(tx, request_id)
            await self._t.idempotency.store(tx, caller, 200, answer)
        if not PasswordResetDone.model_validate(found).done:
            raise FlowEnded  # an earlier call of this flow has set one; this one was not taken
        return answer

    async def changed(self, tx: Tx, event: PasswordChanged) -> None:
        """Completes a flow whose process died between identity's answer and its own commit; all others lead nowhere now."""
        flow_id = event.flow_id if event.reason == "reset" else None
        await self._void(tx, event, but=flow_id)
        if flow_id is not None:
            await self._complete(tx, flow_id)

    async def secured(self, tx: Tx, event: AccountFrozen | AccountDisabled | IdentifierChanged) -> None:
        """LNK-7: what was asked for before leads nowhere; what is asked for afterwards does."""
        await self._void(tx, event)

    async def _void(self, tx: Tx, event: AccountEvent, but: UUID | None = None) -> None:
        voided = await store.void(tx, event.account_id, event.meta.time, but)
        await self._t.onetime.end_flows(tx, voided)

    async def _complete(self, tx: Tx, request_id: UUID) -> None:
        """Once, whoever comes first: the customer's call or the event."""
        row = await store.complete(tx, request_id)
        if row is not None and row.account_id is not None:
            completed = ResetCompleted(account_id=row.account_id, flow_id=request_id, application=row.application)
            await tx.emit(completed, tenant=row.store_id)
