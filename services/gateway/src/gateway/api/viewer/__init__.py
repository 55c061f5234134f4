"""`/v1/docs`: the OpenAPI document for people, drawn by Swagger UI out of an installed package; nothing comes from elsewhere."""

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter
from servicekit.errors import NotFound
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from gateway.api.openapi import TITLE
from gateway.portal.render import asset_url, environment
from gateway.web import headers

PATH = "/v1/docs"
_SWAGGER = files("fastapi_offline") / "static"
_OWN = Path(__file__).parent
_SOURCES = {
    "swagger-ui-bundle.js": _SWAGGER,
    "swagger-ui.css": _SWAGGER,
    "docs.js": _OWN,
    "docs.css": _OWN,
}
_KINDS = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8"}


@dataclass(frozen=True)
class Asset:
    url: str
    content: bytes
    kind: str


@cache
def assets() -> dict[str, Asset]:
    """By name; the content's hash is in the address, so that browsers may keep it for ever."""
    found = {}
    for name, folder in _SOURCES.items():
        content = (folder / name).read_bytes()
        stem, _, suffix = name.rpartition(".")
        found[name] = Asset(f"{PATH}/{stem}.{sha256(content).hexdigest()[:12]}.{suffix}", content, _KINDS[suffix])
    return found


def router() -> APIRouter:
    routes = APIRouter(include_in_schema=False)
    routes.add_api_route(PATH, page)
    routes.add_api_route(f"{PATH}/{{name}}", asset)
    return routes


async def page(request: Request) -> Response:
    nonce: str = request.scope["latchkey.nonce"]
    text = (
        environment("en")
        .get_template("api_docs.html")
        .render(title=TITLE, nonce=nonce, icon=asset_url("favicon.svg"), assets={name: one.url for name, one in assets().items()})
    )
    return HTMLResponse(text, headers={"Content-Security-Policy": headers.policy(nonce, trusted_types=False).decode()})


async def asset(name: str) -> Response:
    found = next((one for one in assets().values() if one.url == f"{PATH}/{name}"), None)
    if found is None:
        raise NotFound
    return Response(found.content, headers={"Content-Type": found.kind, "Cache-Control": headers.KEPT})
