"""Text that is the same for everybody comes compressed; what holds a secret never does (D7, BREACH)."""

import gzip
import re

import httpx
import pytest
from gateway.api import viewer
from gateway.portal.render import asset_url
from gateway.web.compression import WORTH_IT, accepted

PLAIN = {"Accept-Encoding": "identity"}
SQUEEZED = {"Accept-Encoding": "gzip"}
SHARED = [
    "/v1/openapi.json",
    "/v1/docs",
    asset_url("app.css"),
    asset_url("app.js"),
    *(one.url for one in viewer.assets().values() if len(one.content) >= WORTH_IT),
]


async def raw(portal: httpx.AsyncClient, path: str, headers: dict[str, str]) -> tuple[httpx.Response, bytes]:
    async with portal.stream("GET", path, headers=headers) as answer:
        return answer, b"".join([part async for part in answer.aiter_raw()])


@pytest.mark.parametrize("path", SHARED)
async def test_what_is_everybodys_is_compressed(portal: httpx.AsyncClient, path: str) -> None:
    plain, content = await raw(portal, path, PLAIN)
    answer, packed = await raw(portal, path, SQUEEZED)
    assert "content-encoding" not in plain.headers
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    assert int(answer.headers["content-length"]) == len(packed)
    without = re.compile(rb'nonce="[^"]+"')  # a new one each time
    assert without.sub(b"", gzip.decompress(packed)) == without.sub(b"", content)
    assert len(packed) < len(content) * (0.7 if len(content) > 1500 else 1)
    assert answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "path", ["/problems/link_used", "/problems/nothing", "/v1/session", "/demo/sign-in", "/demo/sign-in?to=a"]
)
async def test_what_may_hold_a_secret_is_not(portal: httpx.AsyncClient, path: str) -> None:
    """BREACH: pages hold form tokens, answers hold tokens, each beside what the caller sent."""
    answer = await portal.get(path, headers=SQUEEZED)
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("gzip", True),
        ("gzip, deflate, br", True),
        ("br;q=1.0, GZIP;q=0.5", True),
        ("*", True),
        ("", False),
        ("br", False),
        ("gzip;q=0", False),
        ("gzip; q=0.0, br", False),
        ("x-gzip", False),
        ("identity", False),
    ],
)
def test_only_where_it_is_wanted(said: str, wanted: bool) -> None:
    assert accepted(said) == wanted
