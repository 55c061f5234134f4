"""Sign-in & security: the ways to confirm, adding, naming and removing one (R22, R39, D29, D30, MFA-4, MFA-5)."""

import base64
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from servicekit import errors

from .behind import Behind, Browser
from .test_second_step import sent

APP_ID, MAIL_ID, PHONE_ID, SAVED_ID = (str(UUID(int=one)) for one in range(1, 1 + 4))
LIST, DEVICES, SECURITY = "GET /v1/me/factors", "GET /v1/me/trusted-devices", "/demo/account/security"
PENDING = f"{SECURITY}/ways/{MAIL_ID}"
SECRET = "ORSXG5BRGIZTINJWG44DSMBRGIZDGNBV"
CODES = [f"K7QM2XJD3RTAW4{place:02}" for place in range(10)]


def factor(behind: Behind, kind: str, id_: str, **more: Any) -> dict[str, Any]:
    begun = behind.clock.now() - timedelta(days=40)
    head = {"id": id_, "kind": kind, "status": "active", "name": None, "created_at": begun, "confirmed_at": begun}
    return head | more


def app(behind: Behind, **more: Any) -> dict[str, Any]:
    return factor(behind, "totp", APP_ID, **more)


def pending_app(behind: Behind) -> dict[str, Any]:
    totp = {"secret": SECRET, "uri": f"otpauth://totp/Elmstead:mira?secret={SECRET}", "qr_svg": "<svg><path d='M0 0'/></svg>"}
    return app(behind, status="pending", confirmed_at=None, totp=totp)


def saved(behind: Behind, **more: Any) -> dict[str, Any]:
    return factor(behind, "recovery_codes", SAVED_ID, **{"codes_left": 8} | more)


def phone(behind: Behind, **more: Any) -> dict[str, Any]:
    return factor(behind, "phone", PHONE_ID, to="•••41", **more)


def held(behind: Behind, *items: dict[str, Any], offered: tuple[str, ...] = ("totp", "recovery_codes", "email", "phone")) -> None:
    behind.says(LIST, {"items": list(items), "offered": list(offered)})
    for one in items:
        behind.says(f"GET /v1/me/factors/{one['id']}", one)


@pytest.fixture
def signed_in(behind: Behind, browser: Browser) -> Browser:
    now = behind.clock.now()
    identifier = {"kind": "email", "value": "mira@posteo.example", "verified": True}
    me = {"account_id": behind.account_id, "display_name": "Mira", "identifiers": [identifier], "profile": {}, "language": "en"}
    behind.says("GET /v1/me", me | {"sessions": 2, "created_at": now, "password_changed_at": now})
    session = {"id": uuid4(), "application": "demo", "created_at": now, "seen_at": now, "ip": "203.0.113.24"}
    others = session | {"device": None, "current": False}
    behind.says("GET /v1/me/sessions", {"items": [others, session | {"device": "Firefox on Windows", "current": True}]})
    behind.says(DEVICES, {"items": []})
    behind.says("GET /v1/me/linked-identities", {"items": [], "offered": []})
    held(behind)
    browser.sign_in()
    return browser


