"""Username reminder by API and by pages: to the address alone, alike for known and unknown (R10-R14, D8, REC-10)."""

import httpx
import pytest
from latchkey_contracts import wire
from latchkey_contracts.recovery import UsernameReminderRequested
from playwright.sync_api import expect
from testkit.stack import Person, Product, new_email, person

from .conftest import read_records
from .phones import Phoned, phoned
from .test_password_reset import shape
from .window import NARROW, WIDE, heading, narrow_enough, violations


def remind(one: Person, email: str | None = None) -> httpx.Response:
    answer = one.post("/username-reminders", {"email": email or one.email, "client": "api"})
    if answer.status_code == 202:
        one.take(answer)
    return answer


@pytest.fixture
def named(mira: Person) -> tuple[Person, str]:
    """Somebody with a username."""
    name = f"mira{new_email()[7:15]}"
    assert mira.register(identifiers={"email": mira.email, "username": name}).status_code == 202
    assert mira.confirm().status_code == 200
    return mira, name


class TestReminder:
    def test_goes_to_the_address_alone(self, product: Product, named: tuple[Person, str]) -> None:
        """D8, REC-10: the name stands in the mail, never in an answer."""
        mira, name = named
        answer = remind(mira)
        assert answer.status_code == 202
        assert name not in answer.text
        mail = product.wait_mails(mira.email, subject="username")[0]
        assert name in mail["text"]
        assert name in mail["html"]
        assert product.origin in mail["text"]

    def test_alike_for_known_and_unknown(self, product: Product, named: tuple[Person, str], http: httpx.Client) -> None:
        """ENU-1, R12: the same answers; no mail for an address of nobody."""
        unknown, nameless = person(product, http), person(product, http).activate()
        seen = []
        for one in (named[0], unknown, nameless):
            answers = [remind(one), one.post(f"/username-reminders/{one.flow['id']}/resend", {})]
            answers.append(http.get(one.url(f"/username-reminders/{one.flow['id']}"), headers=one.headers))
            seen.append([shape(answer) for answer in answers])
        assert seen[0] == seen[1] == seen[2]
        product.wait_mails(named[0].email, subject="username")
        product.wait_quiet(seconds=20)
        assert not [
            one for address in (unknown.email, nameless.email) for one in product.mails(address) if "username" in one["subject"]
        ]

    def test_only_a_verified_address(self, product: Product, http: httpx.Client) -> None:
        """D7, REC-9: a pending account's address proves nothing yet."""
        mira = person(product, http)
        mira.register(identifiers={"email": mira.email, "username": f"mira{new_email()[7:15]}"})
        mira.mail()
        remind(mira)
        product.wait_quiet(seconds=20)
        assert not [one for one in product.mails(mira.email) if "username" in one["subject"]]

    def test_one_budget_with_registration_and_reset(
        self, product: Product, named: tuple[Person, str], http: httpx.Client
    ) -> None:
        """REG-9: a hundred mixed requests in an hour bring five mails, and every answer is the same."""
        mira, _ = named
        before = len(product.wait_mails(mira.email, 2))  # activation and welcome
        statuses = set()
        for number in range(34):
            window = person(product, http, mira.email)
            statuses.add(remind(window).status_code)
            statuses.add(window.post("/password-resets", {"identifier": mira.email, "client": "api"}).status_code)
            statuses.add(person(product, http, mira.email).register().status_code)
            if number % 3 == 0:
                product.move_clock(21)
        assert statuses == {202}
        product.move_clock(21)
        product.wait_quiet(seconds=60)
        subjects = [one["subject"] for one in product.messages(mira.email)]
        assert len(subjects) - before <= 4, f"the activation counted, too: {subjects}"

    def test_not_where_the_store_has_no_usernames_or_the_policy_says_no(self, product: Product, http: httpx.Client) -> None:
        """R13."""
        mira = person(product, http)
        mira.app = "closed"
        assert remind(mira).json()["code"] == "feature_disabled"
        assert "My username" not in http.get("/closed/help").text

    @pytest.mark.parametrize(
        "body", [{}, {"email": "a@b.example", "phone": "+493415550141"}, {"email": 5}, {"mail": "a@b.example"}]
    )
    def test_bad_input(self, mira: Person, body: dict) -> None:
        answer = mira.post("/username-reminders", {**body, "client": "api"})
        assert answer.status_code == 422
        assert answer.json()["errors"]

    def test_published(self, product: Product, named: tuple[Person, str], infrastructure) -> None:
        """EVT-6: the event holds neither name nor address in clear."""
        mira, name = named
        remind(mira)
        product.wait_mails(mira.email, subject="username")
        read = read_records(infrastructure.kafka_bootstrap, product.stack.topic_prefix, "recovery")
        mine = [
            (one, wire.decode(one.value, list(one.headers)))
            for one in read
            if isinstance(wire.decode(one.value, list(one.headers)), UsernameReminderRequested)
        ]
        (record, _event), *_ = [(one, event) for one, event in mine if str(event.flow_id) == mira.flow["id"]]
        assert name.encode() not in record.value
        assert mira.email.encode() not in record.value


