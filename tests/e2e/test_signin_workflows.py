"""The four workflows, with and without a factor, with mfa up and away; the first step of two of them alike for known and unknown names."""

import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from testkit.stack import CODE, LINK, PASSWORD, Person, Product, eventually, person

from .factors import Member, app_code
from .policies import policed
from .window import PHONE, WIDE, Visitor, heading, narrow_enough, violations

__all__ = ["policed"]
SHOTS = os.environ.get("LATCHKEY_SCREENSHOTS")  # a folder, to look at them
WORKFLOWS = ("demo", "factorfirst", "passwordless", "passwordonly")


@pytest.fixture
def client(policed: Product) -> Iterator[httpx.Client]:
    eventually(policed.all_ready, seconds=30)
    with policed.client() as found:
        yield found


@pytest.fixture
def mira(policed: Product, client: httpx.Client) -> Person:
    return person(policed, client).activate()


@pytest.fixture
def with_app(mira: Person) -> Member:
    mira.sign_in()
    found = Member(mira)
    found.add_app()
    return found


def send(one: Person, **how: str) -> httpx.Response:
    return one.post(f"/sign-ins/{one.flow['id']}/challenges", how)


def enter(one: Person, code: str) -> httpx.Response:
    answer = one.post(f"/sign-ins/{one.flow['id']}/code", {"code": code})
    if answer.status_code == 200:
        one.take(answer)
    return answer


def mailed(one: Person, pattern: re.Pattern[str] = CODE, count: int = 1) -> str:
    mails = one.product.wait_mails(one.email, count, subject="sign in to")
    return str(pattern.findall(mails[-1]["text"])[0])


def password(one: Person, text: str = PASSWORD) -> httpx.Response:
    answer = one.post(f"/sign-ins/{one.flow['id']}/password", {"password": text})
    if answer.status_code == 200:
        one.take(answer)
    return answer


def methods(one: Person) -> list[str]:
    return list(one.http.get("/v1/session", headers=one.bearer).json()["methods"])


def through(one: Person, app: str, code: Callable[[], str] | None) -> list[str]:
    """All steps of a sign-in at this application. `code`: of the factor that there is. Answers the methods of the session."""
    one.app = app
    one.begin_sign_in()
    if app in {"factorfirst", "passwordless"}:
        assert send(one).status_code == 202
        assert enter(one, mailed(one)).status_code == 200
    if app != "passwordless":
        assert password(one).status_code == 200
    if one.flow["status"] == "needs_factor":
        assert code is not None
        assert enter(one, code()).status_code == 200
    assert one.flow["status"] == "complete", one.flow
    return methods(one)


class TestWorkflows:
    @pytest.mark.parametrize(
        ("app", "expected"),
        [
            ("demo", ["pwd"]),
            ("factorfirst", ["pwd", "otp", "mfa"]),
            ("passwordless", ["otp"]),
            ("passwordonly", ["pwd"]),
        ],
    )
    def test_without_a_factor(self, mira: Person, app: str, expected: list[str]) -> None:
        assert through(mira, app, None) == expected

    @pytest.mark.parametrize(
        ("app", "expected"),
        [
            ("demo", ["pwd", "otp", "mfa"]),
            ("factorfirst", ["pwd", "otp", "mfa"]),
            ("passwordless", ["otp", "mfa"]),
            ("passwordonly", ["pwd"]),
        ],
    )
    def test_with_a_factor(self, with_app: Member, app: str, expected: list[str]) -> None:
        """Where a mail came first, the app is asked for all the same."""
        assert through(with_app.one, app, with_app.app) == expected

    @pytest.mark.parametrize(("app", "status"), [("passwordless", "complete"), ("factorfirst", "password")])
    def test_a_passkey_first(self, mira: Person, app: str, status: str) -> None:
        """MFA-1: where a factor comes first a passkey is one; it says by itself whose, so without a password no name is needed."""
        mira.sign_in()
        keyed = Member(mira)
        keyed.add_passkey()
        mira.app = app
        name = {"identifier": mira.email} if status == "password" else {}
        mira.take(mira.post("/sign-ins", {"client": "api", **name}))
        assert mira.flow["next"] == [*(["challenges"] if name else []), "passkey", "social"]
        assert keyed.prove().json()["status"] == status
        if status == "password":
            assert password(mira).json()["status"] == "complete"
        assert set(methods(mira)) == {"hwk", "mfa"} | ({"pwd"} if status == "password" else set())

    def test_away(self, policed: Product, with_app: Member, client: httpx.Client) -> None:
        """Never a way around a factor; where none is asked for it doesn't matter."""
        plain = person(policed, client).activate()
        begun = {}
        for app in ("factorfirst", "passwordless"):
            for one in (plain, with_app.one):
                one.app = app
                begun[app, one.email] = one.begin_sign_in().json()["id"]
        policed.kill("mfa")
        found = {}
        for app in WORKFLOWS:
            for name, one in (("with", with_app.one), ("without", plain)):
                one.app = app
                if app in {"factorfirst", "passwordless"}:
                    answer = one.post(f"/sign-ins/{begun[app, one.email]}/challenges", {})
                else:
                    one.begin_sign_in()
                    answer = password(one)
                found[app, name] = answer.status_code
        eventually(policed.all_ready, seconds=30, every=0.2)
        assert found == {
            ("demo", "with"): 503,
            ("demo", "without"): 200,
            ("factorfirst", "with"): 503,
            ("factorfirst", "without"): 503,
            ("passwordless", "with"): 503,
            ("passwordless", "without"): 503,
            ("passwordonly", "with"): 200,
            ("passwordonly", "without"): 200,
        }

    def test_slow(self, policed: Product, with_app: Member, client: httpx.Client) -> None:
        """One that doesn't answer is as one that is away, once its second is over."""
        plain = person(policed, client).activate()
        pid, found = policed.pid("mfa"), {}
        os.kill(pid, signal.SIGSTOP)
        try:
            for app in ("demo", "passwordonly"):
                for name, one in (("with", with_app.one), ("without", plain)):
                    one.app = app
                    one.begin_sign_in()
                    found[app, name] = password(one).status_code
        finally:
            os.kill(pid, signal.SIGCONT)
        eventually(policed.all_ready, seconds=30, every=0.2)
        assert found == {
            ("demo", "with"): 503,
            ("demo", "without"): 200,
            ("passwordonly", "with"): 200,
            ("passwordonly", "without"): 200,
        }

    def test_dies_between_proof_and_session(self, policed: Product, mira: Person) -> None:
        mira.app = "passwordless"
        mira.begin_sign_in()
        send(mira)
        code = mailed(mira)
        policed.arm("mfa", "first_step_proven")
        assert enter(mira, code).status_code == 503
        eventually(policed.all_ready, seconds=30, every=0.2)
        found = mira.http.get(mira.url(f"/sign-ins/{mira.flow['id']}"), headers=mira.headers).json()
        assert (found["status"], "session" in found) == ("complete", True)