class TestList:
    async def test_what_there_is(self, behind: Behind, signed_in: Browser) -> None:
        """D29: kind, masked target, since when, last used."""
        held(behind, app(behind, last_used_at=behind.clock.now()), phone(behind, name="Mira's phone"), saved(behind))
        said = await signed_in.open(SECURITY)
        assert "Authenticator app Added on" in said
        assert ", used today at" in said
        assert "Text or call to •••41 Mira's phone" in said
        assert "8 codes left. Added on" in said
        assert said.index("Firefox on Windows This device") < said.index("An app or an unknown browser")
        for id_ in (APP_ID, PHONE_ID, SAVED_ID):
            assert f"{SECURITY}/ways/{id_}/remove" in signed_in.ways
        assert {f"{SECURITY}/password", f"{SECURITY}/add"} <= set(signed_in.ways)

    async def test_trusted_devices(self, behind: Behind, signed_in: Browser) -> None:
        now = behind.clock.now()
        one = {
            "id": APP_ID,
            "device": "Firefox on Android",
            "created_at": now,
            "expires_at": now,
            "last_used_at": None,
            "current": False,
        }
        behind.says(DEVICES, {"items": [one]})
        said = await signed_in.open(SECURITY)
        assert "Devices you trust" in said
        assert "Firefox on Android" in said
        behind.says(f"DELETE /v1/me/trusted-devices/{APP_ID}", None)
        await signed_in.press(f"{SECURITY}/devices", device=APP_ID)
        assert signed_in.at == SECURITY

    async def test_nonsense_for_a_device(self, behind: Behind, signed_in: Browser) -> None:
        """Told on the list's page, and nobody is asked."""
        now = behind.clock.now()
        one = {"id": APP_ID, "device": None, "created_at": now, "expires_at": now, "last_used_at": None, "current": False}
        behind.says(DEVICES, {"items": [one]})
        await signed_in.open(SECURITY)
        await signed_in.press(f"{SECURITY}/devices", device="nonsense")
        assert signed_in.at.split("?")[0] == SECURITY
        assert behind.calls("DELETE") == []

    async def test_none(self, behind: Behind, signed_in: Browser) -> None:
        assert "the password alone opens your account" in await signed_in.open(SECURITY)
        held(behind, offered=())
        await signed_in.open(SECURITY)
        assert f"{SECURITY}/add" not in signed_in.ways

    async def test_one_that_was_begun(self, behind: Behind, signed_in: Browser) -> None:
        held(behind, pending_app(behind))
        assert "Not confirmed yet, so it doesn’t count" in await signed_in.open(SECURITY)
        assert f"{SECURITY}/ways/{APP_ID}" in signed_in.ways
        behind.says(f"DELETE /v1/me/factors/{APP_ID}", None)
        assert "Nothing was added" in await signed_in.press(f"{SECURITY}/ways/{APP_ID}/cancel")

    @pytest.mark.parametrize(("refused", "at"), [(errors.NotFound, ""), (errors.StepUpRequired, f"/ways/{APP_ID}/remove")])
    async def test_one_that_was_confirmed_or_removed_meanwhile(
        self, behind: Behind, signed_in: Browser, refused: Any, at: str
    ) -> None:
        held(behind, pending_app(behind))
        await signed_in.open(SECURITY)
        behind.says(f"DELETE /v1/me/factors/{APP_ID}", refused())
        await signed_in.press(f"{SECURITY}/ways/{APP_ID}/cancel")
        assert signed_in.at == f"{SECURITY}{at}"

    async def test_from_the_overview(self, signed_in: Browser) -> None:
        await signed_in.open("/demo/account")
        assert SECURITY in signed_in.ways

    async def test_mfa_is_away(self, behind: Behind, signed_in: Browser) -> None:
        behind.away = {"mfa"}
        assert "Busy right now" in await signed_in.open(SECURITY)
        assert signed_in.page.status_code == 503
        assert signed_in.ways == [SECURITY]

    @pytest.mark.parametrize(
        "page",
        [
            "",
            "/add",
            "/add/email",
            f"/ways/{APP_ID}",
            f"/ways/{APP_ID}/name",
            f"/ways/{APP_ID}/remove",
            f"/ways/{APP_ID}/codes.txt",
        ],
    )
    async def test_only_signed_in(self, behind: Behind, browser: Browser, page: str) -> None:
        await browser.open(SECURITY + page)
        assert browser.page.url.raw_path == b"/demo/sign-in?to=security"
        assert behind.asked == []


