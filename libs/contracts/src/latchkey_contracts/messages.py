"""What lies inside a sealed envelope to the notifier: whom to reach, and the words only that person may see."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Origin(BaseModel):
    """Who asked: "Firefox on Android", which the notifier says in the reader's language, a coarse place if known."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    at: datetime
    device: str | None = None
    place: str | None = None


class Reach(BaseModel):
    """One way to the same person."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    channel: Literal["email", "sms", "voice"]
    to: str


class Contact(BaseModel):
    """Whom to reach, and what only identity knows of that person. Another service passes it on unopened (design.md §3.15)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    channel: Literal["email", "sms", "voice"]
    to: str
    given_name: str | None = None
    usernames: list[str] | None = None
    # Other proven addresses of this person, for the fall-back that the notification policy allows (E15).
    others: list[Reach] = Field(default_factory=list)


class Secrets(BaseModel):
    """What one message is sent for, made by the service that asks for it. Links and codes live here and nowhere else."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    link: str | None = None
    link_expires_at: datetime | None = None
    code: str | None = None
    code_expires_at: datetime | None = None
    asked: Origin | None = None
    sessions_ended: int | None = None
    takes_effect_at: datetime | None = None


class MessageContent(Contact, Secrets):
    """Everything that a template may use beside brand and language; both halves in one envelope where one service knows both."""