def told(answer: httpx.Response) -> tuple[object, ...]:
    """Without what is random or of the moment: ids, tokens and times have the same length everywhere."""
    body = {
        name: (len(str(value)) if name in {"id", "flow_token", "request_id", "expires_at", "available_at"} else value)
        for name, value in answer.json().items()
    }
    if body.get("resend"):
        body["resend"] = sorted(body["resend"])
    if body.get("match"):
        body["match"] = len(body["match"])
    headers = sorted((name, len(value)) for name, value in answer.headers.items() if name not in {"date", "retry-after"})
    return answer.status_code, body, headers


class TestAlike:
    @pytest.mark.parametrize("app", ["factorfirst", "passwordless"])
    def test_known_and_unknown(self, policed: Product, client: httpx.Client, mira: Person, app: str) -> None:
        """ENU-1, ENU-2: by every call of the first step, right up to the end of the attempt; nobody unknown is sent anything."""
        nobody = person(policed, client, mira.email.replace("person-", "nobody-"))
        answers = []
        for one in (mira, nobody):
            one.app = app
            found = [one.begin_sign_in(), send(one, form="link")]
            found.append(one.http.get(one.url(f"/sign-ins/{one.flow['id']}"), headers=one.headers))
            policed.move_clock(21)
            found += [send(one), send(one)]
            found += [enter(one, "000000") for _ in range(5)]
            found += [enter(one, "000000"), send(one)]
            found.append(one.http.get(one.url(f"/sign-ins/{one.flow['id']}"), headers=one.headers))
            answers.append([told(answer) for answer in found])
        assert answers[0] == answers[1]
        assert [one[0] for one in answers[0]] == [200, 202, 200, 202, 429, 403, 403, 403, 403, 410, 410, 410, 200]
        assert answers[0][1][1]["delivery"] is None
        policed.wait_mails(mira.email, 2, subject="sign in to")
        assert policed.mails(nobody.email) == []

    def test_no_password_first(self, mira: Person) -> None:
        mira.app = "factorfirst"
        mira.begin_sign_in()
        assert password(mira).json()["code"] == "step_missing"
        body = {"client": "api", "identifier": mira.email, "password": PASSWORD}
        assert mira.http.post(mira.url("/sign-ins"), json=body).status_code == 422


class TestPasswordless:
    def test_no_password_is_changed_or_reset(self, mira: Person) -> None:
        """R43, by the API."""
        through(mira, "passwordless", None)
        body = {"current_password": PASSWORD, "password": "a whole new horse battery"}
        refused = mira.http.put("/v1/me/password", json=body, headers=mira.bearer)
        assert (refused.status_code, refused.json()["code"]) == (403, "feature_disabled")
        reset = mira.http.post(mira.url("/password-resets"), json={"identifier": mira.email, "client": "api"})
        assert (reset.status_code, reset.json()["code"]) == (403, "feature_disabled")


