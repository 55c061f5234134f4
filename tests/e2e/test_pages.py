"""The hosted pages in a real browser: the journey with and without JavaScript, at 320 px, by keyboard, checked by axe."""

import re
from uuid import UUID

import httpx
import pytest
from playwright.sync_api import Page, expect
from testkit.stack import CODE, LINK, PASSWORD, Person, Product, new_email, person

from .phones import new_number, opened
from .window import NARROW, PHONE, WIDE, Visitor, heading, narrow_enough, violations

pytestmark = pytest.mark.browser


class TestJourney:
    @pytest.mark.parametrize(
        ("script", "size"), [(True, WIDE), (False, PHONE), (True, NARROW)], ids=["script", "no script", "320 px"]
    )
    def test_register_activate_sign_in_sign_out(self, product: Product, open_window, script: bool, size: tuple) -> None:
        """R2-R7, D1-D4, WEB-7: the same journey with JavaScript off and on a narrow phone."""
        window, email = open_window(size, script=script), new_email()
        window.sign_up(email)
        page = window.page
        expect(heading(page)).to_have_text("Check your mail")
        expect(page.locator(".lead strong")).to_have_text(email)  # in full, so that a slip is seen
        expect(page.locator(".number strong")).to_have_text(re.compile(r"^\d\d$"))
        link = LINK.search(product.wait_mails(email)[0]["text"])[0]
        tab = window.context.new_page()
        tab.goto(link)
        assert re.fullmatch(rf"{product.origin}/demo/l\?link=\w{{12}}", tab.url), "LNK-8: no token in the address"
        expect(heading(tab)).to_have_text("Activate your account?")
        assert tab.locator("main button").count() == 1, "the only submit in <main>"
        tab.get_by_role("link", name="This wasn’t me").click()
        expect(heading(tab)).to_have_text("Nothing was opened in your name")
        tab.goto(link)
        tab.get_by_role("button", name="Activate my account").click()
        expect(heading(tab)).to_have_text("Your account is ready")
        expect(tab.locator(".lead")).to_have_text("Welcome, Mira. Your address is confirmed.")
        if script:
            expect(heading(page)).to_have_text("Your account is ready")  # the window that asked goes on by itself (D17)
        else:
            page.get_by_role("link", name="I’ve pressed it, go on").click()
            expect(heading(page)).to_have_text("Your account is ready")
        window.sign_in(email)
        expect(heading(page)).to_have_text("Hello, Mira")
        for area in ("Personal information", "Sign-in & security", "Privacy & data"):
            expect(page.get_by_role("heading", name=area)).to_be_visible()
        window.keep_cookies()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_text("You’re signed out")).to_be_visible()
        page.go_back()
        page.reload()
        expect(heading(page)).to_have_text("Sign in")  # WEB-15: Back shows nothing personal

    def test_the_code_instead_of_the_link(self, product: Product, window: Visitor) -> None:
        """LNK-11, OTP-8."""
        email = new_email()
        window.sign_up(email)
        code = re.search(r"(?m)^(\d{3} \d{3})$", product.wait_mails(email)[0]["text"])[1]
        field = window.page.get_by_label("Or type the code from the mail")
        assert field.get_attribute("autocomplete") == "one-time-code"
        assert field.get_attribute("inputmode") == "numeric"
        field.fill("000 000" if code != "000 000" else "111 111")
        window.page.get_by_role("button", name="Continue", exact=True).click()
        expect(window.page.get_by_text("That code isn’t right.")).to_be_visible()
        expect(field).to_be_focused()
        field.fill(code)
        window.page.get_by_role("button", name="Continue", exact=True).click()
        expect(heading(window.page)).to_have_text("Your account is ready")

    def test_friendly_url(self, product: Product, window: Visitor) -> None:
        """R31."""
        assert window.open("/go/demo").url == f"{product.origin}/demo/sign-in"

    def test_opened_on_another_device(self, product: Product, open_window) -> None:
        """D17, LNK-3: the number, right; the asking window goes on, the other device stays empty."""
        asking, other, email = open_window(), open_window(PHONE), new_email()
        asking.sign_up(email)
        number = asking.page.locator(".number strong").inner_text()
        other.open(LINK.search(product.wait_mails(email)[0]["text"])[0])
        expect(heading(other.page)).to_have_text("Which number does your other window show?")
        expect(other.page.get_by_text(number, exact=True)).to_have_count(0)
        other.page.get_by_label("Two digits").fill(number)
        other.page.get_by_role("button", name="Confirm").click()
        expect(heading(other.page)).to_have_text("Done. Your other window goes on by itself.")
        expect(other.page.locator(".facts")).to_contain_text("Chrome on Linux")
        assert not [one for one in other.context.cookies() if one["name"] == "latchkey_session"]
        expect(heading(asking.page)).to_have_text("Your account is ready")

    def test_wrong_number(self, product: Product, open_window) -> None:
        """D17: it ends the link, and the asking window says so."""
        asking, other, email = open_window(), open_window(PHONE), new_email()
        asking.sign_up(email)
        number = asking.page.locator(".number strong").inner_text()
        other.open(LINK.search(product.wait_mails(email)[0]["text"])[0])
        other.page.get_by_label("Two digits").fill("10" if number != "10" else "11")
        other.page.get_by_role("button", name="Confirm").click()
        expect(heading(other.page)).to_have_text("That wasn’t the number")
        expect(asking.page.get_by_text("Another number was typed, so that link has ended")).to_be_visible()

    def test_the_window_that_asked_is_gone(self, product: Product, open_window) -> None:
        """REG-3: with the password chosen at registration."""
        asking, other, email = open_window(), open_window(PHONE, script=False), new_email()
        asking.sign_up(email)
        other.open(LINK.search(product.wait_mails(email)[0]["text"])[0])
        other.page.locator("summary", has_text="That window is gone?").click()
        other.page.get_by_label("Password", exact=True).fill(PASSWORD)
        other.page.get_by_role("button", name="Activate with the password").click()
        expect(heading(other.page)).to_have_text("Your account is ready")

    def test_scanner_loads_but_does_not_press(self, product: Product, open_window) -> None:
        """LNK-2: a browser that loads the link, runs its scripts, scrolls and opens every link does not consume it."""
        asking, scanner, email = open_window(), open_window(), new_email()
        asking.sign_up(email)
        link = LINK.search(product.wait_mails(email)[0]["text"])[0]
        scanner.page.clock.install()
        page = scanner.open(link)
        page.mouse.wheel(0, 4000)
        page.clock.run_for(15_000)  # every timer of those seconds, at once
        page.wait_for_load_state("networkidle")
        for href in page.eval_on_selector_all("a[href]", "all => all.map(one => one.href)"):
            if href.startswith(product.origin):
                scanner.context.request.get(href)
        tab = asking.context.new_page()
        tab.goto(link)
        tab.get_by_role("button", name="Activate my account").click()
        expect(heading(tab)).to_have_text("Your account is ready")

    def test_signed_in_as_another(self, product: Product, open_window, http: httpx.Client) -> None:
        """LNK-4: whoever is signed in stays so unless she chooses otherwise."""
        victim, attacker = person(product, http).activate(), person(product, http)
        attacker.register()
        window = open_window()
        window.sign_in(victim.email)
        expect(heading(window.page)).to_contain_text("Hello")
        window.open(LINK.search(attacker.mail()["text"])[0])
        expect(heading(window.page)).to_have_text("You’re signed in as p•••@p•••")
        window.page.get_by_role("button", name="Sign out and go on").click()
        expect(heading(window.page)).to_have_text("Which number does your other window show?")
        assert attacker.read()["status"] == "check_your_messages"


