"""Settings of the identity service, beside those of every service."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from servicekit.process.settings import ServiceSettings, in_production, only_for_tests

from identity.configuration.social_rules import Surroundings
from identity.credentials.breaches import open_breaches


class IdentitySettings(ServiceSettings):
    argon2_memory_kib: int = Field(19456, ge=19456, description="OWASP's least (PWD-5)")
    argon2_passes: int = Field(2, ge=2)
    breach_file: Path | None = Field(None, description="Sorted SHA-1 list of breached passwords; unreadable refuses the start")
    keep_pending: timedelta = Field(timedelta(days=30), description="Never-activated accounts are deleted after this (REG-8)")
    activity_sign_in_days: int = Field(
        90, ge=1, le=3650, description="How long customers see their sign-ins and failed tries (E21)"
    )
    activity_security_days: int = Field(
        365, ge=1, le=3650, description="How long they see all else that happened with the account"
    )
    social_secrets_dir: Path | None = Field(
        None, description="Secrets of sign-in providers, as the configuration names them; without it, `social` below the keys"
    )
    local_provider_url: Annotated[str | None, in_production(only_for_tests)] = None
    sweep_seconds: float = Field(60, gt=0, description="How often purges look for what is due")

    @property
    def social_secrets(self) -> Path:
        return self.social_secrets_dir or self.keys_dir / "social"

    @property
    def surroundings(self) -> Surroundings:
        """What this instance has for sign-in providers."""
        return Surroundings(self.social_secrets, self.local_provider_url, self.development)

    @field_validator("breach_file")
    @classmethod
    def _readable(cls, path: Path | None) -> Path | None:
        """Fail closed at the start, not at somebody's registration (PWD-4)."""
        try:
            open_breaches(path)
        except OSError as error:
            raise ValueError(f"can't be read: {error.strerror}") from None
        return path
