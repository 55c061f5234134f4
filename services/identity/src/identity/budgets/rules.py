"""What a customer can see of the limits: it depends on what was typed alone (ENU-1)."""

from dataclasses import dataclass

from servicekit.process.configuration import Resolved


@dataclass(frozen=True)
class Named:
    """An address or number that somebody typed; `texted`: by a request that may be answered by a text message to it."""

    app: Resolved
    canonical: str
    texted: bool


@dataclass(frozen=True)
class Room:
    """Whether the limits of what was typed leave room: for a message at all, and for a text message to that number."""

    any: bool = True
    text: bool = True
