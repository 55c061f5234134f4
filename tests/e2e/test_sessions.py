"""SES-5: where the account is signed in, and ending it from afar, over all replicas (SES-4)."""

import httpx
import pytest
from testkit.stack import PASSWORD, Person, Product, eventually, person


@pytest.fixture
def jars(product: Product, http: httpx.Client) -> list[Person]:
    """Three places where one customer is signed in."""
    first = person(product, http).activate()
    found = [first, *(Person(product, http, first.email) for _ in range(2))]
    for one in found:
        one.sign_in()
    return found


def granted(one: Person, payload: dict[str, str] | None = None) -> dict[str, str]:
    flow = one.http.post("/v1/me/step-ups", json={"action": "sessions.end", "payload": payload}, headers=one.bearer).json()
    done = one.http.post(f"/v1/me/step-ups/{flow['id']}/password", json={"password": PASSWORD}, headers=one.bearer).json()
    one.product.secrets.add(done["grant"])
    return {**one.bearer, "Latchkey-Step-Up": done["grant"]}


def status(one: Person) -> int:
    return one.http.get("/v1/session", headers=one.bearer).status_code


def test_one_of_three_and_then_all_others(jars: list[Person]) -> None:
    first, second, third = jars
    assert [status(one) for one in jars] == [200] * 3  # remembered by the gateway from here on
    ids = {one.email + one.session_token: one.http.get("/v1/session", headers=one.bearer).json()["id"] for one in jars}
    listed = first.http.get("/v1/me/sessions", headers=first.bearer).json()["items"]
    assert {one["id"] for one in listed} >= set(ids.values())
    assert [one["id"] for one in listed if one["current"]] == [ids[first.email + first.session_token]]
    wanted = ids[second.email + second.session_token]
    refused = first.http.delete(f"/v1/me/sessions/{wanted}", headers=first.bearer)
    assert (refused.status_code, refused.json()["code"]) == (403, "step_up_required")
    assert (refused.json()["action"], refused.json()["payload"]) == ("sessions.end", {"session_id": wanted})
    answer = first.http.delete(f"/v1/me/sessions/{wanted}", headers=granted(first, {"session_id": wanted}))
    assert answer.status_code == 204
    eventually(lambda: status(second) == 401, seconds=5)
    assert [status(one) for one in (first, third)] == [200, 200]
    assert first.http.delete("/v1/me/sessions", headers=granted(first)).status_code == 204
    eventually(lambda: status(third) == 401, seconds=5)
    assert status(first) == 200
