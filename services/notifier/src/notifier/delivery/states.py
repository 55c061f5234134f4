"""What can be said of a message. Migration 0003 names the same."""

from typing import Literal, TypeAlias

Ended: TypeAlias = Literal["failed", "suppressed", "expired"]
Received: TypeAlias = Literal["accepted", "delivered", "failed"]
State: TypeAlias = Literal[
    "queued", "sending", "submitting", "handed_over", "accepted", "delivered", "failed", "suppressed", "expired"
]
