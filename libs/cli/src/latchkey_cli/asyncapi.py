"""One AsyncAPI 3 document of every event, made from the classes (EVT-7, EVT-8); `latchkey asyncapi` prints it."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from latchkey_contracts import wire
from latchkey_contracts.event import Event
from latchkey_contracts.schemas import events, schema
from latchkey_contracts.topics import PARTITIONS, RETENTION_MS, events_topic

__all__ = ["document", "events", "schema"]


# Every header of a record: what it says, and whether each record has it.
HEADERS: dict[str, tuple[str, bool]] = {
    "id": ("Unique together with `source`, for ever. A record may come twice: remember it", True),
    "source": ("Who published it: the product's origin + `/services/<service>`", True),
    "specversion": ("Of CloudEvents: `1.0`", True),
    "type": ("`latchkey.<service>.<event>.v<n>`. A new field is no new version; ignore what you don't know", True),
    "time": ("When it happened (RFC 3339, UTC)", True),
    "subject": ("What it is about: mostly the account's id. The same as the record's key", True),
    "dataschema": ("Where the JSON Schema of the value is", True),
    "partitionkey": ("The record's key once more (CloudEvents partitioning extension)", True),
    "aggregateversion": ("Counts the events of one subject and publishing service from 1, without gaps: a number that is missing is still to come", True),
    "correlationid": ("The request that all of it began with, over all services", True),
    "causationid": ("The `id` of the event that led to this one", False),
    "traceparent": ("W3C trace context; the header `traceparent` has it, too", False),
    "authtype": ("Who caused it: `user` (signed in or proven), `unauthenticated`, `admin`, or `system` (time, another event)", False),
    "tenant": ("The id of the identity store that the subject belongs to", False),
    "expirytime": (
        ("After this moment (RFC 3339, UTC) nobody need act on it any more: what it asks for, mostly a message with a link or code, is "
        "of no use then. A consumer skips it; what it says of the past stays true. Without it the event never expires"),
        False,
    ),
}  # fmt: skip
_EXAMPLE = {
    "id": "b0a8f5c4-3c5f-4d58-9b8e-6a9d0f6e5c11",
    "source": "https://id.elmstead.example/services/{publisher}",
    "specversion": "1.0",
    "time": "2026-11-24T14:16:41.830528Z",
    "dataschema": "https://id.elmstead.example{base}{type}.json",
    "aggregateversion": "2",
    "correlationid": "a119e9584136a74645139daec5c5fdd9",
    "authtype": "user",
    "tenant": "7d0c2a52-40f6-5d2b-8d3c-1b2a3c4d5e6f",
}
SERVERS = {
    "cluster": {
        "host": "{bootstrap}",
        "protocol": "kafka",
        "description": "The product's Kafka. After `make run`, `latchkey dev status` says where it listens",
        "variables": {"bootstrap": {"default": "localhost:9092", "description": "Host and port of a broker"}},
    }
}


_NAMES = Counter(cls.__name__ for cls in events().values())


def key(cls: type[Event]) -> str:
    """Its name in the document: the class's, with its publisher where two publish one of the same name."""
    return cls.__name__ if _NAMES[cls.__name__] == 1 else f"{cls.publisher.capitalize()}{cls.__name__}"


def _headers() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "CloudEvents 1.0 attributes and our extensions, as headers of the record (Kafka protocol binding, binary mode)",
        "required": ["content-type", *(f"ce_{name}" for name, (_, always) in HEADERS.items() if always)],
        "properties": {
            "content-type": {"const": "application/json", "description": "Of the record's value"},
            **{f"ce_{name}": {"type": "string", "description": text} for name, (text, _) in HEADERS.items()},
        },
    }


def samples() -> Path | None:
    """One record's value for each event, by its type: in the installed package, or beside it in the repository."""
    package = Path(wire.__file__).parent
    return next((one for one in (package / "samples", package.parents[1] / "samples") if one.is_dir()), None)


def _examples(cls: type[Event]) -> list[dict[str, Any]]:
    folder = samples()
    if folder is None or not (path := folder / f"{cls.event_type}.json").exists():
        return []
    payload = json.loads(path.read_text(encoding="utf-8"))
    subject = str(payload[cls.subject_field])
    said = {
        name: text.format(publisher=cls.publisher, type=cls.event_type, base=wire.SCHEMA_BASE) for name, text in _EXAMPLE.items()
    }
    said |= {"type": cls.event_type, "subject": subject, "partitionkey": subject}
    headers = {"content-type": "application/json", **{f"ce_{name}": said[name] for name in HEADERS if name in said}}
    return [{"name": cls.__name__, "headers": headers, "payload": payload}]


def _message(cls: type[Event]) -> dict[str, Any]:
    examples = _examples(cls)
    return {
        "name": cls.event_type,
        "title": cls.__name__,
        "summary": (cls.__doc__ or cls.__name__).strip().splitlines()[0],
        "contentType": "application/json",
        "headers": {"$ref": "#/components/schemas/CloudEventHeaders"},
        "payload": {"$ref": f"#/components/schemas/{key(cls)}"},
        "bindings": {
            "kafka": {"key": {"type": "string", "description": f"{cls.subject_field}: events of one subject stay in order"}}
        },
        **({"examples": examples} if examples else {}),
    }


def _channel(publisher: str, own: list[type[Event]]) -> dict[str, Any]:
    return {
        "address": events_topic(publisher),
        "title": f"Events of the {publisher} service",
        "messages": {key(cls): {"$ref": f"#/components/messages/{key(cls)}"} for cls in own},
        "bindings": {
            "kafka": {
                "topic": events_topic(publisher),
                "partitions": PARTITIONS,
                "topicConfiguration": {"cleanup.policy": ["delete"], "retention.ms": RETENTION_MS},
            }
        },
    }


def document() -> dict[str, Any]:
    classes = events()
    publishers = sorted({cls.publisher for cls in classes.values()})
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for publisher in publishers:
        own = [cls for cls in classes.values() if cls.publisher == publisher]
        channels[publisher] = _channel(publisher, own)
        operations[f"{publisher}.publishes"] = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{publisher}"},
            "messages": [{"$ref": f"#/channels/{publisher}/messages/{key(cls)}"} for cls in own],
        }
    schemas: dict[str, Any] = {"CloudEventHeaders": _headers()}
    for cls in classes.values():
        one = cls.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(one.pop("$defs", {}))
        schemas[key(cls)] = one
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Latchkey domain events",
            "version": "1.0.0",
            "description": "CloudEvents 1.0 in binary content mode on Kafka. No event carries a secret or personal data in clear.",
            "license": {"name": "Apache-2.0"},
        },
        "servers": SERVERS,
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": {key(cls): _message(cls) for cls in classes.values()}, "schemas": schemas},
    }
