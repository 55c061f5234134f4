"""What can be said of a registration attempt. Migration 0001 names the same."""

from typing import Literal, TypeAlias

Status: TypeAlias = Literal["check_your_messages", "password", "activated", "complete", "ended"]
ProvenBy: TypeAlias = Literal["link", "code", "password"]
