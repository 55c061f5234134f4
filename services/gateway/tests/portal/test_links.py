"""Pages of links and of recovery, in states that are hard to reach: what they say and where they lead (E4, D14)."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from gateway.portal import links
from gateway.portal.render import PageContext, render
from latchkey_contracts.brand import Brand
from latchkey_contracts.configuration import Application

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
        assert links._renewed(purpose, can_reset=can_reset) is expected


@pytest.mark.parametrize("state", ["valid", "expired", "used", "ended", "superseded"])
class TestOver:
    """REC-12: whatever the link's own state, the page says how the recovery ended."""

    def of(self, over: str | None, state: str, **more: bool) -> str:
        template, status = links._shown({"purpose": "recovery_cancel", "state": state, "over": over})
        assert status == 410
        return shown(template, context(**more), purpose="recovery_cancel", over=over, to=None, renewable=False)

    def test_effective(self, state: str) -> None:
        page = self.of("effective", state)
        assert "This recovery took effect" in page
        assert "<bdi>11:02</bdi>" in page
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
            assert links._shown({"purpose": "recovery_cancel", "state": state, "over": None}) == ("stop_recovery.html", 200)
            return
        page = self.of(None, state)
        assert "t stop it any more" in page
        assert ways(page) == ["/demo/reset", "/demo/help/people"]