class TestByPhone:
    """`calls`: a store with usernames and phones."""

    def test_to_a_confirmed_number(self, product: Product, http: httpx.Client) -> None:
        """D8, REC-10: by text message; the name stands in it, never in an answer."""
        kim, name = phoned(product, http, app="calls"), f"kim{new_email()[7:15]}"
        assert kim.register(identifiers={"phone": kim.number, "username": name}).status_code == 202
        assert kim.type_code(kim.code()).json()["status"] == "activated"
        product.move_clock(21)
        answer = remind_by_phone(kim)
        assert answer.status_code == 202
        assert answer.json()["resend"]["channels"] == ["sms"]
        assert name not in answer.text
        (message,) = kim.messages()
        assert (message.channel, message.to, message.contact.usernames) == ("sms", kim.number, [name])
        assert name in product.wait_message(kim.number, channel="sms", count=2)["text"]

    def test_alike_for_known_pending_and_unknown(self, product: Product, http: httpx.Client) -> None:
        """ENU-1, R12: and nothing leaves for a number that nobody confirmed."""
        people = [phoned(product, http, app="calls") for _ in range(3)]
        for one in people[:2]:
            one.register(identifiers={"phone": one.number, "username": f"kim{new_email()[7:15]}"})
            code = one.code()
            if one is people[0]:
                one.type_code(code)
        product.move_clock(21)
        seen = []
        for one in people:
            answers = [
                remind_by_phone(one),
                one.resend(flow="username-reminders"),
                one.resend("voice", flow="username-reminders"),
            ]
            answers.append(http.get(one.url(f"/username-reminders/{one.flow['id']}"), headers=one.headers))
            seen.append([shape(answer) for answer in answers])
        assert seen[0] == seen[1] == seen[2]
        product.wait_quiet(seconds=20)
        sent = product.rows("recovery", "SELECT account_id IS NOT NULL FROM request WHERE id = ANY(%s::uuid[]) ORDER BY created_at",
                            [one.flow["id"] for one in people])  # fmt: skip
        assert sent == [(True,), (False,), (False,)]


def remind_by_phone(one: Phoned) -> httpx.Response:
    answer = one.post("/username-reminders", {"phone": one.number, "client": "api"})
    one.take(answer)
    return answer


@pytest.mark.browser
class TestPages:
    @pytest.mark.parametrize(("script", "size"), [(True, WIDE), (False, NARROW)], ids=["script", "no script, 320 px"])
    def test_from_help_to_the_mail(
        self, product: Product, named: tuple[Person, str], open_window, script: bool, size: tuple
    ) -> None:
        """R10, WEB-6, WEB-7."""
        mira, name = named
        page = open_window(size, script=script).open("/demo/help")
        page.get_by_role("link", name="My username").click()
        page.get_by_role("button", name="Send my username").click()
        expect(page.locator("#email-error")).to_be_visible()
        page.get_by_label("E-mail").fill(mira.email)
        page.get_by_role("button", name="Send my username").click()
        expect(heading(page)).to_have_text("Check your mail")
        expect(page.locator(".lead")).to_contain_text(f"If {mira.email} belongs to an account")
        if script:
            assert not violations(page)
        assert narrow_enough(page)
        assert name in product.wait_mails(mira.email, subject="username")[0]["text"]
        page.get_by_role("link", name="Go to sign-in").click()
        expect(heading(page)).to_have_text("Sign in")
