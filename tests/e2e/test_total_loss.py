"""Recovery without the mailbox: a delay, a notice every day, and one press in any of them ends it (REC-12)."""

import re
from pathlib import Path

import httpx
import pytest
from latchkey_contracts import wire
from latchkey_contracts.messages import Contact, Secrets
from latchkey_contracts.recovery import TotalLossRecoveryAnnounced
from playwright.sync_api import Page, expect
from servicekit.clock import FileClock
from servicekit.keys import Keys
from servicekit.sealing import Opener
from testkit.stack import LINK, PASSWORD, Person, Product, eventually, new_email, person

from .conftest import read_records
from .phones import phoned
from .test_password_reset import NEW, Recovering, shape
from .window import NARROW, WIDE, heading, narrow_enough, violations

HOUR = 3600
# A recovery counts the days on which a notice left: whether it has not yet heard that of each of the newest one's that waits.
UNHEARD = """
SELECT FROM (SELECT id, notices FROM total_loss_case WHERE status = 'waiting' ORDER BY created_at DESC LIMIT 1) AS newest
WHERE cardinality(notices) > (SELECT count(*) FROM flow_message WHERE flow_id = id AND left_at IS NOT NULL)
"""


@pytest.fixture
def member(product: Product, http: httpx.Client) -> Person:
    mira = person(product, http)
    mira.app = "lost"
    return mira.activate()


def start(one: Person, new_address: str, identifier: str | None = None) -> httpx.Response:
    return one.post("/total-loss-recoveries", {"identifier": identifier or one.email, "email": new_address, "client": "api"})


def notices(product: Product, member: Person) -> list[dict]:
    return [one for one in product.messages(member.email) if "wants back into" in one["subject"]]


def stop(product: Product, member: Person, notice: dict) -> httpx.Response:
    with product.client() as anybody:
        return Person(product, anybody, member.email, app="lost").confirm(LINK.findall(notice["text"])[0])


def settle(product: Product) -> None:
    """All that is due now is done, and recovery has heard which notices left; what is due on another day waits."""
    due = "SELECT count(*) FROM work WHERE failed_at IS NULL AND due_at <= %s"
    eventually(lambda: product.rows("recovery", due, product.now())[0][0] == 0, seconds=20)
    eventually(lambda: not {one for one in product.waiting() if one.startswith(("outbox", "delivery"))}, seconds=20)
    left = "SELECT id FROM delivery WHERE template = 'total_loss_announced' AND state IN ('handed_over', 'accepted', 'delivered')"
    heard = "SELECT message_id FROM flow_message WHERE left_at IS NOT NULL"
    eventually(lambda: set(product.rows("notifier", left)) <= set(product.rows("recovery", heard)), seconds=20)
    eventually(lambda: not product.rows("recovery", UNHEARD), seconds=20)


class TestDelay:
    def test_takes_effect_when_nobody_stops_it(self, product: Product, member: Person) -> None:
        """REC-12: nothing for 71 hours but a notice a day; then the link goes to the new address, and works anywhere."""
        new_address = new_email()
        assert start(member, new_address).json()["status"] == "waiting"
        product.wait_mails(member.email, subject="wants back into")
        for day in (2, 3):
            settle(product)  # that a notice has left is known on its own day
            product.move_clock(24 * HOUR)
            product.wait_mails(member.email, day, subject="wants back into")
        settle(product)
        product.move_clock(23 * HOUR)
        settle(product)
        assert not product.mails(new_address)
        assert member.sign_in(PASSWORD).status_code == 200, "until then nothing has changed"
        product.move_clock(HOUR + 60)
        token = LINK.findall(product.wait_mails(new_address, subject="Set a new")[0]["text"])[0]
        with product.client() as anywhere:
            fresh = Recovering(product, anywhere, member.email, app="lost")
            fresh.take(fresh.confirm(token))
            assert fresh.choose().json()["status"] == "complete"
        product.wait_mails(member.email, subject="was reset")
        assert member.sign_in(NEW).status_code == 200
        assert len(notices(product, member)) == 3

    def test_stopped_from_an_old_notice_it_is_dead_for_good(self, product: Product, member: Person) -> None:
        """REC-12: cancel wins, whichever of the notices; the others say that it is over."""
        new_address = new_email()
        start(member, new_address)
        product.wait_mails(member.email, subject="wants back into")
        settle(product)  # that a notice has left is known on its own day
        product.move_clock(24 * HOUR)
        older, newer = product.wait_mails(member.email, 2, subject="wants back into")[:2]
        assert stop(product, member, older).json() == {"state": "cancelled"}
        assert stop(product, member, newer).json()["code"] == "link_ended"
        assert stop(product, member, older).json()["code"] == "link_used"
        product.move_clock(72 * HOUR)
        product.wait_quiet(seconds=30)
        assert not product.mails(new_address)
        assert len(notices(product, member)) == 2
        assert member.sign_in(PASSWORD).status_code == 200

    def test_another_start_neither_hurries_nor_restarts_it(self, product: Product, member: Person) -> None:
        first, second = new_email(), new_email()
        start(member, first)
        product.wait_mails(member.email, subject="wants back into")
        product.move_clock(12 * HOUR)
        assert start(member, second).status_code == 202
        for _ in range(3):
            product.move_clock(21 * HOUR)
            settle(product)
        product.wait_mails(first, subject="Set a new")
        settle(product)  # that a notice has left is known on its own day
        product.move_clock(24 * HOUR)
        product.wait_quiet(seconds=30)
        assert not product.mails(second)

    def test_a_number_alone_is_told_by_text_message(self, product: Product, http: httpx.Client) -> None:
        """NOT-1: an account with nothing but a confirmed phone; one press in a text message ends it."""
        kim, new_address = phoned(product, http, app="lostcalls").activate(), new_email()
        assert start(kim, new_address, kim.number).status_code == 202
        infrastructure = product.stack.infrastructure
        account = product.rows("identity", "SELECT account_id FROM identifier WHERE canonical = %s", kim.number)[0][0]

        def announced() -> list[TotalLossRecoveryAnnounced]:
            read = read_records(infrastructure.kafka_bootstrap, product.stack.topic_prefix, "recovery")
            events = [wire.decode(one.value, list(one.headers)) for one in read]
            return [one for one in events if isinstance(one, TotalLossRecoveryAnnounced) and one.account_id == account]

        (event,) = eventually(announced)
        assert (len(event.contacts), len(event.sms_contacts)) == (0, 1)
        queued = "SELECT channel FROM delivery WHERE flow_id = %s"
        assert eventually(lambda: product.rows("notifier", queued, event.flow_id)) == [("sms",)]
        opener = Opener(Keys(product.stack.data / "keys"), FileClock(Path(product.stack.extra["LATCHKEY_CLOCK_FILE"])))
        assert opener.open(event.sms_contacts[0], Contact).to == kim.number
        link = opener.open(event.message, Secrets).link or ""
        with product.client() as anybody:
            stop = Person(product, anybody, "", app="lostcalls").confirm(LINK.findall(link)[0])
            assert stop.json() == {"state": "cancelled"}