class TestStates:
    def opened(self, window: Visitor, one: Person) -> Page:
        return window.open(LINK.search(one.mail()["text"])[0])

    def test_used_superseded_expired_incomplete(self, product: Product, http: httpx.Client, open_window) -> None:
        """E4, LNK-10: each in its own words, with a next step; the address is not asked again."""
        used, old, late = (person(product, http) for _ in range(3))
        used.register()
        used.confirm()
        page = self.opened(open_window(PHONE), used)
        expect(heading(page)).to_have_text("This link has done its work")
        expect(page.get_by_role("link", name="Go to sign-in")).to_be_visible()

        old.register()
        old.mail()
        product.move_clock(21)
        old.post(f"/registrations/{old.flow['id']}/resend", {})
        product.wait_mails(old.email, 2)
        expect(heading(self.opened(open_window(PHONE), old))).to_have_text("There is a newer link")

        late.register()
        late.mail()
        product.move_clock(24 * 3600 + 5)
        page = self.opened(open_window(PHONE, script=False), late)
        expect(heading(page)).to_have_text("This link is too old")
        page.get_by_role("button", name="Send a new link").click()
        expect(heading(page)).to_have_text("Check your mail")
        product.wait_mails(late.email, 2)

        page = open_window(PHONE).open(f"/demo/l/{'x' * 43}")
        expect(heading(page)).to_have_text("This link is incomplete")

    def test_addresses_that_only_take_a_press(self, product: Product, http: httpx.Client, open_window) -> None:
        """E4, LNK-8: the links of a page that such an address shows lead back to it, in the language chosen, and the link is kept."""
        old = person(product, http)
        old.register()
        token = old.link()
        product.move_clock(21)
        old.post(f"/registrations/{old.flow['id']}/resend", {})
        page = open_window(NARROW, script=False).open(f"/demo/l/{token}")
        expect(heading(page)).to_have_text("There is a newer link")
        link = page.url.split("?")[1]
        page.goto(f"{product.origin}/demo/l/renew?{link}&ui_locales=de")
        assert page.url == f"{product.origin}/demo/l?{link}&ui_locales=de"
        expect(heading(page)).to_have_text("Es gibt einen neueren Link")
        page.goto(f"{product.origin}/demo/sign-in?ui_locales=en")
        page.get_by_label("E-mail or username").fill(old.email)
        page.get_by_role("button", name="Continue", exact=True).click()
        page.get_by_label("Password", exact=True).fill("not the password at all")
        page.get_by_role("button", name="Sign in").click()
        page.locator(".languages summary").click()
        page.get_by_role("link", name="Deutsch").click()
        expect(heading(page)).to_have_text("Geben Sie Ihr Passwort ein")
        page.goto(f"{product.origin}/demo/sign-out")
        assert page.url == f"{product.origin}/demo/sign-in"

    def test_too_early_shows_the_same_page(self, product: Product, open_window) -> None:
        """R19, THR-6: without script the button is live and the answer is 429 with the time left."""
        window, email = open_window(PHONE, script=False), new_email()
        window.sign_up(email)
        product.wait_mails(email)
        with window.page.expect_navigation() as answer:
            window.page.get_by_role("button", name="Send again").click()
        assert answer.value.status == 429
        assert int(answer.value.headers["retry-after"]) <= 20
        expect(window.page.get_by_text("Just a moment")).to_be_visible()
        expect(window.page.get_by_role("status").first).to_be_attached()

    @pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
    @pytest.mark.parametrize(("title", "dark"), [("There is a newer link", True), ("This link is too old", False)])
    def test_a_new_link_too_early(
        self, product: Product, http: httpx.Client, open_window, title: str, dark: bool, script: bool
    ) -> None:
        """R19, D18, THR-6: the link's own page again with 429 and the time left; the button counts down, without script it is live."""
        old = person(product, http)
        old.register()
        token = old.link()
        product.move_clock(21)
        old.post(f"/registrations/{old.flow['id']}/resend", {})
        if not dark:
            product.move_clock(24 * 3600)
            old.register()
            token = old.link()
            product.move_clock(24 * 3600 + 5)
            old.register()
        page = open_window(NARROW, script=script, dark=dark).open(f"/demo/l/{token}")
        expect(heading(page)).to_have_text(title)
        button = page.get_by_role("button", name="Send a new link")
        with page.expect_navigation() as early:
            button.click()
        assert early.value.status == 429
        assert 1 <= int(early.value.headers["retry-after"]) <= 20
        expect(heading(page)).to_have_text(title)
        expect(page.get_by_role("alert")).to_have_text(re.compile(r"Just a moment\s*Possible again in \d+ seconds?\."))
        assert narrow_enough(page)
        if script:
            expect(page.get_by_role("button", name=re.compile(r"^Send a new link in 0:\d\d$"))).to_be_disabled()
            assert not violations(page)
        else:
            expect(page.get_by_text("Possible from")).to_be_visible()
        product.move_clock(21)
        page.goto(re.sub(r"&again=[\w-]+", "", page.url))
        assert re.fullmatch(rf"{product.origin}/demo/l\?link=\w{{12}}", page.url)
        button.click()
        expect(heading(page)).to_have_text("Check your mail")

    def test_sent_again_is_said_until_it_is_certain(self, product: Product, window: Visitor) -> None:
        """E33: the page follows the new message, counts its seconds, and the notice stays while the message is on its way."""
        email = new_email()
        window.sign_up(email)
        page, done = window.page, window.page.locator(".way .now")
        product.wait_mails(email)
        expect(done).to_contain_text("Handed to the mail server")
        before = page.locator("[data-poll]").get_attribute("data-at")
        product.move_clock(21)
        page.reload()
        page.get_by_role("button", name="Send again").click()
        expect(page.get_by_text("A new mail is on its way")).to_be_visible()
        product.wait_mails(email, 2)
        expect(page.locator("[data-poll]:not([data-state=queued])")).not_to_have_attribute("data-at", before or "")
        expect(done).to_contain_text("Handed to the mail server")
        expect(page.get_by_text("A new mail is on its way")).to_be_visible()
        said = page.locator(".way .now time").inner_text()
        expect(page.locator(".way .now time")).not_to_have_text(said)

    def test_countdown_runs_with_script(self, window: Visitor, product: Product) -> None:
        """D18, THR-6."""
        email = new_email()
        window.sign_up(email)
        expect(window.page.get_by_role("button", name=re.compile(r"Send again in 0:\d\d"))).to_be_visible()

    def test_wrong_password_and_third_time(self, product: Product, http: httpx.Client, window: Visitor) -> None:
        """WEB-4: told at the top with focus, the name kept; the third leads on without a dead end."""
        mira = person(product, http).activate()
        window.sign_in(mira.email, "not the password at all")
        expect(window.page.get_by_text("That didn’t match")).to_be_visible()
        assert window.page.title().startswith("Error:")
        assert window.page.evaluate("document.activeElement.id") == "summary"
        for _ in range(3):
            window.page.get_by_label("Password", exact=True).fill("not the password at all")
            window.page.get_by_role("button", name="Sign in").click()
            expect(window.page.get_by_text("That didn’t match")).to_be_visible()
        window.page.get_by_label("Password", exact=True).fill(PASSWORD)
        window.page.get_by_role("button", name="Sign in").click()
        expect(heading(window.page)).to_contain_text("Hello")

    @pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
    def test_a_known_browser_is_not_locked_out(self, product: Product, http: httpx.Client, open_window, script: bool) -> None:
        """BRF-1, BRF-3: a stranger's guesses slow down whoever comes anew, not where its owner has signed in before."""
        mira = person(product, http).activate()
        own, fresh = open_window(script=script), open_window(PHONE, script=script)
        own.sign_in(mira.email)
        expect(heading(own.page)).to_contain_text("Hello")
        own.keep_cookies()
        own.page.get_by_role("button", name="Sign out").click()
        expect(own.page.get_by_text("You’re signed out")).to_be_visible()
        for _ in range(5):
            person(product, http, mira.email).sign_in("not the password at all")
        fresh.sign_in(mira.email)
        expect(heading(fresh.page)).to_have_text("Just a moment")
        expect(fresh.page.locator(".lead")).to_contain_text("With a new password you needn’t wait.")
        assert narrow_enough(fresh.page)
        assert not script or not violations(fresh.page)
        fresh.page.get_by_role("button", name="Set a new password").click()
        expect(fresh.page.get_by_label("E-mail or username")).to_have_value(mira.email)
        assert "@" not in fresh.page.url
        own.sign_in(mira.email)
        expect(heading(own.page)).to_contain_text("Hello")

    @pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
    def test_a_typed_name_goes_along_to_the_reset(self, open_window, script: bool) -> None:
        """D9: whoever it is, known or not; nothing is sent before the next press, and the name stands in no address."""
        page, typed = open_window(NARROW, script=script).open("/demo/sign-in"), new_email()
        page.get_by_label("E-mail or username").fill(typed)
        page.get_by_role("button", name="Continue", exact=True).click()
        page.get_by_role("button", name="I forgot my password").click()
        expect(heading(page)).to_have_text("Set a new password")
        expect(page.get_by_label("E-mail or username")).to_have_value(typed)
        assert re.search(r"/demo/reset\?again=[\w-]+$", page.url)
        page.get_by_role("button", name="Continue", exact=True).click()
        expect(page.locator(".lead")).to_contain_text(f"If {typed} belongs to an account")

    def test_form_errors(self, window: Visitor) -> None:
        """WEB-4: summary with links to the fields, messages beside them, values kept, passwords not."""
        window.sign_up("nobody", "short")
        page = window.page
        expect(page.get_by_role("heading", name="2 things to correct")).to_be_visible()
        assert page.evaluate("document.activeElement.id") == "summary"
        assert page.get_by_label("E-mail").input_value() == "nobody"
        assert page.get_by_label("Password", exact=True).input_value() == ""
        described = page.get_by_label("E-mail").get_attribute("aria-describedby")
        assert "e-mail address" in page.locator(f"#{described.split()[0]}").inner_text()
        expect(page.locator(".summary a").first).to_have_text(re.compile("^E-mail: That doesn’t look like an e-mail address"))
        page.locator(".summary a").first.click()
        assert page.evaluate("document.activeElement.id") == "email"

    @pytest.mark.parametrize(("path", "status", "title"), [("/demo/nothing", 404, "There is nothing here"), ("/go/nobody", 404, "There is nothing here"),
                                                          ("/problems/link_used", 200, "This link has done its work")])  # fmt: skip
    def test_pages_of_problems(self, product: Product, window: Visitor, path: str, status: int, title: str) -> None:
        assert httpx.get(product.origin + path).status_code == status
        window.open(path)
        assert window.page.locator("h1").count() == 1

    def test_fields_for_password_managers(self, product: Product, http: httpx.Client) -> None:
        """WEB-1, WEB-2, MFA-3: each field says what it is; nothing blocks pasting."""
        page = http.get("/demo/sign-up").text
        for token in ('autocomplete="email"', 'autocomplete="username"', 'autocomplete="new-password"', 'autocomplete="given-name"',
                      'autocomplete="family-name"'):  # fmt: skip
            assert token in page
        assert 'autocomplete="username webauthn"' in http.get("/demo/sign-in").text
        assert "onpaste" not in page + httpx.get(product.origin + re.search(r"/static/app\.\w+\.js", page)[0]).text


