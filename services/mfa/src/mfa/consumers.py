"""What other services' events mean here: an account that was secured has nothing open from before (LNK-7)."""

from latchkey_contracts.identity import AccountDisabled, AccountFrozen, PasswordChanged
from servicekit.db import Tx
from servicekit.events import messages
from servicekit.events.inbox import Handlers

from mfa.challenge import store as challenges
from mfa.first_step import store as first_steps
from mfa.trusted_devices import service as devices


async def secured(tx: Tx, event: PasswordChanged | AccountFrozen | AccountDisabled) -> None:
    await challenges.end_all(tx, event.account_id, event.meta.time)
    await first_steps.end_all(tx, event.account_id, event.meta.time)
    await devices.forget_all(tx, event.account_id, "secured", before=event.meta.time)


HANDLERS: Handlers = {PasswordChanged: secured, AccountFrozen: secured, AccountDisabled: secured}
# What became of codes and links (E33).
MESSAGES: Handlers = messages.handlers({"sign_in_code", "sign_in_link", "step_up_code", "factor_code", "caller_code"})
