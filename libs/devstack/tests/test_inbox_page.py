"""The inbox page in a browser without JavaScript: everything is there, at 320 pixels, light and dark, for everybody."""

import re
from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page
from testkit.inboxes import NOTHING, Answer, Heard, Listener, LocalInbox
from testkit.stack import eventually

pytestmark = pytest.mark.browser
TO = "+493415550141"


def answer(heard: Heard) -> Answer:
    said = {
        "answer": '<Gather numDigits="1" action="?message=m&amp;step=key"><Say>This is Elmstead. Press 1.</Say></Gather>',
        "key": "<Pause/><Say>Your code is: 4, 8, 2, 1, 9, 3.</Say>",
    }
    step = re.search(r"step=(\w+)", heard.url)
    return (200, "text/xml", f"<Response>{said[step[1]]}</Response>") if step else NOTHING


@pytest.fixture(scope="module")
def inbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalInbox]:
    """With an SMS and a call in it."""
    found = LocalInbox(tmp_path_factory.mktemp("page"))
    settings = found.provider("twilio")
    url = f"{settings['url']}/2010-04-01/Accounts/{settings['account_sid']}"
    with (
        Listener(answer) as listener,
        httpx.Client(auth=(settings["account_sid"], settings["auth_token"]), trust_env=False) as http,
    ):
        back = f"{listener.url}/?message={uuid4()}"
        form = {"To": TO, "From": settings["from"], "StatusCallback": back}
        http.post(f"{url}/Messages.json", data={**form, "Body": "Elmstead: 730118 is your code to sign in."})
        eventually(lambda: found.items(channel="sms")[0]["state"] == "delivered")
        http.post(f"{url}/Calls.json", data={**form, "Url": f"{back}&step=answer"})
        eventually(lambda: found.items(channel="voice"))
        eventually(lambda: len(listener.heard) == 5)
    yield found
    found.kill()


@pytest.fixture
def page(browser: Browser, inbox: LocalInbox) -> Iterator[Page]:
    context = browser.new_context(java_script_enabled=False, base_url=inbox.url)
    yield context.new_page()
    context.close()
    inbox.fail("none")


class TestShows:
    def test_a_call_with_its_transcript_and_code_at_hand(self, page: Page) -> None:
        """PST-4."""
        page.goto("/inbox?channel=voice")
        assert page.locator("h1").inner_text() == "Call to +49\u00a0341\u00a05550141"
        assert page.locator("dl").inner_text().count("Answered") == 1
        talk = page.locator(".talk").inner_text()
        assert re.sub(r"\s+", " ", talk) == "This is Elmstead. Press 1. 1 pressed pause Your code is: 4, 8, 2, 1, 9, 3."
        assert page.get_by_label("Code").input_value() == "482193"

    def test_a_text_and_its_state(self, page: Page) -> None:
        page.goto("/inbox")
        page.get_by_role("link", name="SMS 1").click()
        assert page.locator(".text").inner_text() == "Elmstead: 730118 is your code to sign in."
        assert page.locator(".tag").inner_text() == "Delivered"
        assert page.get_by_label("Code").input_value() == "730118"
        assert page.locator(".row").count() == 1

    def test_who_uses_what_nobody_knows(self, page: Page) -> None:
        """An old link, or one from elsewhere."""
        assert page.goto("/inbox?message=none&channel=fax").status == 200
        assert page.locator("h1").inner_text() == "Nothing yet"


class TestFails:
    def test_the_next_text(self, page: Page, inbox: LocalInbox) -> None:
        page.goto("/inbox?channel=sms")
        page.get_by_label("How", exact=True).select_option("permanent")
        page.get_by_label("By").select_option("twilio")
        page.get_by_role("button", name="Set").click()
        assert page.get_by_role("status").inner_text() == "SMS by twilio: no such recipient (550, 400), 1 to come"
        assert "channel=sms" in page.url
        page.get_by_role("button", name="Clear all").click()
        assert page.get_by_role("status").count() == 0

    def test_what_does_not_go_is_said(self, page: Page) -> None:
        page.goto("/inbox?channel=sms")
        page.get_by_label("How", exact=True).select_option("busy")
        page.get_by_role("button", name="Set").click()
        assert page.get_by_role("alert").inner_text() == "That can't be set: busy is a fault of voice only."
        assert page.locator("h1").inner_text() == "SMS to +49\u00a0341\u00a05550141"

    def test_the_answering_machine(self, page: Page, inbox: LocalInbox) -> None:
        """PST-4."""
        page.goto("/inbox")
        page.get_by_role("button", name="Answering machine").click()
        assert "an answering machine answers, until cleared" in page.get_by_role("status").inner_text()
        page.get_by_role("button", name="Let people answer again").click()
        assert page.get_by_role("button", name="Answering machine").is_visible()


class TestForEverybody:
    @pytest.mark.parametrize("dark", [False, True])
    @pytest.mark.parametrize("path", ["/inbox?channel=voice", "/inbox?channel=sms", "/inbox?channel=email"])
    def test_no_findings_and_no_sideways_scrolling(self, browser: Browser, inbox: LocalInbox, path: str, dark: bool) -> None:
        """WEB-6: axe, and 320 pixels. Script is on for axe alone."""
        inbox.fail("temporary", "until_cleared", channel="sms")
        inbox.fail("answering_machine", "until_cleared", channel="voice")
        context = browser.new_context(
            viewport={"width": 320, "height": 800}, color_scheme="dark" if dark else "light", base_url=inbox.url, bypass_csp=True
        )
        page = context.new_page()
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        context.close()
        inbox.fail("none")
