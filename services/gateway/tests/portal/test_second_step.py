"""The second step of a sign-in: which page asks for what, and where each press leads (R21-R29, OTP-8, D16, D17)."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from servicekit import errors

from .behind import OURS, Behind, Browser

FLOW, APP_ID, SAVED_ID, PHONE_ID, MAIL_ID = (str(UUID(int=one)) for one in range(1, 1 + 5))
READ, CODE, SEND = (
    f"{method} /v1/apps/demo/sign-ins/{FLOW}{step}" for method, step in (("GET", ""), ("POST", "/code"), ("POST", "/challenges"))
)
PAGE, METHODS = f"/demo/sign-in/{FLOW}/code", f"/demo/sign-in/{FLOW}/methods"
APP = {"id": APP_ID, "kind": "totp"}
SAVED = {"id": SAVED_ID, "kind": "recovery_codes"}
PHONE = {"id": PHONE_ID, "kind": "phone", "to": "•••41", "channels": ["sms", "voice"], "forms": ["code", "link"]}
MAIL = {"id": MAIL_ID, "kind": "email", "to": "m•••@p•••", "channels": ["email"], "forms": ["code", "link"]}


def flow(behind: Behind, *factors: dict[str, Any], **more: Any) -> dict[str, Any]:
    expires = behind.clock.now() + timedelta(minutes=10)
    head = {"id": FLOW, "kind": "sign_in", "status": "needs_factor", "expires_at": expires, "next": ["code", "challenges"]}
    return head | {"factors": list(factors), "typed": "mira@posteo.example"} | more


def sent(
    behind: Behind, channel: str, to: str, *, wait: int = 0, state: str = "handed_over", match: str | None = None
) -> dict[str, Any]:
    now = behind.clock.now()
    return {
        "delivery": {"channel": channel, "to": to, "state": state, "at": now - timedelta(seconds=3)},
        "resend": {"available_at": now + timedelta(seconds=wait), "retry_after_seconds": wait, "channels": [channel]},
        "match": match,
    }


def complete(behind: Behind, token: str = "s" * 43) -> dict[str, Any]:
    session = {"token": token, "expires_at": behind.clock.now() + timedelta(hours=12)}
    return flow(behind, status="complete", next=[], session=session, account_id=behind.account_id)


class TestCode:
    async def test_of_the_app(self, behind: Behind, browser: Browser) -> None:
        """OTP-8: one field that takes what is pasted; a tick only where the policy has trusted devices."""
        behind.says(READ, flow(behind, APP, SAVED))
        assert "Open your authenticator app" in await browser.open(PAGE)
        assert browser.forms()[0].fields == ["code", "trust_device"]
        assert 'inputmode="numeric" autocomplete="one-time-code" dir="ltr" maxlength="40"' in browser.page.text
        assert "6-digit code" in browser.text
        assert METHODS in browser.ways
        behind.says(CODE, complete(behind))
        behind.sessions["s" * 43] = uuid4()
        behind.says("GET /v1/me", errors.Overloaded())
        await browser.press(code=" 482-193 ", trust_device="on")
        assert behind.calls() == [("mfa", f"/v1/apps/demo/sign-ins/{FLOW}/code", {"code": "482193", "trust_device": True})]
        assert browser.at == "/demo/account"
        assert browser.portal.cookies["__Host-latchkey_session"] == "s" * 43

    async def test_as_long_as_it_was_sent(self, behind: Behind, browser: Browser) -> None:
        """OTP-5: where somebody guesses it has 8 digits; where nobody may know, the page says nothing of it (ENU-1)."""
        for digits, label in ((6, "6-digit code"), (8, "8-digit code"), (None, "Code")):
            behind.says(READ, flow(behind, MAIL, **sent(behind, "email", "m•••@p•••"), code_digits=digits))
            await browser.open(PAGE)
            assert f'<label for="code">{label}</label>' in browser.page.text

    async def test_where_the_password_leads(self, behind: Behind, browser: Browser) -> None:
        behind.says(READ, flow(behind, status="password", next=["password"]), flow(behind, APP))
        await browser.open(f"/demo/sign-in/{FLOW}/password?to=security")
        behind.says(f"POST /v1/apps/demo/sign-ins/{FLOW}/password", flow(behind, APP))
        await browser.press(f"/demo/sign-in/{FLOW}/password?to=security", password="x")
        assert browser.page.url.raw_path.decode() == f"{PAGE}?to=security"
        await browser.open(f"/demo/sign-in/{FLOW}/password")
        assert browser.at == PAGE, "who goes back comes here again"

    async def test_wrong(self, behind: Behind, browser: Browser) -> None:
        """With the tries that are left, the tick as it was, and never the code."""
        behind.says(READ, flow(behind, APP))
        behind.says(CODE, errors.CodeWrong(tries_left=3))
        await browser.open(PAGE)
        assert "That code isn’t right. 3 tries left." in await browser.press(code="111111", trust_device="on")
        assert browser.page.status_code == 403
        assert 'aria-invalid="true" aria-describedby="code-error" autofocus' in browser.page.text
        assert 'name="trust_device" checked' in browser.page.text
        assert "111111" not in browser.page.text

    async def test_nothing_typed(self, behind: Behind, browser: Browser) -> None:
        """WEB-4: no try is spent."""
        behind.says(READ, flow(behind, APP))
        await browser.open(PAGE)
        assert "6-digit code: Please fill this in." in await browser.press(code=" ")
        assert behind.calls() == []

    @pytest.mark.parametrize("error", [errors.FlowEnded(), errors.CodeBurned()])
    async def test_the_last_wrong_try(self, behind: Behind, browser: Browser, error: errors.ServiceError) -> None:
        """The attempt is over; another one begins with the same name."""
        behind.says(READ, flow(behind, APP), flow(behind, status="ended", next=[]))
        behind.says(CODE, error)
        await browser.open(PAGE)
        assert "Too many codes weren’t right" in await browser.press(code="111111")
        assert browser.page.status_code == 410
        assert 'value="mira@posteo.example"' in browser.page.text

    async def test_too_old(self, behind: Behind, browser: Browser) -> None:
        behind.says(READ, flow(behind, PHONE, **sent(behind, "sms", "•••41")))
        behind.says(CODE, errors.CodeExpired())
        await browser.open(PAGE)
        assert "That code is too old. Ask for a new one." in await browser.press(PAGE, code="111111")

    async def test_one_that_was_saved(self, behind: Behind, browser: Browser) -> None:
        """MFA-5: letters and dashes; no numeric keyboard."""
        behind.says(READ, flow(behind, APP, SAVED))
        await browser.open(f"{PAGE}?way={SAVED_ID}")
        assert "one of the codes you saved" in browser.text
        assert 'autocapitalize="characters"' in browser.page.text
        assert "one-time-code" not in browser.page.text
        behind.says(CODE, flow(behind, status="needs_action", actions=["username"]))
        await browser.press(code="K7QM-2XJD-3RTA-W4HB")
        assert behind.calls()[0][2] == {"code": "K7QM2XJD3RTAW4HB", "trust_device": False}

    async def test_of_a_flow_of_nobody(self, behind: Behind, browser: Browser) -> None:
        assert "That took a while" in await browser.open(PAGE)
        assert browser.page.status_code == 410

    @pytest.mark.parametrize("step", ["code", "methods", "password", "action", "factors/add"])
    async def test_refused_by_a_rule(self, behind: Behind, browser: Browser, step: str) -> None:
        """Once a link was pressed elsewhere: the window that waited says that it was refused, and what may help."""
        behind.says(READ, errors.NotAllowedByPolicy())
        said = await browser.open(f"/demo/sign-in/{FLOW}/{step}")
        assert browser.at.split("?")[0] == "/demo/sign-in"
        assert "We can’t let you sign in from here" in said
        assert "Our service team can help you" in said
        assert "That took a while" not in said

    async def test_mfa_is_away(self, behind: Behind, browser: Browser) -> None:
        """E33: nothing is lost; the same page comes again once it is back."""
        behind.says(READ, flow(behind, APP))
        await browser.open(PAGE)
        behind.away = {"mfa"}
        assert "Busy right now" in await browser.press(code="482193")
        assert browser.at == PAGE
        assert browser.forms()[0].fields == ["code", "trust_device"]
        behind.away = {"identity"}
        assert "Busy right now" in await browser.open(PAGE)
        assert browser.page.status_code == 503
        assert browser.ways == [PAGE]

    @pytest.mark.parametrize("signed_in", [True, False])
    async def test_back_after_it_was_done(self, behind: Behind, browser: Browser, signed_in: bool) -> None:
        behind.says(READ, flow(behind, status="complete", next=[]))
        if signed_in:
            browser.sign_in()
        await browser.open(PAGE)
        assert browser.at == ("/demo/account" if signed_in else "/demo/sign-in")

    async def test_one_that_was_finished_elsewhere(self, behind: Behind, browser: Browser) -> None:
        """D17: the link was pressed; this window, which asked, gets the session by looking."""
        behind.says(READ, complete(behind))
        behind.sessions["s" * 43] = uuid4()
        await browser.open(PAGE)
        assert browser.at == "/demo/account"
        assert browser.portal.cookies["__Host-latchkey_session"] == "s" * 43


class TestSending:
    async def test_nothing_is_sent_unasked(self, behind: Behind, browser: Browser) -> None:
        behind.says(READ, flow(behind, PHONE, MAIL))
        assert "We send a code to •••41 as a text message." in await browser.open(PAGE)
        assert browser.forms()[0].fields == []
        assert browser.presses("send") == [f"{PHONE_ID}.sms.code"]
        assert behind.calls() == []
        behind.says(SEND, flow(behind, PHONE))
        behind.says(READ, flow(behind, PHONE, MAIL, **sent(behind, "sms", "•••41", wait=17)))
        assert "We sent a text message to •••41." in await browser.press(send=f"{PHONE_ID}.sms.code")
        assert behind.calls()[0][2] == {"factor_id": PHONE_ID, "channel": "sms", "form": "code"}
        assert "new request" not in browser.text, "it is the first"
        assert "Handed to the phone network" in browser.text
        assert 'data-wait="17"' in browser.page.text
        assert f'data-poll="/v1/apps/demo/sign-ins/{FLOW}"' in browser.page.text

    async def test_again_and_another_way(self, behind: Behind, browser: Browser) -> None:
        """R24-R29: one press each; a call reads out no link."""
        behind.says(READ, flow(behind, PHONE, MAIL, APP, **sent(behind, "sms", "•••41")))
        assert "Send the text again" in await browser.open(PAGE)
        wanted = [
            f"{PHONE_ID}.sms.code",
            f"{PHONE_ID}.sms.link",
            f"{PHONE_ID}.voice.code",
            f"{MAIL_ID}.email.code",
            f"{MAIL_ID}.email.link",
        ]
        assert browser.presses("send") == wanted
        await browser.open(METHODS)
        assert browser.presses("send") == wanted
        assert f"{PAGE}?way={APP_ID}" in browser.ways
        assert "/demo/help/people" in browser.ways
        behind.says(SEND, flow(behind, PHONE))
        behind.says(READ, flow(behind, PHONE, MAIL, **sent(behind, "voice", "•••41")))
        assert "We call •••41." in await browser.press(send=f"{PHONE_ID}.voice.code")
        assert "We’ve taken your new request" in browser.text

    @pytest.mark.parametrize("page", [PAGE, METHODS])
    async def test_too_early(self, behind: Behind, browser: Browser, page: str) -> None:
        """D18: told where the press was, with the time left."""
        behind.says(READ, flow(behind, MAIL, **sent(behind, "email", "m•••@p•••", wait=12)))
        behind.says(SEND, errors.TooManyRequests(12))
        await browser.open(page)
        assert "Possible again in 12 seconds." in await browser.press(page, send=f"{MAIL_ID}.email.code")
        assert browser.page.status_code == 429
        assert browser.at == page

    async def test_what_no_button_says(self, behind: Behind, browser: Browser) -> None:
        behind.says(READ, flow(behind, MAIL))
        await browser.open(PAGE)
        await browser.press(send="anything")
        assert behind.calls() == []
        assert "That didn’t work" in browser.text

    @pytest.mark.parametrize("channel", ["email", "sms"])
    async def test_a_link_is_waited_for(self, behind: Behind, browser: Browser, channel: str) -> None:
        """R26, R29, D17: with the number, without a field; it goes on by itself, and by a press where there is no script."""
        behind.says(READ, flow(behind, MAIL, **sent(behind, channel, "m•••@p•••", match="41")))
        assert "Open the link in your" in await browser.open(PAGE)
        assert '<strong dir="ltr">41</strong>' in browser.page.text
        assert [one.fields for one in browser.forms()] == [[]]
        assert "data-poll" in browser.page.text
        assert PAGE in browser.ways
        assert METHODS in browser.ways

    async def test_a_wrong_number_ended_the_link(self, behind: Behind, browser: Browser) -> None:
        """D17: told by itself, and nothing is waited for; another link or another way."""
        ended = sent(behind, "email", "m•••@p•••") | {"link_ended": True}
        behind.says(READ, flow(behind, MAIL, APP, **ended))
        said = await browser.open(PAGE)
        assert "Another number was typed, so that link has ended" in said
        assert "Handed to" not in said
        assert '<details class="panel ask" open>' in browser.page.text
        assert 'data-ended="true"' in browser.page.text
        assert "Get another one" in said
        assert "Send the link again" in said
        assert browser.presses("send") == [f"{MAIL_ID}.email.code", f"{MAIL_ID}.email.link"]
        assert METHODS in browser.ways

    async def test_the_app_instead_of_what_was_sent(self, behind: Behind, browser: Browser) -> None:
        behind.says(READ, flow(behind, MAIL, APP, **sent(behind, "email", "m•••@p•••", match="41")))
        assert "Open your authenticator app" in await browser.open(f"{PAGE}?way={APP_ID}")
        assert "Handed to" not in browser.text

    async def test_where_nothing_can_be_sent(self, behind: Behind, browser: Browser) -> None:
        """E4: people help."""
        behind.says(READ, flow(behind, {"id": APP_ID, "kind": "phone"}))
        await browser.open(PAGE)
        assert browser.at == METHODS
        assert browser.ways == [PAGE, "/demo/help/people"]


TOKEN = "m" + "k" * 43
INSPECT, CONFIRM = (f"POST /v1/apps/demo/links/{step}" for step in ("inspect", "confirm"))


class TestLink:
    """R26, R29, D17: the page behind a link that was sent; mfa made it."""

    def found(self, behind: Behind, **more: Any) -> dict[str, Any]:
        told = {"to": "m•••@p•••", "requested_at": behind.clock.now(), "requested_from": "Firefox on Windows", "renewable": False}
        return {"purpose": "sign_in", "state": "valid"} | told | more

    async def test_where_it_was_asked_for(self, behind: Behind, browser: Browser) -> None:
        """The session comes with the press."""
        behind.says(INSPECT, self.found(behind))
        said = await browser.open(f"/demo/l/{TOKEN}")
        assert "Sent to m•••@p•••" in said
        assert "From Firefox on Windows" in said
        assert [one.peer for one in behind.asked] == ["mfa"]
        behind.says(CONFIRM, complete(behind))
        behind.sessions["s" * 43] = uuid4()
        await browser.press()
        assert behind.calls()[-1] == ("mfa", "/v1/apps/demo/links/confirm", {"token": TOKEN})
        assert browser.at == "/demo/account"
        assert browser.portal.cookies["__Host-latchkey_session"] == "s" * 43

    @pytest.mark.parametrize(
        ("more", "to"),
        [
            ({"return_to": "https://shop.example/x"}, "https://shop.example/x"),
            ({"actions": ["username"]}, f"/demo/sign-in/{FLOW}/action"),
        ],
    )
    async def test_where_it_leads(self, behind: Behind, browser: Browser, more: dict[str, Any], to: str) -> None:
        behind.says(INSPECT, self.found(behind))
        await browser.open(f"/demo/l/{TOKEN}")
        status = "needs_action" if "actions" in more else "complete"
        behind.says(CONFIRM, complete(behind) | {"status": status} | more)
        form = browser.forms()[0]
        answer = await browser.portal.post(form.action, data=form.hidden, headers=OURS)
        assert answer.headers["location"] == to

    async def test_elsewhere(self, behind: Behind, browser: Browser) -> None:
        behind.says(INSPECT, self.found(behind, state="other_browser"))
        assert "Type its two digits to sign in there." in await browser.open(f"/demo/l/{TOKEN}")
        behind.says(CONFIRM, {"state": "confirmed_elsewhere"})
        assert "Your other window goes on by itself." in await browser.press(match="41")
        assert "__Host-latchkey_session" not in browser.portal.cookies

    async def test_signed_in_as_somebody_else(self, behind: Behind, browser: Browser) -> None:
        """LNK-4."""
        behind.says(INSPECT, self.found(behind))
        browser.sign_in()
        behind.says("GET /v1/me", errors.Overloaded())
        await browser.open(f"/demo/l/{TOKEN}")
        assert behind.calls()[-1][1] == "/v1/apps/demo/links/inspect"
        assert browser.forms() == []


class TestApi:
    """GET of a flow that was finished elsewhere (`complete` with the session once a link was confirmed)."""

    async def test_a_browser_gets_a_cookie(self, behind: Behind, browser: Browser) -> None:
        behind.says(READ, complete(behind))
        answer = await browser.portal.get(f"/v1/apps/demo/sign-ins/{FLOW}", headers={"sec-fetch-site": "same-origin"})
        assert answer.json()["status"] == "complete"
        assert answer.json().get("session") is None
        assert "s" * 43 not in answer.text
        assert browser.portal.cookies["__Host-latchkey_session"] == "s" * 43
        assert "__Host-latchkey_device" in browser.portal.cookies

    async def test_an_api_client_gets_tokens(self, behind: Behind, browser: Browser) -> None:
        browser.portal.cookies.clear()
        behind.says(READ, complete(behind))
        answer = await browser.portal.get(f"/v1/apps/demo/sign-ins/{FLOW}", headers={"latchkey-flow": "f" * 43})
        assert answer.json()["session"]["token"] == "s" * 43
        assert answer.json()["device"]["token"]
        assert "typed" not in answer.json()
        assert not answer.headers.get_list("set-cookie")

    async def test_health_of_the_channels(self, behind: Behind, browser: Browser) -> None:
        """Once something was sent."""
        browser.portal.cookies.clear()
        behind.says(READ, flow(behind, MAIL), flow(behind, MAIL, **sent(behind, "email", "m•••@p•••")))
        told = [
            (await browser.portal.get(f"/v1/apps/demo/sign-ins/{FLOW}", headers={"latchkey-flow": "f" * 43})).json() for _ in "12"
        ]
        assert [one.get("channels") for one in told] == [None, {"email": "ok", "sms": "ok", "voice": "ok"}]
