"""Freezing: whoever holds a notice's mail says "this wasn't me", from anywhere and without signing in (D13, REC-7, NOT-2).

Nothing is deleted. Nobody signs in until a new password is set by a reset.
"""

from uuid import UUID

from latchkey_contracts.http.links import Frozen
from latchkey_contracts.identity import AccountFrozen
from servicekit.db import Conn, Tx
from servicekit.logging import security_event
from servicekit.process.configuration import Configuration
from servicekit.proof.flow import Proof, ProofKit, Proofs, Shown
from servicekit.web.caller import Caller

from identity.accounts import changing_store
from identity.accounts import store as accounts
from identity.notices import store as notices
from identity.notices.service import Notices
from identity.notices.store import Notice
from identity.sessions.service import Sessions

ENDED = ("activation", "freeze", "contact_change")


class Freezes(Proofs[Notice, Frozen]):
    purpose = "freeze"

    def __init__(self, kit: ProofKit, configuration: Configuration, sessions: Sessions, notices: Notices) -> None:
        super().__init__(kit)
        self._configuration = configuration
        self._sessions = sessions
        self._notices = notices

    async def find(self, conn: Conn, flow_id: UUID) -> Notice | None:
        return await notices.get(conn, flow_id)

    async def lock(self, tx: Tx, flow_id: UUID) -> Notice | None:
        notice = await notices.get(tx, flow_id)
        if notice is not None:
            await accounts.lock(tx, notice.account_id)
        return notice

    def from_anywhere(self, row: Notice) -> bool:
        return True

    def shown(self, row: Notice, caller: Caller) -> Shown:
        return Shown(to=row.recipient, requested_at=row.created_at, requested_from=row.device, done=row.what)

    async def prove(self, tx: Tx, row: Notice, proof: Proof) -> Frozen | None:
        """Ends every session, trusted device and nearly every one-time secret of the account."""
        account = await accounts.get(tx, row.account_id)
        if account is None:
            return None
        if account.status == "active":
            app = self._configuration.application(row.application)
            await accounts.set_status(tx, row.account_id, "frozen")
            await self._sessions.revoke_all(tx, row.account_id, "account_frozen")
            # But for those that undo a change of address: whoever has taken the account over must not take them away (INV-15).
            await self.kit.onetime.end_subject(tx, str(row.account_id), ENDED)
            await changing_store.end_changes(tx, row.account_id)
            told = await self._notices.make(tx, app, account, "account_frozen", proof.caller)
            language = account.language or app.application.default_language
            await tx.emit(AccountFrozen(account_id=row.account_id, application=row.application, language=language, **told))
        security_event("user_updated", "success", account_id=str(row.account_id), change="frozen")
        return Frozen()
