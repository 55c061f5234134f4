"""The OpenAPI 3.1 document, its pages for people, and the page of every problem code."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from latchkey_contracts.http.common import Problem
from servicekit.errors import ServiceError

TITLE = "Latchkey public API"
DESCRIPTION = (
    "Customer identity self-service: register, activate, sign in, sign out. Errors are RFC 9457 problem documents with a stable `code`. "
    'API clients start flows with `"client": "api"`, send `Latchkey-Flow` and `Authorization: Bearer`; browsers use cookies and send '
    "`Latchkey-Client: web` with JSON."
)


def describe(app: FastAPI) -> dict[str, Any]:
    found = get_openapi(title=TITLE, version="1.0.0", openapi_version="3.1.0", description=DESCRIPTION, routes=app.routes)
    found["paths"] = {path: methods for path, methods in found["paths"].items() if path.startswith("/v1/")}
    schemas = found.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    found["components"]["securitySchemes"] = {
        "session": {"type": "http", "scheme": "bearer", "description": "The session token of an API client"},
        "flow": {"type": "apiKey", "in": "header", "name": "Latchkey-Flow", "description": "The flow token of an API client"},
    }
    for path, methods in found["paths"].items():
        for operation in methods.values():
            if path.startswith(("/v1/session", "/v1/me")):
                operation["security"] = [{"session": []}]
            elif "{id}" in path or "/links/" in path:
                operation["security"] = [{"flow": []}, {}]
    return found


def document() -> dict[str, Any]:
    """Without a running gateway: `latchkey openapi`."""
    from gateway.api.routes import me_router, router

    app = FastAPI(openapi_url=None)
    unused: Any = None
    app.include_router(router(unused))
    app.include_router(me_router(unused))
    return describe(app)


def problem_codes() -> list[type[ServiceError]]:
    return sorted(ServiceError.registry.values(), key=lambda cls: (cls.status, cls.code))


def problems_markdown() -> str:
    """docs/problems.md; a test sees to it that it is fresh."""
    lines = [
        "# Problem codes",
        "",
        "Generated from `servicekit.errors` by `tools/generate_docs.py`. Codes are stable; `type` is `/problems/<code>`.",
        "",
        "| status | code | title |",
        "|---|---|---|",
    ]
    lines += [f"| {cls.status} | `{cls.code}` | {cls.title} |" for cls in problem_codes()]
    return "\n".join(lines) + "\n"
