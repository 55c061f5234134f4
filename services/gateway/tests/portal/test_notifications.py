"""Which messages the customer gets, chosen on a page (D27)."""

from typing import Any

from servicekit import errors

from .behind import Behind, Browser
from .test_security import signed_in

__all__ = ["signed_in"]
PATH, PAGE = "/v1/me/notification-preferences", "/demo/account/notifications"


def chosen(behind: Behind, *, wanted: bool) -> None:
    def one(kind: str, channel: str, *, wanted: bool, fixed: bool) -> dict[str, Any]:
        return {"kind": kind, "channel": channel, "wanted": wanted, "fixed": fixed}

    items = [one("security", channel, wanted=True, fixed=True) for channel in ("email", "sms")]
    behind.says(f"GET {PATH}", {"items": [*items, one("account", "email", wanted=wanted, fixed=False)]})
    behind.says(f"PATCH {PATH}", {"items": []})


async def test_what_is_fixed_has_no_box(behind: Behind, signed_in: Browser) -> None:
    chosen(behind, wanted=True)
    said = await signed_in.open(PAGE)
    assert "By e-mail Always sent By text message Always sent" in said
    assert signed_in.page.text.count('type="checkbox"') == 1
    assert 'name="account.email" checked' in signed_in.page.text


async def test_off_and_on(behind: Behind, signed_in: Browser) -> None:
    """A box that isn't ticked isn't sent."""
    chosen(behind, wanted=True)
    await signed_in.open(PAGE)
    said = await signed_in.press(PAGE)
    await signed_in.press(PAGE, **{"account.email": "on"})
    assert "Your change is saved" in said
    asked = [("account", "email", False), ("account", "email", True)]
    items = [[dict(zip(("kind", "channel", "wanted"), one, strict=True))] for one in asked]
    assert behind.calls("PATCH") == [("notifier", PATH, {"items": one}) for one in items]


async def test_not_offered_where_it_is_off(behind: Behind, signed_in: Browser) -> None:
    """R46."""
    behind.says(f"GET {PATH}", errors.FeatureDisabled())
    await signed_in.open(PAGE)
    assert signed_in.page.status_code == 403


async def test_only_signed_in(browser: Browser) -> None:
    await browser.open(PAGE)
    assert browser.at == "/demo/sign-in"
    assert "to=notifications" in str(browser.page.url)
