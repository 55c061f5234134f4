"""The OpenAPI document has what the gateway answers (E30, api.md §1)."""

from gateway.api.openapi import document
from gateway.api.routes import me_router, router

PATHS = {
    "/v1/apps/{app}/registrations": "post",
    "/v1/apps/{app}/sign-ins/{id}/password": "post",
    "/v1/apps/{app}/username-reminders": "post",
    "/v1/apps/{app}/password-resets/{id}": "get",
    "/v1/apps/{app}/links/confirm": "post",
    "/v1/session": "delete",
    "/v1/me/password": "put",
}


def test_every_route_is_described() -> None:
    described = document()["paths"]
    routes = [route for one in (router, me_router) for route in one(None).routes]  # type: ignore[arg-type]
    assert {route.path for route in routes} == set(described)
    assert all(method in described[path] for path, method in PATHS.items())


def test_what_bodies_and_problems_look_like() -> None:
    found = document()
    assert {"ResetRequest", "ResetFlow", "LinkInfo", "Problem"} <= set(found["components"]["schemas"])
    start = found["paths"]["/v1/apps/{app}/password-resets"]["post"]
    assert {"202", "422", "429", "503"} <= set(start["responses"])
    assert found["paths"]["/v1/me"]["get"]["security"] == [{"session": []}]
    assert found["paths"]["/v1/apps/{app}/password-resets/{id}/code"]["post"]["security"] == [{"flow": []}, {}]
