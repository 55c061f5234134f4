"""Passkeys by the pages: what each of them asks the API, where a press leads, and what is offered to whom (MFA-1, MFA-3, D12, WEB-7)."""

import json
from typing import Any

import pytest
from servicekit import errors

from .behind import Behind, Browser
from .test_second_step import APP, FLOW, METHODS, PAGE, READ, complete, flow
from .test_security import SECURITY, factor, held, signed_in

__all__ = ["signed_in"]
KEY_ID = "00000000-0000-0000-0000-000000000009"
PASSKEY = {"id": KEY_ID, "kind": "passkey", "name": "Mira's laptop"}
PROOF: dict[str, Any] = {
    "id": "AAAA", "rawId": "AAAA", "type": "public-key",
    "response": {"clientDataJSON": "AAAA", "authenticatorData": "AAAA", "signature": "AAAA", "userHandle": "AAAA"},
}  # fmt: skip
PROVE, SIGN_IN = f"POST /v1/apps/demo/sign-ins/{FLOW}/passkey", f"/demo/sign-in/{FLOW}/passkey"
OFFER = "/demo/account/passkey-offer"


def passkey(behind: Behind, **more: Any) -> dict[str, Any]:
    return factor(behind, "passkey", KEY_ID, name="Firefox on Linux", **more)


def made() -> str:
    return json.dumps(PROOF)


DESCRIPTION = {
    "slug": "demo", "name": "Elmstead", "languages": ["en"], "attributes": [], "consents": [], "features": {"registration": True, "activation": False, "password_last": False},
    "brand": {"name": "Elmstead", "brand": "#0b3d45", "radii": "soft", "logo": "none", "links": {}},
    "identifiers": [{"kind": "email", "required": True}], "password": {"min_length": 15, "max_length": 128},
}  # fmt: skip


def promoted(**at: bool) -> dict[str, Any]:
    """`configured` by it."""
    return {"self_service_policy": {"passkey": {"promote_at": at}}}


class TestSignIn:
    async def test_offered_by_the_name_s_field(self, browser: Browser) -> None:
        """MFA-3; by script, so without it there is nothing to press."""
        await browser.open("/demo/sign-in?return_to=https://www.elmstead.example/")
        assert 'autocomplete="username webauthn"' in browser.page.text
        assert 'data-start="/v1/apps/demo/sign-ins" data-page="/demo/sign-in"' in browser.page.text
        assert "data-press hidden" in browser.page.text

    async def test_by_it(self, behind: Behind, browser: Browser) -> None:
        await browser.open("/demo/sign-in")
        behind.says(PROVE, complete(behind))
        answer = await send(browser, SIGN_IN)
        assert answer == "/demo/account"
        assert behind.calls() == [("mfa", f"/v1/apps/demo/sign-ins/{FLOW}/passkey", {"credential": PROOF, "trust_device": False})]
        assert browser.portal.cookies["__Host-latchkey_session"] == "s" * 43

    @pytest.mark.parametrize(
        ("error", "told"),
        [
            (errors.PasskeyWrong(), "That passkey doesn’t open this account"),
            (errors.MoreProofRequired(), "Your device didn’t check"),
        ],
    )
    async def test_wrong(self, behind: Behind, browser: Browser, error: errors.ServiceError, told: str) -> None:
        """On the page that it came from, which keeps nothing of it."""
        await browser.open("/demo/sign-in")
        behind.says(PROVE, error)
        where = await send(browser, SIGN_IN)
        assert where.startswith("/demo/sign-in?again=")
        assert told in await browser.open(where)
        behind.says(READ, flow(behind, status="password", next=["password", "passkey"]))
        where = await send(browser, SIGN_IN, **{"from": "password"})
        assert told in await browser.open(where)
        assert browser.at == f"/demo/sign-in/{FLOW}/password"

    async def test_what_no_script_of_ours_sends(self, behind: Behind, browser: Browser) -> None:
        await browser.open("/demo/sign-in")
        where = await send(browser, SIGN_IN, credential="{")
        assert "That didn’t work" in await browser.open(where)
        assert behind.calls() == []

    async def test_over(self, behind: Behind, browser: Browser) -> None:
        await browser.open("/demo/sign-in")
        behind.says(PROVE, errors.NotFound())
        form = browser.forms()[0]
        answer = await browser.portal.post(SIGN_IN, data={"csrf": form.hidden["csrf"], "credential": made()}, headers=OURS)
        assert (answer.status_code, "That took a while" in answer.text) == (410, True)


