"""Settings of the notifier, beside those of every service."""

from pathlib import Path
from typing import Annotated

from latchkey_contracts.brand import mail_sender
from pydantic import AfterValidator, Field, SecretStr, model_validator
from servicekit.process.settings import ServiceSettings, in_production

from notifier.channels import providers
from notifier.channels.smtp_server import LONGEST_SECONDS, SmtpServer, ehlo_name


def _a_server(url: SecretStr | None) -> SecretStr | None:
    if url is not None:
        SmtpServer.of(url.get_secret_value())
    return url


def _readable_by_others(url: SecretStr | None) -> str | None:
    if url is None:
        return None
    plain = SmtpServer.of(url.get_secret_value()).plain
    return "must use smtps:// or ?starttls=require in production" if plain else None


class NotifierSettings(ServiceSettings):
    providers_file: Path | None = Field(None, description="TOML file of e-mail, SMS and voice providers, in order of use")
    smtp_url: Annotated[SecretStr | None, AfterValidator(_a_server), in_production(_readable_by_others)] = Field(
        None,
        description="Where e-mail is all there is: smtp://[user:password@]host:port[?starttls=require|offered|never] or smtps://...",
    )
    smtp_ehlo: str | None = Field(
        None, pattern=providers.EHLO, description="The name that we tell mail servers as ours; without it the origin's host"
    )
    smtp_timeout_seconds: float | None = Field(
        None,
        gt=0,
        le=LONGEST_SECONDS,
        description="From a mail's content to the server's yes, where the address says nothing else",
    )
    sender_address: Annotated[str, AfterValidator(mail_sender)] = Field(
        "no-reply@localhost", description="Where an application's brand names none"
    )
    concurrency: int = Field(32, ge=1, le=500, description="Messages of one channel on their way to providers at a time")
    code_queue_limit: int = Field(
        1000, ge=1, description="Codes without a link that wait at a time; as many as leave in 4 s, more would arrive too late"
    )
    lease_seconds: float = Field(60, gt=0, description="A message that a killed process had taken is free again after this")
    suppress_days: int = Field(30, ge=1, le=365, description="An address that bounced is left alone for so long")
    keep_days: int = Field(90, ge=1)

    def providers(self) -> list[providers.One]:
        """Raises ValueError."""
        if self.providers_file is not None:
            return providers.read(self.providers_file, production=self.environment == "production")
        assert self.smtp_url is not None  # noqa: S101 - one of both, checked below
        return providers.smtp_alone(
            self.smtp_url.get_secret_value(), ehlo=self.smtp_ehlo, timeout_seconds=self.smtp_timeout_seconds
        )

    @property
    def ehlo(self) -> str:
        """RFC 5321 §4.1.3: a name that servers may look up; a container's own is `localhost`, which they refuse."""
        return self.smtp_ehlo or ehlo_name(self.origin)

    @model_validator(mode="after")
    def _has_providers(self) -> "NotifierSettings":
        if self.providers_file is None and self.smtp_url is None:
            raise ValueError("LATCHKEY_PROVIDERS_FILE or LATCHKEY_SMTP_URL is required")
        if self.providers_file is not None:
            try:
                self.providers()
            except ValueError as error:
                raise ValueError("; ".join(f"LATCHKEY_PROVIDERS_FILE: {line}" for line in str(error).splitlines())) from None
        return self
