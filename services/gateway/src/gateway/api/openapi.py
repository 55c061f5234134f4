"""The OpenAPI 3.1 document, from the list of operations alone: with or without a running gateway it is the same."""

import json
from pathlib import Path
from typing import Any

from fastapi.openapi.utils import get_openapi
from latchkey_contracts.http.common import Problem
from servicekit.errors import FieldError, PreconditionRequired, ServiceError, StepUpRequired, ValidationFailed
from servicekit.web.problems import problem

from . import routes
from .explained import EXPLAINED
from .operations import OPERATIONS, Operation

TITLE = "Latchkey public API"
VERSION = "1.0.0"
EXAMPLES = Path(__file__).parent / "examples"
REQUEST_ID = "a119e9584136a74645139daec5c5fdd9"
DESCRIPTION = """\
Customers register, prove their address, sign in, get back in and look after their account.

**Flows.** What takes several steps is a flow: the call that starts it answers the flow, whose `next` names the steps that are possible
now. Only whoever started a flow may go on with it.

**Two kinds of caller.** A *browser* holds cookies and sends `Latchkey-Client: web` with every write. An *API client* (an app on a phone, a
test) holds none: it starts flows with `"client": "api"`, sends their `flow_token` as `Latchkey-Flow`, and the session's token as
`Authorization: Bearer`. After its first sign-in it sends the `device.token` of that as `Latchkey-Device`, too.

**Fresh authentication.** What a session alone may not do answers 403 `step_up_required` with `action`, `payload` and `methods`. A step-up
(`POST /v1/me/step-ups`) made for them ends with a `grant`, sent once as `Latchkey-Step-Up` with the very same call.

**Errors** are problem documents (RFC 9457). `code` is stable and for programs; `title` and each `message` are for people, in the
language of `Accept-Language`.

**Repeats.** Every write takes an `Idempotency-Key`: the same call again within 24 hours gets the same answer and is done once.

Every answer has an `X-Request-Id`. Times are RFC 3339 in UTC. Bodies have at most 64 KiB; unknown fields are refused.
"""
TAGS = {
    "application": "What an application asks for and how it looks.",
    "registration": "A new account, and the proof of its address.",
    "sign-in": "From an identifier to a session.",
    "recovery": "Back in after the username, the password or the mailbox was lost.",
    "links": "What stands in messages: `<origin>/{app}/l/<token>`. Opening a link changes nothing; confirming it does, once.",
    "signed in": "What the customer reads and changes with a session.",
    "providers": "What the providers of messages call. Not for clients.",
}
SECURITY = {
    "session": {"type": "http", "scheme": "bearer", "description": "An API client's session: `session.token` of the sign-in"},
    "sessionCookie": {
        "type": "apiKey", "in": "cookie", "name": "__Host-latchkey_session",
        "description": "A browser's session. Over plain HTTP on localhost, in development, without `__Host-`",
    },
    "flow": {
        "type": "apiKey", "in": "header", "name": "Latchkey-Flow", "description": "An API client's flow: `flow_token` of its start",
    },
    "flowCookie": {"type": "apiKey", "in": "cookie", "name": "__Host-latchkey_flow", "description": "A browser's flows"},
    "web": {
        "type": "apiKey", "in": "header", "name": "Latchkey-Client",
        "description": "Always `web`: with it a browser's script says that the call is its own (no form of another site can send it)",
    },
}  # fmt: skip
IDEMPOTENCY = {
    "name": "Idempotency-Key", "in": "header", "required": False, "schema": {"type": "string", "maxLength": 200},
    "description": "Any text of your own, new for each thing to do. A repeat within 24 hours gets the first answer again",
    "example": "5f0c9c5e-6d6f-4b0e-9b1e-3c1f6f0a7d11",
}  # fmt: skip
DEVICE = {
    "name": "Latchkey-Device", "in": "header", "required": False, "schema": {"type": "string", "maxLength": 200},
    "description": "An API client's `device.token` of its last sign-in: wrong passwords of strangers don't keep this client out then",
}  # fmt: skip
STEP_UP = {
    "name": "Latchkey-Step-Up", "in": "header", "required": False, "schema": {"type": "string", "maxLength": 1000},
    "description": "The `grant` of a step-up that was made for this very call: its action and its payload, once, within five minutes",
}  # fmt: skip
IF_MATCH = {
    "name": "If-Match", "in": "header", "required": True, "schema": {"type": "string", "maxLength": 200},
    "description": "The `ETag` of what you have read (RFC 9110): what was changed since then is not overwritten", "example": '"7"',
}  # fmt: skip
ETAG = {"ETag": {"description": "The answer's `version`, in quotes", "schema": {"type": "string"}}}
REQUEST_ID_HEADER = {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}}
RETRY_HEADER = {"Retry-After": {"$ref": "#/components/headers/Retry-After"}}


def document() -> dict[str, Any]:
    unused: Any = None
    found = get_openapi(
        title=TITLE, version=VERSION, openapi_version="3.1.0", description=DESCRIPTION, routes=routes.router(unused).routes
    )
    found["info"]["license"] = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
    found["servers"] = [{"url": "/", "description": "The origin of the product"}]
    found["tags"] = [{"name": name, "description": text} for name, text in TAGS.items()]
    components = found["components"]
    schemas = components["schemas"]
    schemas |= _problem_schemas()
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    components["securitySchemes"] = SECURITY
    components["headers"] = {
        "X-Request-Id": {"description": "Names this request in our logs", "schema": {"type": "string"}},
        "Retry-After": {"description": "Whole seconds to wait", "schema": {"type": "integer"}},
    }
    for one in OPERATIONS:
        _complete(one, found["paths"][one.path][one.method.lower()])
    return {**found, "components": {**components, "schemas": {name: _tidy(schema) for name, schema in schemas.items()}}}


