"""A person's browser window in tests: remembers what went wrong in it, knows the ways through the pages."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Error, Locator, Page, expect
from testkit.stack import PASSWORD, Product

WIDE, PHONE, NARROW = (1280, 800), (390, 844), (320, 640)
SHOTS = os.environ.get("LATCHKEY_SCREENSHOTS")  # a folder, to look at them
SHAPES = pytest.mark.parametrize(
    ("script", "size", "dark"),
    [(True, WIDE, False), (False, PHONE, False), (True, NARROW, True)],
    ids=["script", "no script", "320 px, dark"],
)
PATIENCE = 20_000  # milliseconds; a machine that has other things to do takes seconds for a page
expect.set_options(timeout=PATIENCE)


class Visitor:
    """A browser window that remembers everything that went wrong in it."""

    def __init__(self, product: Product, context: BrowserContext) -> None:
        self.product = product
        self.context = context
        self.page: Page = context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.problems: list[str] = []
        self.origins: set[str] = set()
        self.expected: set[str] = set()  # origins of others that a test leads to
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", lambda line: self.problems.append(line.text) if "Content Security Policy" in line.text else None)
        self.page.on("request", lambda request: self.origins.add(re.sub(r"^(\w+://[^/]+).*", r"\1", request.url)))

    def open(self, path: str) -> Page:
        self.page.goto(path if path.startswith("http") else self.product.origin + path)
        return self.page

    def keep_cookies(self) -> None:
        for cookie in self.context.cookies():
            if len(cookie["value"]) >= 40 and cookie["name"].startswith("latchkey_"):
                self.product.secrets.add(cookie["value"])

    def sign_up(self, email: str, password: str = PASSWORD) -> None:
        self.open("/demo/sign-up")
        self.page.get_by_label("E-mail").fill(email)
        self.page.get_by_label("First name").fill("Mira")
        self.page.get_by_label("Password", exact=True).fill(password)
        self.page.get_by_role("button", name="Create account").click()

    def sign_in(self, email: str, password: str = PASSWORD) -> None:
        self.open("/demo/sign-in")
        self.page.get_by_label("E-mail or username").fill(email)
        self.page.get_by_role("button", name="Continue", exact=True).click()
        self.page.get_by_label("Password", exact=True).fill(password)
        self.page.get_by_role("button", name="Sign in").click()


def heading(page: Page) -> Locator:
    return page.get_by_role("heading", level=1)


def violations(page: Page) -> list[str]:
    """What axe finds."""
    found = _whole(page, lambda: Axe().run(page).response["violations"])
    return [f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in found]


def narrow_enough(page: Page) -> bool:
    return bool(
        _whole(page, lambda: page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))
    )


def _whole(page: Page, look: Callable[[], Any]) -> Any:
    """Once the page is whole: a click only waits until the next one begins, and a waiting page loads anew when something has
    happened, also in the middle of a look.
    """
    for _ in range(5):
        page.wait_for_load_state()
        try:
            return look()
        except Error as error:
            if "context was destroyed" not in str(error):
                raise
    raise AssertionError("this page never stays")


def at(page: Page, title: str, *, script: bool = True) -> None:
    """On this page, which fits its window and has no barrier that axe knows."""
    expect(heading(page)).to_have_text(title)
    assert narrow_enough(page), title
    assert not script or not violations(page), title


def shoot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}-{(page.viewport_size or {})['width']}.png", full_page=True)
