"""A new password in the portal, and one that a leak forces (PWD-6, PWD-7, PWD-9, NOT-1)."""

import re
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from devstack.infrastructure import Infrastructure
from latchkey_contracts import wire
from latchkey_contracts.identity import CredentialCompromised
from playwright.sync_api import expect
from testkit.stack import LINK, PASSWORD, Person, Product, eventually, new_email, person

from .conftest import LEAKED, read_records, write_breaches
from .factors import Member
from .test_second_step_pages import Owner
from .window import NARROW, WIDE, heading, narrow_enough, violations

NEW = "seven copper lanterns drifting north"


def change(one: Person, headers: dict[str, str] | None = None, /, **body: object) -> httpx.Response:
    one.product.secrets.add(NEW)
    body = {"current_password": PASSWORD, "password": NEW, **body}
    return one.http.put("/v1/me/password", json=body, headers={**one.bearer, **(headers or {})})


@pytest.fixture
def member(mira: Person) -> Person:
    mira.activate()
    mira.sign_in()
    return mira


class TestChange:
    def test_needs_the_current_one(self, product: Product, member: Person) -> None:
        """PWD-6: 403 without, then done; the old one fails; every address is told, with a way to lock the account."""
        answer = change(member, current_password="not the password at all")
        assert (answer.status_code, answer.json()["code"]) == (403, "credentials_wrong")
        assert change(member).status_code == 204
        assert member.http.get("/v1/session", headers=member.bearer).status_code == 200, "this window stays"
        assert person(product, member.http, member.email).sign_in(PASSWORD).status_code == 403
        notice = product.wait_mails(member.email, subject="was changed")[0]
        assert NEW not in notice["text"]
        assert LINK.findall(notice["text"])

    def test_repeated_with_its_key_it_is_done_once(self, product: Product, member: Person) -> None:
        """API-4, E19: the second answer is the first one, though its current password isn't any more."""
        key = {"Idempotency-Key": uuid4().hex}
        answers = [change(member, key) for _ in range(2)]
        assert [(one.status_code, one.content) for one in answers] == [(204, b"")] * 2
        assert member.sign_in(NEW).status_code == 200
        assert len(product.wait_mails(member.email, subject="was changed")) == 1

    def test_other_sessions_end_or_stay(self, product: Product, member: Person) -> None:
        """PWD-6: as the customer wants."""
        other = person(product, member.http, member.email)
        other.sign_in()
        assert change(member, end_other_sessions=False).status_code == 204
        assert other.http.get("/v1/session", headers=other.bearer).status_code == 200
        assert change(member, current_password=NEW, password=f"{NEW} again").status_code == 204
        eventually(lambda: other.http.get("/v1/session", headers=other.bearer).status_code == 401, seconds=3)
        assert member.http.get("/v1/session", headers=member.bearer).status_code == 200

    def test_same_rules(self, member: Person) -> None:
        """PWD-4: the reason comes with the field; the password one has is no new one."""
        for bad, code in (("short", "password_too_short"), (PASSWORD, "password_same")):
            answer = change(member, password=bad)
            assert answer.status_code == 422
            assert [(one["field"], one["code"]) for one in answer.json()["errors"]] == [("/password", code)]

    def test_guessing_the_current_one_is_slowed_down(self, product: Product, member: Person) -> None:
        """BRF-1: a stolen session is no oracle."""
        codes = [change(member, current_password=f"guess number {one} of many").status_code for one in range(7)]
        assert codes[:5] == [403] * 5
        assert codes[5:] == [429] * 2
        product.move_clock(31)
        assert change(member).status_code == 204

    def test_without_a_session(self, http: httpx.Client) -> None:
        answer = http.put("/v1/me/password", json={"current_password": "x", "password": NEW})
        assert (answer.status_code, answer.json()["code"]) == (401, "session_required")


class TestBreached:
    def test_at_sign_in_a_new_one_is_forced(self, product: Product, mira: Person, infrastructure: Infrastructure) -> None:
        """PWD-7: added to the corpus after registration; the next sign-in leads to the change and nowhere else."""
        mira.password = f"once thought unique {new_email()[7:15]}"
        product.secrets.add(mira.password)
        mira.activate()
        write_breaches(Path(product.stack.extra["LATCHKEY_BREACH_FILE"]), [*LEAKED, mira.password])
        for name in ("identity", "identity.1"):
            product.kill(name)
        eventually(product.all_ready, seconds=30)
        answer = mira.sign_in()
        assert answer.json()["status"] == "needs_action"
        assert answer.json()["actions"] == ["password"]
        assert not answer.json().get("session")
        path = f"/sign-ins/{mira.flow['id']}/action"
        assert mira.post(path, {"password": LEAKED[7]}).json()["errors"][0]["code"] == "password_breached"
        product.secrets.add(NEW)
        done = mira.post(path, {"password": NEW})
        assert done.json()["status"] == "complete"
        mira.take(done)
        assert mira.http.get("/v1/session", headers=mira.bearer).status_code == 200
        product.wait_mails(mira.email, subject="was changed")
        read = read_records(infrastructure.kafka_bootstrap, product.stack.topic_prefix, "identity")
        events = [wire.decode(one.value, list(one.headers)) for one in read]
        assert [one for one in events if isinstance(one, CredentialCompromised)]

    def test_refused_wherever_one_is_chosen(self, product: Product, member: Person, http: httpx.Client) -> None:
        """PWD-4: fifty samples of the list at registration, one at change."""
        stranger = person(product, http)
        for leaked in LEAKED:
            answer = stranger.register(password=leaked)
            assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "password_breached")
        assert change(member, password=LEAKED[0]).json()["errors"][0]["code"] == "password_breached"


