"""Signing in with an account elsewhere: the local provider of `make run`, its honest answers and its lies (docs/flows/social-sign-in.md)."""

import os
import re
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import Page, expect
from testkit.elsewhere import Elsewhere
from testkit.stack import PASSWORD, Product, eventually, new_email, person

from .factors import Member
from .window import PHONE, WIDE, Visitor, heading, narrow_enough, violations

SHOTS = os.environ.get("LATCHKEY_SCREENSHOTS")  # a folder, to look at them


class Client:
    """An API client of one person, who has an account at the provider."""

    def __init__(self, product: Product, http: httpx.Client, **who: str) -> None:
        self.product, self.http = product, http
        self.me = person(product, http, who["email"])
        self.there = Elsewhere(product.stack.provider_url, sub=uuid4().hex, **who)

    def begin(self, provider: str = "local") -> str:
        assert self.me.take(self.me.post("/sign-ins", {"client": "api"}))["next"][-1] == "social"
        answer = self.me.post(f"/sign-ins/{self.me.flow['id']}/social", {"provider": provider})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["redirect_to"])

    def back(self, url: str, **headers: str) -> httpx.Response:
        answer = self.http.get(url.removeprefix(self.product.origin), headers={**self.me.headers, **headers})
        if answer.status_code == 200 and answer.json()["sign_in"] is not None:
            self.me.take(httpx.Response(200, json=answer.json()["sign_in"]))
        return answer

    def sign_in(self) -> httpx.Response:
        return self.back(self.there.confirm(self.begin()))

    def join(self, **body: object) -> httpx.Response:
        answer = self.me.post(f"/sign-ins/{self.me.flow['id']}/registration", body)
        if answer.status_code == 200:
            self.me.take(answer)
        return answer

    def session(self) -> dict[str, object]:
        found: dict[str, object] = self.http.get("/v1/session", headers=self.me.bearer).json()
        return found


@pytest.fixture
def noor(product: Product, http: httpx.Client) -> Client:
    """Whose address the provider has verified."""
    return Client(product, http, email=new_email(), email_verified="on", given_name="Noor", family_name="Haddad")


class TestHonest:
    def test_somebody_new_gets_an_account_and_is_known_from_then_on(self, noor: Client) -> None:
        """REG-5, R36: by issuer and subject; the address is proven by a provider whose word counts."""
        met = noor.sign_in()
        assert met.status_code == 200, met.text
        assert noor.me.flow["next"][-1] == "registration"
        assert noor.me.flow["newcomer"]["email_proven"]
        assert noor.me.flow["newcomer"]["profile"] == {"given_name": "Noor", "family_name": "Haddad"}
        joined = noor.join(profile={"given_name": "Noor"})
        assert joined.status_code == 200, joined.text
        assert noor.me.flow["status"] == "complete"
        first = noor.session()
        assert first["methods"] == ["fed"]
        noor.there.who["email"] = new_email()  # changed there since then: it's the same person
        assert noor.sign_in().json()["sign_in"]["status"] == "complete"
        assert noor.session()["account_id"] == first["account_id"]
        assert noor.session()["id"] != first["id"]

    def test_an_address_that_nobody_vouches_for_goes_by_mail(self, product: Product, noor: Client) -> None:
        noor.me.app = "wary"
        assert noor.sign_in().status_code == 200
        assert not noor.me.flow["newcomer"]["email_proven"]
        assert noor.join(identifiers={"email": noor.me.email}).json()["status"] == "check_your_messages"
        assert noor.me.confirm().json()["status"] == "activated"
        assert noor.sign_in().json()["sign_in"]["status"] == "complete"

    def test_linked_after_signing_in_as_ever_and_the_owner_is_told(self, product: Product, noor: Client) -> None:
        """REG-5: the same address alone opens nothing."""
        noor.me.activate()
        assert noor.sign_in().json()["sign_in"]["links"] == "local"
        answer = noor.me.post(f"/sign-ins/{noor.me.flow['id']}/password", {"password": noor.me.password})
        assert noor.me.take(answer)["status"] == "complete"
        mail = product.wait_mails(noor.me.email, subject="Local provider now signs in")[0]
        assert "/l/" in mail["text"]
        assert noor.sign_in().json()["sign_in"]["status"] == "complete"
        listed = noor.http.get("/v1/me/linked-identities", headers=noor.me.bearer).json()
        assert [(one["provider"], one["account"]) for one in listed["items"]] == [("local", noor.me.email)]

    def test_a_factor_is_asked_for_as_after_a_password(self, noor: Client) -> None:
        """MFA-7."""
        noor.me.activate().sign_in()
        member = Member(noor.me)
        member.add_app()
        grant = member.grant("identity.link", {"provider": "local"}, member.app())
        begun = member.call("POST", "linked-identities", {"provider": "local"}, grant)
        assert noor.back(noor.there.confirm(begun.json()["redirect_to"]), **noor.me.bearer).status_code == 200
        noor.product.move_clock(31)
        assert noor.sign_in().json()["sign_in"]["status"] == "needs_factor"
        assert member.enter(member.app()).json()["status"] == "complete"
        assert noor.session()["methods"] == ["fed", "otp", "mfa"]


