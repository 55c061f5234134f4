"""Passkeys by the pages, in a browser with an authenticator in it (MFA-1, MFA-3, D12, WEB-7)."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect
from testkit.stack import Person, Product, person

from .test_second_step_pages import Owner
from .window import PHONE, WIDE, Visitor, heading

pytestmark = pytest.mark.browser
HELLO = re.compile("^Hello")


# The names' field offers nothing by itself: this browser's user would have it at once.
NOT_BY_ITSELF = "PublicKeyCredential.isConditionalMediationAvailable = () => Promise.resolve(false)"


@contextmanager
def authenticator(page: Page) -> Iterator[None]:
    """Chromium's own, built in, as a phone or laptop has one; its user presses and verifies at once."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": {**options, "automaticPresenceSimulation": True}})
    yield
    session.detach()


@pytest.fixture
def mira(product: Product, http: httpx.Client) -> Person:
    return person(product, http).activate()


def look(page: Page, name: str) -> None:
    """A picture for who wants one."""
    if folder := os.environ.get("LATCHKEY_PICTURES"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def make(owner: Owner, shape: str) -> None:
    """From the list of ways to the list of ways."""
    page = owner.page
    owner.security()
    page.get_by_role("link", name=re.compile("^Add a(nother)? way")).click()
    owner.at("Add a way to confirm it’s you")
    look(page, f"add-{shape}")
    page.get_by_role("button", name=re.compile("^Passkey")).click()
    if heading(page).inner_text() == "Confirm it’s you":
        look(page, f"step-up-{shape}")
        owner.confirm_by_password()
    owner.at("Create a passkey")
    look(page, f"create-{shape}")
    owner.press("Create passkey")
    owner.at("Name your passkey")
    look(page, f"name-{shape}")
    expect(page.get_by_label("Name", exact=True)).to_have_value(re.compile("Chrome on "))
    page.get_by_label("Name", exact=True).fill("Mira’s laptop")
    owner.press("Save name")
    owner.at("Your passkey is ready")
    look(page, f"ready-{shape}")
    page.get_by_role("link", name="Back to Sign-in & security").click()
    owner.at("Sign-in & security")
    expect(page.locator(".list li", has_text="Passkey").first).to_contain_text("Mira’s laptop")
    look(page, f"security-{shape}")


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["1280", "390"])
def test_from_the_first_press_to_the_last(product: Product, mira: Person, open_window, size: tuple[int, int]) -> None:
    """MFA-1, MFA-3: made, named; then in by it alone, by a press or out of the name's field; for a step-up; removed."""
    owner, shape = Owner(open_window(size), mira), str(size[0])
    page = owner.page
    if size == WIDE:
        page.add_init_script(NOT_BY_ITSELF)
    owner.window.sign_in(mira.email)
    expect(heading(page)).to_have_text(HELLO)
    with authenticator(page):
        make(owner, shape)
        product.wait_mails(mira.email, subject="was added")

        if size == WIDE:
            owner.sign_out()
            expect(page.get_by_label("E-mail or username")).to_have_attribute("autocomplete", "username webauthn")
            owner.at("Sign in")
            look(page, f"sign-in-{shape}")
            owner.press("Sign in with a passkey")
        else:
            owner.window.keep_cookies()
            owner.press("Sign out")  # and in again, out of the name's field
        expect(heading(page)).to_have_text(HELLO)

        owner.security()
        page.locator(".list li", has_text="Passkey").get_by_role("link", name="Remove").click()
        owner.at("Remove this passkey?")
        owner.press("Remove it")
        owner.at("Confirm it’s you")
        look(page, f"step-up-passkey-{shape}")
        owner.press("Use your passkey")
        expect(page.get_by_text("It is removed")).to_be_visible()


def test_as_the_second_step(product: Product, mira: Person, open_window) -> None:
    """MFA-1: after the password, and among the methods; trusting the device goes along."""
    owner = Owner(open_window(PHONE), mira)
    page = owner.page
    page.add_init_script(NOT_BY_ITSELF)
    owner.window.sign_in(mira.email)
    with authenticator(page):
        make(owner, "second")
        owner.sign_out()
        owner.window.sign_in(mira.email)
        owner.at("One more step")
        look(page, "second-step")
        page.get_by_role("link", name="Choose another method").click()
        owner.at("How shall we check it’s you?")
        look(page, "methods")
        page.get_by_role("link", name=re.compile("^Passkey")).click()
        page.get_by_label(re.compile("^Trust this device")).check()
        owner.press("Use your passkey")
        expect(heading(page)).to_have_text(HELLO)
        owner.sign_out()
        owner.window.sign_in(mira.email)
        expect(heading(page)).to_have_text(HELLO)


def test_offered_after_the_sign_in(product: Product, mira: Person, open_window) -> None:
    """D12: where a device can make one; not now is not never, and never is."""
    owner = Owner(open_window(PHONE), mira)
    page = owner.page
    owner.window.open("/demo/sign-in")
    with authenticator(page):
        for answer, then in (("Not now", True), ("Don’t ask again", True), ("", False)):
            owner.window.sign_in(mira.email)
            if then:
                owner.at("Sign in without a password next time?")
                look(page, "offer")
                page.get_by_text(answer, exact=True).click()
            expect(heading(page)).to_have_text(HELLO)
            owner.sign_out()


def test_without_script(product: Product, mira: Person, open_window) -> None:
    """WEB-7: it is said, and everything else works."""
    window: Visitor = open_window(PHONE, script=False)
    owner = Owner(window, mira, script=False)
    page = owner.page
    window.sign_in(mira.email)
    owner.security()
    page.get_by_role("link", name=re.compile("^Add a(nother)? way")).click()
    expect(page.get_by_text("Needs JavaScript, which is off in this browser")).to_be_visible()
    look(page, "add-no-script")
    owner.security()
    owner.sign_out()
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_hidden()
