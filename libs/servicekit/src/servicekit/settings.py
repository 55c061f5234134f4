"""Settings of a service process, from the environment (prefix LATCHKEY_). Unsafe ones are refused outside development."""

import ssl
import sys
from pathlib import Path
from typing import Any, Literal, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from .kafka import KafkaSettings


class ServiceSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="LATCHKEY_", extra="ignore")

    environment: Literal["development", "test", "production"] = "production"
    service_name: str = ""
    origin: str = Field(description="Public origin, e.g. https://id.example; every link is built from it (REC-8)")
    postgres_dsn: SecretStr
    db_pool_size: int = Field(10, ge=1, le=200)
    kafka_bootstrap: str
    topic_prefix: str = ""
    kafka_session_timeout_ms: int = 10_000
    kafka_heartbeat_ms: int = 1_000
    kafka_ca_file: Path | None = None
    kafka_cert_file: Path | None = None
    kafka_key_file: Path | None = None
    http_host: str = "127.0.0.1"
    http_port: int = Field(ge=1, le=65535)
    management_port: int = Field(ge=1, le=65535)
    keys_dir: Path
    identity_url: str | None = None
    recovery_url: str | None = None
    mfa_url: str | None = None
    notifier_url: str | None = None
    privacy_url: str | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    poll_seconds: float = Field(1.0, gt=0, le=10, description="Safety net of everything that is woken")
    shutdown_grace_seconds: float = Field(15, ge=0)
    drain_delay_seconds: float = Field(0, ge=0, description="Unready for so long before it stops accepting (REL-11)")
    clock_file: Path | None = None
    failpoints_dir: Path | None = None

    @property
    def development(self) -> bool:
        return self.environment != "production"

    @property
    def secure(self) -> bool:
        """Served over TLS, so that cookies carry Secure and the __Host- prefix."""
        return self.origin.startswith("https://")

    @model_validator(mode="after")
    def _refuse_unsafe(self) -> Self:
        problems = self.unsafe() if self.environment == "production" else []
        parts = urlsplit(self.origin)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path not in {"", "/"} or parts.query:
            problems.append("LATCHKEY_ORIGIN must be scheme://host[:port]")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def unsafe(self) -> list[str]:
        """What may not be in production; services add their own. All are told at once."""
        problems = []
        if not self.secure:
            problems.append("LATCHKEY_ORIGIN must be https in production")
        if self.clock_file is not None:
            problems.append("LATCHKEY_CLOCK_FILE is for tests only")
        if self.failpoints_dir is not None:
            problems.append("LATCHKEY_FAILPOINTS_DIR is for tests only")
        if not urlsplit(self.postgres_dsn.get_secret_value()).password and "passfile" not in self.postgres_dsn.get_secret_value():
            problems.append("LATCHKEY_POSTGRES_DSN has no password")
        if self.kafka_ca_file is None:
            problems.append("LATCHKEY_KAFKA_CA_FILE is missing: Kafka without TLS")
        return problems

    def kafka(self) -> KafkaSettings:
        return KafkaSettings(
            bootstrap=self.kafka_bootstrap,
            topic_prefix=self.topic_prefix,
            session_timeout_ms=self.kafka_session_timeout_ms,
            heartbeat_ms=self.kafka_heartbeat_ms,
            ssl_context=self._ssl_context(),
        )

    def _ssl_context(self) -> ssl.SSLContext | None:
        if self.kafka_ca_file is None:
            return None
        context = ssl.create_default_context(cafile=self.kafka_ca_file)
        if self.kafka_cert_file is not None:
            context.load_cert_chain(self.kafka_cert_file, self.kafka_key_file)
        return context


Settings = TypeVar("Settings", bound=ServiceSettings)


def load(cls: type[Settings], service: str, **values: Any) -> Settings:
    """The settings, or exit code 2 with every problem on a line of its own (values are not repeated: they may be secret)."""
    try:
        return cls(service_name=service, **values)
    except ValidationError as error:
        for one in error.errors():
            name = "LATCHKEY_" + "_".join(str(part) for part in one["loc"]).upper() if one["loc"] else "settings"
            for message in one["msg"].removeprefix("Value error, ").split("; "):
                sys.stderr.write(f"{service}: {name}: {message}\n")
        sys.exit(2)