class TestTrouble:
    @pytest.mark.parametrize(
        ("lie", "status", "code"), [("wrong_nonce", 403, "social_refused"), ("huge", 503, "provider_unavailable")]
    )
    def test_a_lie_is_told_and_opens_nothing(self, noor: Client, lie: str, status: int, code: str) -> None:
        url = noor.begin()
        back = noor.there.confirm(url)
        noor.there.lie(lie)
        answer = noor.back(back)
        noor.there.lie(None)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert noor.back(back).status_code == 410, "and the answer is used up"

    def test_denied(self, noor: Client) -> None:
        answer = noor.back(noor.there.deny(noor.begin()))
        assert (answer.status_code, answer.json()["code"]) == (403, "social_denied")

    def test_two_answers_at_once(self, product: Product, noor: Client) -> None:
        noor.sign_in()
        noor.join()
        back = noor.there.confirm(noor.begin())
        with ThreadPoolExecutor(8) as pool:
            answers = list(
                pool.map(lambda _: noor.http.get(back.removeprefix(product.origin), headers=noor.me.headers), range(8))
            )
        assert sorted(one.status_code for one in answers) == [200, *[410] * 7]

    @pytest.mark.crash
    def test_killed_between_the_answer_and_the_session(self, product: Product, noor: Client) -> None:
        """The answer is used up, nothing else has happened; the very same sign-in goes on."""
        noor.sign_in()
        noor.join()
        back = noor.there.confirm(noor.begin())
        armed = product.arm("identity", "social.after_state")
        assert noor.back(back).status_code == 503
        assert not armed.exists()
        eventually(product.all_ready, seconds=30)
        assert noor.back(back).status_code == 410
        again = noor.me.post(f"/sign-ins/{noor.me.flow['id']}/social", {"provider": "local"})
        assert noor.back(noor.there.confirm(again.json()["redirect_to"])).json()["sign_in"]["status"] == "complete"

    @pytest.mark.crash
    def test_killed_between_the_account_and_its_session(self, product: Product, noor: Client) -> None:
        noor.sign_in()
        product.arm("identity", "social.after_account")
        assert noor.join().status_code == 503
        eventually(product.all_ready, seconds=30)
        assert noor.join().json()["status"] == "complete"
        assert len(product.rows("identity", "SELECT FROM identifier WHERE canonical = %s", noor.me.email)) == 1


class At:
    """A window that goes to the provider and back."""

    def __init__(self, window: Visitor) -> None:
        self.window, self.page = window, window.page
        window.expected.add(window.product.stack.provider_url)

    def leave(self, path: str = "/demo/sign-in") -> None:
        self.window.open(path)
        self.page.get_by_role("button", name="Continue with Local provider").click()

    def be(self, email: str, sub: str, name: str = "Noor") -> None:
        """Somebody at the provider."""
        self.page.get_by_label("Address", exact=True).fill(email)
        self.page.get_by_label("First name").fill(name)
        self.page.get_by_label("Number of the account").fill(sub)
        self.page.get_by_role("button", name="Go on as this person").click()


def shoot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)


