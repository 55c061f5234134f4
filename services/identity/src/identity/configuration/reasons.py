"""Pydantic's findings in words for whoever wrote the file: name, range and value (docs/configuration.md)."""

from datetime import timedelta
from types import NoneType
from typing import Any, get_args

from latchkey_contracts.configuration import Document
from pydantic import BaseModel
from pydantic.fields import FieldInfo

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))

_WORDS = {
    "missing": "is missing",
    "extra_forbidden": "there is no such setting",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "model_type": "must be a group of settings",
    "dict_type": "must be a group of settings",
}


def in_words(value: Any) -> str:
    """A value as one writes it in the file: 24 h, 6 min, true."""
    if isinstance(value, timedelta):
        seconds = int(value.total_seconds())
        size, unit = next(((size, unit) for size, unit in _UNITS if seconds and seconds % size == 0), (1, "s"))
        # As the documentation says it: 120 h, not 5 d; days only from a week on.
        if unit == "d" and seconds < 7 * 86400:
            size, unit = 3600, "h"
        return f"{seconds // size} {unit}"
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def reason(one: Any) -> str:
    """`one` is an entry of ValidationError.errors()."""
    kind, given = one["type"], one.get("input")
    if kind in _WORDS:
        return _WORDS[kind]
    if kind in {"greater_than_equal", "less_than_equal"} and (found := _range(one["loc"])) is not None:
        return f"must be {found}; here: {in_words(given)}"
    text = str(one["msg"]).removeprefix("Value error, ").replace("Input should", "must").replace("String should", "must")
    shown = isinstance(given, str | int | float | timedelta)
    return f"{text}; here: {in_words(given)}" if shown else text


def _range(place: tuple[str | int, ...]) -> str | None:
    field = _field(place)
    if field is None:
        return None
    least = next((one.ge for one in field.metadata if hasattr(one, "ge")), None)
    most = next((one.le for one in field.metadata if hasattr(one, "le")), None)
    if least is None or most is None:
        return None
    return f"between {in_words(least)} and {in_words(most)}"


def _field(place: tuple[str | int, ...]) -> FieldInfo | None:
    model: Any = Document
    found = None
    for part in place:
        if isinstance(part, int):  # an item of a list, which is what `model` is already
            continue
        if not (isinstance(model, type) and issubclass(model, BaseModel)) or part not in model.model_fields:
            return None
        found = model.model_fields[part]
        inside = [arg for arg in get_args(found.annotation) if arg is not NoneType]
        model = inside[0] if inside else found.annotation
    return found
