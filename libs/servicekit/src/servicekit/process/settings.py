"""Settings of a service process, from the environment (prefix LATCHKEY_). Unsafe ones are refused outside development."""

import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, Self, TypeVar
from urllib.parse import parse_qs, urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError, ValidationInfo, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from servicekit.events.kafka import KafkaSettings


def in_production(refuse: Callable[[Any], str | None]) -> AfterValidator:
    """A rule of one field that holds in production only. `refuse` answers the reason, without the value, or None.

    As a rule of the field it is told together with whatever else is wrong or missing.
    """

    def check(value: Any, info: ValidationInfo) -> Any:
        if info.data.get("environment", "production") == "production" and (reason := refuse(value)) is not None:
            raise ValueError(reason)
        return value

    return AfterValidator(check)


def _host_and_port(netloc: str) -> bool:
    parts = urlsplit(f"//{netloc}")
    try:
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _origin(value: str) -> str:
    parts = urlsplit(value)
    if (
        parts.scheme not in {"http", "https"}
        or not _host_and_port(parts.netloc)
        or not parts.hostname
        or parts.path not in {"", "/"}
        or parts.query
        or parts.fragment
    ):
        raise ValueError("must be scheme://host[:port]")
    return value.rstrip("/")


def _peer(value: str | None) -> str | None:
    """Empty is not there: another name is looked up then."""
    return _origin(value) if value else None


def _database(value: SecretStr) -> SecretStr:
    parts = urlsplit(value.get_secret_value())
    if parts.scheme not in {"postgresql", "postgres"} or not parts.path.strip("/"):
        raise ValueError("must be postgresql://user@host/database")
    return value


def _brokers(value: str) -> str:
    if not all(_host_and_port(part.strip()) and ":" in part for part in value.split(",")):
        raise ValueError("must be host:port, several of them with commas between")
    return value


def _plain_origin(value: str) -> str | None:
    return None if value.startswith("https://") else "must be https in production"


def _open_database(value: SecretStr) -> str | None:
    parts = urlsplit(value.get_secret_value())
    query = parse_qs(parts.query)
    if not (parts.password or "passfile" in query or "sslcert" in query):
        return "has no password"
    return "switches TLS off" if query.get("sslmode") in (["disable"], ["allow"]) else None


def only_for_tests(value: Any) -> str | None:
    return "is for tests only" if value is not None else None


def _missing(value: Any) -> str | None:
    return "is missing: Kafka without TLS" if value is None else None


Peer = Annotated[str | None, AfterValidator(_peer)]
TestsOnly = Annotated[Path | None, in_production(only_for_tests)]


class ServiceSettings(BaseSettings):
    # validate_default: what is missing may be what is unsafe
    model_config = SettingsConfigDict(env_prefix="LATCHKEY_", extra="ignore", validate_default=True, hide_input_in_errors=True)

    environment: Literal["development", "test", "production"] = "production"  # first: the rules of the others ask it
    service_name: str = ""
    origin: Annotated[str, AfterValidator(_origin), in_production(_plain_origin)] = Field(
        description="Public origin, e.g. https://id.example; every link is built from it (REC-8)"
    )
    postgres_dsn: Annotated[SecretStr, AfterValidator(_database), in_production(_open_database)]
    db_pool_size: int = Field(10, ge=1, le=200)
    kafka_bootstrap: Annotated[str, AfterValidator(_brokers)]
    topic_prefix: str = ""
    kafka_session_timeout_ms: int = 10_000
    kafka_heartbeat_ms: int = 1_000
    kafka_ca_file: Annotated[Path | None, in_production(_missing)] = None
    kafka_cert_file: Path | None = None
    kafka_key_file: Path | None = None
    http_host: str = "127.0.0.1"
    http_port: int = Field(ge=1, le=65535)
    management_port: int = Field(ge=1, le=65535)
    keys_dir: Path
    identity_url: Peer = None
    recovery_url: Peer = None
    mfa_url: Peer = None
    notifier_url: Peer = None
    privacy_url: Peer = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    poll_seconds: float = Field(1.0, gt=0, le=10, description="Safety net of everything that is woken")
    shutdown_grace_seconds: float = Field(15, ge=0)
    drain_delay_seconds: float = Field(0, ge=0, description="Unready for so long before it stops accepting (REL-11)")
    clock_file: TestsOnly = None
    failpoints_dir: TestsOnly = None

    @property
    def development(self) -> bool:
        return self.environment != "production"

    @property
    def secure(self) -> bool:
        """Served over TLS, so that cookies carry Secure and the __Host- prefix."""
        return self.origin.startswith("https://")

    @model_validator(mode="after")
    def _refuse_unsafe(self) -> Self:
        if self.environment == "production" and (problems := self.unsafe()):
            raise ValueError("; ".join(problems))
        return self

    def unsafe(self) -> list[str]:
        """What may not be in production and takes several fields to see; services add their own. One field's: `in_production`."""
        return []

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
        found = cls(service_name=service, **values)
        found.kafka()  # reads its files
    except ValidationError as error:
        _refuse(service, problems_of(error))
    except OSError as error:  # a file that isn't there, or is no certificate
        _refuse(service, [f"LATCHKEY_KAFKA_CA_FILE, _CERT_FILE or _KEY_FILE can't be read: {error}"])
    return found


def _refuse(service: str, problems: list[str]) -> NoReturn:
    for line in problems:
        sys.stderr.write(f"{service}: {line}\n")
    sys.exit(2)


def problems_of(error: ValidationError) -> list[str]:
    lines = []
    for one in error.errors(include_input=False, include_context=False):
        said = "is required" if one["type"] == "missing" else one["msg"].removeprefix("Value error, ")
        if one["loc"]:
            lines.append(f"LATCHKEY_{'_'.join(str(part) for part in one['loc']).upper()} {said}")
        else:
            lines += said.split("; ")
    return lines
