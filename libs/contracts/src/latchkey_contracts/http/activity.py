"""/v1/me/activity: what happened with the account, as its owner sees it (E21, LOG-5)."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from latchkey_contracts.mfa import FactorKind

from .common import Response

ActivityKind = Literal[
    "activated",
    "signed_in",
    "sign_in_failed",
    "signed_out",
    "session_ended",
    "sessions_ended",
    "password_guessed",
    "password_changed",
    "password_reset",
    "reset_requested",
    "account_frozen",
    "profile_changed",
    "contact_requested",
    "contact_changed",
    "contact_undone",
    "factor_added",
    "factor_removed",
    "code_failed",
    "device_trusted",
    "device_forgotten",
    "devices_forgotten",
    "help_desk",
    "identity_linked",
    "identity_unlinked",
]


class ActivityItem(Response):
    """One thing that happened, or several alike within an hour."""

    id: UUID = Field(description="Id of the entry")
    kind: ActivityKind = Field(description="What happened")
    at: datetime = Field(description="When; of several the last time")
    times: int = Field(description="How often within that hour; more than 1 for failed tries alone")
    application: str | None = Field(description="Slug of the application where it happened")
    device: str | None = Field(description="Browser and system in words, where a session tells it")
    ip: str | None = Field(description="The address that it came from, where a session tells it")
    factor: FactorKind | None = Field(default=None, description="The kind of factor that it is about")
    methods: list[str] = Field(default_factory=list, description="How a sign-in was proven (RFC 8176 `amr`)")
    changed: list[str] = Field(default_factory=list, description="Names of the attributes that were changed")


class Activities(Response):
    items: list[ActivityItem] = Field(description="Newest first")
    next: str | None = Field(default=None, description="Cursor of the next page; null on the last")
    sign_in_days: int = Field(description="How long sign-ins and failed tries are kept")
    security_days: int = Field(description="How long all other things are kept")
