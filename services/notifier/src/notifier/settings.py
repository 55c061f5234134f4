"""Settings of the notifier, beside those of every service."""

from typing import Annotated
from urllib.parse import parse_qs, urlsplit

from pydantic import Field, SecretStr
from servicekit.settings import ServiceSettings, in_production


def _readable_by_others(url: SecretStr) -> str | None:
    parts = urlsplit(url.get_secret_value())
    mode = parse_qs(parts.query).get("starttls", ["require"])[0]
    return "must use smtps:// or ?starttls=require in production" if parts.scheme == "smtp" and mode != "require" else None


class NotifierSettings(ServiceSettings):
    smtp_url: Annotated[SecretStr, in_production(_readable_by_others)] = Field(
        description="smtp://[user:password@]host:port[?starttls=require|offered|never] or smtps://..."
    )
    smtp_timeout_seconds: float = Field(20, gt=0)
    sender_address: str = Field("no-reply@localhost", description="Where an application's brand names none")
    concurrency: int = Field(32, ge=1, le=500, description="Messages on their way to providers at a time")
    lease_seconds: float = Field(60, gt=0, description="A message that a killed process had taken is free again after this")
    keep_days: int = Field(90, ge=1)
