"""Errors as problem documents (RFC 9457), and back from a peer's answer.

Texts are English here. Errors carry a code and parameters, so whoever faces the customer hands in a `Translate` made from
its catalogues and the language asked for (docs/openapi.json).
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, get_args

import orjson
from pydantic_core.core_schema import ErrorType
from starlette.responses import Response

from servicekit import errors
from servicekit.errors import FieldError, ServiceError

# (code, English text, parameters) -> text in the language asked for.
Translate = Callable[[str, str, Mapping[str, Any]], str]

PROBLEM_JSON = "application/problem+json"
MAX_POINTER = 200
_HEAD = frozenset({"type", "code", "title", "status", "request_id", "detail"})


def problem(error: ServiceError, request_id: str, translate: Translate | None = None) -> dict[str, Any]:
    """The document alone; its status and headers are the response's."""
    document: dict[str, Any] = {
        "type": f"/problems/{error.code}",
        "code": error.code,
        "title": translate(error.code, error.title, error.extra) if translate else error.title,
        "status": error.status,
        "request_id": request_id,
    }
    if error.detail:
        document["detail"] = error.detail
    document |= error.extra
    if "retry_after_seconds" in document:
        document["retry_after_seconds"] = _whole(document["retry_after_seconds"])
    if translate and "errors" in document:
        document["errors"] = [
            {**one, "message": translate(one["code"], one["message"], one.get("params", {}))} for one in document["errors"]
        ]
    return document


def problem_response(error: ServiceError, request_id: str, translate: Translate | None = None) -> Response:
    headers = {}
    if (seconds := error.extra.get("retry_after_seconds")) is not None:
        headers["Retry-After"] = str(_whole(seconds))
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(orjson.dumps(problem(error, request_id, translate), default=str), error.status, headers, PROBLEM_JSON)


def _whole(seconds: float) -> int:
    """Rounded up, so that whoever waits that long is not early."""
    return max(int(-(-seconds // 1)), 1)


def from_problem(document: Any, status: int) -> ServiceError:
    """The error that a peer answered, as the same class; an unknown one is our own failure."""
    if not isinstance(document, dict) or (cls := ServiceError.registry.get(str(document.get("code")))) is None:
        return errors.Overloaded() if status == 503 else errors.InternalError()
    if status != cls.status:  # the same code told by another one, as 412 is
        cls = next((one for one in cls.__subclasses__() if one.code == cls.code and one.status == status), cls)
    error = cls.__new__(cls)  # each class has arguments of its own; their result is in the document
    ServiceError.__init__(error, document.get("detail"), **{name: one for name, one in document.items() if name not in _HEAD})
    if isinstance(error, errors.ValidationFailed):
        found = document.get("errors", [])
        error.errors = [FieldError(one["field"], one["code"], one["message"], one.get("params", {})) for one in found]
    return error


def pointer(*parts: object) -> str:
    """RFC 6901. Names that a caller invented are cut."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)[:MAX_POINTER]


# Pydantic's error types as our stable field codes, with our own texts: its texts change with its releases.
_RULES: dict[str, tuple[str, str]] = {
    "missing": ("required", "This is needed"),
    "extra_forbidden": ("unknown_field", "There is no such field"),
    "string_too_long": ("too_long", "At most {max_length} characters"),
    "string_too_short": ("too_short", "At least {min_length} characters"),
    "too_long": ("too_long", "At most {max_length} entries"),
    "too_short": ("too_short", "At least {min_length} entries"),
    "string_pattern_mismatch": ("not_this_form", "This isn't in the expected form"),
    "literal_error": ("not_an_option", "This is none of the options: {expected}"),
    "enum": ("not_an_option", "This is none of the options: {expected}"),
    "greater_than": ("out_of_range", "More than {gt}"),
    "greater_than_equal": ("out_of_range", "At least {ge}"),
    "less_than": ("out_of_range", "Less than {lt}"),
    "less_than_equal": ("out_of_range", "At most {le}"),
}
_PYDANTIC_S_OWN = frozenset(get_args(ErrorType))


def field_errors(found: Iterable[Any]) -> list[FieldError]:
    """Pydantic's errors with JSON pointers; what was sent is not repeated (LOG-2).

    A `PydanticCustomError` of ours keeps its type as the code, and its context as the parameters.
    """
    return [_field_error(one) for one in found]


def _field_error(one: Any) -> FieldError:
    place = list(one["loc"])
    where = pointer(*(place[1:] if place and place[0] in {"body", "query", "path", "header", "cookie"} else place))
    kind, params = one["type"], {name: value for name, value in one.get("ctx", {}).items() if name != "error"}
    if kind not in _PYDANTIC_S_OWN:
        return FieldError(where, kind, one["msg"], params)
    if kind == "value_error":
        return FieldError(where, "not_allowed", str(one["msg"]).removeprefix("Value error, "))
    if kind in _RULES:
        code, text = _RULES[kind]
        return FieldError(
            where, code, text.format_map(params), {key: value for key, value in params.items() if f"{{{key}}}" in text}
        )
    if kind.endswith(("_type", "_parsing", "_unicode")) or kind in {"int_from_float", "is_instance_of"}:
        return FieldError(where, "wrong_type", "This isn't of the expected type")
    return FieldError(where, "not_allowed", "This isn't allowed")
