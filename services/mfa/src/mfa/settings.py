"""Settings of the mfa service, beside those of every service."""

from pathlib import Path

from maxminddb import InvalidDatabaseError
from pydantic import Field, field_validator
from servicekit.process.settings import ServiceSettings

from mfa.access_rules.places import open_places


class MfaSettings(ServiceSettings):
    sweep_seconds: float = Field(60, gt=0, description="How often purges look for what is due")
    place_database: Path | None = Field(
        None,
        description="MMDB file of countries or cities; without one access rules by country and travel are refused. Unreadable refuses the start",
    )

    @field_validator("place_database")
    @classmethod
    def _readable(cls, path: Path | None) -> Path | None:
        try:
            open_places(path)
        except OSError as error:
            raise ValueError(f"can't be read: {error.strerror}") from None
        except InvalidDatabaseError:
            raise ValueError("is no MMDB file") from None
        return path
