"""What other services' events mean for resets."""

from latchkey_contracts.event import Event
from latchkey_contracts.identity import PasswordChanged
from servicekit.inbox import Handler

from .service import Resets


def handlers(resets: Resets) -> dict[type[Event], Handler]:
    return {PasswordChanged: resets.password_changed}
