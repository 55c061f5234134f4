"""The address in every event's `dataschema` answers with the schema that its data follows (EVT-3)."""

import json

import httpx
import pytest
from jsonschema import Draft202012Validator
from latchkey_contracts import wire
from latchkey_contracts.event import Event
from testkit.records import headers_of, sample


class TestSchemas:
    @pytest.mark.parametrize("event_type", sorted(Event.registry))
    async def test_what_the_event_says_is_there_and_fits(self, portal: httpx.AsyncClient, event_type: str):
        event = sample(event_type)
        where = wire.peek(headers_of(event))["dataschema"]
        found = await portal.get(where)
        assert (found.status_code, found.headers["content-type"]) == (200, "application/schema+json")
        document = found.json()
        assert where.endswith(document["$id"])
        Draft202012Validator.check_schema(document)
        Draft202012Validator(document).validate(json.loads(event.model_dump_json()))

    async def test_an_event_that_there_is_not(self, portal: httpx.AsyncClient):
        found = await portal.get("/schemas/events/latchkey.identity.nothing.v1.json")
        assert (found.status_code, found.headers["content-type"]) == (404, "application/problem+json")
