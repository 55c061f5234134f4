"""R32, R34: personal information by its pages, with and without script, and two windows at once."""

import httpx
import pytest
from playwright.sync_api import Page, expect
from testkit.stack import Person, Product, eventually, person

from .window import PHONE, SHAPES, Visitor, at, heading

pytestmark = pytest.mark.browser


@pytest.fixture
def mira(product: Product, http: httpx.Client) -> Person:
    return person(product, http).activate()


def sign_in(page: Page, mira: Person) -> None:
    page.get_by_label("E-mail or username").fill(mira.email)
    page.get_by_role("button", name="Continue", exact=True).click()
    page.get_by_label("Password", exact=True).fill(mira.password)
    page.get_by_role("button", name="Sign in").click()


def to_name(window: Visitor) -> Page:
    page = window.open("/demo/account/personal")
    page.get_by_role("link", name="Change your name").click()
    expect(heading(page)).to_have_text("Name")
    return page


@SHAPES
def test_name_and_language(mira: Person, open_window, script: bool, size: tuple, dark: bool) -> None:
    window = open_window(size, script=script, dark=dark)
    page = window.open("/demo/account/personal")  # asks to sign in first, and leads back
    sign_in(page, mira)
    at(page, "Personal information", script=script)
    expect(page.locator("main")).to_contain_text(mira.email)
    page.get_by_role("link", name="Change your name").click()
    at(page, "Name", script=script)
    page.get_by_label("First name").fill("Mira Adaeze")
    page.get_by_label("Last name").fill("x" * 201)
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#family_name-error")).to_have_text("This isn’t in the form we can read.")
    assert page.get_by_label("First name").input_value() == "Mira Adaeze"
    page.get_by_label("Last name").fill("Okafor")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Your change is saved")).to_be_visible()
    expect(page.get_by_text("Mira Adaeze Okafor")).to_be_visible()
    page.get_by_role("link", name="Change the language of our messages").click()
    at(page, "Language", script=script)
    page.get_by_label("Language", exact=True).select_option("de")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("main")).to_contain_text("Deutsch")
    assert mira.sign_in().status_code == 200
    found = mira.http.get("/v1/me", headers=mira.bearer).json()
    assert (found["profile"]["family_name"], found["language"]) == ("Okafor", "de")


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_two_windows(mira: Person, open_window, script: bool) -> None:
    """The later press overwrites nothing that it hasn't seen: both are shown, then the customer says which."""
    first = open_window(script=script)
    first.sign_in(mira.email)
    expect(heading(first.page)).to_have_text("Hello")
    to_name(first)
    other = Visitor(first.product, first.context)
    to_name(other)
    for window, name in ((first, "Bea"), (other, "Mia")):
        window.page.get_by_label("First name").fill(name)
        window.page.get_by_role("button", name="Save").click()
    expect(other.page.get_by_text("It was changed in another window")).to_be_visible()
    at(other.page, "Name", script=script)
    expect(other.page.get_by_text("It says now: Bea")).to_be_visible()
    assert other.page.get_by_label("First name").input_value() == "Mia"
    first.open("/demo/account/personal")
    expect(first.page.locator("main")).to_contain_text("Bea")
    other.page.get_by_role("button", name="Save").click()
    expect(other.page.locator("main")).to_contain_text("Mia")


def test_which_messages(product: Product, mira: Person, open_window) -> None:
    """D27: a mail tells of the change; switched off on its page, it comes no more. Without script, on a phone."""
    window = open_window(PHONE, script=False)
    page = window.open("/demo/account/personal")
    sign_in(page, mira)
    saved(page, "Adaeze")
    product.wait_mails(mira.email, subject="information was changed")
    page.get_by_role("link", name="Change what we write to you about").click()
    at(page, "What we write to you about", script=False)
    page.get_by_label("By e-mail").uncheck()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Your change is saved")).to_be_visible()
    assert not page.get_by_label("By e-mail").is_checked()
    product.move_clock(3601)  # it isn't told more often
    page.goto(f"{product.origin}/demo/account/personal")  # the session was idle for too long
    sign_in(page, mira)
    saved(page, "Bea")
    told = "SELECT count(*) FROM delivery WHERE template = 'account_updated' AND state = 'suppressed' AND reason = 'unwanted'"
    eventually(lambda: product.rows("notifier", told)[0][0] == 1)
    assert len([one for one in product.mails(mira.email) if "information was changed" in one["subject"]]) == 1


def saved(page: Page, name: str) -> None:
    page.get_by_role("link", name="Change your name").click()
    page.get_by_label("First name").fill(name)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Your change is saved")).to_be_visible()
