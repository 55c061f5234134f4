"""WEB-8: axe on every mail in every language, light and dark; also at 320 pixels and with an operator's own HTML."""

from collections.abc import Iterator
from typing import get_args

import pytest
from axe_playwright_python.sync_playwright import Axe
from latchkey_contracts.configuration import LANGUAGES
from latchkey_contracts.mfa import FactorKind
from latchkey_contracts.templates import TEMPLATES
from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
OWN = "<h1>Hello {{ name }}</h1><p>Press <a href='{{ link }}'>choose a new password</a>, or type {{ code }}.</p><ul><li>one</li></ul>"


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 320, "height": 640})
    page = context.new_page()
    page.route("**/*", lambda route: route.abort())
    yield page
    context.close()


def violations(page: Page, html: str, *rules: str) -> list[str]:
    page.set_content(html)
    options = {"runOnly": {"type": "rule", "values": list(rules)}} if rules else None
    found = Axe().run(page, options=options).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html'][:160]}" for one in found]


@pytest.mark.parametrize("template", TEMPLATES)
class TestEveryMail:
    def test_light(self, compose, page: Page, template: str):
        page.emulate_media(color_scheme="light")
        for language in LANGUAGES:
            assert violations(page, compose("email", template, language, test=True).html) == [], language
            assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), language

    def test_dark(self, compose, page: Page, template: str):
        """Only colours are others, and they are the same in every language."""
        page.emulate_media(color_scheme="dark")
        assert violations(page, compose("email", template, test=True).html, "color-contrast") == []


@pytest.mark.parametrize("factor", get_args(FactorKind))
def test_a_factors_name_fits(compose, page: Page, factor: str):
    """In 320 pixels."""
    for language in LANGUAGES:
        page.set_content(compose("email", "factor_removed", language, factor=factor).html)
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), language


def test_own_html(compose, page: Page):
    texts = {"password_reset": {"en": {"html": OWN, "text": "{{ link }} {{ code }}"}}}
    assert violations(page, compose("email", "password_reset", texts=texts).html) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_readers_choice(compose, page: Page, scheme: str):
    """Dark-safe: the card is never white in the dark, and its button keeps its shape."""
    page.emulate_media(color_scheme=scheme)
    page.set_content(compose("email", "activation").html)
    dark = scheme == "dark"
    card, button = (
        page.locator(f"td.{one}").evaluate("one => getComputedStyle(one).backgroundColor") for one in ("card", "button")
    )
    assert (card == "rgb(20, 26, 27)") == dark
    assert (card == "rgb(255, 255, 255)") != dark
    assert button == page.locator("td.button").evaluate("one => getComputedStyle(one).borderTopColor")
