"""How pages speak and point: names of fields in errors, times, apostrophes, devices, support, focus (looks §4, §6)."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from gateway.portal import i18n, times
from gateway.portal.fields import twice
from gateway.portal.render import PageContext, render
from latchkey_contracts.brand import Brand, SupportTexts
from latchkey_contracts.configuration import Application
from servicekit.errors import CodeWrong, ValidationFailed

NOW = datetime(2026, 11, 26, 14, 2, 7, tzinfo=UTC)
LANGUAGES = ["en", "ar", "de", "es", "fr"]
SUPPORT = SupportTexts(en="Every day from 8 to 20.", de="Jeden Tag von 8 bis 20 Uhr.")


def page(template: str, language: str = "en", **values: Any) -> str:
    brand = Brand(name="Elmstead", brand="#0b3d45", support_phone="0800 555 0142", support_text=SUPPORT)
    application = Application.model_validate({"slug": "demo", "brand": brand, "languages": LANGUAGES})
    context = PageContext(
        application=application, language=language, nonce="n", here="/demo/x", csrf="c", now=NOW, can_reset=True
    )
    return render(template, context, **values)


def mail_page(state: str, **values: Any) -> str:
    flow = {
        "id": "f", "status": "check_your_messages", "typed": "mira@posteo.example", "next": ["resend", "code"], "link_ended": False,
        "match": "41", "channels": {"email": "ok"},
        "delivery": {"channel": "email", "state": state, "to": "m•••", "at": NOW - timedelta(seconds=7)},
        "resend": {"available_at": NOW, "retry_after_seconds": 0, "channels": ["email"]},
    }  # fmt: skip
    return page("check_mail.html", flow=flow, **{"sent": True, "ago": 7, "spacing": 20, "code_minutes": 6} | values)


def text(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html))


class TestTimes:
    @pytest.mark.parametrize(
        ("away", "language", "until", "inside"),
        [
            ({"minutes": 2}, "en", "today at 15:00", "today at 15:00"),
            ({"days": 1}, "en", "yesterday at 15:02", "yesterday at 15:02"),
            ({"days": -1}, "de", "morgen um 15:02", "morgen um 15:02"),
            ({"days": 3}, "en", "23 November at 15:02", "on 23 November at 15:02"),
            ({"days": 3}, "de", "23. November um 15:02", "am 23. November um 15:02"),
            ({"days": 3}, "es", "el 23 de noviembre a las 15:02", "el 23 de noviembre a las 15:02"),
            ({"days": 400}, "en", "22 October 2025 at 16:02", "on 22 October 2025 at 16:02"),
            ({"days": 400}, "fr", "le 22 octobre 2025 à 16:02", "le 22 octobre 2025 à 16:02"),
        ],
    )
    def test_alike_everywhere(self, away: dict[str, float], language: str, until: str, inside: str) -> None:
        """E28: in the application's zone; a day that isn't of this year with its year."""
        at, zone = NOW - timedelta(**away), ZoneInfo("Europe/Berlin")
        assert times.moment(at, NOW, zone, language) == until
        assert times.moment(at, NOW, zone, language, inside=True) == inside

    def test_a_day_as_well(self) -> None:
        assert times.day(NOW - timedelta(days=400), NOW, ZoneInfo("UTC"), "en") == "22 October 2025"


class TestWords:
    @pytest.mark.parametrize("language", ["en", "fr"])
    def test_apostrophes_are_those_of_print(self, language: str) -> None:
        """WEB-16: whatever the keyboard typed."""
        said = i18n.catalogue(language)
        assert "'" not in said.gettext("You're signed out") + said.ngettext("I'd", "We'd", 2)
        assert i18n.catalogue("en").gettext("You're signed out") == "You’re signed out"

    @pytest.mark.parametrize(
        ("language", "said"),
        [("en", "Chrome on Linux"), ("de", "Chrome auf Linux"), ("fr", "Chrome sur Linux"), ("es", "Chrome en Linux"), ("ar", "Chrome على Linux")],
    )  # fmt: skip
    def test_a_device_in_the_page_s_language(self, language: str, said: str) -> None:
        """WEB-16."""
        html = page("link_done.html", language, asked_from="Chrome on Linux")
        assert f"<bdi>{said}</bdi>" in html

    @pytest.mark.parametrize(("language", "said"), [("en", SUPPORT.en), ("de", SUPPORT.de), ("fr", SUPPORT.en)])
    def test_support(self, language: str, said: str) -> None:
        """WEB-14: in the page's language, else in the application's own; under "Stuck?", with a number that can be called."""
        html = page("sign_in.html", language, kinds=["email"], registration=True, query="", social=[])
        assert said in html.split("<aside", 1)[1]
        assert said not in html.split("<aside", 1)[0]
        assert 'href="tel:08005550142"' in html


class TestErrors:
    def test_the_summary_names_the_fields(self) -> None:
        """WEB-4: by their labels, or a short name where the label is a sentence."""
        wrong = {"current_password": "Please fill this in.", "password_again": "The two don’t match."}
        html = page(
            "change_password.html", errors=wrong, minimum=15, words=["Elmstead"], confirm_first=False, confirmed="", first=False
        )
        assert '<a href="#current_password">Current password: Please fill this in.</a>' in html
        assert '<a href="#password_again">Once more: The two don’t match.</a>' in html
        assert html.index('id="summary"') < html.index("<h1")

    def test_a_wrong_code_has_the_focus(self) -> None:
        """WEB-4: also without script."""
        assert re.search(
            r'<input id="code"[^>]* autofocus>', mail_page("handed_over", problem=CodeWrong(tries_left=3), sent=False)
        )
        assert "autofocus" not in mail_page("handed_over")

    @pytest.mark.parametrize(
        ("fields", "told"),
        [
            ({}, {"/current_password": "required", "/password": "required"}),
            ({"password": "a new one that is long"}, {"/current_password": "required", "/password_again": "mismatch"}),
            (
                {"current_password": "x", "password": "short", "password_again": "other"},
                {"/password": "password_too_short", "/password_again": "mismatch"},
            ),
        ],
    )
    def test_everything_at_once(self, fields: dict[str, str], told: dict[str, str]) -> None:
        """PWD-4, PWD-6: nothing typed isn't "not your current password", and short and mismatched is both."""
        with pytest.raises(ValidationFailed) as refused:
            twice(fields, 15, current=True)
        assert {one["field"]: one["code"] for one in refused.value.extra["errors"]} == told

    def test_typed_alike(self) -> None:
        assert twice({"password": "ok", "password_again": "ok"}, 15) == "ok", "what else is wrong with it, its rules say"