class TestAdding:
    async def test_only_what_is_offered(self, behind: Behind, signed_in: Browser) -> None:
        """D30: and of that what has a page."""
        await signed_in.open(f"{SECURITY}/add")
        assert signed_in.presses("kind") == ["totp", "recovery_codes"]
        assert {f"{SECURITY}/add/email", f"{SECURITY}/add/phone"} <= set(signed_in.ways)
        held(behind, saved(behind), offered=("email",))
        assert "You have a set; 8 codes left" in await signed_in.open(f"{SECURITY}/add")
        assert signed_in.presses("kind") == []
        assert f"{SECURITY}/add/phone" not in signed_in.ways
        assert "Passkey" not in signed_in.text
        await signed_in.open(f"{SECURITY}/add/phone")
        assert signed_in.page.status_code == 403

    async def test_an_app(self, behind: Behind, signed_in: Browser) -> None:
        """MFA-4: as a picture and as text, and it counts from its first code on."""
        await signed_in.open(f"{SECURITY}/add")
        behind.says("POST /v1/me/factors", pending_app(behind))
        behind.says(f"GET /v1/me/factors/{APP_ID}", pending_app(behind))
        await signed_in.press(kind="totp")
        assert behind.calls() == [("mfa", "/v1/me/factors", {"kind": "totp"})]
        assert signed_in.at == f"{SECURITY}/ways/{APP_ID}"
        picture = base64.b64encode(b"<svg><path d='M0 0'/></svg>").decode()
        assert f'src="data:image/svg+xml;base64,{picture}"' in signed_in.page.text
        assert "ORSX G5BR GIZT INJW G44D SMBR GIZD GNBV" in signed_in.text
        assert f'href="otpauth://totp/Elmstead:mira?secret={SECRET}"' in signed_in.page.text
        assert signed_in.forms()[0].fields == ["code"]
        behind.says(f"POST /v1/me/factors/{APP_ID}/confirm", errors.CodeWrong(tries_left=4), app(behind))
        assert "Is the clock of that device set by itself? 4 tries left." in await signed_in.press(code="111111")
        held(behind, app(behind))
        assert "Your new way is ready" in await signed_in.press(code="482 193")
        assert behind.calls()[-1] == ("mfa", f"/v1/me/factors/{APP_ID}/confirm", {"code": "482193"})
        assert signed_in.at == SECURITY
        await signed_in.open(f"{SECURITY}/ways/{APP_ID}")
        assert signed_in.at == SECURITY, "who goes back sees what there is; the secret is shown no more"

    @pytest.mark.parametrize("error", [errors.FlowEnded(), errors.CodeBurned()])
    async def test_an_app_too_late(self, behind: Behind, signed_in: Browser, error: errors.ServiceError) -> None:
        held(behind, pending_app(behind))
        await signed_in.open(f"{SECURITY}/ways/{APP_ID}")
        behind.says(f"POST /v1/me/factors/{APP_ID}/confirm", error)
        assert "Nothing was changed" in await signed_in.press(code="111111")
        assert signed_in.at == f"{SECURITY}/add"

    async def test_recovery_codes(self, behind: Behind, signed_in: Browser) -> None:
        """MFA-5: shown until they count; what they replace is said."""
        pending = saved(behind, id=MAIL_ID, status="pending", codes=CODES)
        held(behind, saved(behind), pending)
        said = await signed_in.open(f"{SECURITY}/ways/{MAIL_ID}")
        assert "K7QM-2XJD-3RTA-W400" in said
        assert "and the set of" in said
        file = await signed_in.portal.get(f"{SECURITY}/ways/{MAIL_ID}/codes.txt")
        assert file.headers["content-type"] == "text/plain; charset=utf-8"
        assert file.headers["cache-control"] == "no-store"
        assert "attachment" in file.headers["content-disposition"]
        assert file.text.split() == [f"K7QM-2XJD-3RTA-W4{place:02}" for place in range(10)]
        behind.says(f"POST /v1/me/factors/{MAIL_ID}/confirm", saved(behind, id=MAIL_ID))
        assert "Your recovery codes count from now on" in await signed_in.press(saved="1")
        assert behind.calls() == [("mfa", f"/v1/me/factors/{MAIL_ID}/confirm", {})]
        held(behind, saved(behind, id=MAIL_ID))
        assert (await signed_in.portal.get(f"{SECURITY}/ways/{MAIL_ID}/codes.txt")).status_code == 404

    async def test_the_same_screen_is_for_whom_it_was_shown(self, behind: Behind, signed_in: Browser) -> None:
        """In another tab somebody else has signed in."""
        held(behind, pending_app(behind))
        await signed_in.open(f"{SECURITY}/ways/{APP_ID}")
        behind.sessions["z" * 43] = uuid4()
        signed_in.sign_in("z" * 43)
        assert "Please press once more" in await signed_in.press(code="482193")
        assert behind.calls() == []

    async def test_signed_out_meanwhile(self, behind: Behind, signed_in: Browser) -> None:
        await signed_in.open(f"{SECURITY}/add")
        behind.sessions.clear()
        await signed_in.press(kind="totp")
        assert signed_in.page.url.raw_path == b"/demo/sign-in?to=security&ended=1"
        assert behind.calls() == []

    @pytest.mark.parametrize(
        ("kind", "said"), [("email", "We sent a mail to m•••@p•••."), ("phone", "We sent a text message to m•••@p•••.")]
    )
    async def test_where_codes_go(self, behind: Behind, signed_in: Browser, kind: str, said: str) -> None:
        """PST-1: of a phone with its risk."""
        await signed_in.open(f"{SECURITY}/add/{kind}")
        assert ("takes over your number" in signed_in.text) is (kind == "phone")
        assert signed_in.forms()[-1].fields == ["target"]
        pending = factor(behind, kind, MAIL_ID, status="pending", to="m•••@p•••")
        behind.says("POST /v1/me/factors", pending)
        behind.says(f"GET /v1/me/factors/{MAIL_ID}", pending)
        assert said in await signed_in.press(target=" mira@posteo.example ")
        assert behind.calls() == [("mfa", "/v1/me/factors", {"kind": kind, "target": "mira@posteo.example"})]
        assert f"{SECURITY}/add/{kind}" in signed_in.ways
        behind.says(f"POST /v1/me/factors/{MAIL_ID}/confirm", errors.CodeExpired(), pending | {"status": "active"})
        assert "That code is too old. Ask for a new one." in await signed_in.press(code="482193")
        assert "Your new way is ready" in await signed_in.press(code="482193")

    async def test_the_address_of_the_account(self, behind: Behind, signed_in: Browser) -> None:
        """R22: proven already, it is one press."""
        await signed_in.open(f"{SECURITY}/add/email")
        assert signed_in.presses("own") == ["1"]
        behind.says("POST /v1/me/factors", factor(behind, "email", MAIL_ID))
        assert "Your new way is ready" in await signed_in.press(own="1")
        assert behind.calls() == [("mfa", "/v1/me/factors", {"kind": "email"})]
        await signed_in.open(f"{SECURITY}/add/phone")
        assert signed_in.presses("own") == []

    async def test_sent_again(self, behind: Behind, signed_in: Browser) -> None:
        """R24, D18, E33: what became of the message, and when another one may be asked for."""
        pending = factor(behind, "email", MAIL_ID, status="pending", to="m•••@p•••")
        held(behind, pending | sent(behind, "email", "m•••@p•••", wait=12))
        assert "Handed to the mail server 3 s ago" in await signed_in.open(PENDING)
        assert 'data-countdown="12"' in signed_in.page.text
        assert f'data-poll="/v1/me/factors/{MAIL_ID}"' in signed_in.page.text
        behind.says(f"POST /v1/me/factors/{MAIL_ID}/resend", errors.TooManyRequests(12), pending)
        assert "Possible again in 12 seconds." in await signed_in.press(resend="1")
        assert signed_in.page.status_code == 429
        held(behind, pending | sent(behind, "email", "m•••@p•••", wait=20, state="queued"))
        said = await signed_in.press(resend="1")
        assert "A new mail is on its way" in said
        assert "Queued" in said
        assert behind.calls()[-1] == ("mfa", f"/v1/me/factors/{MAIL_ID}/resend", None)
        behind.says(f"POST /v1/me/factors/{MAIL_ID}/confirm", errors.CodeWrong(tries_left=4))
        assert "That code isn’t right. 4 tries left." in await signed_in.press(code="111111")

    async def test_sent_again_too_late(self, behind: Behind, signed_in: Browser) -> None:
        pending = factor(behind, "phone", MAIL_ID, status="pending", to="•••41")
        held(behind, pending | sent(behind, "sms", "•••41"))
        assert "Handed to the phone network" in await signed_in.open(PENDING)
        behind.says(f"GET /v1/me/factors/{MAIL_ID}", errors.NotFound())
        assert "This way isn’t there any more" in await signed_in.press(resend="1")

    async def test_a_number_that_cannot_be(self, behind: Behind, signed_in: Browser) -> None:
        await signed_in.open(f"{SECURITY}/add/phone")
        behind.says("POST /v1/me/factors", errors.ValidationFailed([errors.FieldError("/target", "phone_country_closed", "")]))
        assert "text messages to numbers of this country" in await signed_in.press(target="+33 1")
        assert 'value="+33 1"' in signed_in.page.text

    @pytest.mark.parametrize("kind", ["anything", ""])
    async def test_what_no_page_offers(self, behind: Behind, signed_in: Browser, kind: str) -> None:
        await signed_in.open(f"{SECURITY}/add")
        assert "That didn’t work" in await signed_in.press(kind=kind)
        assert behind.calls() == []
        await signed_in.open(f"{SECURITY}/add/{kind or 'totp'}")
        assert signed_in.page.status_code == 404


