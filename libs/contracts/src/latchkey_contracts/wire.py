"""Events as Kafka records: CloudEvents 1.0, binary mode as we publish, structured mode too when we read (EVT-1)."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from uuid import UUID

from pydantic import ValidationError

from . import identity, mfa, notifier, privacy, recovery
from .event import Event, Meta

__all__ = ["Malformed", "Unknown", "attributes", "decode", "encode", "headers", "new_meta", "peek"]

# Importing the modules of all publishers fills the registry.
MODULES = (identity, recovery, mfa, notifier, privacy)

SCHEMA_BASE = "/schemas/events/"

Headers = list[tuple[str, bytes]]


class Malformed(ValueError):
    """The record is no CloudEvent of ours; the text says why without repeating its content."""


class Unknown(Malformed):
    """A CloudEvent of a type that this release does not know."""


def rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def attributes(meta: Meta) -> dict[str, str]:
    """The CloudEvents attributes as they go into headers, without the prefix."""
    found: dict[str, str] = {
        "id": str(meta.id),
        "source": meta.source,
        "specversion": "1.0",
        "type": meta.type,
        "time": rfc3339(meta.time),
        "subject": meta.subject,
        "dataschema": f"{meta.source.split('/services/', maxsplit=1)[0]}{SCHEMA_BASE}{meta.type}.json",
        "partitionkey": meta.subject,
        "aggregateversion": str(meta.aggregateversion),
        "correlationid": meta.correlationid,
        "authtype": meta.authtype,
    }
    for name in ("causationid", "traceparent", "tenant"):
        if (value := getattr(meta, name)) is not None:
            found[name] = value
    if meta.expirytime is not None:
        found["expirytime"] = rfc3339(meta.expirytime)
    return found


def headers(found: dict[str, str]) -> Headers:
    """Record headers of the binary content mode (CloudEvents Kafka binding §3.2)."""
    result = [(f"ce_{name}", value.encode()) for name, value in found.items()]
    result.append(("content-type", b"application/json"))
    if "traceparent" in found:
        result.append(("traceparent", found["traceparent"].encode()))
    return result


def encode(event: Event, meta: Meta) -> tuple[bytes, bytes, Headers]:
    """Key, value and headers of the record."""
    return meta.subject.encode(), event.model_dump_json().encode(), headers(attributes(meta))


def peek(record_headers: Iterable[tuple[str, bytes | None]]) -> dict[str, str]:
    """The CloudEvents attributes in the headers, as far as they can be read; never raises."""
    found: dict[str, str] = {}
    for name, value in record_headers:
        if name.startswith("ce_") and value is not None:
            found[name[3:]] = value.decode("utf-8", "replace")
    return found


def named(record_headers: Iterable[tuple[str, bytes | None]]) -> type[Event] | None:
    """The class of the event, by its header alone. None: it isn't said there, or is none that this release knows."""
    found = [value for name, value in record_headers if name == "ce_type"]
    return Event.registry.get((found[-1] or b"").decode("utf-8", "replace")) if found else None


def decode(value: bytes | None, record_headers: Sequence[tuple[str, bytes | None]]) -> Event:
    """The event with its `meta`. Raises Unknown for a type of a later release, Malformed for anything else that can't be read."""
    content_type = (
        (dict(record_headers).get("content-type") or b"application/json").decode("ascii", "replace").split(";")[0].strip()
    )
    if value is None:
        raise Malformed("no value")
    try:
        if content_type == "application/cloudevents+json":
            attributes, data = _structured(value)
        elif content_type == "application/json":
            attributes, data = peek(record_headers), json.loads(value)
        else:
            raise Malformed("content-type is neither application/json nor application/cloudevents+json")
    except Malformed:
        raise
    except (ValueError, RecursionError) as error:  # also of numbers with thousands of digits, and of brackets without end
        raise Malformed("value is not JSON") from error
    if zero := [name for name in Meta.model_fields if "\x00" in str(attributes.get(name))]:
        raise Malformed(f"{', '.join(zero)} holds a zero character")  # which no text in PostgreSQL can
    if attributes.get("specversion") != "1.0":
        raise Malformed("specversion is not 1.0")
    cls = Event.registry.get(str(attributes.get("type")))
    if cls is None:
        raise Unknown("event type is not known to this release")
    try:
        event = cls.model_validate(data)
        return event.received(Meta.model_validate(attributes))
    except ValidationError as error:
        fields = ", ".join(".".join(str(part) for part in one["loc"]) or "value" for one in error.errors())
        raise Malformed(f"{cls.__name__} does not validate: {fields}") from None


def _structured(value: bytes) -> tuple[dict[str, str], object]:
    document = json.loads(value)
    if not isinstance(document, dict):
        raise Malformed("structured event is not an object")
    data = document.pop("data", None)
    return document, data


def new_meta(
    event: Event,
    *,
    id: UUID,
    origin: str,
    time: datetime,
    aggregateversion: int,
    correlationid: str,
    causationid: str | None,
    traceparent: str | None,
    authtype: str,
    tenant: str | None,
    expirytime: datetime | None,
) -> Meta:
    return Meta(
        id=id,
        source=f"{origin.rstrip('/')}/services/{event.publisher}",
        type=event.event_type,
        time=time,
        subject=event.subject,
        aggregateversion=aggregateversion,
        correlationid=correlationid,
        causationid=causationid,
        traceparent=traceparent,
        authtype=authtype,
        tenant=tenant,
        expirytime=expirytime,
    )
