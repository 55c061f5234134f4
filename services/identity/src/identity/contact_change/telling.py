"""Who is told of a change of address, and by which link it is undone or the account locked (NOT-1, NOT-2, STP-3, PST-2)."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from latchkey_contracts.messages import MessageContent, Origin
from latchkey_contracts.sealed import Sealed
from servicekit.db import Tx
from servicekit.devices import in_words
from servicekit.ids import random_id
from servicekit.process.configuration import Resolved
from servicekit.proof import ToIssue
from servicekit.web.caller import Caller

from identity.accounts.changing_store import Own
from identity.accounts.rules import Account, Identifier, channel_of, given_name, mask
from identity.notices.service import LIFETIME, Told

from . import rules, store
from .store import Change
from .tools import REVERT, Tools


class Telling:
    def __init__(self, tools: Tools) -> None:
        self._t = tools

    async def announce(self, tx: Tx, app: Resolved, account: Account, row: Change, owns: Sequence[Own], caller: Caller) -> Told:
        """That a change was asked for, to whoever may undo it; but for the address that must say yes, whose message says it."""
        told: Told = {"notices": [], "sms_notices": []}
        old = next((one for one in owns if row.old is not None and one.identifier == row.old), None)
        for one in rules.holders(owns, row.kind, old):
            if one.identifier != row.approver:
                link = await self.undoing(tx, app, row.id, account.id, one.identifier, pending=True)
                self._add(tx, told, account, row, one.identifier, link, caller)
        return told

    async def changed(self, tx: Tx, app: Resolved, account: Account, row: Change, owns: Sequence[Own], caller: Caller) -> Told:
        """That it is done, to every proven address that the account had before, and to the new one. `owns`: before."""
        told: Told = {"notices": [], "sms_notices": []}
        old = next((one for one in owns if row.old is not None and one.identifier == row.old), None)
        holders = rules.holders(owns, row.kind, old)
        proven = [one.identifier for one in owns if one.kind in rules.REACHED and one.verified_at is not None]
        if row.new is not None and row.kind in rules.REACHED and row.new not in proven:
            proven.append(row.new)
        for to in proven:
            if any(one.identifier == to for one in holders):
                link = await self.undoing(tx, app, row.id, account.id, to)
            else:
                link = await self._t.notices.freezing(tx, app, account, "contact_changed", to, in_words(caller.user_agent))
            self._add(tx, told, account, row, to, link, caller)
        return told

    async def undone(
        self, tx: Tx, app: Resolved, account: Account, row: Change, to: Sequence[tuple[Identifier, bool]], caller: Caller
    ) -> Told:
        """To all that the account has again, and to those that it has no longer (False): their owner may be the right one."""
        told: Told = {"notices": [], "sms_notices": []}
        for one, own in to:
            page = "reset" if own and app.policy.password_reset.enabled and not app.access.passwordless else "help/people"
            self._add(tx, told, account, row, one, f"{self._t.db.origin}/{app.application.slug}/{page}", caller)
        return told

    async def undoing(
        self, tx: Tx, app: Resolved, change_id: UUID, account_id: UUID, to: Identifier, *, pending: bool = False
    ) -> str:
        """A link of its own for the message to this address. `pending`: it must outlive the wait for the confirmation, too."""
        policy, revert_id, slug = app.policy.contact_change, random_id(), app.application.slug
        await store.insert_revert(tx, revert_id, change_id, mask(to.kind, to.value))
        issued = await self._t.onetime.issue(
            tx,
            ToIssue(
                purpose=REVERT,
                flow_id=revert_id,
                subject=str(account_id),
                tenant=str(app.store.id),
                browser=None,
                link_lifetime=policy.revert_lifetime + (policy.link_lifetime if pending else timedelta()),
            ),
        )
        return f"{self._t.db.origin}/{slug}/l/{issued.token}"

    def _add(self, tx: Tx, told: Told, account: Account, row: Change, to: Identifier, link: str, caller: Caller) -> None:
        told["notices" if to.kind == "email" else "sms_notices"].append(self._sealed(tx, account, row, to, link, caller))

    def _sealed(self, tx: Tx, account: Account, row: Change, to: Identifier, link: str, caller: Caller) -> Sealed:
        about = row.new
        content = MessageContent(
            channel=channel_of(to.kind),
            to=to.address,
            given_name=given_name(account.profile),
            link=link,
            asked=Origin(at=tx.now, device=in_words(caller.user_agent)),
            contact=f"{row.kind}.{row.mode}",
            about=mask(about.kind, about.value) if about is not None else None,
        )
        return self._t.sealer.seal(content, expires_at=tx.now + LIFETIME)