class TestAccessibility:
    PATHS = (
        "/demo/sign-in",
        "/demo/sign-up",
        "/demo/help",
        "/demo/nothing",
        "/problems/link_used",
    )  # the viewer of /v1/docs is looked at in test_api_docs

    @pytest.mark.parametrize("app", ["demo", "zinnia"])
    @pytest.mark.parametrize("locale", ["en", "ar"])
    @pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
    def test_pages_anybody_may_open(self, open_window, app: str, locale: str, dark: bool) -> None:
        """WEB-6: axe finds nothing, and nothing is wider than 320 px; two brands, both directions, light and dark."""
        for size in (WIDE, NARROW):
            window = open_window(size, dark=dark)
            for path in self.PATHS if app == "demo" else self.PATHS[:2]:
                page = window.open(path.replace("demo", app) + f"?ui_locales={locale}")
                assert not violations(page), (path, size)
                assert narrow_enough(page), (path, size)

    def test_pages_of_the_journey(self, product: Product, open_window, http: httpx.Client) -> None:
        """WEB-6: the rest, as they come."""
        for size, dark in ((NARROW, False), (WIDE, True)):
            window, other, email = open_window(size, dark=dark), open_window(size, dark=dark), new_email()
            checked = []

            def check(page: Page, size: tuple = size, checked: list = checked) -> None:
                assert not violations(page), (heading(page).inner_text(), size)
                assert narrow_enough(page), (heading(page).inner_text(), size)
                checked.append(heading(page).inner_text())

            window.sign_up("nobody", "short")
            check(window.page)
            window.sign_up(email)
            check(window.page)
            link = LINK.search(product.wait_mails(email)[0]["text"])[0]
            other.open(link)
            check(other.page)
            other.page.get_by_label("Two digits").fill(window.page.locator(".number strong").inner_text())
            other.page.get_by_role("button", name="Confirm").click()
            check(other.page)
            expect(heading(window.page)).to_have_text("Your account is ready")
            check(window.page)
            other.open(link)
            check(other.page)
            window.sign_in(email, "not the password at all")
            check(window.page)
            window.sign_in(email)
            expect(heading(window.page)).to_contain_text("Hello")
            check(window.page)
            assert len(set(checked)) >= 7

    def test_keyboard_only(self, product: Product, http: httpx.Client, window: Visitor) -> None:
        """WEB-6: sign in without a mouse; the focus is always to be seen."""
        mira = person(product, http).activate()
        page = window.open("/demo/sign-in")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.get_by_label("E-mail or username").focus()
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
        page.keyboard.type(mira.email)
        page.keyboard.press("Enter")
        page.get_by_label("Password", exact=True).focus()
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        expect(heading(page)).to_contain_text("Hello")

    def test_targets_are_large_enough(self, window: Visitor) -> None:
        """WEB-6 (2.5.8): 24 px at least, text links in sentences excepted."""
        for path in ("/demo/sign-in", "/demo/sign-up"):
            page = window.open(path)
            small = page.evaluate(
                """() => [...document.querySelectorAll("a, button, input:not([type=hidden]), summary")]
                .filter(one => one.offsetParent !== null && !one.closest("p.small, .lead, .skip") && !one.matches(".skip, .unseen"))
                .filter(one => { const box = one.getBoundingClientRect(); return box.height < 24 || box.width < 24 })
                .map(one => one.outerHTML.slice(0, 80))"""
            )
            assert not small


