"""The trace of the work at hand, carried from the request over the outbox to every consumer (EVT-5)."""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

from latchkey_contracts.event import AuthType

_TRACEPARENT = re.compile(r"^00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$")


@dataclass(frozen=True, slots=True)
class Trace:
    """request_id: this hop; correlation_id: the whole story; causation_id: the event that caused this work."""

    request_id: str
    correlation_id: str
    causation_id: str | None = None
    traceparent: str = ""
    authtype: AuthType = "system"
    tenant: str | None = None


def _span(trace_id: str) -> str:
    return f"00-{trace_id}-{secrets.token_hex(8)}-01"


def child_of(traceparent: str | None) -> str:
    """A new span (W3C Trace Context) in the same trace, or in a new one where there is none that can be read."""
    match = _TRACEPARENT.match(traceparent or "")
    return _span(match[1] if match else secrets.token_hex(16))


def new_trace(
    *,
    request_id: str | None = None,
    correlation_id: str | None = None,
    causation_id: str | None = None,
    traceparent: str | None = None,
    authtype: AuthType = "system",
    tenant: str | None = None,
) -> Trace:
    request_id = request_id or secrets.token_hex(16)
    return Trace(request_id, correlation_id or request_id, causation_id, child_of(traceparent), authtype, tenant)


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


def current_trace() -> Trace:
    """The trace at hand; outside of any work a fresh one, so that nothing is ever published without."""
    return _current.get() or new_trace()


@contextmanager
def use_trace(trace: Trace) -> Iterator[Trace]:
    token = _current.set(trace)
    try:
        yield trace
    finally:
        _current.reset(token)


def set_tenant(tenant: str, authtype: AuthType | None = None) -> None:
    """Said by a use case as soon as it knows for which store it works."""
    trace = current_trace()
    _current.set(replace(trace, tenant=tenant, authtype=authtype or trace.authtype))


def set_authtype(authtype: AuthType) -> None:
    """Said by a use case that knows who acts, where the store is known from what it changes."""
    _current.set(replace(current_trace(), authtype=authtype))
