"""The JSON Schema of each event's data: served where `dataschema` points to, and part of the AsyncAPI document (EVT-3, EVT-7)."""

from typing import Any

from . import wire
from .event import Event

_ = wire  # importing it loads the events of every publisher


def schema(cls: type[Event]) -> dict[str, Any]:
    """JSON Schema 2020-12."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **cls.model_json_schema()}


def events() -> dict[str, type[Event]]:
    """By type, in the order of the alphabet."""
    return dict(sorted(Event.registry.items()))
