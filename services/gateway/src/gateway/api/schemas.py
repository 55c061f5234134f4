"""What the `dataschema` of every event points to: the JSON Schema of its data, for whoever reads the events (EVT-3, EVT-7)."""

from fastapi import APIRouter
from latchkey_contracts import schemas, wire
from servicekit.errors import NotFound
from servicekit.web.http import JSONResponse
from starlette.responses import Response

MEDIA_TYPE = "application/schema+json"
# A type's schema only ever grows by fields with a default, so an old copy does no harm.
CACHE = "public, max-age=3600"


def router() -> APIRouter:
    routes = APIRouter()
    documents = {event_type: schemas.schema(cls) for event_type, cls in schemas.events().items()}

    @routes.get(f"{wire.SCHEMA_BASE}{{event_type}}.json", include_in_schema=False)
    async def schema(event_type: str) -> Response:
        found = documents.get(event_type)
        if found is None:
            raise NotFound
        where = {"$id": f"{wire.SCHEMA_BASE}{event_type}.json"}
        return JSONResponse({**where, **found}, media_type=MEDIA_TYPE, headers={"cache-control": CACHE})

    return routes
