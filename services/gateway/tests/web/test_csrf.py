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


class TestOldBrowser:
    """Without Fetch Metadata, and by our Referrer-Policy with "null" for an origin: the form's token alone says whose it is."""

    async def post(self, portal: httpx.AsyncClient, token: str, **headers: str) -> int:
        return (await portal.post("/demo/sign-out", data={"csrf": token}, headers=headers)).status_code

    @pytest.fixture
    async def token(self, portal: httpx.AsyncClient, keys: Keys) -> str:
        """Its first page; the cookie stays in the client."""
        page = await portal.get("/problems/not_found")
        assert "samesite=lax" in page.headers["set-cookie"].lower()
        return csrf.form_token(keys.secret("csrf"), visitor(flow=portal.cookies["__Host-latchkey_flow"]))

    async def test_its_first_form(self, portal: httpx.AsyncClient, token: str) -> None:
        assert await self.post(portal, token, origin="null") == 303
        assert await self.post(portal, token, origin="https://id.example") == 303

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"origin": "https://evil.example"},
            {"origin": "null", "sec-fetch-site": "cross-site"},
            {"origin": "null", "sec-fetch-site": "same-site"},
            {"origin": "null", "sec-fetch-site": "none"},
        ],
    )
    async def test_one_from_elsewhere(self, portal: httpx.AsyncClient, token: str, headers: dict[str, str]) -> None:
        assert await self.post(portal, token, **headers) == 403

    @pytest.mark.parametrize("given", ["", "0" * 64])
    async def test_another_token(self, portal: httpx.AsyncClient, token: str, given: str) -> None:
        assert await self.post(portal, given, origin="null") == 403

    async def test_without_the_cookie(self, portal: httpx.AsyncClient, token: str) -> None:
        """From another site the browser keeps it back."""
        portal.cookies.clear()
        assert await self.post(portal, token, origin="null") == 403

    @pytest.mark.parametrize("path", ["/v1/apps/demo/sign-ins", "/v1/session", "/v1/callbacks/twilio", "/v1/docs"])
    @pytest.mark.parametrize("origin", ["null", None])
    async def test_json_stays_as_strict(self, portal: httpx.AsyncClient, token: str, path: str, origin: str | None) -> None:
        headers = {"latchkey-client": "web"} | ({"origin": origin} if origin else {})
        answer = await portal.request("DELETE" if path == "/v1/session" else "POST", path, json={}, headers=headers)
        assert answer.status_code == 403


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
        headers = {"origin": "null", "cookie": f"__Host-latchkey_flow={FLOW}"}
        answer = await portal.post("/demo/sign-out", data={"csrf": "é"}, headers=headers)
        assert answer.status_code == 403
