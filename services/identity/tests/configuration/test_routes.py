"""POST /internal/configuration and GET /v1/apps/{app} over HTTP."""

from collections.abc import AsyncIterator
from copy import deepcopy
from hashlib import sha256
from typing import Any

import httpx
import pytest
from identity.configuration import routes
from identity.configuration.service import ConfigurationService
from servicekit.clock import Clock
from servicekit.web.caller import HEADER, Caller, Signer
from servicekit.web.http import create_internal_app

from .test_service import DOCUMENT

CONSENT = {
    "id": "news",
    "version": "1.0",
    "title": {"en": "News", "de": "Neues"},
    "text": {"en": "Send me news.", "de": "Schickt mir Neues."},
}
COLOUR = {"name": "colour", "type": "select", "options": ["red", "blue"], "label": {"en": "Colour"}, "at_registration": "shown"}
HIDDEN = {"name": "score", "label": {"en": "Score"}}


@pytest.fixture
def document() -> dict[str, Any]:
    found = deepcopy(DOCUMENT)
    found["identity_stores"][0]["attributes"] = [COLOUR, HIDDEN]
    found["applications"][0] |= {"languages": ["en", "de"], "consents": [CONSENT]}
    return found


class Client:
    def __init__(self, http: httpx.AsyncClient, keys: Any, clock: Clock) -> None:
        self._http, self._keys, self._clock = http, keys, clock

    async def __call__(
        self, method: str, path: str, *, service: str = "operator", language: str | None = None, **more: Any
    ) -> httpx.Response:
        token = Signer(service, self._keys, self._clock).sign(Caller(service, language=language), "identity")
        headers = {HEADER: token, **more.pop("headers", {})}
        return await self._http.request(method, path, headers=headers, **more)


@pytest.fixture
async def call(db, wakeups, keys, clock) -> AsyncIterator[Client]:
    configuration = ConfigurationService(db, wakeups)
    app = create_internal_app("identity", [routes.router(configuration)], keys=keys, clock=clock, body_limits=routes.BODY_LIMITS)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://identity") as http:
        yield Client(http, keys, clock)


class TestApply:
    async def test_answers_what_it_did(self, call, document):
        answer = await call("POST", routes.APPLY, json=document)
        assert answer.status_code == 200
        assert len(answer.json()["applied"]) == 3

    async def test_all_errors_at_once_as_a_problem(self, call, document):
        document["applications"][0]["slug"] = "console"
        document["self_service_policies"][0]["resend"] = {"per_hour": 0}
        answer = await call("POST", routes.APPLY, json=document)
        assert answer.status_code == 422
        found = {one["field"]: one["message"] for one in answer.json()["errors"]}
        assert found == {
            "/self_service_policies/0/resend/per_hour": "must be between 1 and 50; here: 0",
            "/applications/0/slug": "console is reserved",
        }

    async def test_only_the_operator_may(self, call, document):
        assert (await call("POST", routes.APPLY, service="gateway", json=document)).status_code == 403

    @pytest.mark.parametrize("body", [b"", b"null", b"[]", b"5", b'"x"', b'{"applications": null}'])
    async def test_api_2_anything_at_all_gets_a_4xx(self, call, body):
        answer = await call("POST", routes.APPLY, content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 422
        assert answer.json()["errors"]

    async def test_a_file_may_be_larger_than_a_customers_body(self, call, document):
        consents = [{**CONSENT, "id": f"c{number}", "text": {"en": "x" * 3000, "de": "y" * 3000}} for number in range(20)]
        document["applications"][0]["consents"] = consents
        assert (await call("POST", routes.APPLY, json=document)).status_code == 200


class TestApplication:
    async def test_what_a_sign_up_page_needs(self, call, document):
        await call("POST", routes.APPLY, json=document)
        answer = await call("GET", "/v1/apps/zinnia", service="gateway", language="de")
        assert answer.status_code == 200
        found = answer.json()
        assert found["slug"] == "zinnia"
        assert found["name"] == found["brand"]["name"] == "Zinnia"
        assert found["languages"] == ["en", "de"]
        assert {(one["kind"], one["required"]) for one in found["identifiers"]} == {("email", True), ("username", False)}
        assert [one["name"] for one in found["attributes"]] == ["colour"]
        assert [one["value"] for one in found["attributes"][0]["options"]] == ["red", "blue"]
        (consent,) = found["consents"]
        assert (consent["text"], consent["hash"]) == ("Schickt mir Neues.", sha256(b"Schickt mir Neues.").hexdigest())
        assert found["password"] == {"min_length": 15, "max_length": 256}
        assert found["features"]["registration"] is True

    async def test_a_language_it_does_not_speak_gets_its_own(self, call, document):
        await call("POST", routes.APPLY, json=document)
        found = (await call("GET", "/v1/apps/zinnia", service="gateway", language="fr")).json()
        assert found["consents"][0]["title"] == "News"

    async def test_an_unknown_one(self, call):
        assert (await call("GET", "/v1/apps/nobody", service="gateway")).status_code == 404
