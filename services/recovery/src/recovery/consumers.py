"""What identity's events mean here: an account that was secured has nothing open from before (LNK-7)."""

from latchkey_contracts.identity import AccountDisabled, AccountFrozen, IdentifierChanged, PasswordChanged
from servicekit.db import Tx
from servicekit.events.inbox import Handlers, Only

from recovery.password_reset.new_password import NewPasswords, moves
from recovery.total_loss.service import TotalLoss


def handlers(new_passwords: NewPasswords, total_loss: TotalLoss) -> Handlers:
    async def changed(tx: Tx, event: PasswordChanged) -> None:
        await new_passwords.changed(tx, event)
        await total_loss.secured(tx, event)

    async def secured(tx: Tx, event: AccountFrozen | AccountDisabled) -> None:
        await new_passwords.secured(tx, event)
        await total_loss.secured(tx, event)

    async def moved(tx: Tx, event: IdentifierChanged) -> None:
        """Nobody would be told any more where the account was reached when a recovery began (REC-12)."""
        await new_passwords.secured(tx, event)
        await total_loss.secured(tx, event)

    return {
        PasswordChanged: changed,
        AccountFrozen: secured,
        AccountDisabled: secured,
        IdentifierChanged: Only(moves, moved),
    }
