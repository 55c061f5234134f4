"""Settings of the mfa service, beside those of every service."""

from pydantic import Field
from servicekit.process.settings import ServiceSettings


class MfaSettings(ServiceSettings):
    sweep_seconds: float = Field(60, gt=0, description="How often purges look for what is due")
