"""What all sections are made of: models that refuse unknown fields, durations as an operator writes them, ids by name."""

import re
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID, uuid5

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

NAMESPACE = UUID("5b7f6c1e-2f0b-4b52-9d0e-6a1c3f0d9e77")
_UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"^\s*([0-9]{1,9})\s*(s|min|h|d)\s*$")


def configuration_id(kind: str, name: str) -> UUID:
    """Stable over instances and re-applies: the name decides."""
    return uuid5(NAMESPACE, f"{kind}/{name}")


def parse_duration(value: Any) -> Any:
    """As an operator writes it: 24 h, 6 min, 20 s, 30 d, or a whole number of seconds."""
    if isinstance(value, str) and (match := _DURATION.match(value)):
        return timedelta(seconds=int(match[1]) * _UNITS[match[2]])
    if isinstance(value, bool | str | float):
        raise ValueError("a duration is written as 24 h, 6 min, 20 s, 30 d or whole seconds")  # noqa: TRY004 - for Pydantic
    return value


Duration = Annotated[
    timedelta, BeforeValidator(parse_duration), PlainSerializer(lambda value: int(value.total_seconds()), return_type=int)
]


def between(least: str, most: str, default: str) -> Any:
    return Field(default=parse_duration(default), ge=parse_duration(least), le=parse_duration(most))


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
