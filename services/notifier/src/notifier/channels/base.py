"""What a provider is to the delivery: one call, three kinds of trouble, and receipts that come later (habit 8)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias
from uuid import UUID

from latchkey_contracts.notifier import Channel


class Transient(Exception):
    """It did not go out, and may go out later or by another provider.

    `down`: the provider itself is not there, for this message as for any; `at_once`: and it said so itself, so that nobody need
    try again to know. `counted`: it answered so strangely that it may have taken the message after all, so this attempt counts
    against the message's bound (FRD-10).
    """

    def __init__(self, reason: str, *, down: bool = False, at_once: bool = False, counted: bool = False) -> None:
        super().__init__(reason)
        self.down = down
        self.at_once = at_once
        self.counted = counted


class Refused(Exception):
    """The provider said no for good; trying again can't help. `opted_out`: its recipient doesn't want any."""

    def __init__(self, reason: str, *, opted_out: bool = False) -> None:
        super().__init__(reason)
        self.opted_out = opted_out


class Unknown(Exception):
    """Nobody can say whether it went out: the line was cut while the provider had it (REL-7)."""

    down = counted = True
    at_once = False


@dataclass(frozen=True)
class Picture:
    """Goes with the mail that shows it as `cid:<name>`, so that nothing is loaded when it is read (NOT-4)."""

    name: str
    png: bytes


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
    picture: Picture | None = None
    content: bytes | None = None  # as it goes by SMTP, once that is made


@dataclass(frozen=True)
class Text:
    """One SMS. `to`: E.164."""

    message_id: str
    to: str
    body: str
    language: str


@dataclass(frozen=True)
class Pause:
    """Silence in a call."""

    seconds: float


Spoken: TypeAlias = str | Pause


@dataclass(frozen=True)
class Call:
    """One voice call: `prompt` asks for a key, `script` is said only after it, so that no mailbox records a code (PST-4)."""

    message_id: str
    to: str
    prompt: str
    script: tuple[Spoken, ...]
    language: str

    @property
    def body(self) -> str:
        """The script as one text, for who can't pause: a comma between digits, a full stop after the last, in any language."""
        said = ""
        for part, following in zip(self.script, (*self.script[1:], ""), strict=True):
            if isinstance(part, Pause):
                said += "," if isinstance(following, str) and following.isdigit() else "."
            else:
                said += f" {part}"
        return said.strip()


Message: TypeAlias = Mail | Text | Call


@dataclass(frozen=True)
class Receipt:
    """What a provider tells later about one message."""

    message_id: UUID
    state: Literal["accepted", "delivered", "failed", "bounced", "complained"]
    reason: str | None = None


@dataclass(frozen=True)
class CallStep:
    """A call asks what to say: at its answer, and after a key."""

    message_id: UUID
    key_pressed: bool


@dataclass(frozen=True)
class Callback:
    """A provider's request as it came to the public origin."""

    url: str
    headers: Mapping[str, str]  # names in small letters
    body: bytes


class Forged(Exception):
    """A callback that its provider did not sign, or that says what no callback says."""


class Provider(Protocol):
    name: str
    channels: frozenset[Channel]
    repeatable: bool  # knows an idempotency key, or a Message-ID: nobody is disturbed by a second copy
    keyed: bool  # knows an idempotency key: sent any number of times, it is one message

    def written(self, message: Message) -> Message:
        """As this provider sends it, made before anybody is asked and anything is noted down. Raises Refused: it can't be."""

    async def send(self, message: Message, *, callback_url: str, expires_in: float, hurry: bool = False) -> str | None:
        """Returns when the provider has taken it, with the provider's own id of it. `expires_in`: seconds. `hurry`: another one
        waits to take it, so this one is left within 5 s unless it has it (E15). Raises Transient, Refused or Unknown.
        """

    def read(self, callback: Callback) -> list[Receipt] | CallStep:
        """Raises Forged."""

    async def close(self) -> None: ...
