"""Ways to confirm who one is by the pages, from the first to the last, and what they ask for at sign-in (R21-R29, R39, MFA-4, MFA-5, STP-1)."""

import re

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect
from testkit.stack import CODE, LINK, PASSWORD, Person, Product, person

from .factors import Member, app_code
from .window import NARROW, PHONE, WIDE, Visitor, heading, narrow_enough, violations

pytestmark = pytest.mark.browser
SHAPES = pytest.mark.parametrize(
    ("script", "size", "dark"),
    [(True, WIDE, False), (False, PHONE, False), (True, NARROW, True)],
    ids=["script", "no script", "320 px, dark"],
)
OWN_WINDOW = "Open the link in your mail"


class Owner:
    """One of an account, at its pages. `shown`: titles of those that were looked at."""

    def __init__(self, window: Visitor, one: Person, *, script: bool = True) -> None:
        self.window, self.page, self.one, self.script = window, window.page, one, script
        self.secret = ""
        self.shown: set[str] = set()

    def at(self, title: str) -> None:
        """That the page is there, wide or narrow, and nothing is wrong with it (WEB-6)."""
        expect(heading(self.page)).to_have_text(title)
        assert narrow_enough(self.page), title
        assert not self.script or not violations(self.page), title
        self.shown.add(title)

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name).click()

    def type_code(self, code: str, button: str = "Continue") -> None:
        self.field.fill(code)
        self.page.get_by_role("button", name=button, exact=True).click()

    @property
    def field(self) -> Locator:
        return self.page.locator("#code")

    def app(self) -> str:
        """What the app shows; the one before is spent (OTP-3)."""
        self.one.product.move_clock(31)
        return app_code(self.secret, self.one.product.now().timestamp())

    def mailed(self, subject: str, count: int = 1) -> str:
        return CODE.findall(self.one.product.wait_mails(self.one.email, count, subject=subject)[count - 1]["text"])[0]

    def security(self) -> None:
        self.window.open("/demo/account/security")
        self.at("Sign-in & security")

    def confirm_by_password(self) -> None:
        self.at("Confirm it’s you")
        self.page.get_by_label("Password", exact=True).fill(PASSWORD)
        self.press("Continue with password")

    def add(self, way: str) -> None:
        self.security()
        self.page.get_by_role("link", name=re.compile("^Add a(nother)? way")).click()
        self.at("Add a way to confirm it’s you")
        self.page.locator(".choices").get_by_text(way, exact=True).click()

    def set_up_app(self) -> None:
        self.at("Set up your authenticator app")
        assert self.page.locator(".scan img").evaluate("one => one.complete && one.naturalWidth > 0")
        self.secret = self.page.locator(".scan code").inner_text().replace(" ", "").replace("\n", "")
        self.one.product.secrets.add(self.secret)
        self.type_code("000000", "Confirm")
        expect(self.page.get_by_text("Is the clock of that device set by itself?")).to_be_visible()
        self.at("Set up your authenticator app")
        self.type_code(self.app(), "Confirm")
        expect(self.page.get_by_text("Your new way is ready")).to_be_visible()
        self.at("Sign-in & security")

    def sign_out(self) -> None:
        self.window.keep_cookies()
        self.press("Sign out")
        expect(heading(self.page)).to_have_text("Sign in")


@pytest.fixture
def mira(product: Product, http: httpx.Client) -> Person:
    return person(product, http).activate()


@SHAPES
def test_an_app_from_the_first_press_to_the_last(
    product: Product, mira: Person, open_window, script: bool, size: tuple, dark: bool
) -> None:
    """R22, R39: set up after the password, asked for at sign-in; codes to keep; removed by one of them, and the password is enough again."""
    owner = Owner(open_window(size, script=script, dark=dark), mira, script=script)
    page = owner.page
    owner.window.sign_in(mira.email)
    page.get_by_role("link", name="Ways to confirm it’s you").click()
    owner.add("Authenticator app")
    owner.confirm_by_password()
    owner.set_up_app()
    product.wait_mails(mira.email, subject="was added")
    owner.add("Recovery codes")
    owner.at("Confirm it’s you")
    owner.type_code(owner.app())
    owner.at("Your recovery codes")
    codes = page.locator("#codes code").all_inner_texts()
    product.secrets.update(one.replace("-", "") for one in codes)
    assert len(set(codes)) == 10
    owner.press("I’ve saved them")
    expect(page.get_by_text("Your recovery codes count from now on")).to_be_visible()
    owner.sign_out()

    owner.window.sign_in(mira.email)
    owner.at("Enter the code")
    owner.type_code("000000")
    expect(page.get_by_text("That code isn’t right.")).to_be_visible()
    owner.at("Enter the code")
    assert not [one for one in owner.window.context.cookies() if one["name"] == "latchkey_session"]
    owner.type_code(owner.app())
    expect(heading(page)).to_have_text(re.compile("^Hello"))

    owner.security()
    expect(page.get_by_text("10 codes left.")).to_be_visible()
    page.locator(".list li", has_text="Authenticator app").get_by_role("link", name="Remove").click()
    owner.at("Remove the authenticator app?")
    owner.press("Remove it")
    owner.at("Confirm it’s you")
    page.locator("summary", has_text="Choose another method").click()
    owner.press("Recovery code")
    owner.at("Confirm it’s you")
    owner.type_code(codes[0].lower())
    expect(page.get_by_text("It is removed")).to_be_visible()
    owner.sign_out()
    owner.window.sign_in(mira.email)
    expect(heading(page)).to_have_text(re.compile("^Hello"))
    assert len(owner.shown) == 7, owner.shown


