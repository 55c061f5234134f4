"""API-1: every operation against whoever may not call it, from the one list of operations: a new one is asked by itself.

Owner, other person, other application, no session, one that is over, one that is too old, a rep's key.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest
from gateway.api.openapi import example
from gateway.api.operation import Operation
from gateway.api.operations import OPERATIONS
from servicekit.clock import FileClock
from servicekit.keys import Keys
from servicekit.web.caller import Caller, Signer
from testkit.stack import Person, Product, eventually, new_email, person

from .factors import Member

SIGNED_IN = [one for one in OPERATIONS if one.who == "session"]
ASKED = [one for one in OPERATIONS if one.who == "asker" and "{id}" in one.path]
NOBODY = {404}
# What is refused before it is looked at whose it is, alike for one's own and for what isn't.
FIRST = {"startStepUp"}
MANY = ("factors", "trusted-devices", "sessions", "identifiers", "contact-changes", "linked-identities")


@dataclass
class World:
    """Mira, whose things these are; Kim at the same application, Noor at another with another store."""

    product: Product
    http: httpx.Client
    mira: Member
    kim: Person
    noor: Person
    over: str
    old: str
    things: dict[str, str]
    flows: dict[str, tuple[str, str]]

    def call(self, operation: Operation, path: str, **headers: str) -> httpx.Response:
        body = example(operation).get("request") if operation.request is not None else None
        return self.http.request(operation.method, path, json=body, headers=headers)

    def path(self, operation: Operation) -> str:
        """Of Mira's own thing."""
        kind = operation.path.removeprefix("/v1/me/").split("/")[0]
        return operation.path.format(id=self.things[kind]) if "{id}" in operation.path else operation.path


@pytest.fixture(scope="module")
def world(product: Product) -> Any:
    eventually(product.all_ready, seconds=60)
    with product.client() as http:
        old = person(product, http).activate()
        old.sign_in()
        product.move_clock(13 * 3600)
        product.wait_quiet()
        mira, kim, noor = (person(product, http) for _ in range(3))
        noor.app = "zinnia"
        for one in (mira, kim, noor):
            one.activate()
            one.sign_in()
        member = Member(mira)
        first = mira.session_token
        wanted = {"kind": "email", "target": new_email()}
        grant, body = member.grant("contact.change", wanted), {"kind": "email", "value": wanted["target"]}
        assert member.call("POST", "contact-changes", body, grant).status_code == 202
        member.link()
        member.add_app()
        member.trust_here()
        over = mira.session_token
        assert http.delete("/v1/session", headers=mira.bearer).status_code == 204
        mira.session_token = first
        yield World(product, http, member, kim, noor, over, old.session_token, things(member), flows(product, http))


def things(member: Member) -> dict[str, str]:
    """One of each kind that stands in an address, Mira's own."""
    begun = member.call("POST", "step-ups", {"action": "factor.add", "payload": {"kind": "totp"}}).json()
    listed = {kind: member.call("GET", kind).json()["items"][0]["id"] for kind in MANY}
    return {"step-ups": begun["id"], **listed}


def flows(product: Product, http: httpx.Client) -> dict[str, tuple[str, str]]:
    """One of each kind, begun by somebody; its id and the token of whoever began it."""
    one = person(product, http)
    begun = {
        "registrations": {"identifiers": {"email": one.email}, "password": one.password},
        "sign-ins": {"identifier": one.email},
        "username-reminders": {"email": one.email},
        "password-resets": {"identifier": one.email},
    }
    found = {}
    for kind, body in begun.items():
        one.flow_token = ""
        one.take(one.post(f"/{kind}", {**body, "client": "api"}))
        found[kind] = one.flow["id"], one.flow_token
    return found


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def operator(world: World) -> str:
    """What a rep's program calls the services with; at the public door it is nothing."""
    signer = Signer("operator", Keys(world.product.stack.data / "keys"), FileClock(world.product.stack.data / "clock"))
    return signer.sign(Caller("operator"), "gateway")


CALLERS: dict[str, Callable[[World], dict[str, str]]] = {
    "no session": lambda _world: {},
    "signed out": lambda world: bearer(world.over),
    "too old": lambda world: bearer(world.old),
    "made up": lambda _world: bearer("a" * 43),
    "a rep's key": lambda world: bearer(operator(world)),
    "a session as a flow": lambda world: {"Latchkey-Flow": world.mira.one.session_token},
}


@pytest.mark.parametrize("operation", SIGNED_IN, ids=lambda one: one.id)
class TestSignedIn:
    @pytest.mark.parametrize("caller", CALLERS)
    def test_nobody(self, world: World, operation: Operation, caller: str) -> None:
        answer = world.call(operation, world.path(operation), **CALLERS[caller](world))
        assert (answer.status_code, answer.json()["code"]) == (401, "session_required"), answer.text

    @pytest.mark.parametrize("whose", ["kim", "noor"])
    def test_somebody_else(self, world: World, operation: Operation, whose: str) -> None:
        """Her things aren't there for anybody else, at her application or at another; of one's own nothing of hers is shown."""
        other: Person = getattr(world, whose)
        if operation.id in {"signOut", "endOtherSessions", "refusePasskeyOffers", "forgetTrustedDevices"}:
            return  # of one's own alone; what becomes of Mira's is looked at below
        answer = world.call(operation, world.path(operation), **other.bearer)
        if "{id}" in operation.path:
            assert answer.status_code == 404, answer.text
        hers = [world.mira.one.email, *world.things.values()]
        assert not [one for one in hers if one in answer.text]


def test_what_others_did_changed_nothing_of_hers(world: World) -> None:
    """After all of the above."""
    for one in (world.kim, world.noor):
        for path in ("/v1/me/trusted-devices", "/v1/me/passkey-offer", "/v1/session"):
            assert world.http.delete(path, headers=one.bearer).status_code == 204
    assert things(world.mira) | {"step-ups": ""} == world.things | {"step-ups": ""}


@pytest.mark.parametrize("operation", ASKED, ids=lambda one: one.id)
class TestFlows:
    @pytest.mark.parametrize("caller", ["nobody", "another browser", "another application", "another kind"])
    def test_whoever_did_not_begin_it(self, world: World, operation: Operation, caller: str) -> None:
        """Like one that there never was (ENU-1)."""
        kind = operation.path.split("/")[4]
        flow, token = world.flows[kind]
        if caller == "another kind":
            flow = next(found for other, (found, _) in world.flows.items() if other != kind)
        headers = {} if caller == "nobody" else {"Latchkey-Flow": "b" * 43 if caller == "another browser" else token}
        app = "zinnia" if caller == "another application" else "demo"
        answers = []
        for one in (flow, str(uuid4())):
            path = operation.path.format(app=app, id=one, factor=uuid4())
            answers.append(world.call(operation, path, **headers))
        assert [one.status_code for one in answers] == [404, 404], answers[0].text
        assert len({one.json()["code"] for one in answers}) == 1


def test_every_kind_of_thing_is_here(world: World) -> None:
    """Whoever adds an operation with an id says what Mira has of it."""
    named = {one.path.removeprefix("/v1/me/").split("/")[0] for one in SIGNED_IN if "{id}" in one.path}
    assert named == set(world.things)
    assert {one.path.split("/")[4] for one in ASKED} == set(world.flows)