def example(operation: Operation) -> dict[str, Any]:
    """{"request": ..., "answer": ...} as the product took and gave it (tests/e2e/test_openapi.py writes and compares them)."""
    path = EXAMPLES / f"{operation.id}.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def _complete(operation: Operation, described: dict[str, Any]) -> None:
    shown = example(operation)
    for one in described.get("parameters", ()):
        one["schema"].pop("title", None)
        one["schema"].pop("description", None)
    if _takes_key(operation):
        described.setdefault("parameters", []).append(IDEMPOTENCY)
    if operation.tries_password:
        described.setdefault("parameters", []).append(DEVICE)
    if StepUpRequired in operation.problems:
        described.setdefault("parameters", []).append(STEP_UP)
    if PreconditionRequired in operation.problems:
        described.setdefault("parameters", []).append(IF_MATCH)
    if operation.who == "provider":
        described["requestBody"] = _provider_body()
    elif operation.request is not None:
        described["requestBody"]["content"]["application/json"]["example"] = shown.get("request")
    good = described["responses"][str(operation.status)]
    good |= {"description": _good(operation), "headers": {**REQUEST_ID_HEADER, **(ETAG if operation.versioned else {})}}
    if operation.who == "provider":
        good["content"] = {"application/json": {"schema": {}}, "application/xml": {"schema": {"type": "string"}}}
    elif operation.answer is not None:
        content = good["content"]["application/json"]
        content["schema"].pop("title", None)
        content["example"] = shown.get("answer")
    described["responses"] = {str(operation.status): good, **_problems(operation)}
    described["security"] = _security(operation)


def _takes_key(operation: Operation) -> bool:
    return operation.writes and operation.id != "signOut" and operation.who != "provider"


def _good(operation: Operation) -> str:
    return {202: "Accepted; how far it is", 204: "Done"}.get(operation.status, operation.summary)


def _provider_body() -> dict[str, Any]:
    schema = {"type": "object", "additionalProperties": True}
    return {
        "description": "As the provider sends it, at most 32 KiB",
        "content": {"application/json": {"schema": schema}, "application/x-www-form-urlencoded": {"schema": schema}},
    }


def _security(operation: Operation) -> list[dict[str, list[str]]]:
    """Each entry is one way that is enough."""
    web: dict[str, list[str]] = {} if operation.method == "GET" else {"web": []}
    if operation.who == "session":
        return [{"session": []}, {"sessionCookie": [], **web}]
    if operation.who == "asker":
        anybody: list[dict[str, list[str]]] = [{}] if operation.owner == "link" else []
        return [{"flow": []}, {"flowCookie": [], **web}, *anybody]
    return [{}, web] if web and operation.who == "anybody" else []


def _problems(operation: Operation) -> dict[str, Any]:
    by_status: dict[int, list[type[ServiceError]]] = {}
    for one in operation.all_problems():
        by_status.setdefault(one.status, []).append(one)
    return {
        str(status): {
            "description": "; ".join(f"`{one.code}`: {one.title}" for one in classes),
            "headers": {**REQUEST_ID_HEADER, **(RETRY_HEADER if status in {429, 503} else {})},
            "content": {
                "application/problem+json": {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "examples": {
                        one.code: {"summary": EXPLAINED[one.code].when, "value": problem_example(one)} for one in classes
                    },
                }
            },
        }
        for status, classes in by_status.items()
    }


def problem_example(cls: type[ServiceError]) -> dict[str, Any]:
    """Made by the function that makes every problem."""
    if cls is ValidationFailed:
        error: ServiceError = ValidationFailed([FieldError("/password", "password_too_short", "Use 15 characters or more")])
    else:
        error = cls.__new__(cls)
        ServiceError.__init__(error, None, **EXPLAINED[cls.code].says)
    return problem(error, REQUEST_ID)


def _problem_schemas() -> dict[str, Any]:
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs"), "Problem": schema}


def _tidy(schema: dict[str, Any]) -> dict[str, Any]:
    """Without titles that only repeat names, and without what is for our own pages."""
    properties = {
        name: _described(property_) for name, property_ in schema.get("properties", {}).items() if not property_.get("x-internal")
    }
    return {**schema, "properties": properties} if properties else schema


def _described(property_: dict[str, Any]) -> dict[str, Any]:
    """What a type says of itself is said of the property that may also be null."""
    described = {key: one for key, one in property_.items() if key != "title"}
    if "description" not in described:
        texts = [one["description"] for one in described.get("anyOf", ()) if "description" in one]
        described |= {"description": texts[0]} if texts else {}
    return described


def problem_codes() -> list[type[ServiceError]]:
    return sorted(ServiceError.registry.values(), key=lambda cls: (cls.status, cls.code))


def problems_markdown() -> str:
    """docs/problems.md; lint sees to it that it is fresh."""
    lines = [
        "# Problem codes",
        "",
        "Generated by `make docs` from `servicekit.errors` and `gateway.api.explained`. Codes are stable; a problem's `type` is",
        "`/problems/<code>`, a page of the product that says the same.",
    ]
    for cls in problem_codes():
        told = EXPLAINED[cls.code]
        lines += [
            "",
            f"## `{cls.code}` ({cls.status})",
            "",
            f"{cls.title}.",
            "",
            f"When: {told.when}",
            "",
            f"What to do: {told.do}",
        ]
        if told.says:
            lines += ["", "It also says: " + ", ".join(f"`{name}`" for name in told.says) + "."]
    return "\n".join(lines) + "\n"
