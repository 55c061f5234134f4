"""What happened with the account, in words (E21)."""

from datetime import datetime, timedelta
from typing import Any, get_args
from uuid import uuid4

import pytest
from latchkey_contracts.http.activity import ActivityKind
from servicekit import errors

from .behind import Behind, Browser
from .test_security import SECURITY, signed_in

__all__ = ["signed_in"]
ACTIVITY = "GET /v1/me/activity"
PAGE = f"{SECURITY}/activity"


def one(kind: str, at: datetime, **more: Any) -> dict[str, Any]:
    known = {
        "device": "Firefox on Windows",
        "ip": "203.0.113.24",
        "application": "demo",
        "factor": None,
        "methods": [],
        "changed": [],
    }
    return {"id": uuid4(), "kind": kind, "at": at, "times": 1, **known, **more}


def told(behind: Behind, *items: dict[str, Any], more: str | None = None) -> None:
    behind.says(ACTIVITY, {"items": list(items), "next": more, "sign_in_days": 90, "security_days": 365})


@pytest.mark.parametrize("kind", get_args(ActivityKind))
async def test_every_kind_has_words(behind: Behind, signed_in: Browser, kind: str) -> None:
    told(behind, one(kind, behind.clock.now(), factor="totp"))
    said = await signed_in.open(PAGE)
    assert kind == "activated" or "Account activated" not in said
    assert "Firefox on Windows · 203.0.113.24" in said
    assert "_" not in said, "words, no codes"


async def test_the_last_few_on_the_security_page(behind: Behind, signed_in: Browser) -> None:
    now = behind.clock.now()
    told(behind, *(one("sign_in_failed", now - timedelta(days=day), times=day + 1) for day in range(9)))
    said = await signed_in.open(SECURITY)
    assert said.count("A wrong password was entered") == 5
    assert "A wrong password was entered 5 times" in said
    assert f'href="{PAGE}"' in signed_in.page.text


async def test_older_ones(behind: Behind, signed_in: Browser) -> None:
    told(behind, one("signed_in", behind.clock.now(), methods=["hwk"]), more="abc_-")
    said = await signed_in.open(PAGE)
    assert "Signed in with a passkey" in said
    assert "the last 90 days" in said
    assert f'href="{PAGE}?older=abc_-"' in signed_in.page.text
    told(behind)
    assert "There is nothing older" in await signed_in.open(f"{PAGE}?older=abc_-")
    assert behind.params[-1] == {"cursor": "abc_-"}


async def test_a_cursor_that_is_none(behind: Behind, signed_in: Browser) -> None:
    behind.says(ACTIVITY, errors.NotFound())
    await signed_in.open(f"{PAGE}?older={'x' * 500}")
    assert signed_in.page.status_code == 404


async def test_only_signed_in(browser: Browser) -> None:
    await browser.open(PAGE)
    assert browser.at == "/demo/sign-in"
