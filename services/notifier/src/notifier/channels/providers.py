"""The providers that this notifier has: from LATCHKEY_PROVIDERS_FILE (TOML, credentials inside), or LATCHKEY_SMTP_URL alone."""

import tomllib
from collections import Counter
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import parse_qs, urlsplit

from latchkey_contracts.notifier import Channel
from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError, field_validator
from servicekit.clock import Clock

from . import signing
from .base import Provider
from .https import HttpsProvider
from .smtp import SmtpProvider
from .twilio import TwilioProvider


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")  # part of the callbacks' path
    secret: SecretStr | None = None

    @field_validator("secret")
    @classmethod
    def _is_a_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            signing.key_of(value.get_secret_value())
        return value

    def key(self) -> bytes | None:
        return signing.key_of(self.secret.get_secret_value()) if self.secret is not None else None


class Smtp(_Settings):
    kind: Literal["smtp"]
    channels: list[Literal["email"]] = ["email"]
    url: SecretStr
    connect_seconds: float = Field(default=4, gt=0, le=60)
    timeout_seconds: float = Field(default=20, gt=0, le=300)

    def plain(self) -> bool:
        """Readable by others on the way."""
        parts = urlsplit(self.url.get_secret_value())
        return parts.scheme == "smtp" and parse_qs(parts.query).get("starttls", ["require"])[0] != "require"

    def make(self, clock: Clock) -> Provider:
        return SmtpProvider(
            self.url.get_secret_value(),
            clock=clock,
            name=self.name,
            connect_seconds=self.connect_seconds,
            timeout_seconds=self.timeout_seconds,
            callback_key=self.key(),
        )


class _Http(_Settings):
    url: str = Field(pattern=r"^https?://")
    connect_seconds: float = Field(default=2, gt=0, le=60)
    timeout_seconds: float = Field(default=4, gt=0, le=60)

    def plain(self) -> bool:
        return not self.url.startswith("https://")


class Twilio(_Http):
    kind: Literal["twilio"]
    channels: list[Literal["sms", "voice"]] = ["sms", "voice"]
    url: str = Field(default="https://api.twilio.com", pattern=r"^https?://")
    account_sid: str = Field(pattern=r"^AC[0-9a-f]{32}$")
    auth_token: SecretStr
    sender: str = Field(alias="from", pattern=r"^(\+[1-9][0-9]{4,14}|MG[0-9a-f]{32})$")

    def make(self, _clock: Clock) -> Provider:
        return TwilioProvider(
            account_sid=self.account_sid,
            auth_token=self.auth_token.get_secret_value(),
            sender=self.sender,
            url=self.url,
            name=self.name,
            channels=frozenset(self.channels),
            connect_seconds=self.connect_seconds,
            timeout_seconds=self.timeout_seconds,
        )


class Https(_Http):
    kind: Literal["https"]
    channels: list[Channel] = Field(min_length=1)
    secret: SecretStr

    def make(self, clock: Clock) -> Provider:
        return HttpsProvider(
            self.url,
            key=signing.key_of(self.secret.get_secret_value()),
            clock=clock,
            name=self.name,
            channels=frozenset(self.channels),
            connect_seconds=self.connect_seconds,
            timeout_seconds=self.timeout_seconds,
        )


One = Annotated[Smtp | Twilio | Https, Field(discriminator="kind")]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    provider: list[One] = Field(min_length=1)


def read(path: Path, *, production: bool) -> list[One]:
    """In the order of the file. Raises ValueError with every problem on a line of its own, values left out."""
    try:
        found = TypeAdapter(_File).validate_python(tomllib.loads(path.read_text(encoding="utf-8"))).provider
    except OSError as error:
        raise ValueError(f"{path} can't be read: {type(error).__name__}") from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path} is not TOML: {error}") from None
    except ValidationError as error:
        lines = [f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors(include_input=False)]
        raise ValueError("\n".join(lines)) from None
    problems = [f"{name} stands there {count} times" for name, count in Counter(one.name for one in found).items() if count > 1]
    if production:
        problems += [
            f"{one.name}: its address must be encrypted (https, smtps or starttls=require)" for one in found if one.plain()
        ]
    if problems:
        raise ValueError("\n".join(problems))
    return found


def smtp_alone(url: str, timeout_seconds: float) -> list[One]:
    return [Smtp(name="smtp", kind="smtp", url=SecretStr(url), timeout_seconds=timeout_seconds)]