class TestPhone:
    @pytest.mark.parametrize(
        ("script", "size", "dark"),
        [(True, WIDE, False), (False, PHONE, False), (True, NARROW, True)],
        ids=["script", "no script", "320 px, dark"],
    )
    def test_register_by_text_message(self, product: Product, open_window, script: bool, size: tuple, dark: bool) -> None:
        """D2, C3, WEB-6, WEB-7: a code and nothing else; the field for it comes first."""
        window, number = open_window(size, script=script, dark=dark), new_number()
        page = window.open("/mobile/sign-up")

        def fine() -> None:
            assert narrow_enough(page)
            assert not script or not violations(page)

        fine()
        page.get_by_label("Phone").fill(number)
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Create account").click()
        expect(heading(page)).to_have_text("Check your phone")
        expect(page.locator(".lead strong")).to_have_text(number)
        expect(page.locator(".number")).to_have_count(0)
        field = page.get_by_label("Code from the text message")
        assert field.get_attribute("autocomplete") == "one-time-code"
        code, way = field.bounding_box(), page.locator(".way").bounding_box()
        assert code["y"] < way["y"]
        expect(page.locator("[role=status] .way")).to_be_visible()
        field.fill("1")  # nothing reloads while somebody types
        fine()
        flow = UUID(re.search(r"flow=([0-9a-f-]{36})", page.url)[1])
        right = opened(product, flow)[0].code
        field.fill("000000" if right != "000000" else "000001")
        page.get_by_role("button", name="Continue", exact=True).click()
        expect(page.locator("#code-error")).to_contain_text("4 tries left")
        fine()
        field.fill(right)
        page.get_by_role("button", name="Continue", exact=True).click()
        expect(heading(page)).to_have_text("Your account is ready")
        expect(page.locator(".lead")).to_have_text("Welcome. Your number is confirmed.")
        fine()

    @pytest.mark.parametrize(
        ("script", "size", "dark"),
        [(True, WIDE, False), (False, PHONE, False), (True, NARROW, True)],
        ids=["script", "no script", "320 px, dark"],
    )
    def test_on_by_e_mail_where_no_text_comes(
        self, product: Product, http: httpx.Client, open_window, script: bool, size: tuple, dark: bool
    ) -> None:
        """FRD-8, E33, WEB-6: offered to everybody, whatever became of the text; the address is all that is to be typed."""
        number, address = new_number(), new_email()
        page = open_window(size, script=script, dark=dark).open("/mobile/sign-up")
        page.get_by_label("Phone").fill(number)
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Create account").click()
        page.get_by_text("Try another way").click()
        page.get_by_label("E-mail").fill("mira")
        page.get_by_role("button", name="Go on by e-mail").click()
        expect(page.locator("#email-error")).to_contain_text("That doesn’t look like an e-mail address")
        expect(page.get_by_label("E-mail")).to_have_value("mira")
        assert narrow_enough(page)
        assert not script or not violations(page)
        page.get_by_label("E-mail").fill(address)
        page.get_by_role("button", name="Go on by e-mail").click()
        expect(heading(page)).to_have_text("Check your mail")
        expect(page.locator(".lead strong")).to_have_text(address)
        page.get_by_label("Or type the code").fill(product.code_of(product.wait_message(address)) or "")
        page.get_by_role("button", name="Continue", exact=True).click()
        expect(heading(page)).to_have_text("Your account is ready")
        body = {"identifier": number, "password": PASSWORD, "client": "api"}
        assert http.post("/v1/apps/mobile/sign-ins", json=body).json()["status"] == "complete"

    @pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
    def test_a_country_that_gets_no_text_is_told_at_the_field(self, open_window, script: bool) -> None:
        """FRD-1, WEB-4: in words, before anything is promised, and nothing is to be typed again but the password."""
        page, typed = open_window(PHONE, script=script).open("/mobile/sign-up"), "+33 6 12 34 56 78"
        page.get_by_label("Phone").fill(typed)
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Create account").click()
        words = "We can’t send text messages to numbers of this country. Please use another one."
        expect(page.locator("#phone-error")).to_contain_text(words)
        expect(page.locator(".summary a")).to_have_text(re.compile("^Phone: We can’t send text messages"))
        field = page.get_by_label("Phone")
        assert "phone-error" in (field.get_attribute("aria-describedby") or "")
        expect(field).to_have_value(typed)
        expect(page.get_by_label("Password", exact=True)).to_have_value("")
        field.fill(new_number())
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Create account").click()
        expect(heading(page)).to_have_text("Check your phone")

    def test_the_fifth_try_leads_on(self, product: Product, open_window) -> None:
        """OTP-5: no dead end."""
        page = open_window(PHONE, script=False).open("/mobile/sign-up")
        page.get_by_label("Phone").fill(new_number())
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Create account").click()
        for _ in range(5):
            page.get_by_label("Code from the text message").fill("12345x")
            page.get_by_role("button", name="Continue", exact=True).click()
        expect(page.locator(".lead")).to_contain_text("That was the fifth try")
        page.get_by_role("link", name="Create an account").click()
        expect(heading(page)).to_have_text("Create your account")

    def test_reminder_by_phone(self, product: Product, http: httpx.Client, open_window) -> None:
        """D8: the field is there where the store has phones; one of the two is enough, both are too many."""
        assert 'name="phone"' not in http.get("/demo/help/username").text
        number = new_number()
        page = open_window(NARROW).open("/calls/help/username")
        page.get_by_label("E-mail").fill(new_email())
        page.get_by_label("Or phone").fill(number)
        page.get_by_role("button", name="Send my username").click()
        expect(page.locator("#phone-error")).to_have_text("Use one of the two, please.")
        assert not violations(page)
        page.get_by_label("E-mail").fill("")
        page.get_by_role("button", name="Send my username").click()
        expect(heading(page)).to_have_text("Check your phone")
        expect(page.locator(".lead")).to_contain_text(number)
        assert not violations(page)
        assert narrow_enough(page)