class TestWaiting:
    @pytest.mark.parametrize(("state", "said"), [("queued", True), ("handed_over", True), ("accepted", True), ("delivered", False),
                                                 ("failed", False), ("expired", False), ("suppressed", False)])  # fmt: skip
    def test_sent_again_until_it_is_certain(self, state: str, said: bool) -> None:
        """E33: it doesn't go with the first news of the new message."""
        assert ("A new mail is on its way" in mail_page(state)) is said

    def test_the_message_is_known_by_its_moment(self) -> None:
        html = mail_page("queued")
        assert 'data-at="2026-11-26T14:02:00+00:00"' in html
        assert re.search(r'<time aria-live="off" data-ago="7" data-text="{seconds} s ago" data-then="today at 14:02">', html)


class TestWaysOn:
    def test_nothing_was_opened(self) -> None:
        """E4, REG-3: "This wasn't me" says what happens and how to reach us."""
        html = page("not_me.html")
        assert "there is no account" in text(html)
        assert 'href="tel:08005550142"' in html.split("<aside", 1)[0]

    @pytest.mark.parametrize(("lost", "said"), [(False, "Call our service team: 0800 555 0142"), (True, "Recover with another address, or call us.")])  # fmt: skip
    def test_what_comes_is_said_before_the_press(self, lost: bool, said: str) -> None:
        """E4: where nothing but people help, that is said."""
        html = page("help.html", ways={"username": True, "password": True}, phone=False, lost=lost)
        assert said in text(html)

    def test_a_used_link_leads_to_securing(self) -> None:
        """E4, REG-3: whatever it was for."""
        info = {"purpose": "activation", "used_at": NOW - timedelta(hours=3), "renewable": True, "over": None}
        html = page("link_used.html", info=info)
        assert 'href="/demo/reset"' in html
        assert "used today at 11:02" in text(html)

    @pytest.mark.parametrize(("waits", "first"), [("", "/demo/sign-in"), ("/demo/reset?flow=f", "/demo/reset?flow=f")])
    def test_an_incomplete_link(self, waits: str, first: str) -> None:
        """E4: the code, where this browser waits for one."""
        html = page("link_incomplete.html", info={}, waits=waits)
        assert re.search(r'<a class="button" href="([^"]+)"', html)[1] == first
