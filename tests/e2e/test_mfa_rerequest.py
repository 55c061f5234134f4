"""R24 to R29: a code or link that didn't come is asked for again by any other way, by the API and by the pages (D16, D18, OTP-5)."""

import re
from itertools import pairwise, permutations
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect
from testkit.stack import LINK, Product, eventually, person

from .factors import Member
from .phones import new_number
from .window import PHONE, Visitor, heading

# R25 to R29: to which factor, by which channel, as what.
WAYS = {
    "e-mail code": ("email", "email", "code"),
    "e-mail link": ("email", "email", "link"),
    "call": ("phone", "voice", "code"),
    "SMS code": ("phone", "sms", "code"),
    "SMS link": ("phone", "sms", "link"),
}
DAY, HOUR, SPACING = 86400, 3601, 21
# All twenty, each once, in walks of five messages: as many as an hour allows (E1).
WALKS = [[list(WAYS)[int(place)] for place in walk] for walk in ("12340", "30241", "14203", "04321", "01310")]


class Reachable(Member):
    """With a mailbox and a number that count."""

    number = ""

    def enrol(self) -> "Reachable":
        self.one.activate()
        self.one.sign_in()
        self.number = new_number()
        self.add_mailbox_and_phone(self.number)
        return self

    @property
    def product(self) -> Product:
        return self.one.product

    def said(self, way: str) -> list[str]:
        """Codes or tokens of all messages by this way, oldest first."""
        _, channel, form = WAYS[way]
        found = self.product.received(channel, self.one.email if channel == "email" else self.number)
        of_a_sign_in = [one for one in found if channel != "email" or re.search("(code|link) to sign in", one["subject"])]
        if form == "link":
            return [str(LINK.findall(one["text"])[0]) for one in of_a_sign_in if LINK.search(one["text"])]
        return [str(self.product.code_of(one)) for one in of_a_sign_in if not LINK.search(one["text"])]

    def next_by(self, way: str, before: int) -> str:
        return str(eventually(lambda: self.said(way)[before:])[-1])

    def ask(self, way: str) -> str:
        """Sent in the sign-in that waits: its code, or its link's token."""
        kind, channel, form = WAYS[way]
        before = len(self.said(way))
        factor = next(one["id"] for one in self.one.flow["factors"] if one["kind"] == kind)
        answer = self.one.post(
            f"/sign-ins/{self.one.flow['id']}/challenges", {"factor_id": factor, "channel": channel, "form": form}
        )
        assert answer.status_code == 202, answer.text
        assert (answer.json()["match"] is not None) is (form == "link")
        return self.next_by(way, before)

    def use(self, way: str, secret: str) -> httpx.Response:
        if WAYS[way][2] == "link":
            return self.one.post("/links/confirm", {"token": secret})
        return self.one.post(f"/sign-ins/{self.one.flow['id']}/code", {"code": secret})


@pytest.fixture(scope="module")
def reachable(product: Product) -> Any:
    with product.client() as client:
        eventually(product.all_ready, seconds=60)
        yield Reachable(person(product, client)).enrol()


def test_twenty_of_twenty_by_the_api(product: Product, reachable: Reachable) -> None:
    """The old one is dead, the new one works, and the wrong tries are kept over both."""
    for number, (first, second) in enumerate(permutations(WAYS, 2)):
        if number % 2 == 0:
            product.move_clock(DAY if number % 4 == 0 else HOUR)  # what an hour and a day allow (E1, FRD-4)
        waiting = reachable.one.sign_in().json()
        assert (waiting["status"], waiting["delivery"]) == ("needs_factor", None)
        old = reachable.ask(first)
        assert reachable.enter("000000").json()["tries_left"] == 4
        product.move_clock(SPACING)
        new = reachable.ask(second)
        dead = reachable.use(first, old).json()
        assert dead["code"] == ("link_superseded" if WAYS[first][2] == "link" else "code_wrong"), (first, second)
        assert dead.get("tries_left", 3) == 3
        done = reachable.use(second, new).json()
        assert (done["status"], "session" in done) == ("complete", True), (first, second)


@pytest.mark.browser
def test_twenty_of_twenty_by_the_pages(product: Product, reachable: Reachable, open_window) -> None:
    """Each switch by its button in "Didn't get it?"; the newest signs in."""
    assert len({pair for walk in WALKS for pair in pairwise(walk)}) == 20
    visitor = open_window(PHONE, script=False)
    for walk in WALKS:
        product.move_clock(DAY)
        visitor.sign_in(reachable.one.email)
        visitor.page.get_by_role("link", name="Choose another method").click()
        newest = press(visitor.page, reachable, walk[0])
        for way in walk[1:]:
            product.move_clock(SPACING)
            visitor.page.locator("details.ask summary").click()
            newest = press(visitor.page, reachable, way)
        arrive(visitor, walk[-1], newest)
        expect(heading(visitor.page)).to_have_text(re.compile("^Hello"))
        visitor.keep_cookies()
        visitor.page.get_by_role("button", name="Sign out").click()
        expect(heading(visitor.page)).to_have_text("Sign in")


def press(page: Page, reachable: Reachable, way: str) -> str:
    """Sends it, and waits until it is there and the page says what was sent."""
    _, channel, form = WAYS[way]
    before = len(reachable.said(way))
    page.locator(f"button[name=send][value$='.{channel}.{form}']").click()
    if form == "link":
        expect(heading(page)).to_have_text(f"Open the link in your {'mail' if channel == 'email' else 'text message'}")
    else:
        expect(heading(page)).to_have_text("Enter the code")
        said = {"email": "We sent a mail to", "sms": "We sent a text message to", "voice": "We call"}[channel]
        expect(page.locator(".lead")).to_contain_text(said)
    return reachable.next_by(way, before)


def arrive(visitor: Visitor, way: str, newest: str) -> None:
    if WAYS[way][2] == "code":
        visitor.page.locator("#code").fill(newest)
        visitor.page.get_by_role("button", name="Continue", exact=True).click()
    else:
        visitor.open(f"/demo/l/{newest}")
        visitor.page.get_by_role("button", name="Sign me in").click()
