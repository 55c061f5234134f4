"""Which service is asked about a link (LNK-7)."""

import json
from collections.abc import Mapping
from typing import Any, cast

import pytest
from gateway.api.service import Gateway
from gateway.web.visitor import Visitor
from servicekit.proof import new_link_token, new_token
from servicekit.web.caller import Signer
from servicekit.web.client import InternalClient
from servicekit.web.transport import Answer
from starlette.requests import Request

INSPECT = "/v1/apps/demo/links/inspect"


class Peer:
    """The far end of the line to a service that knows some tokens, and all that it was asked about."""

    def __init__(self) -> None:
        self.known: set[str] = set()
        self.asked: list[str] = []

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None, params: Mapping[str, str] | None
    ) -> Answer:
        token = json.loads(content or b"{}")["token"]
        self.asked.append(token)
        return Answer(200, json.dumps({"state": "valid" if token in self.known else "malformed"}).encode())

    async def close(self) -> None:
        pass


@pytest.fixture
def peers() -> dict[str, Peer]:
    return {"identity": Peer(), "recovery": Peer()}


@pytest.fixture
def gateway(peers, keys, clock) -> Gateway:
    def line(name: str) -> InternalClient:
        return InternalClient(name, f"http://{name}", Signer("gateway", keys, clock), clock, transport=peers[name])

    others = cast("Any", dict.fromkeys(("settings", "configuration", "sessions", "channels", "limits")))
    return Gateway(clock=clock, keys=keys, peers={name: line(name) for name in peers}, **others)


async def inspect(gateway: Gateway, token: str) -> str:
    request = Request({"type": "http", "method": "POST", "path": INSPECT, "headers": [], "query_string": b""})
    visitor = Visitor(ip="203.0.113.9", user_agent=None, cookies={}, session_token=None, flow_token=None, api=True, language="en")
    found = await gateway.call_link(request, visitor, INSPECT, {"token": token})
    return str(found["state"])


@pytest.mark.parametrize("service", ["identity", "recovery"])
async def test_the_one_that_made_it_alone(gateway, peers, service: str):
    """LNK-7: as its token says; whether it is good for anything only that service can say."""
    good, bad = new_link_token(service), new_link_token(service)
    peers[service].known = {good}
    assert [await inspect(gateway, one) for one in (good, bad)] == ["valid", "malformed"]
    assert {name: peer.asked for name, peer in peers.items() if peer.asked} == {service: [good, bad]}


@pytest.mark.parametrize("service", ["identity", "recovery"])
async def test_one_that_does_not_say_is_looked_for_in_both(gateway, peers, service: str):
    """REL-14: links of the release before are in mailboxes."""
    token = new_token()
    peers[service].known = {token}
    assert await inspect(gateway, token) == "valid"
    assert len(token) == 43


@pytest.mark.parametrize("token", ["-", "x" * 44, "A" * 200, "m" + "A" * 43])
async def test_nobodys_link_is_malformed(gateway, token: str):
    assert await inspect(gateway, token) == "malformed"
