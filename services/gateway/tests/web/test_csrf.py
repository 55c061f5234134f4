"""SES-8: only our own pages and API clients change anything; whatever a stranger sends is refused, never our failure (API-2)."""

import httpx
import pytest
from gateway.web import csrf
from gateway.web.visitor import Visitor
from servicekit.errors import CrossSiteRequest
from servicekit.keys import Keys

FLOW = "f" * 43
ODD = ["http://[", "https://a:99999", "https://id.example:x", "https://[::1", "//", "é", "null, https://id.example"]


def visitor(*, flow: str | None = FLOW, session: str | None = None) -> Visitor:
    return Visitor("203.0.113.9", None, {}, session, flow, api=False)


class TestOrigin:
    @pytest.mark.parametrize("origin", ODD)
    def test_one_that_is_none_is_not_ours(self, origin: str) -> None:
        assert not csrf.same_origin(origin, "https://id.example")

    @pytest.mark.parametrize("origin", ODD)
    @pytest.mark.parametrize("path", ["/v1/apps/demo/sign-ins", "/demo/sign-out"])
    async def test_refused_like_any_other(self, portal: httpx.AsyncClient, path: str, origin: str) -> None:
        answer = await portal.post(path, json={}, headers={"origin": origin.encode("latin-1")})
        assert answer.status_code == 403
        assert len(answer.headers["x-request-id"]) == 32
        assert answer.headers["x-content-type-options"] == "nosniff"


class TestForm:
    @pytest.mark.parametrize("given", [None, "", "é", "\x80", "\ud800", "x" * 64, "٣" * 64])
    def test_a_token_that_is_none(self, keys: Keys, given: str | None) -> None:
        with pytest.raises(CrossSiteRequest):
            csrf.check_form(keys.secret("csrf"), visitor(), given)

    def test_ours(self, keys: Keys) -> None:
        key = keys.secret("csrf")
        csrf.check_form(key, visitor(), csrf.form_token(key, visitor()))

    def test_of_another_browser(self, keys: Keys) -> None:
        key = keys.secret("csrf")
        with pytest.raises(CrossSiteRequest):
            csrf.check_form(key, visitor(), csrf.form_token(key, visitor(flow="g" * 43)))

    async def test_sent_in_other_letters(self, portal: httpx.AsyncClient) -> None:
        headers = {"origin": "https://id.example", "cookie": f"__Host-latchkey_flow={FLOW}"}
        answer = await portal.post("/demo/sign-out", data={"csrf": "é"}, headers=headers)
        assert answer.status_code == 403
