"""Structured logs: one JSON object a line on stdout, without secrets or personal data (LOG-1, LOG-2, LOG-3).

What a log call may carry are ids and facts. As the second line of defence a processor masks what looks like a secret or a
contact, whatever it was called, and objects of unknown classes show their class only.
"""

import json
import logging
import re
import sys
import time
from collections.abc import MutableMapping
from datetime import date, datetime
from enum import Enum
from functools import lru_cache
from pathlib import Path
from traceback import extract_tb
from typing import Any, BinaryIO, Literal
from uuid import UUID

import orjson
import structlog

from .context import _current

REDACTED = "[redacted]"
MAX_DEPTH = 4
_SECRET_NAMES = re.compile(
    r"passw|secret|token|cookie|authorization|^code$|otp|^match$|grant|seed|credential|dsn|email|e_mail|phone|^to$|address"
    r"|identifier|username|^((given|family|display|full|first|last)_)?name$",
    re.IGNORECASE,
)
_EMAIL = re.compile(r"[^\s@<>\"']+@[^\s@<>\"']+\.[^\s@<>\"']+")
_PHONE = re.compile(r"\+[0-9][0-9 ()./-]{6,}[0-9]")
_TOKEN_LENGTH = 43
_LONG_TOKEN = re.compile(rf"[A-Za-z0-9_-]{{{_TOKEN_LENGTH},}}")
_LINK_PATH = re.compile(r"(/l/)(?!\{)[^\s/?#\"']+")

# The closed list of security events (OWASP Logging Vocabulary); LOG-1.
SecurityEvent = Literal[
    "authn_login_success",
    "authn_login_fail",
    "authn_login_fail_max",
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
    "sensitive_read",
    "sensitive_update",
]


def mask(text: str) -> str:
    """The text without e-mail addresses, phone numbers, link tokens and anything as long as a token."""
    if len(text) < _TOKEN_LENGTH and "@" not in text and "+" not in text and "/l/" not in text:
        return text  # most of what is logged is a word, and nothing below could find anything in it
    text = _LINK_PATH.sub(rf"\1{REDACTED}", text)
    text = _EMAIL.sub(REDACTED, text)
    text = _PHONE.sub(REDACTED, text)
    return _LONG_TOKEN.sub(REDACTED, text)


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return _SECRET_NAMES.search(name) is not None


def _clean(value: Any, depth: int = 0) -> Any:
    if isinstance(value, str) and not isinstance(value, Enum):
        return mask(value)
    if value is None or isinstance(value, bool | int | float | UUID | date | datetime | Enum):
        return value
    if isinstance(value, bytes):
        return mask(value.decode("utf-8", "replace"))
    if isinstance(value, Path):
        return mask(str(value))
    if depth < MAX_DEPTH and isinstance(value, dict):
        return {key: _clean_field(str(key), one, depth + 1) for key, one in value.items()}
    if depth < MAX_DEPTH and isinstance(value, list | tuple | set | frozenset):
        return [_clean(one, depth + 1) for one in value]
    return f"<{type(value).__name__}>"  # an object's own text may hold anything


def _clean_field(name: str, value: Any, depth: int = 0) -> Any:
    if _is_secret(name):
        # Small numbers under such a name are counts (tries, tokens); a code that travels as a number is not.
        harmless = value is None or isinstance(value, bool) or (isinstance(value, int | float) and abs(value) < 1000)
        return _clean(value, depth) if harmless else REDACTED
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


def _add_exception(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Class and places, never the message: PostgreSQL, Pydantic and int() repeat in it what somebody typed (LOG-2)."""
    found = event.pop("exc_info", None)
    if isinstance(found, tuple):
        found = found[1]
    elif found is True:
        found = sys.exc_info()[1]
    if isinstance(found, BaseException):
        event["exception"] = _described(found)
    return event


def _described(error: BaseException) -> dict[str, Any]:
    frames = [f"{'/'.join(Path(one.filename).parts[-3:])}:{one.lineno} {one.name}" for one in extract_tb(error.__traceback__)]
    described: dict[str, Any] = {"type": f"{type(error).__module__}.{type(error).__qualname__}", "frames": frames[-15:]}
    for name in ("sqlstate", "constraint_name"):  # of PostgreSQL's errors: names of ours, no values
        if isinstance(value := getattr(error, name, None), str):
            described[name] = value
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        described["cause"] = f"{type(cause).__module__}.{type(cause).__qualname__}"
    return described


def _dump(event: Any, **_: Any) -> bytes:
    """One line, whatever is in it: outside of ASCII there are line ends (U+2028, U+0085) and terminal controls (LOG-3)."""
    try:
        line = orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:  # a lone surrogate, or a number that orjson can't hold
        return json.dumps(event, default=str).encode()
    return line if line.isascii() and b"\x7f" not in line else json.dumps(orjson.loads(line)).replace("\x7f", "\\u007f").encode()


class _Output:
    """Where the lines go; loggers are made once, their output may change (tests)."""

    def __init__(self) -> None:
        self.service = ""
        self.stream: BinaryIO | None = None

    def write(self, data: bytes) -> None:
        (self.stream or sys.stdout.buffer).write(data)

    def flush(self) -> None:
        (self.stream or sys.stdout.buffer).flush()

    def name_service(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["service"] = self.service
        return event


_output = _Output()


def configure(service: str, level: str = "INFO", *, stream: BinaryIO | None = None) -> None:
    """Once per process, first thing. Lines go to stdout unless a stream is given."""
    _output.service, _output.stream = service, stream
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _output.name_service,
            _add_trace,
            _add_exception,
            redact,
            structlog.processors.JSONRenderer(serializer=_dump),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.BytesLoggerFactory(_output),  # type: ignore[arg-type]  # write and flush are all it needs
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers = [_Bridge()]
    root.setLevel(max(number, logging.WARNING))


class _RateLimit:
    """aiokafka writes a hundred lines a second while a broker is away; two a second say the same."""

    def __init__(self) -> None:
        self._next = 0.0

    def allows(self) -> bool:
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + 0.5
        return True


class _Bridge(logging.Handler):
    """What libraries log goes the same way."""

    def __init__(self) -> None:
        super().__init__()
        self._kafka = _RateLimit()

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith("aiokafka") and not self._kafka.allows():
            return
        fields: dict[str, Any] = {"module": record.name}
        if record.exc_info:
            fields["exc_info"] = record.exc_info
        try:
            text = record.getMessage()
        except (TypeError, ValueError):  # arguments that don't fit the text
            text = str(record.msg)
        structlog.get_logger().log(max(record.levelno, logging.DEBUG), text[:2000], **fields)


def get_logger(name: str) -> Any:
    """Bound lazily: modules ask for theirs when they are imported, which is before `configure`."""
    return structlog.get_logger(module=name)


def security_event(event: SecurityEvent, result: Literal["success", "fail"], **ids: Any) -> None:
    """One entry of the security log; ids and closed words only."""
    structlog.get_logger().info(event, security=True, result=result, **ids)
