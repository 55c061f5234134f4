"""What identity's events mean here: an account that was secured has nothing open from before (LNK-7)."""

from latchkey_contracts.identity import AccountDisabled, AccountFrozen, PasswordChanged
from servicekit.db import Tx
from servicekit.events.inbox import Handlers

from recovery.password_reset.new_password import NewPasswords
from recovery.total_loss.service import TotalLoss


def handlers(new_passwords: NewPasswords, total_loss: TotalLoss) -> Handlers:
    async def changed(tx: Tx, event: PasswordChanged) -> None:
        await new_passwords.changed(tx, event)
        await total_loss.secured(tx, event)

    async def secured(tx: Tx, event: AccountFrozen | AccountDisabled) -> None:
        await new_passwords.secured(tx, event)
        await total_loss.secured(tx, event)

    return {PasswordChanged: changed, AccountFrozen: secured, AccountDisabled: secured}