class TestTimeLimits:
    def test_said_a_minute_before_and_extended_with_one_press(self, product: Product, http: httpx.Client, open_window) -> None:
        """WEB-5: an idle session of a minute says at once that it ends; one press, and it has its whole time again."""
        mira = person(product, http)
        mira.app = "brief"
        mira.activate()
        window = open_window()
        page = window.open("/brief/sign-in")
        page.get_by_label("E-mail or username").fill(mira.email)
        page.get_by_role("button", name="Continue", exact=True).click()
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_contain_text("You’ll be signed out at")
        assert not violations(page)
        product.move_clock(50)
        with page.expect_response("**/v1/session") as answered:
            page.get_by_role("button", name="Stay signed in").click()
        assert answered.value.status == 200
        product.move_clock(50)
        page.reload()
        expect(heading(page)).to_contain_text("Hello")
        product.move_clock(70)
        page.reload()
        expect(page.get_by_role("status")).to_contain_text("signed out to keep your account safe")

    def test_nothing_is_asked_twice(self, product: Product, open_window) -> None:
        """WEB-5: a code that ran out leaves flow and address as they are."""
        window, email = open_window(), new_email()
        window.sign_up(email)
        page = window.page
        product.wait_mails(email)
        code = CODE.findall(product.wait_mails(email)[0]["text"])[0]
        product.move_clock(6 * 60 + 1)
        page.get_by_label("Or type the code").fill(code)
        page.get_by_role("button", name="Continue", exact=True).click()
        expect(page.locator("#code-error")).to_contain_text("too old")
        expect(page.locator(".lead strong")).to_have_text(email)

    def test_no_puzzles(self, http: httpx.Client) -> None:
        """WEB-3: nothing on the way in has to be seen, heard or solved: labelled fields and buttons only."""
        for path in ("/demo/sign-up", "/demo/sign-in", "/demo/reset", "/demo/help/username"):
            page = http.get(path).text
            assert not re.search(r"<(img|canvas|iframe|audio|video|object)\b", page)
            for name in re.findall(r'<input id="([^"]+)"', page):
                assert f'<label for="{name}"' in page or f'id="{name}"' in page.split("<label", 1)[1]


