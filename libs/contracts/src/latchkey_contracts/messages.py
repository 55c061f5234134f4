"""What lies inside a sealed envelope to the notifier: whom to reach, and the words only that person may see."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Origin(BaseModel):
    """Who asked: "Firefox on Android", which the notifier says in the reader's language, a coarse place if known. `asn`: the autonomous
    system of the network that asked, where the gateway knows it (FRD-4); said to nobody.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    at: datetime
    device: str | None = None
    place: str | None = None
    asn: int | None = None


class Reach(BaseModel):
    """One way to the same person."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    channel: Literal["email", "sms", "voice"]
    to: str
    proven_at: datetime | None = None


class Contact(BaseModel):
    """Whom to reach, and what only identity knows of that person. Another service passes it on unopened (docs/architecture.md)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    channel: Literal["email", "sms", "voice"]
    to: str
    given_name: str | None = None
    usernames: list[str] | None = None
    # Other proven addresses of this person, for the fall-back that the notification policy allows (E15).
    others: list[Reach] = Field(default_factory=list)
    # What has earned this person a message that costs money (FRD-6): when this very address was proven, and whether the account
    # has any address that is. A registration says neither, even where the number is an owner's: its asker must not learn that (REG-1).
    proven_at: datetime | None = None
    known: bool = False


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
    factor: Literal["email", "phone", "totp", "passkey", "recovery_codes"] | None = None
    # What the code is for (OTP-10): a step-up's action, and its new value, masked. Words that a release doesn't know aren't said.
    action: str | None = None
    about: str | None = None
    # What of the account's addresses is changed, as in "email.replace", and the way out where `link` isn't that.
    contact: str | None = None
    undo: str | None = None
    # Why a sign-in is told of, and what the help desk has done.
    reasons: list[str] = Field(default_factory=list)
    # Whose account elsewhere it is about, as people know it.
    provider: str | None = None
    assistance: str | None = None


class MessageContent(Contact, Secrets):
    """Everything that a template may use beside brand and language; both halves in one envelope where one service knows both.

    `hushed`: its mailbox has had its share of messages, by names that whoever asks for this one must not learn of: it goes its way as
    any other, is told as any other, and is given to no provider (REG-9, ENU-3).
    """

    hushed: bool = False
