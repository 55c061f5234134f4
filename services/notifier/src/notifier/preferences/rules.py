"""What there is to choose: every kind by every channel that carries messages of it."""

from typing import get_args

from latchkey_contracts.notifier import Channel
from latchkey_contracts.templates import CHOSEN, TEMPLATES, Kind

CHOICES: tuple[tuple[Kind, Channel], ...] = tuple(
    (kind, channel)
    for kind in get_args(Kind)
    for channel in get_args(Channel)
    if any(one.kind == kind and channel in one.channels for one in TEMPLATES.values())
)


def fixed(kind: Kind) -> bool:
    """Security notices, and what somebody waits for, are always sent (D27, NOT-3)."""
    return kind not in CHOSEN
