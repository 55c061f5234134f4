"""Fresh authentication before an act, and the act itself with its grant, once (STP-1, STP-2)."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from servicekit import errors

from .behind import Behind, Browser
from .test_second_step import APP, MAIL, PHONE, SAVED, SAVED_ID, sent
from .test_security import APP_ID, LIST, SECURITY, app, held, pending_app, signed_in

__all__ = ["signed_in"]
FLOW = str(UUID(int=1))
PAGE, PATH = f"/demo/account/step-up/{FLOW}", f"/v1/me/step-ups/{FLOW}"
ADD = errors.StepUpRequired(action="factor.add", payload={"kind": "totp"})


def flow(behind: Behind, status: str = "needs_factor", *factors: dict[str, Any], **more: Any) -> dict[str, Any]:
    head = {"id": FLOW, "kind": "step_up", "status": status, "expires_at": behind.clock.now() + timedelta(minutes=5), "next": []}
    return head | {"action": "factor.add", "factors": list(factors)} | more


def starts(behind: Behind, *found: dict[str, Any]) -> None:
    """A step-up begins, and is looked at."""
    behind.says("POST /v1/me/step-ups", found[0])
    behind.says(f"GET {PATH}", *found)


class TestAround:
    async def test_an_app_by_the_password(self, behind: Behind, signed_in: Browser) -> None:
        """For who has no way yet; the grant goes along with this one call and no other."""
        await signed_in.open(f"{SECURITY}/add")
        behind.says("POST /v1/me/factors", ADD, pending_app(behind))
        starts(behind, flow(behind, "password"))
        said = await signed_in.press(kind="totp")
        assert behind.calls()[1:] == [("identity", "/v1/me/step-ups", {"action": "factor.add", "payload": {"kind": "totp"}})]
        assert (signed_in.at, "Before we set up an authenticator app, please confirm." in said) == (PAGE, True)
        behind.says(f"POST {PATH}/password", errors.CredentialsWrong(), flow(behind, "complete", grant="g" * 40))
        assert "Password: That isn’t your current password." in await signed_in.press(password="wrong")
        assert "wrong" not in signed_in.page.text
        behind.says(f"GET /v1/me/factors/{APP_ID}", pending_app(behind))
        await signed_in.press(password="right")
        assert signed_in.at == f"{SECURITY}/ways/{APP_ID}"
        assert [(one.path, one.caller.step_up) for one in behind.asked if one.caller.step_up] == [("/v1/me/factors", "g" * 40)]
        assert behind.calls()[-1] == ("mfa", "/v1/me/factors", {"kind": "totp"})
        behind.says(f"POST /v1/me/factors/{APP_ID}/confirm", app(behind))
        await signed_in.press(code="482193")
        assert len([one for one in behind.asked if one.caller.step_up]) == 1

    async def test_removing_by_a_code(self, behind: Behind, signed_in: Browser) -> None:
        held(behind, app(behind))
        await signed_in.open(f"{SECURITY}/ways/{APP_ID}/remove")
        payload = {"factor_id": APP_ID}
        behind.says(f"DELETE /v1/me/factors/{APP_ID}", errors.StepUpRequired(action="factor.remove", payload=payload), None)
        starts(behind, flow(behind, "needs_factor", APP, SAVED))
        said = await signed_in.press()
        assert "Before we remove this way to confirm" in said
        assert "Open your authenticator app" in said
        assert signed_in.forms()[0].fields == ["code"]
        behind.says(f"POST {PATH}/code", errors.CodeWrong(tries_left=2), flow(behind, "complete", grant="g" * 40))
        assert "That code isn’t right. 2 tries left." in await signed_in.press(code="111111")
        behind.says(LIST, {"items": [], "offered": []})
        assert "It is removed" in await signed_in.press(code="482 193")
        assert [(one.method, one.path) for one in behind.asked if one.caller.step_up] == [("DELETE", f"/v1/me/factors/{APP_ID}")]
        assert ("mfa", f"{PATH}/code", {"code": "482193"}) in behind.calls()

    @pytest.mark.parametrize("one", [True, False], ids=["one", "all others"])
    async def test_ending_sessions(self, behind: Behind, signed_in: Browser, one: bool) -> None:
        """SES-5: one of them, or all but this one."""
        await signed_in.open(SECURITY)
        named = [form.hidden for form in signed_in.forms() if form.action == f"{SECURITY}/sessions"]
        assert ["session" in hidden for hidden in named] == [True, False], "nobody ends the session they look with"
        wanted = named[0]["session"]
        path, payload = (f"/v1/me/sessions/{wanted}", {"session_id": wanted}) if one else ("/v1/me/sessions", {})
        behind.says(f"DELETE {path}", errors.StepUpRequired(action="sessions.end", payload=payload), None)
        starts(behind, flow(behind, "password"))
        said = await signed_in.press(f"{SECURITY}/sessions", **({"session": wanted} if one else {}), place=0 if one else 1)
        assert "Before you sign out elsewhere" in said
        behind.says(f"POST {PATH}/password", flow(behind, "complete", grant="g" * 40))
        assert "Signed out there" in await signed_in.press(password="right")
        assert [(asked.method, asked.path) for asked in behind.asked if asked.caller.step_up] == [("DELETE", path)]

    async def test_what_was_typed_is_kept(self, behind: Behind, signed_in: Browser) -> None:
        """Over wrong passwords, another way and a code that is sent; it stands in no address."""
        await signed_in.open(f"{SECURITY}/add/phone")
        asked = errors.StepUpRequired(action="factor.add", payload={"kind": "phone", "target": "+493415550141"})
        behind.says("POST /v1/me/factors", asked, pending_app(behind))
        starts(behind, flow(behind, "needs_factor", MAIL, SAVED))
        await signed_in.press(target="+49 341 5550141")
        assert "341" not in str(signed_in.page.url)
        assert signed_in.presses("send") == [f"{MAIL['id']}.email.code"], "no link: it would end in another window"
        await signed_in.press(way=SAVED_ID)
        assert "one of the codes you saved" in signed_in.text
        behind.says(f"POST {PATH}/challenges", flow(behind, "needs_factor", MAIL, SAVED))
        behind.says(f"GET {PATH}", flow(behind, "needs_factor", MAIL, SAVED, **sent(behind, "email", "m•••@p•••")))
        assert "We sent a mail to m•••@p•••." in await signed_in.press(send=f"{MAIL['id']}.email.code")
        behind.says(f"POST {PATH}/code", flow(behind, "complete", grant="g" * 40))
        behind.says(f"GET /v1/me/factors/{APP_ID}", pending_app(behind))
        await signed_in.press(code="482193")
        assert behind.calls()[-1] == ("mfa", "/v1/me/factors", {"kind": "phone", "target": "+49 341 5550141"})

    async def test_too_many_wrong(self, behind: Behind, signed_in: Browser) -> None:
        await signed_in.open(f"{SECURITY}/add")
        behind.says("POST /v1/me/factors", ADD)
        starts(behind, flow(behind, "needs_factor", APP))
        await signed_in.press(kind="totp")
        behind.says(f"POST {PATH}/code", errors.FlowEnded())
        assert "Nothing was changed" in await signed_in.press(code="111111")
        assert signed_in.at == f"{SECURITY}/add"

    async def test_the_grant_was_too_late(self, behind: Behind, signed_in: Browser) -> None:
        """It begins again where it began, not in a circle."""
        await signed_in.open(f"{SECURITY}/add")
        behind.says("POST /v1/me/factors", ADD)
        starts(behind, flow(behind, "password"))
        await signed_in.press(kind="totp")
        behind.says(f"POST {PATH}/password", flow(behind, "complete", grant="g" * 40))
        assert "Please press once more" in await signed_in.press(password="right")
        assert signed_in.at == f"{SECURITY}/add"

    async def test_what_the_act_is_refused_for(self, behind: Behind, signed_in: Browser) -> None:
        """Told on its own page, with what was typed."""
        await signed_in.open(f"{SECURITY}/add/email")
        wrong = errors.ValidationFailed([errors.FieldError("/target", "email_not_valid", "")])
        behind.says(
            "POST /v1/me/factors", errors.StepUpRequired(action="factor.add", payload={"kind": "email", "target": "m"}), wrong
        )
        starts(behind, flow(behind, "password"))
        await signed_in.press(target="m")
        behind.says(f"POST {PATH}/password", flow(behind, "complete", grant="g" * 40))
        assert "E-mail: That doesn’t look like an e-mail address." in await signed_in.press(password="right")
        assert 'value="m"' in signed_in.page.text


class TestPage:
    @pytest.mark.parametrize("found", [None, "ended"])
    async def test_nobodys_or_over(self, behind: Behind, signed_in: Browser, found: str | None) -> None:
        if found:
            behind.says(f"GET {PATH}", flow(behind, found))
        assert "Nothing was changed" in await signed_in.open(f"{PAGE}?then=totp")
        assert signed_in.at == f"{SECURITY}/add"

    async def test_completed_but_never_told(self, behind: Behind, signed_in: Browser) -> None:
        """The answer was lost on its way: one press goes on; looking changes nothing."""
        behind.says(f"GET {PATH}", flow(behind, "complete", grant="g" * 40))
        await signed_in.open(f"{PAGE}?then=totp")
        assert behind.calls() == []
        behind.says("POST /v1/me/factors", pending_app(behind))
        behind.says(f"GET /v1/me/factors/{APP_ID}", pending_app(behind))
        await signed_in.press()
        assert signed_in.at == f"{SECURITY}/ways/{APP_ID}"

    @pytest.mark.parametrize("query", ["", "?then=anything", "?then=remove", "?then=remove&factor=x"])
    async def test_for_nothing(self, behind: Behind, signed_in: Browser, query: str) -> None:
        behind.says(f"GET {PATH}", flow(behind, "password"))
        await signed_in.open(PAGE + query)
        assert signed_in.page.status_code == 404

    async def test_only_signed_in(self, behind: Behind, browser: Browser) -> None:
        await browser.open(f"{PAGE}?then=totp")
        assert browser.page.url.raw_path == b"/demo/sign-in?to=security"
        assert behind.asked == []

    async def test_somebody_else_by_now(self, behind: Behind, signed_in: Browser) -> None:
        behind.says(f"GET {PATH}", flow(behind, "password"))
        await signed_in.open(f"{PAGE}?then=totp")
        behind.sessions["z" * 43] = uuid4()
        signed_in.sign_in("z" * 43)
        assert "Please press once more" in await signed_in.press(password="right")
        assert behind.calls() == []

    async def test_too_early(self, behind: Behind, signed_in: Browser) -> None:
        behind.says(f"GET {PATH}", flow(behind, "needs_factor", PHONE))
        await signed_in.open(f"{PAGE}?then=totp")
        behind.says(f"POST {PATH}/challenges", errors.TooManyRequests(12))
        assert "Possible again in 12 seconds." in await signed_in.press(send=f"{PHONE['id']}.sms.code")

    async def test_mfa_is_away(self, behind: Behind, signed_in: Browser) -> None:
        behind.says(f"GET {PATH}", flow(behind, "needs_factor", APP))
        await signed_in.open(f"{PAGE}?then=totp")
        behind.away = {"mfa"}
        assert "Busy right now" in await signed_in.press(code="482193")
        assert signed_in.page.url.params["then"] == "totp"
        assert signed_in.forms()[0].fields == ["code"]

    async def test_where_nothing_can_be_sent(self, behind: Behind, signed_in: Browser) -> None:
        behind.says(f"GET {PATH}", flow(behind, "needs_factor", {"id": APP_ID, "kind": "phone"}))
        await signed_in.open(f"{PAGE}?then=totp")
        assert "/demo/help/people" in signed_in.ways


class TestPassword:
    """STP-1: who has a factor confirms first, then chooses; no password is kept meanwhile, and none goes without the grant."""

    PAGE, DONE = f"{SECURITY}/password", "n" * 20

    @pytest.fixture
    def with_factor(self, behind: Behind, signed_in: Browser) -> Browser:
        me = dict(behind.answers["GET /v1/me"][0])
        behind.says("GET /v1/me", me | {"second_factor": True})
        return signed_in

    async def test_first_the_code_then_the_password(self, behind: Behind, with_factor: Browser) -> None:
        said = await with_factor.open(self.PAGE)
        assert "First please confirm that it’s you" in said
        assert [one.fields for one in with_factor.forms()] == [[]]
        starts(behind, flow(behind, "needs_factor", APP))
        assert "Before you set a new password, please confirm." in await with_factor.press(confirm="1")
        assert ("identity", "/v1/me/step-ups", {"action": "password.change", "payload": {}}) in behind.calls()
        done = flow(behind, "complete", grant="g" * 40)
        behind.says(f"POST {PATH}/code", done)
        behind.says(f"GET {PATH}", done)
        await with_factor.press(code="482193")
        assert with_factor.at == self.PAGE
        assert "g" * 40 not in with_factor.page.text + str(with_factor.page.url)
        behind.says("PUT /v1/me/password", None)
        await with_factor.press(password=self.DONE, password_again=self.DONE)
        assert [(one.path, one.body["current_password"]) for one in behind.asked if one.caller.step_up] == [
            ("/v1/me/password", None)
        ]

    async def test_the_proof_is_too_old_by_then(self, behind: Behind, with_factor: Browser) -> None:
        behind.says(f"GET {PATH}", flow(behind, "ended"))
        assert "First please confirm" in await with_factor.open(f"{self.PAGE}?confirmed={FLOW}")
        assert "First please confirm" in await with_factor.open(f"{self.PAGE}?confirmed=nothing")