@pytest.mark.browser
def test_pages_of_who_has_a_factor(product: Product, mira: Person, open_window) -> None:
    """STP-1: its code first, then the new password; the one of now is not asked for."""
    mira.activate()
    mira.sign_in()
    member = Member(mira)
    member.add_app()
    owner = Owner(open_window(NARROW, script=False), mira, script=False)
    owner.secret, page = member.secret, owner.page
    owner.window.sign_in(mira.email)
    owner.type_code(owner.app())
    expect(heading(page)).to_have_text(re.compile("^Hello"))
    owner.window.open("/demo/account/security/password")
    owner.at("Change your password")
    expect(page.get_by_label("Current password")).to_have_count(0)
    owner.press("Confirm it’s you")
    owner.at("Confirm it’s you")
    owner.type_code(owner.app())
    owner.at("Change your password")
    product.secrets.add(NEW)
    page.get_by_label("New password", exact=True).fill(NEW)
    page.get_by_label("Once more").fill(NEW)
    owner.press("Save new password")
    expect(heading(page)).to_have_text(re.compile("^Hello"))
    assert person(product, mira.http, mira.email).sign_in(NEW).status_code == 200


@pytest.mark.browser
class TestPages:
    @pytest.mark.parametrize(("script", "size"), [(True, WIDE), (False, NARROW)], ids=["script", "no script, 320 px"])
    def test_in_the_portal(self, product: Product, mira: Person, open_window, script: bool, size: tuple) -> None:
        """PWD-6, PWD-9: from the well-known address, over the sign-in, to the change and back to the overview."""
        mira.activate()
        product.secrets.add(NEW)
        window = open_window(size, script=script)
        page = window.open("/.well-known/change-password")
        if "/demo/" not in page.url:
            page = window.open("/demo/account/security/password")
        expect(heading(page)).to_have_text("Sign in")
        page.get_by_label("E-mail or username").fill(mira.email)
        page.get_by_role("button", name="Continue", exact=True).click()
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(heading(page)).to_have_text("Change your password")
        if script:
            assert not violations(page)
        assert narrow_enough(page)
        page.get_by_label("Current password").fill("not the password at all")
        page.get_by_label("New password").fill(NEW)
        page.get_by_label("Once more").fill(NEW)
        page.get_by_role("button", name="Save new password").click()
        expect(page.locator("#current_password-error")).to_contain_text("isn’t your current password")
        page.get_by_label("Current password").fill(PASSWORD)
        page.get_by_label("New password").fill(NEW)
        page.get_by_label("Once more").fill(NEW)
        page.get_by_role("button", name="Save new password").click()
        expect(heading(page)).to_contain_text("Hello")
        expect(page.get_by_role("status")).to_contain_text("Your new password is set")
        product.wait_mails(mira.email, subject="was changed")

    def test_reset_from_the_portal(self, product: Product, mira: Person, open_window) -> None:
        """D12, REC-6: who is signed in and doesn't know the password gets a new one by the mailbox, and is asked for it then."""
        mira.activate()
        window = open_window(NARROW)
        window.sign_in(mira.email)
        expect(heading(window.page)).to_contain_text("Hello")
        page = window.open("/demo/account/security/password")
        page.get_by_role("link", name="I don’t know my current password").click()
        expect(page.get_by_label("E-mail or username")).to_have_value(mira.email)
        page.get_by_role("button", name="Continue", exact=True).click()
        expect(heading(page)).to_have_text("Check your mail")
        tab = window.context.new_page()
        token = LINK.findall(product.wait_mails(mira.email, subject="Set a new")[0]["text"])[0]
        tab.goto(f"{product.origin}/demo/l/{token}")
        tab.get_by_role("button", name="Set a new password").click()
        product.secrets.add(NEW)
        tab.get_by_label("New password").fill(NEW)
        tab.get_by_label("Once more").fill(NEW)
        tab.get_by_role("button", name="Save new password").click()
        expect(heading(tab)).to_have_text("Your new password is set")
        tab.goto(f"{product.origin}/demo/account")
        expect(heading(tab)).to_have_text("Sign in")

    def test_a_reset_of_somebody_else_is_no_surprise(
        self, product: Product, mira: Person, http: httpx.Client, open_window
    ) -> None:
        """LNK-4: whoever is signed in as another person stays so, and changes nobody's password by a press."""
        mira.activate()
        stranger = person(product, http).activate()
        stranger.post("/password-resets", {"identifier": stranger.email, "client": "api"})
        window = open_window()
        window.sign_in(mira.email)
        expect(heading(window.page)).to_contain_text("Hello")
        token = LINK.findall(product.wait_mails(stranger.email, subject="Set a new")[0]["text"])[0]
        page = window.open(f"/demo/l/{token}")
        expect(heading(page)).to_contain_text("You’re signed in as ")

    def test_well_known(self, http: httpx.Client) -> None:
        """PWD-9: a redirect to the change page."""
        answer = http.get("/.well-known/change-password")
        assert answer.status_code in {302, 303}
        assert answer.headers["location"].endswith("/account/security/password")
