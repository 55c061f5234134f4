"""The providers that this notifier has: from LATCHKEY_PROVIDERS_FILE (TOML, credentials inside), or LATCHKEY_SMTP_URL alone."""

import tomllib
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from latchkey_contracts.notifier import Channel
from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError, field_validator
from servicekit.clock import Clock

from . import signing
from .base import Provider
from .https import HttpsProvider
from .smtp import SmtpProvider
from .smtp_server import LONGEST_SECONDS, SmtpServer
from .twilio import TwilioProvider

EHLO = (
    r"^([A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*|\[[0-9A-Fa-f:.IPv]+\])$"  # RFC 5321 §4.1.3: a name, or an address in brackets
)


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
    """`ehlo`, and the seconds of a step, of the content and of our patience, also stand in the address."""

    kind: Literal["smtp"]
    channels: list[Literal["email"]] = ["email"]
    url: SecretStr
    ehlo: str | None = Field(default=None, pattern=EHLO)
    step_seconds: float | None = Field(default=None, gt=0, le=LONGEST_SECONDS)
    timeout_seconds: float | None = Field(default=None, gt=0, le=LONGEST_SECONDS)
    connect_seconds: float | None = Field(default=None, gt=0, le=60)

    @field_validator("url")
    @classmethod
    def _is_a_server(cls, value: SecretStr) -> SecretStr:
        SmtpServer.of(value.get_secret_value())
        return value

    def server(self) -> SmtpServer:
        found = SmtpServer.of(self.url.get_secret_value())
        said = {"step": self.step_seconds, "content": self.timeout_seconds, "patience": self.connect_seconds}
        times = replace(found.times, **{name: seconds for name, seconds in said.items() if seconds is not None})
        return replace(found, ehlo=self.ehlo or found.ehlo, times=times)

    def plain(self) -> bool:
        return self.server().plain

    def make(self, clock: Clock, ehlo: str) -> Provider:
        return SmtpProvider(self.server(), clock=clock, ehlo=ehlo, name=self.name, callback_key=self.key())


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

    def make(self, _clock: Clock, _ehlo: str) -> Provider:
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

    def make(self, clock: Clock, _ehlo: str) -> Provider:
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


def smtp_alone(url: str, *, ehlo: str | None, timeout_seconds: float | None) -> list[One]:
    """Raises ValueError."""
    return [Smtp(name="smtp", kind="smtp", url=SecretStr(url), ehlo=ehlo, timeout_seconds=timeout_seconds)]
