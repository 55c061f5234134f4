"""A way that the application requires, added while signing in: where the customer wanted to go is kept over its pages (D32)."""

from typing import Any

from servicekit import errors

from .behind import OURS, Behind, Browser
from .test_second_step import FLOW, READ, complete, flow, sent
from .test_security import APP_ID, MAIL_ID, factor, pending_app

ROOT, BEGIN = f"/demo/sign-in/{FLOW}/factors", f"POST /v1/apps/demo/sign-ins/{FLOW}/factors"
TO = "?to=personal"


def required(behind: Behind) -> dict[str, Any]:
    return flow(behind, status="needs_action", actions=["factor"], enrol=["totp", "email"], next=["factors"], factors=[])


def query(browser: Browser) -> str:
    return browser.page.url.query.decode()


class TestWhereItLeads:
    async def test_by_an_app(self, behind: Behind, browser: Browser) -> None:
        behind.says(READ, required(behind))
        await browser.open(f"/demo/sign-in/{FLOW}/action{TO}")
        assert (browser.at, query(browser)) == (f"{ROOT}/add", "to=personal")
        assert f"{ROOT}/add/email{TO}" in browser.ways
        app = f"/v1/apps/demo/sign-ins/{FLOW}/factors/{APP_ID}"
        behind.says(BEGIN, pending_app(behind))
        behind.says(f"GET {app}", pending_app(behind))
        await browser.press(f"{ROOT}/add{TO}", kind="totp")
        assert (browser.at, query(browser)) == (f"{ROOT}/ways/{APP_ID}", "to=personal")
        behind.says(f"POST {app}/confirm", errors.CodeWrong(tries_left=4), complete(behind))
        await browser.press(code="000000")
        assert "to=personal" in query(browser), "also after a wrong one"
        form = browser.forms()[0]
        answer = await browser.portal.post(form.action, data={**form.hidden, "code": "482193"}, headers=OURS)
        assert answer.headers["location"] == "/demo/account/personal"

    async def test_by_an_address(self, behind: Behind, browser: Browser) -> None:
        behind.says(READ, required(behind))
        await browser.open(f"{ROOT}/add/email{TO}")
        pending = factor(behind, "email", MAIL_ID, status="pending", confirmed_at=None, to="m•••@p•••", code_digits=6)
        pending |= sent(behind, "email", "m•••@p•••")
        behind.says(BEGIN, pending)
        behind.says(f"GET /v1/apps/demo/sign-ins/{FLOW}/factors/{MAIL_ID}", pending)
        await browser.press(target="mira@posteo.example")
        assert (browser.at, query(browser)) == (f"{ROOT}/ways/{MAIL_ID}", "to=personal")
        behind.says(f"POST /v1/apps/demo/sign-ins/{FLOW}/factors/{MAIL_ID}/resend", pending)
        await browser.press(place=1, resend="email")
        assert (browser.at, query(browser)) == (f"{ROOT}/ways/{MAIL_ID}", "to=personal&sent=1")
        assert f"{ROOT}/add/email{TO}" in browser.ways, "to change it"

    async def test_only_to_pages_of_ours(self, behind: Behind, browser: Browser) -> None:
        behind.says(READ, complete(behind))
        await browser.open("/demo/sign-in")
        answer = await browser.portal.get(f"{ROOT}/add?to=//evil.example/")
        assert answer.headers["location"] == "/demo/account"
