"""The old address takes a change back, and all that came after it: from anywhere, without signing in (E8, STP-3, INV-15)."""

from collections.abc import Sequence
from uuid import UUID

from latchkey_contracts.http.contact_change import Reverted
from latchkey_contracts.identity import AccountFrozen, IdentifierChanged
from servicekit.db import Conn, Tx
from servicekit.logging import security_event
from servicekit.process.configuration import Resolved
from servicekit.proof.flow import Proof, Proofs, Shown
from servicekit.web.caller import Caller

from identity.accounts import changing_store
from identity.accounts import store as accounts
from identity.accounts.changing_store import Own
from identity.accounts.rules import Account, Identifier

from . import rules, store
from .applying import Applying
from .store import Change, Revert
from .telling import Telling
from .tools import PURPOSE, Tools


class ContactReverts(Proofs[Revert, Reverted]):
    purpose = "contact_revert"

    def __init__(self, tools: Tools, applying: Applying, telling: Telling) -> None:
        super().__init__(tools.proofs)
        self._t = tools
        self._applying = applying
        self._telling = telling

    async def find(self, conn: Conn, flow_id: UUID) -> Revert | None:
        return await store.get_revert(conn, flow_id)

    async def lock(self, tx: Tx, flow_id: UUID) -> Revert | None:
        found = await store.get_revert(tx, flow_id)
        if found is not None:
            await accounts.lock(tx, found.account_id)
        return await store.get_revert(tx, flow_id)  # as it is, now that nobody else changes it

    def from_anywhere(self, row: Revert) -> bool:
        return True

    def leads_nowhere(self, row: Revert) -> bool:
        """What its customer has cancelled can be answered all the same: it was asked for by somebody."""
        return row.reverted_at is not None or row.status not in {"active", "frozen"} or row.late

    def shown(self, row: Revert, caller: Caller) -> Shown:
        return Shown(
            to=row.recipient,
            requested_at=row.created_at,
            requested_from=row.requested_from,
            renewable=False,
            done="contact_changed" if row.completed_at else "contact_asked",
        )

    async def prove(self, tx: Tx, row: Revert, proof: Proof) -> Reverted | None:
        """All is as it was; no session, no device and nothing that waits lives on, and nobody signs in before a new password."""
        account, change = await accounts.get(tx, row.account_id), await store.lock(tx, row.change_id)
        if account is None or change is None:
            return None
        app = self._t.configuration.application(row.application)
        await self._applying.end_pending(tx, account.id, "reverted")
        before = await changing_store.own(tx, account.id)
        undone = await store.since(tx, account.id, row.place) if row.place is not None else []
        for one in undone:
            await _undo(tx, one)
        for one in {one.id: one for one in (*undone, change)}.values():
            await store.reverted(tx, one.id)
        await self._end_secrets(tx, account.id, [change.id, *(one.id for one in undone)])
        await changing_store.moved(tx, account.id)
        await self._t.sessions.revoke_all(tx, account.id, "contact_reverted")
        locked = await self._lock_out(tx, app, account)
        await self._tell(tx, app, account, change, before, proof.caller)
        security_event("user_updated", "success", account_id=str(account.id), change="identifier_reverted", undone=len(undone))
        return Reverted(locked=locked)

    async def _end_secrets(self, tx: Tx, account_id: UUID, change_ids: Sequence[UUID]) -> None:
        """The links that undo an older change live on: its address keeps its right (INV-15)."""
        await self._t.onetime.end_subject(tx, str(account_id), [PURPOSE, "freeze"])
        await self._t.onetime.end_flows(tx, await store.reverts(tx, change_ids))

    @staticmethod
    async def _lock_out(tx: Tx, app: Resolved, account: Account) -> bool:
        """Whoever changed the address knows the password. Where none can be set anew, none lets anybody in either."""
        if not app.policy.password_reset.enabled or app.access.passwordless:
            return account.status == "frozen"
        if account.status == "active":
            await accounts.set_status(tx, account.id, "frozen")
            language = account.language or app.application.default_language
            # Its notices are those of the change.
            await tx.emit(AccountFrozen(account_id=account.id, application=app.application.slug, language=language))
        return True

    async def _tell(self, tx: Tx, app: Resolved, account: Account, change: Change, before: Sequence[Own], caller: Caller) -> None:
        now = [one.identifier for one in _proven(await changing_store.own(tx, account.id))]
        to: list[tuple[Identifier, bool]] = [(one, True) for one in now]
        to += [(one.identifier, False) for one in _proven(before) if one.identifier not in now]
        told = await self._telling.undone(tx, app, account, change, to, caller)
        await tx.emit(
            IdentifierChanged(
                account_id=account.id,
                application=app.application.slug,
                kind=change.kind,
                mode=change.mode,
                undone=True,
                flow_ids=change.flows,
                language=account.language or app.application.default_language,
                **told,
            )
        )


def _proven(owns: Sequence[Own]) -> list[Own]:
    return [one for one in owns if one.kind in rules.REACHED and one.verified_at is not None]


async def _undo(tx: Tx, one: Change) -> None:
    """The account is locked, and what was freed rests: nobody has taken it."""
    new, old = one.new, one.old
    if one.mode in {"replace", "add"} and new is not None:
        await changing_store.remove(tx, one.account_id, new)
    if one.mode in {"replace", "remove"} and old is not None:
        await changing_store.put(tx, one.account_id, one.store_id, old, verified_at=one.old_verified_at, is_primary=False)
    if one.old_primary and old is not None:
        await changing_store.make_primary(tx, one.account_id, old)
