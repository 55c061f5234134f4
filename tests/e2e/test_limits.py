"""THR-1, THR-3 across processes: what one network, its autonomous system, an application and everybody may, over two gateways."""

import re
from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest
from devstack.infrastructure import Infrastructure
from mmdb_writer import MMDBWriter
from netaddr import IPSet
from playwright.sync_api import Page, expect
from testkit.running import running
from testkit.stack import PASSWORD, Product, new_email

from .conftest import configuration
from .tab import Tab
from .window import NARROW, heading, narrow_enough, violations

PROXY = "127.0.0.1/32"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, infrastructure: Infrastructure, run_prefix: str) -> Iterator[Product]:
    """3 starts a minute for a network, 6 for the system of 192.0.2.0/24, 9 for an application, 12 for all; 5 tries and so on."""
    folder = tmp_path_factory.mktemp("small")
    writer = MMDBWriter(6, "ASN", ipv4_compatible=True)
    writer.insert_network(IPSet(["192.0.2.0/24"]), {"autonomous_system_number": 64500})
    writer.to_db_file(str(folder / "asn.mmdb"))
    with running(
        folder,
        infrastructure,
        f"{run_prefix}small-",
        configuration=configuration(folder),
        replicas={"gateway": 2},
        LATCHKEY_TRUSTED_PROXIES=PROXY,
        LATCHKEY_STARTS_PER_MINUTE="3",
        LATCHKEY_TRIES_PER_MINUTE="5",
        LATCHKEY_ASN_TIMES="2",
        LATCHKEY_APPLICATION_TIMES="3",
        LATCHKEY_ALL_TIMES="4",
        LATCHKEY_ASN_DATABASE=str(folder / "asn.mmdb"),
    ) as found:
        yield found


@pytest.fixture
def starts(small: Product):
    """Asks for resets from addresses, by turns over both gateways, in an empty minute; answers the statuses."""
    small.move_clock(120)
    clients = [small.client(0), small.client(1)]

    def ask(*addresses: str, app: str = "demo") -> list[httpx.Response]:
        answers = []
        for number, address in enumerate(addresses):
            body = {"identifier": new_email(), "client": "api"}
            headers = {"X-Forwarded-For": address}
            answers.append(clients[number % 2].post(f"/v1/apps/{app}/password-resets", json=body, headers=headers))
        return answers

    yield ask
    for one in clients:
        one.close()


def statuses(answers: list[httpx.Response]) -> list[int]:
    return [one.status_code for one in answers]


def test_one_network(starts) -> None:
    """THR-3: /32 and /64; the answer says when to come again and not what it was about."""
    answers = starts(*["203.0.113.7"] * 4)
    assert statuses(answers) == [202, 202, 202, 429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    assert answers[-1].json()["code"] == "too_many_requests"
    assert "203.0.113" not in answers[-1].text
    assert statuses(starts("203.0.113.8", *(f"2001:db8:1:2::{number}" for number in range(4)))) == [202, 202, 202, 202, 429]


def test_an_autonomous_system(starts) -> None:
    answers = starts(*(f"192.0.2.{number}" for number in range(7)), "198.51.100.1")
    assert statuses(answers) == [202] * 6 + [429, 202]
    assert answers[6].json() == {**starts(*["203.0.113.7"] * 4)[-1].json(), "request_id": answers[6].json()["request_id"],
                                 "retry_after_seconds": answers[6].json()["retry_after_seconds"]}  # fmt: skip


def test_an_application_and_everybody(starts) -> None:
    """Nobody's doing in particular: 503, with the time to wait; other applications go on until all is full."""
    answers = starts(*(f"203.0.{number}.1" for number in range(10)))
    assert statuses(answers) == [202] * 9 + [503]
    assert answers[-1].json()["code"] == "overloaded"
    assert int(answers[-1].headers["retry-after"]) >= 1
    # The one that the application refused is counted among all: two of twelve are left.
    assert statuses(starts("203.0.20.1", "203.0.21.1", "203.0.22.1", app="mobile")) == [202, 202, 503]


def test_the_page_says_so(small: Product, starts, open_window) -> None:
    """WEB-5: on the form's own page, with what was typed; back shows the page before."""
    page = open_window().context.new_page()
    page.goto(f"{small.origin}/demo/reset")
    typed = new_email()
    page.get_by_label("E-mail or username").fill(typed)
    starts(*(f"203.0.{number}.1" for number in range(9)))
    with page.expect_navigation() as answered:
        page.get_by_role("button", name="Continue", exact=True).click()
    assert answered.value.status == 503
    assert int(answered.value.headers["retry-after"]) >= 1
    expect(page.get_by_role("alert")).to_contain_text("Busy right now")
    expect(page.get_by_label("E-mail or username")).to_have_value(typed)
    page.go_back()
    expect(heading(page)).to_have_text("Set a new password")


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/demo/sign-up", "email"),
        ("/demo/sign-in", "identifier"),
        ("/demo/reset", "identifier"),
        ("/demo/help/username", "email"),
    ],
)
def test_keeps_what_was_typed(small: Product, starts, path: str, field: str) -> None:
    """WEB-5, THR-6: 429 on the form's own page, with all that was typed but the password."""
    starts(*["198.51.100.7"] * 3)
    tab, typed = Tab(small), {field: new_email()}
    tab.client.headers["X-Forwarded-For"] = "198.51.100.7"
    if path.endswith("sign-up"):
        typed |= {"given_name": "Mira", "family_name": "Lindqvist", "username": "mira.l", "password": PASSWORD}
    page = tab.press(tab.open(path), **typed)
    assert page.status == 429
    assert "Just a moment" in page.main
    kept = {name: "" if name == "password" else value for name, value in typed.items()}
    assert {name: page.form().fields[name] for name in typed} == kept
    assert PASSWORD not in page.html