class TestSecondStep:
    async def test_first_of_all_ways(self, behind: Behind, browser: Browser) -> None:
        """MFA-1; the others are a press away (WEB-7)."""
        behind.says(READ, flow(behind, PASSKEY, APP))
        assert "Use your passkey" in await browser.open(PAGE)
        assert METHODS in browser.ways
        assert "Passkeys need JavaScript" in browser.text
        assert "Quickest" in await browser.open(METHODS)
        behind.says(PROVE, complete(behind))
        await browser.open(PAGE)
        assert await send(browser, SIGN_IN, **{"from": "code", "trust_device": "on"}) == "/demo/account"
        assert behind.calls()[0][2] == {"credential": PROOF, "trust_device": True}

    async def test_step_up(self, behind: Behind, signed_in: Browser) -> None:
        """STP-1: for what the page does, with what was typed."""
        path = f"/v1/me/step-ups/{FLOW}"
        shown = {**flow(behind, PASSKEY), "kind": "step_up", "action": "factor.add"}
        behind.says(f"GET {path}", shown)
        await signed_in.open(f"/demo/account/step-up/{FLOW}?then=email")
        behind.says(f"POST {path}/passkey", {**shown, "status": "complete", "grant": "g"})
        behind.says("POST /v1/me/factors", factor(behind, "email", KEY_ID, status="pending", confirmed_at=None))
        await send(signed_in, f"/demo/account/step-up/{FLOW}?then=email", target="x@y.example")
        assert behind.calls() == [
            ("mfa", f"{path}/passkey", {"credential": PROOF}),
            ("mfa", "/v1/me/factors", {"kind": "email", "target": "x@y.example"}),
        ]


class TestMaking:
    async def test_from_its_page_to_its_name(self, behind: Behind, signed_in: Browser) -> None:
        way = f"{SECURITY}/ways/{KEY_ID}"
        pending = passkey(behind, status="pending", confirmed_at=None, passkey={"challenge": "AAAA"})
        held(behind, pending, offered=("passkey", "totp"))
        assert "Create a passkey" in await signed_in.open(way)
        assert f'data-passkey="create" data-options="/v1/me/factors/{KEY_ID}"' in signed_in.page.text
        assert "On an older device an authenticator app does the job." in signed_in.page.text
        behind.says(f"POST /v1/me/factors/{KEY_ID}/confirm", errors.PasskeyWrong())
        assert "Nothing was made" in await signed_in.open(await send(signed_in, way))
        behind.says(f"POST /v1/me/factors/{KEY_ID}/confirm", passkey(behind))
        held(behind, passkey(behind))
        where = await send(signed_in, way)
        assert where == f"{way}/passkey"
        await signed_in.open(where)
        assert 'value="Firefox on Linux"' in signed_in.page.text
        behind.says(f"PATCH /v1/me/factors/{KEY_ID}", passkey(behind))
        assert "Your passkey is ready" in await signed_in.press(name=" Laptop ")
        assert behind.calls("PATCH") == [("mfa", f"/v1/me/factors/{KEY_ID}", {"name": "Laptop"})]
        assert "It is your only way so far" in signed_in.text

    async def test_pages_of_no_passkey(self, behind: Behind, signed_in: Browser) -> None:
        held(behind, factor(behind, "totp", KEY_ID))
        for page in ("passkey", "ready"):
            await signed_in.open(f"{SECURITY}/ways/{KEY_ID}/{page}")
            assert signed_in.page.status_code == 404


