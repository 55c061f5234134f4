"""What identity's events mean here: an account that was secured has nothing open from before (LNK-7)."""

from latchkey_contracts.event import Event
from latchkey_contracts.identity import AccountDisabled, AccountFrozen, PasswordChanged
from servicekit.db import Tx
from servicekit.inbox import Handler

from recovery.password_reset.service import Resets
from recovery.total_loss.service import TotalLoss


def handlers(resets: Resets, total_loss: TotalLoss) -> dict[type[Event], Handler]:
    async def changed(tx: Tx, event: PasswordChanged) -> None:
        await resets.password_changed(tx, event)
        await total_loss.secured(tx, event)

    async def secured(tx: Tx, event: AccountFrozen | AccountDisabled) -> None:
        await resets.secured(tx, event)
        await total_loss.secured(tx, event)

    return {PasswordChanged: changed, AccountFrozen: secured, AccountDisabled: secured}