class TestTheStepIsKept:
    """WEB-5, E4: who is told "later" in the middle of a flow gets back to it, in every language."""

    def begun(self, small: Product, page: Page, path: str) -> str:
        """Waits for a message; the address of that page."""
        page.goto(small.origin + path)
        page.locator("main form").locator("#identifier, #email").fill(new_email())
        if page.locator("#password").count():
            page.locator("#password").fill(PASSWORD)
        page.locator("main form button.button").first.click()
        page.wait_for_url("**?flow=*")
        return page.url

    def full(self, small: Product, *addresses: str) -> None:
        """Tries from these addresses, until there is no room for one more."""
        with small.client() as client:
            for address in addresses:
                path = f"/v1/apps/demo/password-resets/{uuid4()}/code"
                client.post(path, json={"code": "000000"}, headers={"X-Forwarded-For": address, "Latchkey-Flow": "x" * 43})

    @pytest.mark.parametrize("path", ["/demo/reset", "/demo/help/username", "/demo/sign-up"])
    @pytest.mark.parametrize(("status", "script"), [(429, True), (503, False)], ids=["429, script", "503, no script"])
    def test_send_again(self, small: Product, starts, open_window, path: str, status: int, script: bool) -> None:
        title = "Just a moment" if status == 429 else "Busy right now"
        context = open_window(NARROW, script=script).context
        context.set_extra_http_headers({"X-Forwarded-For": "198.51.100.9"})
        context.route("**/v1/apps/**", lambda route: route.abort())  # the page stays as it is
        page = context.new_page()
        waiting = self.begun(small, page, path)
        page.goto(waiting)
        self.full(small, *(["198.51.100.9"] * 5 if status == 429 else [f"203.0.{number}.1" for number in range(20)]))
        with page.expect_navigation() as answered:  # in one go: with script the countdown disables it again
            page.locator("[name=resend]").first.evaluate("(button) => { button.disabled = false; button.click(); }")
        assert answered.value.status == status
        assert int(answered.value.headers["retry-after"]) >= 1
        expect(page.get_by_role("alert")).to_contain_text(title)
        assert narrow_enough(page)
        assert not script or not violations(page)
        german = context.new_page()
        german.goto(small.origin + str(page.locator(".languages a[lang=de]").get_attribute("href")))
        assert re.sub(r"&again=[\w-]+", "", german.url) == f"{waiting}&ui_locales=de"
        expect(german.locator("[name=resend]").first).to_be_attached()
        assert re.sub(r"&again=[\w-]+", "", page.url) == waiting
        expect(page.locator("[name=resend]").first).to_be_attached()

    def test_typing_a_code(self, small: Product, starts, open_window) -> None:
        context = open_window(NARROW, script=False).context
        context.set_extra_http_headers({"X-Forwarded-For": "198.51.100.9"})
        page = context.new_page()
        waiting = self.begun(small, page, "/demo/reset")
        self.full(small, *["198.51.100.9"] * 5)
        page.get_by_label("Or type the code from the mail").fill("123456")
        page.get_by_role("button", name="Continue", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text("Just a moment")
        assert re.sub(r"&again=[\w-]+", "", page.url) == waiting
        expect(heading(page)).to_have_text("Check your mail")