class TestLanguages:
    @pytest.mark.parametrize(
        ("language", "heading_of_sign_up"),
        [
            ("ar", "أنشئ حسابك"),
            ("de", "Legen Sie Ihr Konto an"),
            ("en", "Create your account"),
            ("es", "Cree su cuenta"),
            ("fr", "Créez votre compte"),
        ],
    )
    def test_by_the_browsers_choice(self, http: httpx.Client, language: str, heading_of_sign_up: str) -> None:
        """WEB-16, E28: the page speaks it, and says so."""
        page = http.get("/demo/sign-up", headers={"Accept-Language": f"{language}, xx;q=0.9"}).text
        direction = "rtl" if language == "ar" else "ltr"
        assert f'<html lang="{language}" dir="{direction}">' in page
        assert heading_of_sign_up in page

    def test_chosen_by_hand_is_kept_and_the_mail_follows(self, product: Product, open_window) -> None:
        """WEB-16: against the browser's wish, on the next page, and in the mail."""
        window, email = open_window(NARROW), new_email()
        window.open("/demo/sign-up?ui_locales=ar")
        page = window.open("/demo/sign-up")
        assert page.evaluate("document.documentElement.lang") == "ar"
        page.locator("#email").fill(email)
        page.locator("#password").fill(PASSWORD)
        page.locator("main form button.button").first.click()
        mail = product.wait_mails(email)[0]
        assert 'dir="rtl"' in mail["html"]

    def test_arabic_is_a_little_larger_and_only_once(self, open_window) -> None:
        """106 % of the root's size wherever it stands, not again in every element inside."""
        page = open_window(NARROW).open("/demo/sign-up?ui_locales=ar")
        size = "one => parseFloat(getComputedStyle(one).fontSize)"
        assert page.locator("label").first.evaluate(size) == page.locator("body").evaluate(size) == 17


class TestBadAddresses:
    def test_bad_flow_ids_are_pages(self, http: httpx.Client) -> None:
        for path in (
            "/demo/check-messages",
            "/demo/check-messages?flow=x",
            "/demo/check-messages?flow=3f1f9a34-9f8e-4a53-8a2f-0a6c9b1d2e3f",
        ):
            answer = http.get(path)
            assert answer.status_code in {404, 422}
            assert "<h1>" in answer.text


def test_everything_was_delivered(product: Product) -> None:
    """INV-18: the queues are empty again."""
    product.wait_quiet(seconds=60)