@SHAPES
def test_an_address_by_code_and_by_link(
    product: Product, mira: Person, open_window, script: bool, size: tuple, dark: bool
) -> None:
    """R24 to R29, D16, D17: nothing is sent unasked; a code, a link and back on the methods page; the press signs both windows in."""
    owner = Owner(open_window(size, script=script, dark=dark), mira, script=script)
    page = owner.page
    owner.window.sign_in(mira.email)
    owner.add("E-mail")
    owner.at("Add an e-mail address")
    page.get_by_label("E-mail").fill(mira.email)
    owner.press("Send me a code")
    owner.confirm_by_password()
    owner.at("Enter the code")
    owner.mailed("Confirm this")
    expect(page.locator(".way .now")).to_contain_text(re.compile("Handed to the mail server|Queued"))
    product.move_clock(21)
    page.reload()
    owner.press("Send again")
    expect(page.get_by_text("A new mail is on its way")).to_be_visible()
    owner.at("Enter the code")
    owner.type_code(owner.mailed("Confirm this", 2), "Add this address")
    expect(page.get_by_text("Your new way is ready")).to_be_visible()
    owner.sign_out()

    owner.window.sign_in(mira.email)
    owner.at("One more step")
    owner.press("Send me a code")
    owner.at("Enter the code")
    owner.mailed("sign in to")
    other_method(owner, "Link by mail")
    owner.at(OWN_WINDOW)
    number = page.locator(".number strong")
    expect(number).to_have_text(re.compile(r"^\d\d$"))
    owner.one.product.wait_mails(mira.email, subject="link to sign in")
    other_method(owner, "E-mail")
    owner.at("Enter the code")
    expect(number).to_have_count(0)
    other_method(owner, "Link by mail")
    owner.at(OWN_WINDOW)
    tab = Owner(owner.window, mira, script=script)
    tab.page = owner.window.context.new_page()
    newest = product.wait_mails(mira.email, 2, subject="link to sign in")
    superseded, link = (LINK.search(one["text"])[0] for one in newest)
    tab.page.goto(superseded)
    tab.at("There is a newer link")
    tab.page.goto(link)
    tab.at("Sign in here?")
    expect(tab.page.locator(".facts")).to_contain_text("Sent to")
    tab.press("Sign me in")
    expect(heading(tab.page)).to_have_text(re.compile("^Hello"))
    if not script:
        page.get_by_role("link", name="I’ve pressed it, go on").click()
    expect(heading(page)).to_have_text(re.compile("^Hello"))
    tab.page.goto(link)
    tab.at("This link has done its work")


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_the_address_of_the_account(mira: Person, open_window, script: bool) -> None:
    """R22: its activation has proven it, so one press makes it a way; the next sign-in asks for it."""
    owner = Owner(open_window(script=script), mira, script=script)
    owner.window.sign_in(mira.email)
    owner.add("E-mail")
    owner.at("Add an e-mail address")
    owner.press("Use it")
    owner.confirm_by_password()
    expect(owner.page.get_by_text("Your new way is ready")).to_be_visible()
    owner.sign_out()
    owner.window.sign_in(mira.email)
    owner.at("One more step")


def other_method(owner: Owner, name: str) -> None:
    owner.one.product.move_clock(21)
    owner.page.get_by_role("link", name="Choose another method").click()
    owner.at("How shall we check it’s you?")
    owner.page.get_by_role("button", name=re.compile(f"^{name}")).click()


class TestLinkElsewhere:
    """LNK-3, D17: the window that asked goes on by itself, and only there is a session."""

    @pytest.fixture
    def asking(self, mira: Person, open_window) -> Owner:
        """Waits for the link."""
        mira.sign_in()
        Member(mira).add_address()
        owner = Owner(open_window(), mira)
        owner.window.sign_in(mira.email)
        expect(heading(owner.page)).to_have_text("One more step")
        owner.page.get_by_role("link", name="Choose another method").click()
        owner.page.get_by_role("button", name=re.compile("^Link by mail")).click()
        owner.at(OWN_WINDOW)
        return owner

    @SHAPES
    def test_with_the_number(self, product: Product, asking: Owner, open_window, script: bool, size: tuple, dark: bool) -> None:
        there = elsewhere(open_window(size, script=script, dark=dark), asking, script=script)
        expect(there.page.locator(".facts")).to_contain_text("Chrome on Linux")
        there.page.get_by_label("Two digits").fill(number_of(asking.page))
        there.press("Confirm")
        there.at("Done. Your other window goes on by itself.")
        assert not [one for one in there.window.context.cookies() if one["name"] == "latchkey_session"]
        expect(heading(asking.page)).to_have_text(re.compile("^Hello"))

    def test_with_a_wrong_number(self, product: Product, asking: Owner, open_window) -> None:
        """It ends the link; the waiting window says so and offers another one."""
        there, number = elsewhere(open_window(PHONE), asking), number_of(asking.page)
        there.page.get_by_label("Two digits").fill("10" if number != "10" else "11")
        there.press("Confirm")
        there.at("That wasn’t the number")
        expect(asking.page.get_by_text("Another number was typed, so that link has ended")).to_be_visible()
        asking.at("One more step")
        product.move_clock(21)
        asking.page.reload()
        asking.press("Send the link again")
        asking.at(OWN_WINDOW)
        assert number_of(asking.page) == number


def elsewhere(window: Visitor, asking: Owner, *, script: bool = True) -> Owner:
    found = Owner(window, asking.one, script=script)
    found.window.open(LINK.search(asking.one.product.wait_mails(asking.one.email, subject="link to sign in")[0]["text"])[0])
    found.at("Which number does your other window show?")
    return found


def number_of(page: Page) -> str:
    return page.locator(".number strong").inner_text()