class TestAnswers:
    def test_alike_for_known_and_unknown(self, product: Product, member: Person, http: httpx.Client) -> None:
        """ENU-1."""
        known, unknown = start(member, new_email()), start(member, new_email(), new_email())
        assert shape(known)[0] == 202
        assert shape(known) == shape(unknown)

    def test_off_by_default(self, mira: Person) -> None:
        assert start(mira, new_email()).json()["code"] == "feature_disabled"


@pytest.mark.browser
class TestPages:
    @pytest.mark.parametrize(("script", "size"), [(True, WIDE), (False, NARROW)], ids=["script", "no script, 320 px"])
    def test_from_help_to_stopping_it(self, product: Product, member: Person, open_window, script: bool, size: tuple) -> None:
        """REC-12, WEB-6, WEB-7."""
        window = open_window(size, script=script)
        page = window.open("/lost/help")

        def fine() -> None:
            if script:
                assert not violations(page)
            assert narrow_enough(page)

        page.get_by_role("link", name="Both, or I can’t reach my mail").click()
        page.get_by_role("link", name="Recover with another address").click()
        expect(heading(page)).to_have_text("I can’t reach my mail")
        fine()
        page.get_by_role("button", name="Start").click()
        expect(page.locator(".error").first).to_be_visible()
        page.get_by_label("E-mail or username").fill(member.email)
        page.get_by_label("An address you can read now").fill(new_email())
        page.get_by_role("button", name="Start").click()
        expect(heading(page)).to_have_text("Now we wait")
        fine()
        token = LINK.findall(product.wait_mails(member.email, subject="wants back into")[0]["text"])[0]
        page = window.open(f"/lost/l/{token}")
        expect(heading(page)).to_have_text("Stop this recovery?")
        fine()
        page.get_by_role("button", name="Stop it for good").click()
        expect(heading(page)).to_have_text("It is stopped")
        fine()

    @pytest.mark.parametrize(("script", "dark"), [(True, True), (False, False)], ids=["script, dark", "no script"])
    def test_notices_that_are_over(self, product: Product, member: Person, open_window, script: bool, dark: bool) -> None:
        """REC-12, E4: no such link is ever renewed; its page says so, with a way on, and speaks of no address."""
        start(member, new_email())
        product.wait_mails(member.email, subject="wants back into")
        settle(product)  # that a notice has left is known on its own day
        product.move_clock(24 * HOUR)
        older, newer = (
            LINK.findall(one["text"])[0] for one in product.wait_mails(member.email, 2, subject="wants back into")[:2]
        )
        window = open_window(NARROW, script=script, dark=dark)
        with product.client() as anybody:
            assert Person(product, anybody, member.email, app="lost").confirm(older).status_code == 200
        for token in (older, newer):
            self.over(window.open(f"/lost/l/{token}"), "It is stopped", script=script)
        product.move_clock(1000 * HOUR)
        for token in (older, newer):
            # Whether it is forgotten by now or not.
            self.over(window.open(f"/lost/l/{token}"), "It is stopped|This link is incomplete", script=script)

    @pytest.mark.parametrize(("script", "dark"), [(True, False), (False, True)], ids=["script", "no script, dark"])
    def test_a_notice_after_it_took_effect(self, product: Product, member: Person, open_window, script: bool, dark: bool) -> None:
        """REC-12, D13: whoever comes too late is led to a new password."""
        new_address = new_email()
        start(member, new_address)
        token = LINK.findall(product.wait_mails(member.email, subject="wants back into")[0]["text"])[0]
        settle(product)
        for _ in range(3):
            settle(product)  # that a notice has left is known on its own day
            product.move_clock(24 * HOUR)
            settle(product)
        product.move_clock(60)
        product.wait_mails(new_address, subject="Set a new")
        page = open_window(NARROW, script=script, dark=dark).open(f"/lost/l/{token}")
        self.over(page, "This recovery took effect", script=script)
        page.get_by_role("link", name="Set a new password").click()
        expect(heading(page)).to_have_text("Set a new password")

    def over(self, page: Page, title: str, *, script: bool) -> None:
        expect(heading(page)).to_have_text(re.compile(title))
        assert "None" not in page.locator("main").inner_text()
        expect(page.get_by_role("button", name="Send a new link")).to_have_count(0)
        assert page.locator("main a.button").count() >= 1
        assert narrow_enough(page)
        assert not script or not violations(page)