@pytest.fixture(params=[PHONE, WIDE], ids=["390", "1280"])
def window(request: pytest.FixtureRequest, policed: Product, client: httpx.Client, browser: Browser) -> Iterator[Visitor]:
    width, height = request.param
    context = browser.new_context(viewport={"width": width, "height": height})
    found = Visitor(policed, context)
    yield found
    found.keep_cookies()
    assert not found.problems
    context.close()


def at(page: Page, title: str, shot: str = "") -> None:
    expect(heading(page)).to_have_text(title)
    assert narrow_enough(page), title
    assert not violations(page), title
    if SHOTS and shot:
        width = page.viewport_size["width"] if page.viewport_size else 0
        page.screenshot(path=Path(SHOTS) / f"{shot}-{width}.png", full_page=True)


@pytest.mark.browser
class TestPages:
    def name(self, window: Visitor, app: str, typed: str) -> Page:
        page = window.open(f"/{app}/sign-in")
        page.get_by_label("E-mail or username").fill(typed)
        page.get_by_role("button", name="Continue", exact=True).click()
        return page

    def test_passwordless_by_a_code(self, window: Visitor, mira: Person) -> None:
        page = self.name(window, "passwordless", mira.email)
        at(page, "Confirm it’s you", "first-offer")
        page.get_by_role("button", name="Send me a code").click()
        at(page, "Enter the code", "first-code")
        page.locator("#code").fill("000000")
        page.get_by_role("button", name="Continue", exact=True).click()
        expect(page.locator("#code-error")).to_contain_text("4 tries left")
        at(page, "Enter the code", "first-wrong")
        page.locator("#code").fill(mailed(mira))
        page.get_by_role("button", name="Continue", exact=True).click()
        page.wait_for_url("**/passwordless/account")
        page.goto(f"{window.product.origin}/passwordless/account/security")
        at(page, "Sign-in & security", "passwordless-security")
        assert page.get_by_role("link", name=re.compile("Change")).count() == 0
        page.goto(f"{window.product.origin}/passwordless/account/security/password")
        at(page, "Not offered here" if "Not offered" in heading(page).inner_text() else heading(page).inner_text())
        assert page.locator("input[type=password]").count() == 0

    def test_passwordless_by_a_link(self, window: Visitor, mira: Person) -> None:
        page = self.name(window, "passwordless", mira.email)
        page.get_by_role("link", name="Choose another method").click()
        at(page, "How shall we check it’s you?", "first-methods")
        page.get_by_role("button", name="Link by mail").click()
        at(page, "Open the link in your mail", "first-link")
        page.goto(f"{window.product.origin}/passwordless/l/{mailed(mira, LINK)}")
        page.locator("main button").first.click()
        page.wait_for_url("**/passwordless/account")

    def test_unknown_looks_alike(self, window: Visitor, mira: Person) -> None:
        texts = []
        for typed in (mira.email, mira.email.replace("person-", "nobody-")):
            page = self.name(window, "passwordless", typed)
            offered = page.locator("main").inner_text()
            page.get_by_role("button", name="Send me a code").click()
            at(page, "Enter the code")
            texts.append((offered.replace(typed, ""), page.locator("main p.lead").inner_text().replace(typed, "")))
        assert texts[0] == texts[1]

    def test_factor_then_password(self, window: Visitor, mira: Person) -> None:
        page = self.name(window, "factorfirst", mira.email)
        page.get_by_role("button", name="Send me a code").click()
        page.locator("#code").fill(mailed(mira))
        page.get_by_role("button", name="Continue", exact=True).click()
        at(page, "Enter your password")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/factorfirst/account")

    def test_required(self, window: Visitor, mira: Person) -> None:
        """D32: in the frame of the sign-in; confirmed, it goes on by itself."""
        page = self.name(window, "must", mira.email)
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        at(page, "Add a way to confirm it’s you", "required")
        page.locator(".choices").get_by_text("E-mail", exact=True).click()
        at(page, "Add an e-mail address", "required-target")
        page.get_by_label("E-mail").fill(mira.email)
        page.get_by_role("button", name="Send me a code").click()
        at(page, "Enter the code", "required-code")
        page.goto(f"{window.product.origin}{re.sub('/ways/.*', '/add', page.url.removeprefix(window.product.origin))}")
        page.locator(".choices").get_by_text("Authenticator app", exact=True).click()
        at(page, "Set up your authenticator app", "required-app")
        secret = page.locator(".scan code").inner_text().replace(" ", "").replace("\n", "")
        window.product.secrets.add(secret)
        page.locator("#code").fill(app_code(secret, window.product.now().timestamp()))
        page.get_by_role("button", name="Confirm").click()
        page.wait_for_url("**/must/account")
