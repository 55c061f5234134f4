"""What other services' events mean here: an account that was secured has nothing open from before (LNK-7)."""

from latchkey_contracts.identity import AccountDisabled, AccountFrozen, IdentifierChanged, PasswordChanged
from servicekit.db import Tx
from servicekit.events import messages
from servicekit.events.inbox import Handlers, Only

from mfa.challenge import store as challenges
from mfa.first_step import store as first_steps
from mfa.trusted_devices import service as devices


async def secured(tx: Tx, event: PasswordChanged | AccountFrozen | AccountDisabled) -> None:
    await challenges.end_all(tx, event.account_id, event.meta.time)
    await first_steps.end_all(tx, event.account_id, event.meta.time)
    await devices.forget_all(tx, event.account_id, "secured", before=event.meta.time)


async def moved(tx: Tx, event: IdentifierChanged) -> None:
    """Whoever reads an address that isn't the account's any more signs in by nothing that was sent there (LNK-7). Devices are trusted
    by what was proven in them, so they stay, unless the change was undone: then a thief may have had them trusted.
    """
    if event.kind == "username" and not event.undone:
        return
    await challenges.end_all(tx, event.account_id, event.meta.time)
    await first_steps.end_all(tx, event.account_id, event.meta.time)
    if event.undone:
        await devices.forget_all(tx, event.account_id, "secured", before=event.meta.time)


HANDLERS: Handlers = {
    PasswordChanged: secured,
    AccountFrozen: secured,
    AccountDisabled: secured,
    IdentifierChanged: Only(lambda event: event.undone or event.mode in {"replace", "remove"}, moved),
}
# What became of codes and links (E33).
MESSAGES: Handlers = messages.handlers({"sign_in_code", "sign_in_link", "step_up_code", "factor_code", "caller_code"})