@pytest.mark.browser
class TestPages:
    @pytest.mark.parametrize("script", [True, False])
    def test_a_new_customer_and_what_is_linked(self, open_window, script: bool) -> None:
        """R36, E27, D39, WEB-7: account, sign-out, sign-in, the list, the last way in, with and without script."""
        at = At(open_window(PHONE, script=script))
        email, sub = new_email(), uuid4().hex
        at.leave("/demo/sign-up")
        at.be(email, sub)
        expect(heading(at.page)).to_have_text("Create your account")
        expect(at.page.get_by_text(email)).to_be_visible()
        expect(at.page.get_by_label("First name")).to_have_value("Noor")
        shoot(at.page, f"account-{script}")
        if script:
            assert not violations(at.page)
        assert narrow_enough(at.page)
        at.page.get_by_role("button", name="Create account").click()
        expect(at.page).to_have_url(re.compile(r"/demo/account$"))
        at.page.get_by_role("button", name="Sign out").click()
        at.leave()
        at.be(email, sub)
        expect(at.page).to_have_url(re.compile(r"/demo/account$"))
        at.page.go_back()  # over the provider's page, or its answer that is used up
        at.window.open("/demo/account/security")
        expect(at.page.get_by_role("heading", name="Accounts elsewhere")).to_be_visible()
        shoot(at.page, f"security-{script}")
        if script:
            assert not violations(at.page)
        at.page.get_by_role("link", name="Unlink").click()
        expect(heading(at.page)).to_have_text("Unlink Local provider?")
        at.page.get_by_role("button", name="Unlink it").click()
        expect(at.page.get_by_role("heading", name="This one has to stay")).to_be_visible()
        shoot(at.page, f"unlink-{script}")
        at.page.get_by_role("link", name="Set a password").click()
        expect(heading(at.page)).to_be_visible()

    def test_linked_and_unlinked_beside_a_password(self, open_window, product: Product, http: httpx.Client) -> None:
        mira = person(product, http).activate()
        window = open_window(WIDE)
        at = At(window)
        window.sign_in(mira.email)
        window.open("/demo/account/security")
        at.page.get_by_role("button", name="Link Local provider").click()
        at.page.get_by_label("Password", exact=True).fill(PASSWORD)
        at.page.get_by_role("button", name="Continue with password").click()
        at.be(new_email(), uuid4().hex)
        expect(at.page.get_by_role("heading", name="Local provider signs you in from now on")).to_be_visible()
        assert not violations(at.page)
        shoot(at.page, "linked")
        at.page.get_by_role("link", name="Unlink").click()
        shoot(at.page, "unlink-asked")
        at.page.get_by_role("button", name="Unlink it").click()
        at.page.get_by_label("Password", exact=True).fill(PASSWORD)
        at.page.get_by_role("button", name="Continue with password").click()
        expect(at.page.get_by_role("heading", name="It is unlinked")).to_be_visible()

    def test_who_has_no_password_confirms_at_the_provider(self, open_window, product: Product) -> None:
        """STP-1: asked anew there, and back on the page that asked."""
        at = At(open_window(PHONE))
        email, sub = new_email(), uuid4().hex
        at.leave()
        at.be(email, sub)
        at.page.get_by_role("button", name="Create account").click()
        at.window.open("/demo/account/security/add")
        at.page.get_by_role("button", name="Authenticator app").first.click()
        at.page.get_by_role("button", name="Confirm with Local provider").click()
        expect(at.page.get_by_text("asks you to confirm anew")).to_be_visible()
        at.be(email, sub)
        shoot(at.page, "step-up")
        at.page.get_by_role("button", name="Continue", exact=True).click()
        expect(at.page).to_have_url(re.compile(r"/security/ways/"))

    def test_an_answer_by_a_form_from_another_site(self, open_window, product: Product) -> None:
        """No cookie comes with that (SameSite=Lax): it is handed on by a navigation of our own."""
        at = At(open_window(PHONE))
        at.window.open("/demo/sign-in")
        at.page.route(
            re.compile("/authorize"),
            lambda route: (
                route.continue_(url=f"{route.request.url}&response_mode=form_post")
                if route.request.method == "GET"
                else route.continue_()
            ),
        )
        at.page.get_by_role("button", name="Continue with Local provider").click()
        at.be(new_email(), uuid4().hex)
        expect(heading(at.page)).to_have_text("Create your account")

    @pytest.mark.parametrize(("locale", "dark", "size"), [("en-GB", False, WIDE), ("ar", False, PHONE), ("en-GB", True, PHONE)])
    def test_looks(self, open_window, locale: str, dark: bool, size: tuple[int, int]) -> None:
        at = At(open_window(size, dark=dark, locale=locale))
        for name in ("sign-in", "sign-up"):
            at.window.open(f"/demo/{name}")
            expect(at.page.locator(".social button")).to_be_visible()
            assert not violations(at.page)
            assert narrow_enough(at.page)
            shoot(at.page, f"{name}-{locale}-{'dark' if dark else 'light'}")

    def test_denied_and_elsewhere(self, open_window, product: Product) -> None:
        """Each has words and a next step; another browser's answer is nobody's (login CSRF)."""
        at = At(open_window(PHONE))
        at.leave()
        at.page.get_by_role("button", name="Deny").click()
        expect(at.page.get_by_role("heading", name="Nothing was confirmed at Local provider")).to_be_visible()
        assert not violations(at.page)
        shoot(at.page, "denied")
        at.page.get_by_role("button", name="Continue with Local provider").click()
        expect(at.page.get_by_role("button", name="Deny")).to_be_visible()
        answer = Elsewhere(product.stack.provider_url, sub=uuid4().hex, email=new_email()).confirm(at.page.url)
        victim = At(open_window(PHONE))
        victim.window.open("/demo/sign-in")
        victim.window.open(answer)
        expect(victim.page.get_by_role("heading", name="That took a while")).to_be_visible()
        shoot(victim.page, "elsewhere")
