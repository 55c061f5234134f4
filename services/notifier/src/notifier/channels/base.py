"""What a channel's provider is to the delivery: one call, and three kinds of trouble (habit 8)."""

from dataclasses import dataclass
from typing import Protocol


class Transient(Exception):
    """It did not go out, and may go out later."""


class Refused(Exception):
    """The provider said no for good; trying again can't help."""


class Unknown(Exception):
    """Nobody can say whether it went out: the line was cut while the provider had it (REL-7)."""


@dataclass(frozen=True)
class Mail:
    """One rendered message."""

    message_id: str
    sender_name: str
    sender_address: str
    to: str
    subject: str
    text: str
    html: str
    language: str


class EmailProvider(Protocol):
    name: str

    async def send(self, mail: Mail) -> None:
        """Returns when the provider has taken it. Raises Transient, Refused or Unknown."""

    async def close(self) -> None: ...
