"""/v1/me/trusted-devices: where a sign-in isn't asked for a factor."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from .common import Response


class TrustedDevice(Response):
    id: UUID = Field(description="Id of the entry")
    device: str | None = Field(description="Browser and system in words, from the user agent")
    created_at: datetime = Field(description="Since when it is trusted")
    last_used_at: datetime | None = Field(description="When a sign-in last went without a factor there")
    expires_at: datetime = Field(description="When a factor is asked for there again")
    current: bool = Field(description="Whether this very call came from it")


class TrustedDevices(Response):
    items: list[TrustedDevice] = Field(description="Oldest first")
    next: str | None = Field(default=None, description="Cursor of the next page; null on the last")
