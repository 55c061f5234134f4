"""A registration without activation, where the access policy decides who comes in: a sign-in as any other (D4, MFA-7)."""

import httpx
import pytest
from servicekit import errors

from .behind import OURS, Behind, Browser
from .test_passkeys import DESCRIPTION
from .test_second_step import FLOW, complete, flow

SIGN_IN = "POST /v1/apps/demo/sign-ins"
MAIL, SECRET = "mira@posteo.example", "correct horse staple battery"


@pytest.fixture
def registers(behind: Behind, browser: Browser):
    """Presses the button of the sign-up page; answers where it leads."""

    async def press() -> httpx.Response:
        behind.says("GET /v1/apps/demo", DESCRIPTION)
        behind.says("POST /v1/apps/demo/registrations", flow(behind, status="activated", next=[]) | {"kind": "registration"})
        await browser.open("/demo/sign-up")
        form = browser.forms()[0]
        return await browser.portal.post(form.action, data={**form.hidden, "email": MAIL, "password": SECRET}, headers=OURS)

    return press


async def test_who_is_let_in(behind: Behind, browser: Browser, registers) -> None:
    behind.says(SIGN_IN, flow(behind, status="password", next=["password"]))
    behind.says(f"{SIGN_IN}/{FLOW}/password", complete(behind))
    assert (await registers()).headers["location"] == "/demo/account"
    assert browser.portal.cookies["__Host-latchkey_session"] == "s" * 43
    assert [body for _, path, body in behind.calls() if path.startswith("/v1/apps/demo/sign-ins")] == [
        {"identifier": MAIL}, {"password": SECRET},
    ]  # fmt: skip


async def test_who_must_add_a_factor(behind: Behind, browser: Browser, registers) -> None:
    behind.says(SIGN_IN, flow(behind, status="password", next=["password"]))
    behind.says(f"{SIGN_IN}/{FLOW}/password", flow(behind, status="needs_action", actions=["factor"], enrol=["totp"]))
    assert (await registers()).headers["location"] == f"/demo/sign-in/{FLOW}/action"
    assert "__Host-latchkey_session" not in browser.portal.cookies


async def test_where_a_factor_comes_first(behind: Behind, browser: Browser, registers) -> None:
    behind.says(SIGN_IN, flow(behind))
    assert (await registers()).headers["location"] == f"/demo/sign-in/{FLOW}/code"


@pytest.mark.parametrize(
    ("error", "told"), [(errors.NotAllowedByPolicy(), "We can’t let you sign in from here"), (errors.Overloaded(), "Sign in")]
)
async def test_who_is_refused(behind: Behind, browser: Browser, registers, error: errors.ServiceError, told: str) -> None:
    """The account is there; whoever presses again isn't told that the name is taken."""
    behind.says(SIGN_IN, flow(behind, status="password", next=["password"]))
    behind.says(f"{SIGN_IN}/{FLOW}/password", error)
    answer = await registers()
    assert told in await browser.open(answer.headers["location"])
    assert browser.at == "/demo/sign-in"
    assert f'value="{MAIL}"' in browser.page.text
    assert "__Host-latchkey_session" not in browser.portal.cookies
