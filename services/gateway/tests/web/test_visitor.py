"""Who is calling, as the gateway sees it: what it shows, and what that makes of it (SES-1, SES-2)."""

import pytest
from gateway.sessions.hot_path import HotPath
from gateway.web.visitor import FLOW, SESSION, read_cookies, read_visitor

MINE, OTHER = "m" * 43, "o" * 43
NAME = f"__Host-{SESSION}"


def scope(
    path: str = "/demo/sign-in", *headers: tuple[str, str], client: str | None = "203.0.113.9", method: str = "GET"
) -> dict:
    return {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "client": (client, 1234) if client is not None else None,
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
    }


class TestCookies:
    @pytest.mark.parametrize(
        ("sent", "read"),
        [
            ("a=1; b=2", {"a": "1", "b": "2"}),
            ("a=1;b=2 ;\tc = 3 ", {"a": "1", "b": "2", "c": "3"}),
            ("a=b=c==", {"a": "b=c=="}),
            ('a="1\\0542"', {"a": '"1\\0542"'}),
            ("a=1; a=2", {"a": "1"}),
            ("a=", {"a": ""}),
            ("; ;novalue; =nameless; a=1", {"a": "1"}),
            ('prefs={"a":1}; a=é', {"prefs": '{"a":1}', "a": "é"}),
            ("", {}),
        ],
    )
    def test_each_by_itself(self, sent: str, read: dict[str, str]) -> None:
        """An odd one of somebody else's hides none of ours."""
        assert read_cookies(scope("/", ("cookie", sent))) == read

    @pytest.mark.parametrize(
        ("sent", "token"),
        [
            (f"{NAME}={MINE}", MINE),
            # A sibling domain's cookie can't take the name, but its value may hold what looks like one of ours.
            (f"{NAME}={MINE}; evil=x {NAME}={OTHER}", MINE),
            (f"evil=x {NAME}={OTHER}; {NAME}={MINE}", MINE),
            (f"evil=x,{NAME}={OTHER}", None),
            (f'evil="; {NAME}={MINE}', MINE),
            (f"{NAME}={MINE}; {NAME}={MINE}", MINE),
            (f"{NAME}={MINE}; {NAME}={OTHER}", None),
            (f"{NAME}={OTHER}; a=1;{NAME}={MINE}; {NAME}={MINE}", None),
            (f'prefs={{"a":1}}; novalue; {NAME}={MINE}', MINE),
            (f"x{NAME}={MINE}", None),
        ],
    )
    def test_the_session_s(self, sent: str, token: str | None) -> None:
        """SES-1: nobody puts a session under somebody else's browser; of two that differ neither counts. The hot path agrees."""
        asked = scope("/v1/session", ("cookie", sent), ("sec-fetch-site", "same-origin"))
        assert read_visitor(asked, proxies=[], secure=True).session_token == token
        assert HotPath(None, None, secure=True)._token(asked) == token

    def test_flows_too(self) -> None:
        asked = scope("/", ("cookie", f"__Host-{FLOW}={MINE}; __Host-{FLOW}={OTHER}"), ("sec-fetch-site", "same-origin"))
        assert read_visitor(asked, proxies=[], secure=True).flow_token is None

    def test_over_http_in_development(self) -> None:
        asked = scope("/v1/session", ("cookie", f"{SESSION}={MINE}; {SESSION}={OTHER}"))
        assert read_visitor(asked, proxies=[], secure=False).session_token is None
        assert HotPath(None, None, secure=False)._token(asked) is None


class TestApiClient:
    @pytest.mark.parametrize(
        ("path", "api"),
        [
            ("/v1/session", True),
            ("/v1/apps/demo/sign-ins", True),
            ("/v1/callbacks/twilio", True),
            ("/v1/docs", True),
            ("/v1", False),
            ("/demo/sign-in", False),
            ("/", False),
        ],
    )
    def test_only_where_the_api_is(self, path: str, api: bool) -> None:
        """A browser that tells nothing of itself gets its flow cookie with its first page all the same."""
        asked = scope(path, ("authorization", f"Bearer {MINE}"), ("latchkey-flow", OTHER))
        found = read_visitor(asked, proxies=[], secure=True)
        assert (found.api, found.session_token, found.flow_token) == (api, MINE if api else None, OTHER if api else None)

    @pytest.mark.parametrize(
        "header",
        [("cookie", f"{NAME}={MINE}"), ("cookie", f"__Host-{FLOW}={MINE}"), ("origin", "null"), ("sec-fetch-site", "none")],
    )
    def test_no_browser(self, header: tuple[str, str]) -> None:
        assert not read_visitor(scope("/v1/session", header), proxies=[], secure=True).api
