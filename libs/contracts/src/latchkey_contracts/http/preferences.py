"""/v1/me/notification-preferences: which messages a customer gets (D27, E9)."""

from pydantic import Field

from latchkey_contracts.notifier import Channel
from latchkey_contracts.templates import Kind

from .common import Request, Response


class Preference(Response):
    """What is about one kind, by one channel."""

    kind: Kind = Field(description="What the messages are about; `requested`: codes and links that somebody waits for")
    channel: Channel = Field(description="How they come")
    wanted: bool = Field(description="Whether they are sent")
    fixed: bool = Field(description="Whether that can't be changed")


class Preferences(Response):
    items: list[Preference] = Field(description="By kind, then channel; channels that carry none of a kind are left out")
    next: str | None = Field(default=None, description="Cursor of the next page; null on the last")


class PreferenceChoice(Request):
    kind: Kind = Field(description="Of those that aren't fixed")
    channel: Channel = Field(description="One that carries messages of this kind")
    wanted: bool = Field(description="Whether they are to be sent")


class PreferenceChange(Request):
    """What isn't named stays as it is."""

    items: list[PreferenceChoice] = Field(max_length=20, description="Each kind and channel at most once")
