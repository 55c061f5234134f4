"""The customer ends sessions: one of them, or all but this one, after fresh authentication (SES-5, STP-1)."""

from dataclasses import dataclass
from uuid import UUID

from servicekit.context import set_authtype
from servicekit.db import Database
from servicekit.errors import NotFound
from servicekit.web.caller import Caller
from servicekit.web.idempotency import Idempotency
from servicekit.web.step_up import StepUps

from identity.accounts import store as accounts

from . import store
from .service import Sessions

ACTION = "sessions.end"
REASON = "ended_by_user"


@dataclass
class Endings:
    db: Database
    sessions: Sessions
    step_ups: StepUps
    idempotency: Idempotency

    async def one(self, session_id: UUID, caller: Caller) -> None:
        """Needs a grant, but for the caller's own. Raises NotFound for what isn't a live session of this account, and StepUpRequired."""
        account_id, own = caller.account()
        set_authtype("user")
        async with self.db.transaction() as tx:
            await self.idempotency.begin(tx, caller)
            found = await store.get(tx, session_id)
            if found is None or found.account_id != account_id:
                raise NotFound
            if session_id != own:
                await self.step_ups.redeem(tx, caller, ACTION, {"session_id": str(session_id)})
            await self.sessions.revoke(tx, session_id, REASON)
            await self.idempotency.store(tx, caller, 204, None)

    async def others(self, caller: Caller) -> None:
        """All but the caller's own. Raises StepUpRequired."""
        account_id, own = caller.account()
        set_authtype("user")
        async with self.db.transaction() as tx:
            await self.idempotency.begin(tx, caller)
            await accounts.lock(tx, account_id)  # a sign-in on its way comes before this or after it
            await self.step_ups.redeem(tx, caller, ACTION)
            await self.sessions.revoke_others(tx, account_id, own, REASON)
            await self.idempotency.store(tx, caller, 204, None)
