"""A page's request: counted as the API's are, answered with a redirect, and never without a way on."""

import re
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest
from gateway.portal import again
from gateway.portal.again import Again
from gateway.web.headers import origins, policy
from servicekit.clock import ManualClock
from servicekit.errors import CodeWrong, FieldError, TooManyRequests, ValidationFailed
from servicekit.keys import Keys

from ..conftest import TRIES

OURS = {"origin": "https://id.example", "sec-fetch-site": "same-origin"}
API = {"latchkey-flow": "f" * 43}


async def pressed(portal: httpx.AsyncClient, keys: Keys, clock: ManualClock, page: str, path: str, **typed: str) -> Again:
    """What the page after the redirect is told."""
    shown = await portal.get(page)
    token = re.search(r'name="csrf" value="(\w+)"', shown.text)
    assert token is not None, shown.text
    answer = await portal.post(path, data={"csrf": token[1], **typed}, headers=OURS)
    assert answer.status_code == 303
    where = httpx.URL(answer.headers["location"])
    cookie = portal.cookies["__Host-latchkey_again"]
    return again.read(keys.secret("csrf"), where.path, where.params["again"], cookie, clock.now())


class TestCounted:
    async def api(self, portal: httpx.AsyncClient, path: str, body: dict[str, str]) -> int:
        portal.cookies.clear()
        return (await portal.post(f"/v1/apps/demo/{path}", json=body, headers=API)).status_code

    @pytest.mark.parametrize("typed", [{"username": "mira"}, {"password": "x", "password_again": "x"}])
    async def test_what_is_newly_required(
        self, portal: httpx.AsyncClient, keys: Keys, clock: ManualClock, typed: dict[str, str]
    ) -> None:
        """THR-3: the page's press counts for the network where the API's does, and is refused with it."""
        path = f"/demo/sign-in/{uuid4()}/action"
        before = await pressed(portal, keys, clock, "/demo/sign-in", path, **typed)
        assert before.problem is not None
        assert before.problem.code == "overloaded"
        for _ in range(TRIES - 1):
            assert await self.api(portal, f"sign-ins/{uuid4()}/action", {"username": "mira"}) == 503
        assert await self.api(portal, f"sign-ins/{uuid4()}/action", {"username": "mira"}) == 429
        after = await pressed(portal, keys, clock, "/demo/sign-in", path, **typed)
        assert after.problem is not None
        assert after.problem.code == "too_many_requests"
        assert "password" not in after.values

    async def test_an_empty_password_is_no_try(self, portal: httpx.AsyncClient, keys: Keys, clock: ManualClock) -> None:
        """WEB-4: told at its field, and identity hears nothing of it (503 here)."""
        told = await pressed(portal, keys, clock, "/demo/sign-in", f"/demo/sign-in/{uuid4()}/password", password="")
        assert isinstance(told.problem, ValidationFailed)
        assert [(one["field"], one["code"]) for one in told.problem.extra["errors"]] == [("/password", "required")]

    async def test_a_look_at_a_link(self, portal: httpx.AsyncClient) -> None:
        """THR-3: so nobody tries links by the page."""
        opened = await portal.get(f"/demo/l/{'t' * 43}")
        for _ in range(TRIES):
            assert (await portal.get(opened.headers["location"])).status_code == 503
        assert (await portal.get(opened.headers["location"])).status_code == 429
        assert await self.api(portal, "links/inspect", {"token": "t" * 43}) == 429


class TestLeadsOn:
    @pytest.mark.parametrize("path", ["/nobody/sign-in", "/nobody", "/go/nobody", "/problems/link_used", "/problems/none"])
    async def test_pages_of_no_application(self, portal: httpx.AsyncClient, path: str) -> None:
        """E4: an address with a typing error, and what belongs to nobody: help is there, not a 404 again."""
        page = (await portal.get(path)).text
        ways = re.findall(r'href="(/[^"#]*)"', page)
        assert "/demo/help" in ways
        for way in {one for one in ways if one.startswith("/demo/")}:
            answer = await portal.get(way)
            assert answer.status_code == 200, way

    async def test_the_application_used_last(self, portal: httpx.AsyncClient) -> None:
        """One that there isn't leads nowhere else than any other."""
        portal.cookies.set("__Host-latchkey_app", "zinnia", domain="id.example")
        assert 'href="/demo/help"' in (await portal.get("/nobody")).text


