"""One AsyncAPI 3 document of every event, made from the classes (EVT-7, EVT-8); `latchkey asyncapi` prints it."""

from typing import Any

from latchkey_contracts import wire
from latchkey_contracts.event import Event
from latchkey_contracts.topics import PARTITIONS, RETENTION_MS, events_topic

_ = wire  # importing it loads the events of every publisher


def schema(cls: type[Event]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of an event's data."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **cls.model_json_schema()}


def events() -> dict[str, type[Event]]:
    return dict(sorted(Event.registry.items()))


def _headers() -> dict[str, Any]:
    text = {"type": "string"}
    names = (
        "id",
        "source",
        "specversion",
        "type",
        "time",
        "subject",
        "dataschema",
        "partitionkey",
        "aggregateversion",
        "correlationid",
    )
    optional = ("causationid", "traceparent", "authtype", "tenant", "expirytime")
    return {
        "type": "object",
        "required": ["content-type", *(f"ce_{name}" for name in names)],
        "properties": {"content-type": {"const": "application/json"}, **{f"ce_{name}": text for name in (*names, *optional)}},
    }


def _message(cls: type[Event]) -> dict[str, Any]:
    return {
        "name": cls.event_type,
        "title": cls.__name__,
        "summary": (cls.__doc__ or cls.__name__).strip().splitlines()[0],
        "contentType": "application/json",
        "headers": {"$ref": "#/components/schemas/CloudEventHeaders"},
        "payload": {"$ref": f"#/components/schemas/{cls.__name__}"},
        "bindings": {
            "kafka": {"key": {"type": "string", "description": f"{cls.subject_field}: events of one subject stay in order"}}
        },
    }


def document() -> dict[str, Any]:
    classes = events()
    publishers = sorted({cls.publisher for cls in classes.values()})
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for publisher in publishers:
        own = [cls for cls in classes.values() if cls.publisher == publisher]
        channels[publisher] = {
            "address": events_topic(publisher),
            "title": f"Events of the {publisher} service",
            "messages": {cls.__name__: {"$ref": f"#/components/messages/{cls.__name__}"} for cls in own},
            "bindings": {
                "kafka": {
                    "topic": events_topic(publisher),
                    "partitions": PARTITIONS,
                    "topicConfiguration": {"cleanup.policy": ["delete"], "retention.ms": RETENTION_MS},
                }
            },
        }
        operations[f"{publisher}.publishes"] = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{publisher}"},
            "messages": [{"$ref": f"#/channels/{publisher}/messages/{cls.__name__}"} for cls in own],
        }
    schemas: dict[str, Any] = {"CloudEventHeaders": _headers()}
    for cls in classes.values():
        one = cls.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(one.pop("$defs", {}))
        schemas[cls.__name__] = one
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Latchkey domain events",
            "version": "1.0.0",
            "description": "CloudEvents 1.0 in binary content mode on Kafka. No event carries a secret or personal data in clear.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": {cls.__name__: _message(cls) for cls in classes.values()}, "schemas": schemas},
    }
