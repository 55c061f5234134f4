"""Pages of links and of recovery, in states that are hard to reach: what they say and where they lead (E4, D14)."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from gateway.portal import purposes
from gateway.portal.render import PageContext, render
from latchkey_contracts.brand import Brand
from latchkey_contracts.configuration import Application
from latchkey_contracts.http.links import LinkDone, LinkFlow, LinkInfo

NOW = datetime(2026, 11, 26, 14, 2, 7, tzinfo=UTC)


def context(*, can_reset: bool = True, language: str = "en") -> PageContext:
    brand = Brand(name="Elmstead", brand="#0b3d45", support_phone="0800 555 0142")
    application = Application(slug="demo", brand=brand, languages=["en", "ar", "de", "es", "fr"])
    return PageContext(
        application=application, language=language, nonce="n", here="/demo/l", csrf="c", now=NOW, can_reset=can_reset
    )


def shown(
    template: str, page: PageContext, *, purpose: str = "password_reset", to: str | None = "m•••@posteo.example", **more: Any
) -> str:
    past = NOW - timedelta(hours=3)
    info = {"purpose": purpose, "to": to, "expires_at": past, "used_at": past, "superseded_at": past, "requested_at": past}
    info |= {"renewable": True, "over": None}
    values = {"problem": None, "again": "reset", "at": NOW, "info": info | more}
    return render(template, page, **values)


def ways(page: str) -> list[str]:
    main = page.split("<main", 1)[1].split("</main", 1)[0]
    return re.findall(r'(?:href|action)="(/demo/[^"]*)"', main)


class TestWithoutReset:
    @pytest.mark.parametrize(
        ("template", "purpose"),
        [
            ("link_used.html", "password_reset"),
            ("link_used.html", "freeze"),
            ("link_ended.html", "password_reset"),
            ("link_expired.html", "freeze"),
            ("recovery_stopped.html", "recovery_cancel"),
            ("recovery_ended.html", "password_reset"),
            ("frozen.html", "freeze"),
        ],
    )
    def test_leads_to_people_instead(self, template: str, purpose: str) -> None:
        """D14: a page that is switched off is no way on."""
        assert "/demo/reset" in ways(shown(template, context(), purpose=purpose))
        page = shown(template, context(can_reset=False), purpose=purpose)
        assert "/demo/reset" not in ways(page)
        assert "/demo/help/people" in ways(page)
        assert "new password" not in page

    def test_a_waiting_recovery_does_not_mention_it(self) -> None:
        assert "set a new password" in render("lost_waiting.html", context(), at=NOW, to="a@b.example")
        assert "set a new password" not in render("lost_waiting.html", context(can_reset=False), at=NOW, to="a@b.example")


class TestRenewable:
    @pytest.mark.parametrize("template", ["link_expired.html", "link_superseded.html"])
    def test_no_button_that_fails(self, template: str) -> None:
        """R19, E4: where no fresh one can be sent, one is asked for anew, or people help."""
        assert "/demo/l/renew" in ways(shown(template, context()))
        page = shown(template, context(), renewable=False, to=None)
        assert "Ask for a new one" in page
        assert ways(page) == ["/demo/reset", "/demo/sign-in"]
        page = shown(template, context(can_reset=False), renewable=False, to=None)
        assert ways(page) == ["/demo/help/people", "/demo/sign-in"]
        assert "None" not in page

    def test_without_an_address(self) -> None:
        page = shown("link_expired.html", context(), to=None)
        assert "we can send a fresh one." in page
        assert "None" not in page
        assert "/demo/l/renew" in ways(page)

    @pytest.mark.parametrize(
        ("purpose", "can_reset", "expected"),
        [("activation", False, True), ("password_reset", True, True), ("password_reset", False, False), ("freeze", True, False)],
    )
    def test_by_purpose(self, purpose: str, can_reset: bool, expected: bool) -> None:
        info = LinkInfo(purpose=purpose, state="expired")
        assert purposes.renewable(info, can_reset=can_reset) is expected


class TestSignIn:
    """R26, R29: no fresh one of itself; another attempt sends one, and so every state leads there (E4)."""

    @pytest.mark.parametrize(
        ("state", "said"),
        [
            ("expired", "just sign in again, and we send a new one"),
            ("superseded", "only the newest works"),
            ("ended", "that sign-in is over"),
            ("used", "If that was you, just sign in."),
        ],
    )
    def test_every_state_leads_to_the_sign_in(self, state: str, said: str) -> None:
        template, status = purposes.shown(LinkInfo(purpose="sign_in", state=state))
        assert status == 410
        for can_reset in (True, False):
            page = shown(template, context(can_reset=can_reset), purpose="sign_in", renewable=False)
            assert said in page
            assert ways(page)[0] == "/demo/sign-in"
            assert "/demo/l/renew" not in ways(page)

    def test_says_where_it_went(self) -> None:
        """LNK-4: and when and from which device it was asked; one button."""
        page = shown("sign_in_press.html", context(), purpose="sign_in", requested_from="Firefox on Windows")
        for said in ("<dt>Sent to</dt>", "m•••@posteo.example", "today at 11:02", "Firefox on Windows"):
            assert said in page
        main = page.split("<main", 1)[1].split("</main", 1)[0]
        assert main.count("<button") == 1

    def test_somebody_knows_the_password(self) -> None:
        """The link comes after it."""
        page = shown("link_elsewhere.html", context(), purpose="sign_in", requested_from=None)
        assert "/demo/reset" in ways(page)
        page = shown("link_elsewhere.html", context(can_reset=False), purpose="sign_in", requested_from=None)
        assert "/demo/reset" not in ways(page)


@pytest.mark.parametrize("state", ["valid", "expired", "used", "ended", "superseded"])
class TestOver:
    """REC-12: whatever the link's own state, the page says how the recovery ended."""

    def of(self, over: str | None, state: str, **more: bool) -> str:
        template, status = purposes.shown(LinkInfo(purpose="recovery_cancel", state=state, over=over))
        assert status == 410
        return shown(template, context(**more), purpose="recovery_cancel", over=over, to=None, renewable=False)

    def test_effective(self, state: str) -> None:
        page = self.of("effective", state)
        assert "This recovery took effect" in page
        assert "<bdi>today at 11:02</bdi>" in page
        assert ways(page) == ["/demo/reset", "/demo/help/people"]
        page = self.of("effective", state, can_reset=False)
        assert "Call us now." in page
        assert ways(page) == ["/demo/help/people", "/demo/sign-in"]

    def test_cancelled_and_void(self, state: str) -> None:
        for over, title in (("cancelled", "It is stopped"), ("void", "This recovery is over")):
            page = self.of(over, state)
            assert title in page
            assert "Your account is as it was." in page

    def test_not_said(self, state: str) -> None:
        """By a service that is older than this page."""
        if state == "valid":
            info = LinkInfo(purpose="recovery_cancel", state=state)
            assert purposes.shown(info) == ("stop_recovery.html", 200)
            return
        page = self.of(None, state)
        assert "t stop it any more" in page
        assert ways(page) == ["/demo/reset", "/demo/help/people"]


class TestElsewhere:
    """LNK-3: what the other window's number does is said by what the link is for."""

    @pytest.mark.parametrize(
        ("purpose", "words", "panel"),
        [
            ("activation", "to activate your account", True),
            ("password_reset", "to set a new password there", False),
            ("sign_in", "to sign in there", False),
            ("contact_change", "to confirm it there", False),
            (None, "to go on there", False),
        ],
    )
    def test_words(self, purpose: str | None, words: str, panel: bool) -> None:
        page = shown("link_elsewhere.html", context(), purpose=purpose, requested_from=None)
        assert f"Type its two digits {words}." in page
        assert ("Use the password you chose" in page) is panel

    def test_in_german(self) -> None:
        page = shown("link_elsewhere.html", context(language="de"), purpose="activation", requested_from=None)
        assert "um Ihr Konto zu aktivieren" in page


class TestEveryAnswer:
    """What a press answers leads to a page (E4)."""

    def test_what_is_done_is_said(self) -> None:
        states = {one.model_fields["state"].default for one in get_args(LinkDone)}
        assert states <= set(purposes.DONE)

    def test_what_goes_on_has_a_page(self) -> None:
        assert {one.model_fields["kind"].default for one in get_args(LinkFlow)} == set(purposes.WAITS)
