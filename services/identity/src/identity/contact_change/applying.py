"""A change takes effect: in one transaction, so that there is one primary address at each instant (INV-15), and one owner of each (INV-14)."""

from uuid import UUID

from latchkey_contracts.identity import ContactChangeEnded, IdentifierChanged
from servicekit.db import Tx
from servicekit.errors import FlowEnded
from servicekit.logging import security_event
from servicekit.web.caller import Caller

from identity.accounts import changing_store
from identity.accounts import store as accounts
from identity.accounts.changing_store import Own
from identity.accounts.rules import Account, Identifier
from identity.registration import store as attempts

from . import rules, store
from .store import Change
from .telling import Telling
from .tools import PURPOSE, Tools


class Applying:
    def __init__(self, tools: Tools, telling: Telling) -> None:
        self._t = tools
        self._telling = telling

    async def go_on(self, tx: Tx, row: Change, caller: Caller) -> bool:
        """With the account locked: does it once all is confirmed. False: the new one is somebody else's by now."""
        if row.confirmed_at is None or (row.approval_id is not None and row.approved_at is None):
            return True
        account = await accounts.get(tx, row.account_id)
        if account is None or account.status != "active":
            return False
        owns = await changing_store.own(tx, row.account_id)
        if not await self._switch(tx, row, owns):
            return False
        app = self._t.configuration.application(row.application)
        await store.completed(tx, row.id, tx.now + app.policy.contact_change.revert_lifetime)
        await self._end_older(tx, row)
        told = await self._telling.changed(tx, app, account, row, owns, caller)
        await tx.emit(
            IdentifierChanged(
                account_id=account.id,
                application=row.application,
                kind=row.kind,
                mode=row.mode,
                flow_ids=row.flows,
                language=account.language or row.language,
                **told,
            )
        )
        security_event("user_updated", "success", account_id=str(account.id), change=f"identifier_{row.mode}", kind=row.kind)
        return True

    async def _switch(self, tx: Tx, row: Change, owns: list[Own]) -> bool:
        new, old = row.new, row.old
        if row.mode == "primary":
            if new is None or not any(one.identifier.canonical == new.canonical and one.verified_at for one in owns):
                return False
            await changing_store.make_primary(tx, row.account_id, new)
        elif row.mode != "remove":
            if new is None or not await self._have(tx, row, new, owns):
                return False
            if row.mode == "replace":
                await changing_store.make_primary(tx, row.account_id, new)
        if old is not None and row.mode in {"replace", "remove"}:
            await self._free(tx, row, old)
        return True

    async def _have(self, tx: Tx, row: Change, new: Identifier, owns: list[Own]) -> bool:
        """As a proven one; a username is as it is typed."""
        if await changing_store.is_taken(tx, row.account_id, row.store_id, new):
            return False
        for nameless in await changing_store.drop_claims(tx, row.account_id, row.store_id, new):
            await self._end_nameless(tx, nameless)
        if any((one.kind, one.canonical) == (new.kind, new.canonical) for one in owns):
            await changing_store.verify(tx, row.account_id, new)
            return True
        proven = tx.now if new.kind in rules.REACHED else None
        first = not any(one.kind == new.kind for one in owns)
        return await changing_store.put(tx, row.account_id, row.store_id, new, verified_at=proven, is_primary=first)

    async def _end_nameless(self, tx: Tx, nameless: changing_store.Nameless) -> None:
        """Nobody finds such an account any more: an open one is closed, one that waits for its activation never gets it (REG-3)."""
        if nameless.pending:
            await attempts.void_account(tx, nameless.id)
            await self._t.onetime.end_subject(tx, str(nameless.id))
        else:
            await self._t.sessions.end_nameless(tx, [nameless.id])

    async def _free(self, tx: Tx, row: Change, old: Identifier) -> None:
        """What was never proven to be its owner's is anybody's at once."""
        if not await changing_store.remove(tx, row.account_id, old):
            return
        if row.old_verified_at is not None or old.kind == "username":
            policy = self._t.configuration.application(row.application).policy.contact_change
            until = tx.now + rules.quarantine(policy.quarantine, policy.revert_lifetime)
            await changing_store.release(tx, row.account_id, row.store_id, old, until)

    async def _end_older(self, tx: Tx, row: Change) -> None:
        """What was sent before, to addresses that aren't the account's any more, or to new ones that wait, leads nowhere (LNK-7)."""
        await self._t.onetime.end_flows(tx, row.flows)
        if row.kind not in rules.REACHED or row.mode == "add":
            return
        await changing_store.moved(tx, row.account_id)
        await self.end_pending(tx, row.account_id, "replaced")

    async def end_pending(self, tx: Tx, account_id: UUID, reason: str) -> None:
        flows = await changing_store.end_changes(tx, account_id)
        if flows:
            await self._t.onetime.end_subject(tx, str(account_id), [PURPOSE])
            await tx.emit(ContactChangeEnded(account_id=account_id, flow_ids=flows, reason=reason))

    async def end(self, tx: Tx, row: Change, reason: str) -> None:
        await store.ended(tx, row.id)
        await self._t.onetime.end_flows(tx, row.flows)
        await tx.emit(ContactChangeEnded(account_id=row.account_id, flow_ids=row.flows, reason=reason))


async def open_account(tx: Tx, account_id: UUID) -> Account:
    """Locked. Raises FlowEnded."""
    account = await accounts.lock(tx, account_id)
    if account is None or account.status != "active":
        raise FlowEnded
    return account


__all__ = ["Applying", "open_account"]