class TestAgain:
    NOW = ManualClock().now()

    def kept(self, key: bytes, state: Again, *, path: str = "/demo/sign-up", name: str = "n", later: float = 0) -> Again:
        cookie = again.write(key, "/demo/sign-up", "n", state, self.NOW)
        return again.read(key, path, name, cookie, self.NOW + timedelta(seconds=later))

    def test_comes_again(self) -> None:
        found = self.kept(
            b"k" * 32, Again({"email": "mira"}, ValidationFailed([FieldError("/email", "email_not_valid", "")]), "x")
        )
        assert found.values == {"email": "mira"}
        assert found.done == "x"
        assert isinstance(found.problem, ValidationFailed)
        assert found.problem.errors[0].code == "email_not_valid"
        counted = self.kept(b"k" * 32, Again(problem=CodeWrong(tries_left=3))).problem
        assert counted is not None
        assert (counted.status, counted.extra["tries_left"]) == (403, 3)

    def test_never_a_secret(self) -> None:
        """PWD-6, OTP-1: whatever the form had."""
        secret = dict.fromkeys(("password", "password_again", "current_password", "code", "match", "link", "csrf"), "x")
        assert self.kept(b"k" * 32, Again({**secret, "email": "mira"})).values == {"email": "mira"}

    def test_sealed(self) -> None:
        cookie = again.write(b"k" * 32, "/demo/sign-up", "n", Again({"email": "mira@posteo.example"}), self.NOW)
        assert "mira" not in cookie
        assert re.fullmatch(r"[\w-]+", cookie)

    @pytest.mark.parametrize("where", [{"path": "/demo/reset"}, {"name": "o"}, {"later": 601}, {"later": -1}])
    def test_for_its_page_alone(self, where: dict) -> None:
        assert self.kept(b"k" * 32, Again({"email": "mira"}), **where) == Again()

    @pytest.mark.parametrize("cookie", [None, "", "x", "%00", "é", "A" * 200])
    def test_what_is_none(self, cookie: str | None) -> None:
        assert again.read(b"k" * 32, "/demo/sign-up", "n", cookie, self.NOW) == Again()
        written = again.write(b"o" * 32, "/demo/sign-up", "n", Again({"email": "mira"}), self.NOW)
        assert again.read(b"k" * 32, "/demo/sign-up", "n", written, self.NOW) == Again(), "of an older key"

    def test_a_wait_runs_out(self) -> None:
        """THR-6: reload shows the time that is left."""
        state = Again(problem=TooManyRequests(20))
        left = self.kept(b"k" * 32, state, later=15).problem
        assert left is not None
        assert left.extra["retry_after_seconds"] == 5
        assert self.kept(b"k" * 32, state, later=20).problem is None

    def test_fits_into_a_cookie(self) -> None:
        """Browsers drop what is larger than 4096 bytes; the longest goes first."""
        values = {"email": "mira@posteo.example", "note": "n" * 6000, "other": "o" * 1500}
        cookie = again.write(b"k" * 32, "/demo/sign-up", "n", Again(values), self.NOW)
        assert len(cookie) < 3000
        kept = again.read(b"k" * 32, "/demo/sign-up", "n", cookie, self.NOW).values
        assert kept == {name: value for name, value in values.items() if name != "note"}


class TestWhereFormsLead:
    def test_registered_origins(self) -> None:
        """WEB-10: of the addresses to which customers may go back; what could begin another directive is left out."""
        urls = ["https://a.example/x?y", "https://a.example/z", "http://localhost:81/", "https://bücher.example/", "https://a;b/"]
        assert origins(urls) == ["http://localhost:81", "https://a.example", "https://xn--bcher-kva.example"]
        assert b"; form-action 'self' https://a.example; " in policy("n", ["https://a.example"])
        assert b"; form-action 'self'; " in policy("n")
