"""What every act of the help desk begins and ends with: whose it is, and who did it and why (R23, E23)."""

from dataclasses import dataclass
from uuid import UUID

from latchkey_contracts.mfa import Assistance, AssistanceGiven
from servicekit.context import set_tenant
from servicekit.db import Tx
from servicekit.errors import NotFound
from servicekit.logging import security_event
from servicekit.process.configuration import Resolved
from servicekit.web.caller import Caller

from mfa.factors import store as factors
from mfa.notices.service import Notices
from mfa.tools import Tools

from . import store
from .schemas import Act

# Nothing has changed for the customer by these, or a message of their own says it.
UNTOLD: frozenset[Assistance] = frozenset({"bypass_requested", "code_sent", "caller_code_sent", "notice_sent"})


@dataclass
class Acts:
    tools: Tools
    notices: Notices

    def app(self, body: Act) -> Resolved:
        app = self.tools.configuration.application(body.application)
        set_tenant(str(app.store.id), "admin")
        return app

    @staticmethod
    async def lock(tx: Tx, app: Resolved, account_id: UUID) -> None:
        """All that is this person's. Raises NotFound, also for another store's."""
        holder = await factors.lock_holder(tx, account_id)
        if holder is None or holder.store_id != app.store.id:
            raise NotFound

    async def done(self, tx: Tx, app: Resolved, account_id: UUID, act: Assistance, body: Act) -> None:
        """Noted with its reason; told with neither reason nor address."""
        await store.note(tx, account_id, body.application, act, body.actor, body.reason)
        await tx.emit(AssistanceGiven(account_id=account_id, application=body.application, action=act, actor=body.actor))
        security_event("user_updated", "success", account_id=str(account_id), change=f"assistance_{act}", actor=body.actor)
        if act not in UNTOLD:
            await self.notices.enqueue(tx, "assisted", app, account_id, DESK, assistance=act)


DESK = Caller("mfa")
