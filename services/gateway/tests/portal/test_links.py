"""Pages of links and of recovery, in states that are hard to reach: what they say and where they lead (E4, D14)."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
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
