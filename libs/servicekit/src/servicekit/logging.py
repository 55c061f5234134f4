"""Structured logs: one JSON object a line on stdout, without secrets or personal data (LOG-1, LOG-2, LOG-3).

What a log call may carry are ids and facts. As the second line of defence a processor masks what looks like a secret or a
contact, whatever it was called.
"""

import logging
import re
import sys
import time
from collections.abc import MutableMapping
from typing import Any, Literal

import orjson
import structlog

from .context import _current

REDACTED = "[redacted]"
_SECRET_NAMES = re.compile(
    r"passw|secret|token|cookie|authorization|^code$|otp|^match$|email|e_mail|phone|^to$|address|identifier|username|^name$|given_name",
    re.IGNORECASE,
)
_EMAIL = re.compile(r"[^\s@<>\"']+@[^\s@<>\"']+\.[^\s@<>\"']+")
_PHONE = re.compile(r"\+[0-9][0-9 ()./-]{6,}[0-9]")
_LONG_TOKEN = re.compile(r"[A-Za-z0-9_-]{43,}")
_LINK_PATH = re.compile(r"(/l/)[^\s/?#\"']+")

# The closed list of security events (OWASP Logging Vocabulary); LOG-1.
SecurityEvent = Literal[
    "authn_login_success",
    "authn_login_fail",
    "authn_login_lock",
    "authn_password_change",
    "authn_token_created",
    "authn_token_revoked",
    "authz_fail",
    "excess_rate_limit_exceeded",
    "input_validation_fail",
    "session_created",
    "session_expired",
    "user_created",
    "user_updated",
    "user_deleted",
    "sys_startup",
    "sys_shutdown",
    "sensitive_update",
]


def mask(text: str) -> str:
    """The text without e-mail addresses, phone numbers, link tokens and anything as long as a token."""
    text = _LINK_PATH.sub(rf"\1{REDACTED}", text)
    text = _EMAIL.sub(REDACTED, text)
    text = _PHONE.sub(REDACTED, text)
    return _LONG_TOKEN.sub(REDACTED, text)


def _clean(value: Any, depth: int = 0) -> Any:
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, bytes):
        return mask(value.decode("utf-8", "replace"))
    if depth < 4 and isinstance(value, dict):
        return {key: _clean_field(str(key), one, depth + 1) for key, one in value.items()}
    if depth < 4 and isinstance(value, list | tuple | set):
        return [_clean(one, depth + 1) for one in value]
    return value


def _clean_field(name: str, value: Any, depth: int = 0) -> Any:
    if _SECRET_NAMES.search(name) and value is not None and not isinstance(value, bool | int | float):
        return REDACTED
    return _clean(value, depth)


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {name: value if name == "traceparent" else _clean_field(name, value) for name, value in event.items()}


def _add_trace(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if (trace := _current.get()) is not None:
        event.setdefault("request_id", trace.request_id)
        event.setdefault("correlation_id", trace.correlation_id)
        if trace.causation_id:
            event.setdefault("causation_id", trace.causation_id)
        event["traceparent"] = trace.traceparent
        if trace.tenant:
            event.setdefault("tenant", trace.tenant)
    return event


def _dump(event: Any, **_: Any) -> bytes:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS)


def configure(service: str, level: str = "INFO") -> None:
    """Once per process, first thing."""

    def name_service(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["service"] = service
        return event

    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            name_service,
            _add_trace,
            structlog.processors.format_exc_info,
            redact,
            structlog.processors.JSONRenderer(serializer=_dump),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.BytesLoggerFactory(sys.stdout.buffer),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers = [_Bridge()]
    root.setLevel(max(number, logging.WARNING))
    logging.getLogger("aiokafka").addFilter(_RateLimit())


class _RateLimit(logging.Filter):
    """aiokafka writes a hundred lines a second while a broker is away (stack.md §2.4); two a second say the same."""

    def __init__(self) -> None:
        super().__init__()
        self._next = 0.0

    def filter(self, _record: logging.LogRecord) -> bool:
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + 0.5
        return True


class _Bridge(logging.Handler):
    """What libraries log goes the same way."""

    def __init__(self) -> None:
        super().__init__()
        self._limit = _RateLimit()

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith("aiokafka") and not self._limit.filter(record):
            return
        logger = structlog.get_logger()
        fields: dict[str, Any] = {"logger": record.name}
        if record.exc_info:
            fields["exc_info"] = record.exc_info
        logger.log(max(record.levelno, logging.DEBUG), record.getMessage()[:2000], **fields)


def get_logger(name: str) -> Any:
    return structlog.get_logger().bind(logger=name)


def security_event(event: SecurityEvent, result: Literal["success", "fail"], **ids: Any) -> None:
    """One entry of the security log; ids and closed words only."""
    structlog.get_logger().info(event, security=True, result=result, **ids)
