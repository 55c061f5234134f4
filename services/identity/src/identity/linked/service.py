"""What is linked to an account is told to everybody, and to its owner (REG-5, E27). Inside others' transactions."""

from uuid import UUID

from latchkey_contracts.identity import IdentityLinked, IdentityUnlinked
from servicekit.db import Tx
from servicekit.logging import security_event
from servicekit.process.configuration import Resolved
from servicekit.web.caller import Caller

from identity.accounts import store as accounts
from identity.accounts.rules import Account
from identity.notices.service import Notices

from . import store
from .rules import Linked, Newcomer


class Linking:
    def __init__(self, notices: Notices) -> None:
        self.notices = notices

    async def link(self, tx: Tx, app: Resolved, account_id: UUID, who: Newcomer, caller: Caller | None) -> Linked | None:
        """With the account locked. `caller`: none where it came with the account, so that there is nobody to warn. None: it signs in somewhere
        in this store already, and nothing was done.
        """
        made = await store.insert(tx, account_id, app.store.id, who)
        account = await accounts.get(tx, account_id)
        if made is None or account is None:
            return None
        notices = []
        if caller is not None:
            told = await self.notices.make(tx, app, account, "identity_linked", caller, provider=said(app, who.provider))
            notices = told["notices"]
        await tx.emit(
            IdentityLinked(
                account_id=account_id,
                application=app.application.slug,
                identity_id=made.id,
                provider=made.provider,
                language=account.language or app.application.default_language,
                notices=notices,
            )
        )
        security_event("user_updated", "success", account_id=str(account_id), change="identity_linked", provider=made.provider)
        return made

    async def unlink(self, tx: Tx, app: Resolved, account: Account, one: Linked, caller: Caller) -> None:
        """With the account locked."""
        await store.delete(tx, account.id, one.id)
        await self._gone(tx, app, account, one, caller)

    async def drop(self, tx: Tx, app: Resolved, account: Account) -> None:
        """All of them: whoever linked them had not proven the address, or was kept out by its owner (REG-4)."""
        for one in await store.drop(tx, account.id):
            await self._gone(tx, app, account, one, None)

    async def _gone(self, tx: Tx, app: Resolved, account: Account, one: Linked, caller: Caller | None) -> None:
        """`caller`: the owner, who is told; none: by a reset, which tells by itself."""
        notices = []
        if caller is not None:
            told = await self.notices.make(tx, app, account, "identity_unlinked", caller, provider=said(app, one.provider))
            notices = told["notices"]
        await tx.emit(
            IdentityUnlinked(
                account_id=account.id,
                application=app.application.slug,
                identity_id=one.id,
                provider=one.provider,
                reason="by_owner" if caller is not None else "reset",
                language=account.language or app.application.default_language,
                notices=notices,
            )
        )
        security_event("user_updated", "success", account_id=str(account.id), change="identity_unlinked", provider=one.provider)


def said(app: Resolved, provider: str) -> str:
    """As people know it, also where the application offers it no more."""
    return next((one.said for one in app.application.social if one.name == provider), provider)