class TestNaming:
    async def test_saved(self, behind: Behind, signed_in: Browser) -> None:
        held(behind, app(behind, name="Old phone"))
        await signed_in.open(f"{SECURITY}/ways/{APP_ID}/name")
        assert 'value="Old phone"' in signed_in.page.text
        assert "Name: Please fill this in." in await signed_in.press(name=" ")
        behind.says(f"PATCH /v1/me/factors/{APP_ID}", app(behind, name="New phone"))
        assert "The name is saved" in await signed_in.press(name=" New phone ")
        assert behind.calls("PATCH") == [("mfa", f"/v1/me/factors/{APP_ID}", {"name": "New phone"})]


class TestRemoving:
    async def test_one_that_was_never_confirmed(self, behind: Behind, signed_in: Browser) -> None:
        """Without fresh authentication."""
        held(behind, pending_app(behind))
        assert "nothing changes at sign-in" in await signed_in.open(f"{SECURITY}/ways/{APP_ID}/remove")
        behind.says(f"DELETE /v1/me/factors/{APP_ID}", None)
        assert "It is removed" in await signed_in.press()
        assert behind.calls("DELETE") == [("mfa", f"/v1/me/factors/{APP_ID}", None)]
        assert signed_in.at == SECURITY

    @pytest.mark.parametrize(
        ("left", "said"),
        [
            ((), "Only the password would be left"),
            ((saved,), "Only recovery codes would be left"),
            ((phone, saved), "Only your phone would be left"),
        ],
    )
    async def test_what_would_be_left(self, behind: Behind, signed_in: Browser, left: Any, said: str) -> None:
        held(behind, app(behind), *(one(behind) for one in left))
        assert said in await signed_in.open(f"{SECURITY}/ways/{APP_ID}/remove")
        assert f"{SECURITY}/add" in signed_in.ways

    async def test_enough_would_be_left(self, behind: Behind, signed_in: Browser) -> None:
        held(behind, app(behind), phone(behind))
        said = await signed_in.open(f"{SECURITY}/ways/{PHONE_ID}/remove")
        assert "would be left" not in said
        assert "Then left Authenticator app" in said

    async def test_one_that_has_to_stay(self, behind: Behind, signed_in: Browser) -> None:
        """MFA-9."""
        held(behind, app(behind))
        await signed_in.open(f"{SECURITY}/ways/{APP_ID}/remove")
        behind.says(f"DELETE /v1/me/factors/{APP_ID}", errors.NotAllowedByPolicy())
        assert "This one has to stay" in await signed_in.press()

    @pytest.mark.parametrize("page", ["", "/name", "/remove"])
    async def test_nobodys(self, signed_in: Browser, page: str) -> None:
        """Removed in another tab, or somebody else's: the same words, and a way on (E4)."""
        assert "This way isn’t there any more" in await signed_in.open(f"{SECURITY}/ways/{uuid4()}{page}")
        assert signed_in.page.status_code == 404
        assert signed_in.ways == [SECURITY]

    async def test_gone_between(self, behind: Behind, signed_in: Browser) -> None:
        held(behind, app(behind))
        await signed_in.open(f"{SECURITY}/ways/{APP_ID}/remove")
        behind.says(LIST, {"items": [], "offered": []})
        assert "This way isn’t there any more" in await signed_in.press()