class TestOffer:
    @pytest.mark.parametrize(("able", "led"), [("1", OFFER), ("", "/demo/account")])
    async def test_after_the_password(self, behind: Behind, browser: Browser, able: str, led: str) -> None:
        """D12: only to who says that this device can make one."""
        behind.says(READ, flow(behind, status="password", next=["password"]))
        behind.says(f"POST /v1/apps/demo/sign-ins/{FLOW}/password", complete(behind))
        await browser.open(f"/demo/sign-in/{FLOW}/password")
        form = browser.forms()[0]
        data = {**form.hidden, "password": "x", "passkeys": able}
        answer = await browser.portal.post(form.action, data=data, headers=OURS)
        assert answer.headers["location"] == led

    @pytest.mark.parametrize(
        ("configured", "asked", "led"),
        [
            (promoted(login=False, registration=True), "?to=first", OFFER),
            (promoted(login=False, registration=True), "", "/demo/account"),
            (promoted(login=False, registration=False), "?to=first", "/demo/account"),
            (promoted(login=True, registration=False), "?to=personal", f"{OFFER}?to=personal"),
        ],
        indirect=["configured"],
    )
    async def test_as_the_policy_says(self, behind: Behind, browser: Browser, asked: str, led: str) -> None:
        """Where the account was activated just now, the first sign-in is where the registration ends; the way on is kept."""
        behind.says(READ, flow(behind, status="password", next=["password"]))
        behind.says(f"POST /v1/apps/demo/sign-ins/{FLOW}/password", complete(behind))
        await browser.open(f"/demo/sign-in/{FLOW}/password{asked}")
        form = browser.forms()[0]
        answer = await browser.portal.post(form.action, data={**form.hidden, "password": "x", "passkeys": "1"}, headers=OURS)
        assert answer.headers["location"] == led

    @pytest.mark.parametrize(
        ("configured", "led"),
        [(promoted(registration=True, login=False), OFFER), (promoted(registration=False), "/demo/account")],
        indirect=["configured"],
    )
    async def test_after_a_registration_without_activation(self, behind: Behind, browser: Browser, led: str) -> None:
        behind.says("GET /v1/apps/demo", DESCRIPTION)
        behind.says("POST /v1/apps/demo/registrations", {**complete(behind), "kind": "registration"})
        await browser.open("/demo/sign-up")
        form = browser.forms()[0]
        typed = {
            "email": "mira@posteo.example",
            "given_name": "Mira",
            "password": "correct horse staple battery",
            "passkeys": "1",
        }
        answer = await browser.portal.post(form.action, data={**form.hidden, **typed}, headers=OURS)
        assert answer.headers["location"] == led

    async def test_never_in_the_way(self, behind: Behind, signed_in: Browser) -> None:
        """Nothing to offer, or nobody who could say."""
        behind.says("GET /v1/me/passkey-offer", {"offered": False})
        await signed_in.open(OFFER)
        assert signed_in.at == "/demo/account"
        behind.says("GET /v1/me/passkey-offer", errors.Overloaded())
        await signed_in.open(f"{OFFER}?to=password_set")
        assert signed_in.page.url.raw_path == b"/demo/account?password_set=1"

    async def test_not_now_or_never(self, behind: Behind, signed_in: Browser) -> None:
        behind.says("GET /v1/me/passkey-offer", {"offered": True})
        assert "Sign in without a password next time?" in await signed_in.open(f"{OFFER}?to=security")
        assert SECURITY in signed_in.ways
        behind.says("DELETE /v1/me/passkey-offer", None)
        await signed_in.press(f"{OFFER}?to=security")
        assert behind.calls("DELETE") == [("mfa", "/v1/me/passkey-offer", None)]
        assert signed_in.at == SECURITY

    async def test_leads_to_nobody_else(self, behind: Behind, signed_in: Browser) -> None:
        behind.says("GET /v1/me/passkey-offer", {"offered": False})
        answer = await signed_in.portal.get(f"{OFFER}?return_to=https://evil.example/")
        assert answer.headers["location"] == "/demo/account"


OURS = {"origin": "https://id.example", "sec-fetch-site": "same-origin"}


async def send(browser: Browser, path: str, **fields: str) -> str:
    """What the script sends once the browser has answered; where it leads."""
    csrf = browser.forms()[0].hidden["csrf"]
    answer = await browser.portal.post(path, data={"csrf": csrf, "credential": made(), **fields}, headers=OURS)
    assert answer.status_code == 303
    return str(answer.headers["location"])


@pytest.mark.parametrize("configured", [{"access_policy": {"passkey": {"enabled": False}}}], indirect=True)
class TestSwitchedOff:
    """D30: the access policy has no passkeys, so no page says a word of them."""

    async def test_on_no_page(self, behind: Behind, browser: Browser, signed_in: Browser) -> None:
        behind.says(READ, flow(behind, status="password", next=["password"]))
        behind.says(f"GET /v1/apps/demo/password-resets/{FLOW}", {**flow(behind, status="complete"), "kind": "password_reset"})
        pages = [f"/demo/sign-in/{FLOW}/password", f"/demo/reset?flow={FLOW}"]
        pages += [SECURITY, f"{SECURITY}/add", "/demo/account", f"{SECURITY}/password", "/demo/help"]
        for page in pages:
            assert "passkey" not in (await signed_in.open(page)).lower(), page
            assert signed_in.page.status_code == 200, page
        signed_in.portal.cookies.delete("__Host-latchkey_session")
        assert "passkey" not in (await browser.open("/demo/sign-in")).lower()
        assert "webauthn" not in browser.page.text
        assert "passkeys.js" not in browser.page.text

    async def test_none_is_offered(self, behind: Behind, browser: Browser) -> None:
        behind.says(READ, flow(behind, status="password", next=["password"]))
        behind.says(f"POST /v1/apps/demo/sign-ins/{FLOW}/password", complete(behind))
        await browser.open(f"/demo/sign-in/{FLOW}/password")
        form = browser.forms()[0]
        answer = await browser.portal.post(form.action, data={**form.hidden, "password": "x", "passkeys": "1"}, headers=OURS)
        assert answer.headers["location"] == "/demo/account"
