"""What secures an account leaves nothing open from before (LNK-7, LNK-9, REC-12), and whoever only asked sees nothing of it (ENU-1)."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import expect
from testkit.stack import CODE, LINK, PASSWORD, Person, Product, eventually, new_email, person

from .test_password_change import change
from .test_password_reset import NEW, Recovering, forgetful
from .test_total_loss import settle
from .window import PHONE, heading

THIEFS = "eleven paper boats under bridges"


@pytest.fixture
def member(mira: Person) -> Person:
    return mira.activate()


def freeze(member: Person, subject: str) -> None:
    """By the notice of what was done last, as its owner."""
    token = LINK.findall(member.product.wait_mails(member.email, subject=subject)[-1]["text"])[0]
    with member.product.client() as anybody:
        answer = Person(member.product, anybody, member.email, app=member.app).confirm(token)
        assert answer.json() == {"state": "frozen"}


def proven(member: Person) -> Recovering:
    reset = forgetful(member)
    reset.ask()
    assert reset.confirm().status_code == 200
    return reset


class TestPasswordChange:
    def test_ends_an_older_link(self, product: Product, member: Person) -> None:
        reset = forgetful(member)
        reset.ask()
        link = reset.link()
        member.sign_in()
        assert change(member).status_code == 204
        assert eventually(lambda: reset.post("/links/inspect", {"token": link}).json()["state"] == "ended")
        assert reset.confirm(link).json()["code"] == "link_ended"
        assert reset.type_code(reset.code()).json()["code"] == "code_wrong"

    def test_ends_a_proof_at_once(self, product: Product, member: Person) -> None:
        """However far behind recovery is: identity itself refuses what was asked for before."""
        reset = proven(member)
        member.sign_in()
        assert change(member).status_code == 204
        assert reset.choose(THIEFS).json()["code"] == "flow_ended"
        assert member.sign_in(NEW).status_code == 200

    def test_a_reset_asked_for_afterwards_works(self, product: Product, member: Person) -> None:
        member.sign_in()
        assert change(member).status_code == 204
        product.move_clock(21)
        reset = proven(member)
        assert reset.choose(THIEFS).status_code == 200
        assert member.sign_in(THIEFS).status_code == 200


class TestFreeze:
    def test_ends_a_proof_of_the_thief(self, product: Product, member: Person) -> None:
        """The thief has set a password and proven a second flow; the owner locks the account; it stays locked."""
        assert proven(member).choose(THIEFS).status_code == 200
        product.move_clock(21)
        second = proven(member)
        freeze(member, "was reset")
        assert second.choose("another one of the thief, long enough").json()["code"] == "flow_ended"
        assert member.sign_in(THIEFS).status_code == 403
        product.move_clock(21)
        assert proven(member).choose().status_code == 200, "and its owner opens it again"
        assert member.sign_in(NEW).status_code == 200

    def test_ends_an_unpressed_link(self, product: Product, member: Person) -> None:
        assert proven(member).choose(THIEFS).status_code == 200
        product.move_clock(21)
        second = forgetful(member)
        second.ask()
        link = second.link()
        freeze(member, "was reset")
        assert eventually(lambda: second.post("/links/inspect", {"token": link}).json()["state"] == "ended")
        assert second.confirm(link).json()["code"] == "link_ended"


class TestWhoOnlyAsked:
    def test_sees_no_difference(self, product: Product, member: Person, http: httpx.Client) -> None:
        """ENU-1: a stranger's windows for a known and an unknown address, after the owner has recovered; a reminder's, too."""
        known, unknown = forgetful(member), Recovering(product, http, new_email())
        for one in (known, unknown):
            one.ask()
        reminder = Recovering(product, http, member.email)
        reminder.take(reminder.post("/username-reminders", {"email": member.email, "client": "api"}))
        link = known.link()
        product.move_clock(21)
        assert proven(member).choose().status_code == 200
        assert known.confirm(link).json()["code"] == "link_ended"
        product.move_clock(21)
        seen = []
        for one in (known, unknown):
            path = f"/password-resets/{one.flow['id']}"
            read = one.read()
            again = one.post(f"{path}/resend", {})
            wrong = one.type_code("000000")
            seen.append((read["status"], read["next"], again.status_code, wrong.status_code, wrong.json()["tries_left"]))
        assert seen[0] == seen[1] == ("check_your_messages", ["resend", "code"], 202, 403, 4)
        path = reminder.url(f"/username-reminders/{reminder.flow['id']}")
        assert http.get(path, headers=reminder.headers).json()["status"] == "check_your_messages"
        product.wait_quiet(seconds=30)
        sent = [one for one in product.messages(member.email) if one["subject"].startswith("Set a new")]
        assert len(sent) == 2, "nothing for the one that is over"

    @pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
    def test_whoever_holds_an_old_link_reads_no_name(
        self, product: Product, http: httpx.Client, open_window, script: bool
    ) -> None:
        """ENU-3, REC-10: one press sends a fresh link; what was typed for the old one, a username here, is shown to nobody."""
        mira, username = person(product, http), f"mira.{uuid4().hex[:8]}"
        mira.register(identifiers={"email": mira.email, "username": username})
        assert mira.confirm().status_code == 200
        reset = forgetful(mira)
        reset.ask(username)
        link = reset.link()
        product.move_clock(3600 + 1)
        page = open_window(PHONE, script=script).open(f"/demo/l/{link}")
        page.get_by_role("button", name="Send a new link").click()
        expect(heading(page)).to_have_text("Check your mail")
        product.wait_mails(mira.email, 2, subject="Set a new")
        page.reload()
        assert username not in page.content()
        assert mira.email not in page.content()


class TestTwoAtOnce:
    def test_two_links_of_one_account(self, product: Product, http: httpx.Client) -> None:
        """LNK-9, INV-3: pressed in the same moment one wins and the other is told that it is over; nobody waits for a deadlock."""
        outcomes: Counter[tuple[int, ...]] = Counter()
        for _ in range(6):
            member = person(product, http).activate()
            windows = [forgetful(member), forgetful(member)]
            links = []
            for one in windows:
                one.ask()
                links.append(one.link())
                product.move_clock(21)

            def press(number: int, windows=windows, links=links) -> int:
                with product.client(number) as client:
                    body, headers = {"token": links[number]}, windows[number].headers
                    return client.post(windows[number].url("/links/confirm"), json=body, headers=headers).status_code

            with ThreadPoolExecutor(2) as pool:
                outcomes[tuple(sorted(pool.map(press, range(2))))] += 1
        assert outcomes == {(200, 410): 6}


class TestTotalLoss:
    @pytest.fixture
    def owner(self, product: Product, http: httpx.Client) -> Person:
        one = person(product, http)
        one.app = "lost"
        return one.activate()

    def begin(self, owner: Person) -> str:
        """A stranger's, told to the owner. Answers where its link would go."""
        new_address = new_email()
        body = {"identifier": owner.email, "email": new_address, "client": "api"}
        assert owner.post("/total-loss-recoveries", body).status_code == 202
        owner.product.wait_mails(owner.email, subject="wants back into")
        return new_address

    def pass_days(self, product: Product) -> None:
        """A little more than three."""
        settle(product)
        for seconds in (*[24 * 3600] * 3, 60):
            product.move_clock(seconds)
            settle(product)

    def test_is_over_when_its_owner_resets(self, product: Product, owner: Person) -> None:
        new_address = self.begin(owner)
        product.move_clock(3600)
        assert proven(owner).choose().status_code == 200
        self.pass_days(product)
        assert not product.mails(new_address)
        assert owner.sign_in(NEW).status_code == 200

    def test_is_over_when_the_account_is_frozen(self, product: Product, owner: Person) -> None:
        assert proven(owner).choose(THIEFS).status_code == 200
        new_address = self.begin(owner)
        freeze(owner, "was reset")
        self.pass_days(product)
        assert not product.mails(new_address)
        assert owner.sign_in(THIEFS).status_code == 403

    def test_doesnt_begin_where_nobody_can_be_told(self, product: Product, http: httpx.Client) -> None:
        """NOT-1: without a proven address or number nobody could stop it. Whoever asks sees no difference."""
        quiet = person(product, http)
        quiet.app = "lostopen"
        quiet.register()
        assert quiet.sign_in(PASSWORD).status_code == 200
        new_address = new_email()
        body = {"identifier": quiet.email, "email": new_address, "client": "api"}
        assert quiet.post("/total-loss-recoveries", body).json()["status"] == "waiting"
        self.pass_days(product)
        assert not product.mails(new_address)

    @pytest.mark.parametrize(
        "address", ["x y, z@w", "<a@b.example>", "a@b@c.example", "a@b.example,c@d.example", "mira at home, x@y", "@"]
    )
    def test_an_address_that_is_none(self, owner: Person, address: str) -> None:
        body = {"identifier": owner.email, "email": address, "client": "api"}
        answer = owner.post("/total-loss-recoveries", body)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "/email")

    def test_its_link_lives_for_a_day_and_is_renewed_to_the_same_address(self, product: Product, owner: Person) -> None:
        """R19: it came at an hour that nobody chose; an expired one is no reason to wait for three days again."""
        new_address = self.begin(owner)
        self.pass_days(product)
        token = LINK.findall(product.wait_mails(new_address, subject="Set a new")[0]["text"])[0]
        with product.client() as anywhere:
            fresh = Recovering(product, anywhere, new_address, app="lost")
            assert fresh.post("/links/inspect", {"token": token}).json()["state"] == "valid"
            product.move_clock(24 * 3600)
            looked = fresh.post("/links/inspect", {"token": token}).json()
            assert (looked["state"], looked["renewable"]) == ("expired", True)
            renewed = fresh.post("/links/renew", {"token": token, "client": "api"})
            assert renewed.status_code == 202, renewed.text
            fresh.take(renewed)
            assert fresh.post("/links/renew", {"token": token}).status_code == 429
            mail = product.wait_mails(new_address, 2, subject="Set a new")[1]["text"]
            assert LINK.findall(mail)
            fresh.take(fresh.type_code(CODE.findall(mail)[0]))  # a window waits now
            assert fresh.choose().json()["status"] == "complete"
        assert owner.sign_in(NEW).status_code == 200

    def test_the_stop_link_tells_how_it_ended(self, product: Product, owner: Person) -> None:
        """No false comfort: it took effect, and somebody may have a new password."""
        self.begin(owner)
        token = LINK.findall(product.wait_mails(owner.email, subject="wants back into")[0]["text"])[0]
        self.pass_days(product)
        looked = owner.post("/links/inspect", {"token": token}).json()
        assert (looked["state"], looked["over"], looked["renewable"]) == ("ended", "effective", False)
