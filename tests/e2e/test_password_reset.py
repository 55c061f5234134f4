"""Password reset by API and by pages: asked for, proven, done; alike for known and unknown (R15-R20, D5, D9-D14, REC-*)."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import httpx
import psycopg
import pytest
from devstack.infrastructure import Infrastructure
from latchkey_contracts import wire
from latchkey_contracts.identity import PasswordChanged
from latchkey_contracts.recovery import ResetCompleted, ResetRequested
from playwright.sync_api import expect
from servicekit.clock import FileClock
from servicekit.keys import Keys
from servicekit.web.caller import Caller, Signer
from testkit.stack import CODE, LINK, PASSWORD, Person, Product, eventually, new_email, person

from .conftest import read_records
from .phones import Opened, Phoned, new_number, phoned
from .window import NARROW, PHONE, WIDE, heading, narrow_enough, violations

NEW = "seven copper lanterns drifting north"


class Recovering(Person):
    """A person who asks for a new password, in a window of her own."""

    def ask(self, identifier: str | None = None) -> httpx.Response:
        self.seen = len(
            [one for one in self.product.mails(self.email) if "new" in one["subject"] and "password" in one["subject"]]
        )
        response = self.post("/password-resets", {"identifier": identifier or self.email, "client": "api"})
        if response.status_code == 202:
            self.take(response)
        return response

    def mail(self, *, subject: str = "Set a new") -> dict:
        return super().mail(subject=subject)

    def choose(self, password: str = NEW) -> httpx.Response:
        if len(password) > 15:  # what is refused may be a common word, which stands everywhere
            self.product.secrets.add(password)
        return self.post(f"/password-resets/{self.flow['id']}/password", {"password": password})

    def read(self) -> dict:
        return self.http.get(self.url(f"/password-resets/{self.flow['id']}"), headers=self.headers).json()

    def type_code(self, code: str) -> httpx.Response:
        return self.post(f"/password-resets/{self.flow['id']}/code", {"code": code})


def forgetful(one: Person) -> Recovering:
    """The same person in another browser, who no longer knows the password."""
    return Recovering(one.product, one.http, one.email, app=one.app)


@pytest.fixture
def member(mira: Person) -> Person:
    return mira.activate()


class TestJourney:
    def test_by_link(self, product: Product, member: Person) -> None:
        """R15-R17, REC-5: asked, pressed, chosen; no session comes of it; the old password is gone."""
        reset = forgetful(member)
        assert reset.ask().status_code == 202
        assert reset.flow["status"] == "check_your_messages"
        assert reset.flow["delivery"] is None
        assert reset.confirm().json()["next"] == ["password"]
        done = reset.choose()
        assert done.status_code == 200, done.text
        assert done.json()["status"] == "complete"
        assert not done.json().get("session")
        assert "set-cookie" not in done.headers
        assert member.sign_in(PASSWORD).status_code == 403
        assert member.sign_in(NEW).status_code == 200

    def test_by_code(self, product: Product, member: Person) -> None:
        reset = forgetful(member)
        reset.ask()
        assert reset.type_code(reset.code()).json()["next"] == ["password"]
        assert reset.choose().json()["status"] == "complete"
        assert member.sign_in(NEW).status_code == 200


class TestRequest:
    def test_changes_nothing(self, product: Product, member: Person) -> None:
        """REC-2: session and password are as they were, however often somebody asks."""
        member.sign_in()
        for _ in range(8):
            assert forgetful(member).ask().status_code == 202
        assert member.http.get("/v1/session", headers=member.bearer).status_code == 200
        assert member.sign_in(PASSWORD).status_code == 200

    def test_alike_for_known_and_unknown(self, product: Product, member: Person, http: httpx.Client) -> None:
        """ENU-1, REC-1, THR-1: same status, headers and body, at the start, at a re-send, at wrong codes, at the end."""
        known, unknown, pending = forgetful(member), forgetful(person(product, http)), forgetful(person(product, http))
        person(product, http, pending.email).register()
        seen: list[list] = []
        for one in (known, unknown, pending):
            answers = [one.ask()]
            answers.append(one.post(f"/password-resets/{one.flow['id']}/resend", {}))
            answers += [one.type_code("000000") for _ in range(6)]
            answers.append(one.post(f"/password-resets/{one.flow['id']}/password", {"password": NEW}))
            answers.append(http.get(one.url(f"/password-resets/{one.flow['id']}"), headers=one.headers))
            seen.append([shape(answer) for answer in answers])
        assert seen[0] == seen[1] == seen[2]
        product.wait_mails(known.email, 3)
        assert not product.mails(unknown.email)

    def test_disabled_accounts_get_nothing(self, product: Product, member: Person) -> None:
        """ENU-1: the answer is the same, and no mail leaves."""
        account = product.rows("identity", "SELECT account_id FROM identifier WHERE canonical = %s", member.email)[0][0]
        with psycopg.connect(product.stack.postgres["identity"]) as connection:
            connection.execute("UPDATE account SET status = 'disabled' WHERE id = %s", (account,))
        reset = forgetful(member)
        assert reset.ask().status_code == 202
        product.wait_quiet(seconds=20)
        assert not [one for one in product.mails(member.email) if "password" in one["subject"]]

    def test_any_identifier(self, product: Product, http: httpx.Client) -> None:
        """D9: the username does, too; the mail goes to the verified address."""
        mira = person(product, http)
        name = f"mira{new_email()[7:14]}"
        assert mira.register(identifiers={"email": mira.email, "username": name}).status_code == 202
        mira.confirm()
        reset = forgetful(mira)
        reset.ask(name.upper())
        assert reset.confirm().json()["next"] == ["password"]

    def test_by_phone_a_code_alone(self, product: Product, member: Person, infrastructure: Infrastructure) -> None:
        """D10: an account with nothing but a confirmed phone; the event asks for an SMS, and the notifier says that it has none."""
        account = product.rows("identity", "SELECT account_id FROM identifier WHERE canonical = %s", member.email)[0][0]
        with psycopg.connect(product.stack.postgres["identity"]) as connection:
            connection.execute(
                "UPDATE identifier SET kind = 'phone', value = '+493415550141', canonical = %s WHERE account_id = %s",
                (f"+{account.int % 10**12}", account),
            )
        assert start_by_rep(product, account).status_code == 202

        def asked() -> list[ResetRequested]:
            read = read_records(infrastructure.kafka_bootstrap, product.stack.topic_prefix, "recovery")
            events = [wire.decode(one.value, list(one.headers)) for one in read]
            return [one for one in events if isinstance(one, ResetRequested) and one.account_id == account]

        (event,) = eventually(asked, seconds=15, every=0.5)
        assert event.channel == "sms"
        secret = product.rows("recovery", "SELECT link_hash, code_hash FROM one_time_secret WHERE flow_id = %s", event.flow_id)
        assert [(link is None, code is None) for link, code in secret] == [(True, False)]
        product.wait_quiet(seconds=20)
        assert not [one for one in product.mails(member.email) if "Set a new" in one["subject"]]

    def test_link_from_the_configured_origin(self, product: Product, member: Person) -> None:
        """REC-8: whatever Host and X-Forwarded-Host say."""
        reset = forgetful(member)
        answer = reset.http.post(
            reset.url("/password-resets"),
            json={"identifier": reset.email, "client": "api"},
            headers={"Host": "evil.test", "X-Forwarded-Host": "evil.test"},
        )
        if answer.status_code == 202:
            assert product.origin in reset.mail()["text"]
            assert "evil.test" not in reset.mail()["text"]
        else:
            assert answer.status_code in {400, 421}

    def test_before_the_proof(self, member: Person) -> None:
        """409 step_missing: the proof comes first (REC-3)."""
        reset = forgetful(member)
        reset.ask()
        answer = reset.choose()
        assert (answer.status_code, answer.json()["code"]) == (409, "step_missing")

    def test_switched_off(self, product: Product, http: httpx.Client) -> None:
        """D14: refused for customers."""
        mira = Recovering(product, http, new_email(), app="closed")
        assert (answer := mira.ask()).status_code == 403
        assert answer.json()["code"] == "feature_disabled"

    @pytest.mark.parametrize("token", ["x", "A" * 43, "\u202e" * 20, "../../x", "A" * 200])
    def test_malformed_links_are_ordinary(self, member: Person, token: str) -> None:
        reset = forgetful(member)
        assert reset.post("/links/inspect", {"token": token}).json()["state"] == "malformed"
        assert reset.confirm(token).json()["code"] == "link_malformed"
        assert reset.post("/links/renew", {"token": token}).json()["code"] == "link_malformed"


class TestProof:
    def test_elsewhere_needs_the_number(self, product: Product, member: Person) -> None:
        """LNK-3, D17: without it nothing is consumed; the right one lets the asking window go on."""
        reset = forgetful(member)
        reset.ask()
        link = reset.link()
        with product.client() as phone:
            elsewhere = Recovering(product, phone, member.email)
            assert elsewhere.post("/links/inspect", {"token": link}).json()["state"] == "other_browser"
            assert elsewhere.confirm(link).json()["code"] == "link_other_browser"
            assert elsewhere.confirm(link, match=reset.flow["match"]).json() == {"state": "confirmed_elsewhere"}
            assert elsewhere.post(f"/password-resets/{reset.flow['id']}/password", {"password": NEW}).status_code == 404
        assert reset.read()["status"] == "new_password"
        assert reset.choose().status_code == 200

    def test_wrong_number_ends_the_link(self, product: Product, member: Person) -> None:
        """LNK-3: and the window that asked is told."""
        reset = forgetful(member)
        reset.ask()
        link, wrong = reset.link(), "10" if reset.flow["match"] != "10" else "11"
        with product.client() as phone:
            elsewhere = Recovering(product, phone, member.email)
            assert elsewhere.confirm(link, match=wrong).json()["code"] == "match_wrong"
        assert reset.confirm(link).json()["code"] == "link_ended"
        assert reset.read()["link_ended"] is True

    def test_one_of_fifty_presses_wins(self, product: Product, member: Person) -> None:
        """LNK-2, E34: over two gateways."""
        reset = forgetful(member)
        reset.ask()
        link = reset.link()

        def press(number: int) -> int:
            with product.client(number % 2) as client:
                return client.post(reset.url("/links/confirm"), json={"token": link}, headers=reset.headers).status_code

        with ThreadPoolExecutor(25) as pool:
            assert sorted(pool.map(press, range(50))).count(200) == 1

    def test_sixteen_codes_at_once(self, product: Product, member: Person) -> None:
        """OTP-3."""
        reset = forgetful(member)
        reset.ask()
        code, path = reset.code(), reset.url(f"/password-resets/{reset.flow['id']}/code")

        def type_it(_number: int) -> int:
            with product.client() as client:
                return client.post(path, json={"code": code}, headers=reset.headers).status_code

        with ThreadPoolExecutor(16) as pool:
            assert list(pool.map(type_it, range(16))).count(200) == 1

    def test_code_of_another_flow_or_browser(self, product: Product, member: Person, http: httpx.Client) -> None:
        """OTP-4: refused, and counted."""
        one, two = forgetful(member), forgetful(person(product, http).activate())
        one.ask()
        two.ask()
        code = one.code()
        assert two.type_code(code).json()["code"] == "code_wrong"
        assert two.post(f"/password-resets/{one.flow['id']}/code", {"code": code}).status_code == 404
        assert one.type_code("000000" if code != "000000" else "000001").json()["tries_left"] == 3
        assert one.type_code(code).status_code == 200

    def test_first_success_voids_the_rest(self, product: Product, member: Person) -> None:
        """LNK-9: the link of another window ends with it."""
        first, second = forgetful(member), forgetful(member)
        first.ask()
        link = first.link()
        product.move_clock(21)
        second.ask()
        assert second.confirm().status_code == 200
        assert first.confirm(link).json()["code"] == "link_ended"
        assert first.read()["status"] == "check_your_messages", "whoever only asked sees nothing of it (ENU-1)"

    def test_expired_is_renewed_with_one_press(self, product: Product, member: Person) -> None:
        """R18, R19, E4: 60 min; the new flow belongs to whoever pressed; again at once is too early."""
        reset = forgetful(member)
        reset.ask()
        link = reset.link()
        product.move_clock(60 * 60 + 1)
        assert reset.confirm(link).json()["code"] == "link_expired"
        reset.seen += 1
        renewed = reset.post("/links/renew", {"token": link, "client": "api"})
        assert renewed.status_code == 202
        reset.take(renewed)
        early = reset.post("/links/renew", {"token": link})
        assert (early.status_code, early.json()["code"]) == (429, "too_many_requests")
        assert 1 <= int(early.headers["Retry-After"]) <= 20
        assert reset.confirm().json()["next"] == ["password"]

    def test_superseded(self, product: Product, member: Person) -> None:
        """D18: a re-send replaces; the older link says so."""
        reset = forgetful(member)
        reset.ask()
        older = reset.link()
        product.move_clock(20)
        assert reset.post(f"/password-resets/{reset.flow['id']}/resend", {}).status_code == 202
        newer = LINK.findall(product.wait_mails(member.email, 2, subject="Set a new")[1]["text"])[0]
        assert reset.confirm(older).json()["code"] == "link_superseded"
        assert reset.confirm(newer).status_code == 200

    def test_twenty_seconds_exactly(self, product: Product, member: Person) -> None:
        """R19, E1: of 100 parallel re-sends over two processes at most one gets through, and only when the 20 s are over."""
        reset = forgetful(member)
        reset.ask()
        path = reset.url(f"/password-resets/{reset.flow['id']}/resend")

        def again(number: int) -> int:
            with product.client(number % 2) as client:
                return client.post(path, json={}, headers=reset.headers).status_code

        early = reset.post(f"/password-resets/{reset.flow['id']}/resend", {})
        assert early.status_code == 429
        with ThreadPoolExecutor(20) as pool:
            assert set(pool.map(again, range(100))) == {429}
            product.move_clock(20)
            assert sorted(pool.map(again, range(100))).count(202) == 1


class TestNewPassword:
    def test_same_rules_as_at_registration(self, member: Person) -> None:
        """PWD-4, REC-5."""
        reset = forgetful(member)
        reset.ask()
        reset.confirm()
        for bad, code in (("short", "password_too_short"), ("elmstead2026elmstead", "password_contains_context")):
            answer = reset.choose(bad)
            assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, code)
        assert reset.choose().status_code == 200

    def test_ends_every_session(self, product: Product, member: Person) -> None:
        """REC-6, REG-4, E5: at both gateways, within a second."""
        tokens = [member.sign_in().json()["session"]["token"] for _ in range(3)]
        reset = forgetful(member)
        reset.ask()
        reset.confirm()
        reset.choose()

        def alive() -> list[int]:
            found = []
            for number in (0, 1):
                with product.client(number) as client:
                    found += [client.get("/v1/session", headers={"Authorization": f"Bearer {one}"}).status_code for one in tokens]
            return found

        eventually(lambda: set(alive()) == {401}, seconds=3)

    def test_told_once_and_published(self, product: Product, member: Person, infrastructure: Infrastructure) -> None:
        """REC-7, NOT-1, EVT-4: one notice with time, device and a way to freeze; ResetCompleted once."""
        reset = forgetful(member)
        reset.http.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
        reset.ask()
        reset.confirm()
        reset.choose()
        assert reset.choose().json()["code"] == "flow_ended"
        notice = product.wait_mails(member.email, subject="reset")[0]
        assert "Firefox on Linux" in notice["text"]
        assert NEW not in notice["text"]
        product.wait_quiet(seconds=20)
        assert len([one for one in product.mails(member.email) if "was reset" in one["subject"]]) == 1
        read = read_records(infrastructure.kafka_bootstrap, product.stack.topic_prefix, "recovery")
        events = [wire.decode(one.value, list(one.headers)) for one in read]
        done = [one for one in events if isinstance(one, ResetCompleted) and str(one.flow_id) == reset.flow["id"]]
        assert len(done) == 1

    def test_this_was_not_me(self, product: Product, member: Person) -> None:
        """D13, REC-7, NOT-2: from anywhere, by a press, once; nobody signs in until a new password is set."""
        reset = forgetful(member)
        reset.ask()
        reset.confirm()
        reset.choose()
        member.sign_in(NEW)
        link = LINK.findall(product.wait_mails(member.email, subject="was reset")[0]["text"])[0]
        with product.client() as phone:
            stranger = Recovering(product, phone, member.email)
            looked = stranger.post("/links/inspect", {"token": link}).json()
            assert (looked["purpose"], looked["state"]) == ("freeze", "valid")
            assert member.http.get("/v1/session", headers=member.bearer).status_code == 200, "looking changes nothing"
            assert stranger.confirm(link).json() == {"state": "frozen"}
            assert stranger.confirm(link).json()["code"] == "link_used"
        eventually(lambda: member.http.get("/v1/session", headers=member.bearer).status_code == 401, seconds=3)
        assert member.sign_in(NEW).status_code == 403
        product.wait_mails(member.email, subject="locked")
        product.move_clock(21)
        again = forgetful(member)
        again.ask()
        assert again.confirm().json()["next"] == ["password"]
        assert again.choose("another set of plain words here").status_code == 200
        assert member.sign_in("another set of plain words here").status_code == 200

    def test_activates_a_pending_account(self, product: Product, http: httpx.Client) -> None:
        """D5, REG-3, REG-4: whoever holds the mailbox takes it over; what the registration brought along does not count."""
        squatter = person(product, http)
        squatter.register(profile={"given_name": "Mallory"})
        squatter.mail()
        link = squatter.link()
        owner = forgetful(squatter)
        owner.ask()
        owner.confirm()
        assert owner.choose().status_code == 200
        assert squatter.sign_in(PASSWORD).status_code == 403
        assert squatter.confirm(link).json()["code"] in {"link_ended", "link_used"}
        mine = person(product, http, squatter.email)
        assert mine.sign_in(NEW).status_code == 200
        assert http.get("/v1/me", headers=mine.bearer).json()["profile"] == {}

    def test_ends_the_wait_after_wrong_passwords(self, product: Product, member: Person) -> None:
        """BRF-1: who has tried in vain, and then has a new password, signs in with it at once."""
        for _ in range(6):
            tried = member.sign_in("not the password at all")
        assert tried.status_code == 429
        reset = forgetful(member)
        reset.ask()
        reset.confirm()
        assert reset.choose().status_code == 200
        assert member.sign_in(NEW).status_code == 200


def start_by_rep(product: Product, account: object) -> httpx.Response:
    clock = FileClock(Path(product.stack.extra["LATCHKEY_CLOCK_FILE"]))
    token = Signer("operator", Keys(product.stack.data / "keys"), clock).sign(Caller(service="operator"), "recovery")
    return httpx.post(
        f"{product.stack.url('recovery')}/internal/password-resets",
        json={"application": "demo", "account_id": str(account)},
        headers={"latchkey-caller": token},
    )


class TestRep:
    def test_started_by_a_rep(self, product: Product, member: Person) -> None:
        """REC-11: the answer holds no secret; the mail goes to the customer, and its link works in any browser."""
        account = product.rows("identity", "SELECT account_id FROM identifier WHERE canonical = %s", member.email)[0][0]
        answer = start_by_rep(product, account)
        assert answer.status_code == 202, answer.text
        assert set(answer.json()) == {"id"}
        mail = product.wait_mails(member.email, subject="Set a new")[0]
        link = LINK.findall(mail["text"])[0]
        assert not CODE.findall(mail["text"]), "there is no window to type a code into"
        with product.client() as browser:
            anywhere = Recovering(product, browser, member.email)
            confirmed = anywhere.confirm(link)
            assert confirmed.json()["next"] == ["password"]
            anywhere.take(confirmed)
            assert anywhere.choose().status_code == 200
        assert member.sign_in(NEW).status_code == 200


class TestOtherWays:
    """R24-R28, D10: another way on re-request; what is offered depends on the store and the policies alone."""

    @pytest.fixture
    def kim(self, product: Product, http: httpx.Client) -> Phoned:
        """An account with nothing but a confirmed phone."""
        return phoned(product, http).activate()

    @pytest.fixture
    def both(self, kim: Phoned) -> Phoned:
        """The same, and later a confirmed address beside it."""
        kim.email = new_email()
        with psycopg.connect(kim.product.stack.postgres["identity"]) as connection:
            connection.execute(
                "INSERT INTO identifier (id, account_id, store_id, kind, value, canonical, verified_at, created_at) "
                "SELECT gen_random_uuid(), account_id, store_id, 'email', %s, %s, verified_at, created_at FROM identifier WHERE canonical = %s",
                (kim.email, kim.email, kim.number),
            )
        return kim

    def window(self, one: Phoned) -> Phoned:
        return Phoned(one.product, one.http, one.email, number=one.number, app=one.app)

    def again(self, one: Phoned, channel: str | None, count: int) -> Opened:
        one.product.move_clock(21)
        answer = one.resend(channel)
        assert answer.status_code == 202, answer.text
        return one.messages(count)[-1]

    def test_by_phone_to_a_new_password(self, product: Product, kim: Phoned) -> None:
        """D10, D5: by text message a code alone; then as with a mail, no session."""
        reset = self.window(kim)
        assert reset.ask().status_code == 202
        assert reset.flow["delivery"] is None
        assert reset.flow["resend"]["channels"] == ["email", "sms", "voice"]
        (message,) = reset.messages()
        assert (message.channel, message.to, message.link) == ("sms", kim.number, None)
        assert {one.channel for one in message.contact.others} == {"voice"}
        assert reset.type_code(message.code, "password-resets").json()["next"] == ["password"]
        product.secrets.add(NEW)
        done = reset.post(f"/password-resets/{reset.flow['id']}/password", {"password": NEW})
        assert done.json()["status"] == "complete"
        assert kim.sign_in(NEW, identifier=kim.number).status_code == 200

    def test_the_owner_is_told_by_text_message(self, product: Product, kim: Phoned, infrastructure: Infrastructure) -> None:
        """D13, NOT-1: where there is no mailbox the notice goes to the phone."""
        reset = self.window(kim)
        reset.ask()
        reset.type_code(reset.code(), "password-resets")
        product.secrets.add(NEW)
        reset.post(f"/password-resets/{reset.flow['id']}/password", {"password": NEW})

        def told() -> list[PasswordChanged]:
            read = read_records(infrastructure.kafka_bootstrap, product.stack.topic_prefix, "identity")
            events = [wire.decode(one.value, list(one.headers)) for one in read]
            return [one for one in events if isinstance(one, PasswordChanged) and str(one.flow_id) == reset.flow["id"]]

        (event,) = eventually(told, seconds=15, every=0.5)
        assert (len(event.notices), len(event.sms_notices)) == (0, 1)

    def test_any_way_replaces_the_other(self, product: Product, both: Phoned) -> None:
        """D16, R25-R28: the newer code or link works, the older is dead whatever way it went, the wrong tries stay counted."""
        reset = self.window(both)
        reset.ask()
        (mail,) = reset.messages()
        assert mail.channel == "email"
        token = LINK.findall(mail.link or "")[0]
        text = self.again(reset, "sms", 2)
        assert (text.channel, text.to, text.link) == ("sms", both.number, None)
        assert {one.channel for one in text.contact.others} == {"voice", "email"}
        assert reset.confirm(token).json()["code"] == "link_superseded"
        if mail.code != text.code:
            assert reset.type_code(mail.code, "password-resets").json()["tries_left"] == 4
        call = self.again(reset, "voice", 3)
        assert (call.channel, call.to) == ("voice", both.number)
        if text.code not in {call.code, mail.code}:
            assert reset.type_code(text.code, "password-resets").json()["tries_left"] == 3
        last = self.again(reset, "email", 4)
        assert last.channel == "email"
        if call.code != last.code:
            assert reset.type_code(call.code, "password-resets").json()["code"] == "code_wrong"
        assert reset.confirm(LINK.findall(last.link or "")[0]).json()["next"] == ["password"]

    @pytest.mark.parametrize("channel", ["email", "sms", "voice"])
    def test_alike_for_known_and_unknown(self, product: Product, both: Phoned, http: httpx.Client, channel: str) -> None:
        """ENU-1: every channel, at the start, too early, in time, and at every look; also for a number that nobody confirmed."""
        unknown, pending = phoned(product, http), phoned(product, http)
        pending.register()
        pending.messages()
        windows = [self.window(one) for one in (both, unknown, pending)]
        seen: list[list] = [[shape(one.ask())] for one in windows]
        ends = []
        for one, answers in zip(windows, seen, strict=True):
            answers.append(shape(one.resend(channel)))
        product.move_clock(21)
        for one, answers in zip(windows, seen, strict=True):
            again = one.resend(channel)
            answers.append(shape(again))
            product.wait_quiet(seconds=20)
            looked = http.get(one.url(f"/password-resets/{one.flow['id']}"), headers=one.headers)
            ends.append(looked.json()["expires_at"] == again.json()["expires_at"])
            answers += [shape(looked), shape(one.type_code("12345x", "password-resets")), shape(one.resend(channel))]
        assert seen[0] == seen[1] == seen[2]
        assert len(set(ends)) == 1, "the time until which it can be gone on with tells nothing either"
        assert windows[0].messages(2)[-1].channel == channel
        assert not product.rows("recovery", "SELECT 1 FROM one_time_secret WHERE flow_id = %s", windows[1].flow["id"])

    def test_cookies_are_alike_on_the_page(self, product: Product, both: Phoned) -> None:
        """ENU-1: the form variant: status, place, headers and cookies."""
        found = []
        for typed in (both.number, "+4915100000041"):
            headers = {"Origin": product.origin, "Sec-Fetch-Site": "same-origin"}
            with httpx.Client(base_url=product.origin, timeout=20, trust_env=False, headers=headers) as browser:
                token = re.search(r'name="csrf" value="([^"]+)"', browser.get("/mobile/reset").text)
                assert token is not None
                asked = browser.post("/mobile/reset", data={"csrf": token[1], "identifier": typed})
                again = browser.post(asked.headers["location"], data={"csrf": token[1], "resend": "sms"})
                page = browser.get(asked.headers["location"])
                product.secrets.update(browser.cookies.values())
                found.append(
                    [
                        (one.status_code, sorted(set(one.headers) - {"content-length"}), sorted(browser.cookies))
                        for one in (asked, again, page)
                    ]
                )
        assert found[0] == found[1]

    def test_sixteen_at_once(self, product: Product, kim: Phoned) -> None:
        """OTP-3: one code of a text message proves once."""
        reset = self.window(kim)
        reset.ask()
        assert reset.type_at_once(reset.code(), "password-resets").count(200) == 1

    def test_two_calls_an_hour(self, product: Product, kim: Phoned) -> None:
        """D19, FRD-7: the third answers as the others do, and nobody is called."""
        reset = self.window(kim)
        reset.ask()
        reset.messages()
        for count in (2, 3):
            assert self.again(reset, "voice", count).channel == "voice"
        product.move_clock(21)
        assert reset.resend("voice").status_code == 202
        product.wait_quiet(seconds=20)
        assert len(reset.messages(3)) == 3

    def test_a_store_with_mail_alone(self, member: Person) -> None:
        """ENU-1: 422 at /channel, for known and unknown alike."""
        for identifier in (member.email, new_email()):
            reset = forgetful(member)
            reset.ask(identifier)
            for channel in ("sms", "voice"):
                answer = reset.post(f"/password-resets/{reset.flow['id']}/resend", {"channel": channel})
                assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "/channel")
            assert reset.flow["resend"]["channels"] == ["email"]

    def test_burnt_codes_leave_the_mail(self, product: Product, both: Phoned) -> None:
        """OTP-5: five wrong tries burn the codes of every way; a mail's link lives on, so only that is offered."""
        reset = self.window(both)
        reset.ask()
        reset.messages()
        for _ in range(5):
            reset.type_code("12345x", "password-resets")
        product.move_clock(21)
        assert reset.resend("sms").json()["code"] == "code_burned"
        mail = self.again(reset, "email", 2)
        assert reset.confirm(LINK.findall(mail.link or "")[0]).json()["next"] == ["password"]

    def test_from_the_inbox(self, product: Product, both: Phoned) -> None:
        """R27, R28, E15: through the providers' own protocols: the text message's code, then the call's."""
        reset = self.window(both)
        reset.ask()
        reset.messages()
        self.again(reset, "sms", 2)
        text = product.code_of(product.wait_message(both.number, channel="sms"))
        assert text == reset.messages(2)[-1].code
        self.again(reset, "voice", 3)
        call = product.code_of(product.wait_message(both.number, channel="voice", seconds=30))
        assert call is not None
        assert reset.type_code(call, "password-resets").json()["next"] == ["password"]


@pytest.mark.browser
class TestPages:
    @pytest.mark.parametrize(
        ("script", "size", "dark"),
        [(True, WIDE, False), (False, PHONE, False), (True, NARROW, True)],
        ids=["script", "no script", "320 px, dark"],
    )
    def test_from_sign_in_to_a_new_password(
        self, product: Product, member: Person, open_window, script: bool, size: tuple, dark: bool
    ) -> None:
        """R15-R17, WEB-6, WEB-7: by link, with and without JavaScript; axe finds nothing on the way."""
        window = open_window(size, script=script, dark=dark)
        page = window.open("/demo/sign-in")

        def fine() -> None:
            if script:
                assert not violations(page), heading(page).inner_text()
            assert narrow_enough(page)

        page.get_by_role("link", name="I forgot my username or password").click()
        expect(heading(page)).to_have_text("What did you forget?")
        fine()
        page.get_by_role("link", name="My password").click()
        expect(heading(page)).to_have_text("Set a new password")
        fine()
        page.get_by_label("E-mail or username").fill(member.email)
        page.get_by_role("button", name="Continue", exact=True).click()
        expect(heading(page)).to_have_text("Check your mail")
        expect(page.locator(".lead")).to_contain_text(f"If {member.email} belongs to an account")
        expect(page.locator(".number strong")).to_have_text(re.compile(r"^\d\d$"))
        fine()
        link = LINK.findall(product.wait_mails(member.email, subject="Set a new")[0]["text"])[0]
        tab = window.context.new_page()
        tab.goto(f"{product.origin}/demo/l/{link}")
        assert re.fullmatch(rf"{product.origin}/demo/l\?link=\w{{12}}", tab.url), "LNK-8: no token in the address"
        expect(heading(tab)).to_have_text("Set a new password?")
        assert tab.locator("main button").count() == 1
        tab.get_by_role("button", name="Set a new password").click()
        expect(heading(tab)).to_have_text("Choose a new password")
        if not script:  # with script the window that asked goes on by itself (D17)
            page.get_by_role("link", name="I’ve pressed it, go on").click()
        expect(heading(page)).to_have_text("Choose a new password")
        fine()
        page.get_by_label("New password").fill("short")
        page.get_by_label("Once more").fill("short")
        if script:
            expect(page.locator("[data-rule=length]")).to_have_text(re.compile("5 so far"))
        page.get_by_role("button", name="Save new password").click()
        expect(page.locator("#password-error")).to_contain_text("15 characters")
        fine()
        product.secrets.add(NEW)
        page.get_by_label("New password").fill(NEW)
        page.get_by_label("Once more").fill(NEW + "x")
        page.get_by_role("button", name="Save new password").click()
        expect(page.locator("#password_again-error")).to_contain_text("don’t match")
        page.get_by_label("New password").fill(NEW)
        page.get_by_label("Once more").fill(NEW)
        page.get_by_role("button", name="Save new password").click()
        expect(heading(page)).to_have_text("Your new password is set")
        fine()
        window.sign_in(member.email, NEW)
        expect(heading(page)).to_contain_text("Hello")

    def test_on_the_phone_with_the_number(self, product: Product, member: Person, open_window) -> None:
        """LNK-3, D17: the link opened elsewhere asks for the number, and the asking window goes on."""
        window, phone = open_window(), open_window(PHONE)
        page = window.open("/demo/reset")
        page.get_by_label("E-mail or username").fill(member.email)
        page.get_by_role("button", name="Continue", exact=True).click()
        link = LINK.findall(product.wait_mails(member.email, subject="Set a new")[0]["text"])[0]
        other = phone.open(f"/demo/l/{link}")
        expect(heading(other)).to_have_text("Which number does your other window show?")
        assert other.get_by_label("Password").count() == 0, "only an activation knows a password"
        assert not violations(other)
        other.get_by_label("Two digits").fill(page.locator(".number strong").inner_text())
        other.get_by_role("button", name="Confirm").click()
        expect(heading(other)).to_contain_text("Your other window goes on")
        expect(heading(page)).to_have_text("Choose a new password")

    def test_by_code(self, product: Product, member: Person, open_window) -> None:
        page = open_window(PHONE, script=False).open("/demo/reset")
        page.get_by_label("E-mail or username").fill(member.email)
        page.get_by_role("button", name="Continue", exact=True).click()
        code = CODE.findall(product.wait_mails(member.email, subject="Set a new")[0]["text"])[0]
        page.get_by_label("Or type the code").fill("000000" if code.replace(" ", "") != "000000" else "000001")
        page.get_by_role("button", name="Continue", exact=True).click()
        expect(page.locator("#code-error")).to_contain_text("4 tries left")
        page.get_by_label("Or type the code").fill(code)
        page.get_by_role("button", name="Continue", exact=True).click()
        expect(heading(page)).to_have_text("Choose a new password")

    def test_a_scanner_consumes_nothing(self, product: Product, member: Person, open_window) -> None:
        """LNK-1, LNK-2: a browser that loads the link, runs its scripts for 15 s and follows all that can be followed."""
        reset = forgetful(member)
        reset.ask()
        link = reset.link()
        scanner = open_window()
        scanner.page.clock.install()
        page = scanner.open(f"/demo/l/{link}")
        addresses = page.eval_on_selector_all("a[href]", "all => all.map(one => one.href)")
        page.clock.run_for(15_000)  # every timer of those seconds, at once
        page.wait_for_load_state("networkidle")
        for address in {one for one in addresses if one.startswith(product.origin)}:
            scanner.context.request.get(address)
            scanner.context.request.head(address)
        for _ in range(3):
            httpx.get(f"{product.origin}/demo/l/{link}", follow_redirects=True)
            httpx.head(f"{product.origin}/demo/l/{link}")
            httpx.options(f"{product.origin}/demo/l/{link}")
        assert reset.confirm(link).json()["next"] == ["password"]

    def test_freeze(self, product: Product, member: Person, open_window) -> None:
        """D13, looks freeze, locked: from the notice, without signing in; the way back is a new password."""
        reset = forgetful(member)
        reset.ask()
        reset.confirm()
        reset.choose()
        link = LINK.findall(product.wait_mails(member.email, subject="was reset")[0]["text"])[0]
        page = open_window(PHONE).open(f"/demo/l/{link}")
        expect(heading(page)).to_have_text("Lock your account?")
        assert not violations(page)
        assert narrow_enough(page)
        page.get_by_role("button", name="Lock my account").click()
        expect(heading(page)).to_have_text("Your account is locked")
        assert not violations(page)
        page.get_by_role("link", name="Set a new password").click()
        expect(heading(page)).to_have_text("Set a new password")

    @pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
    def test_a_flow_of_another_browser(self, product: Product, open_window, script: bool) -> None:
        """E4, ENU-1: the page says what to do, and the same of a flow that was never there."""
        page = open_window(PHONE, script=False).open("/demo/reset")
        page.get_by_label("E-mail or username").fill(new_email())
        page.get_by_role("button", name="Continue", exact=True).click()
        flow = page.url.split("flow=")[1]
        page = open_window(NARROW, script=script, dark=script).open("/demo/sign-in")
        for path, title in (
            ("reset", "Set a new password"),
            ("help/username", "Your username"),
            ("check-messages", "Create your account"),
        ):
            for one in (flow, uuid4()):
                answer = page.goto(f"{product.origin}/demo/{path}?flow={one}")
                assert answer.status == 404
                expect(heading(page)).to_have_text("This can’t be opened here")
                assert narrow_enough(page)
                assert not script or not violations(page)
            page.get_by_role("link", name="Begin again").click()
            expect(heading(page)).to_have_text(title)

    @pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
    def test_where_it_is_switched_off(self, product: Product, http: httpx.Client, open_window, script: bool) -> None:
        """D14, E4: such pages say so and lead to people; others don't lead to such pages."""
        page = open_window(NARROW, script=script, dark=script).open("/closed/sign-in")

        def fine(title: str) -> None:
            expect(heading(page)).to_have_text(title)
            assert narrow_enough(page)
            assert not script or not violations(page)

        for path in ("/closed/reset", "/closed/help/username", "/closed/help/lost-mailbox"):
            answer = page.goto(product.origin + path)
            assert answer.status == 403
            fine("This isn’t offered here")
            page.get_by_role("link", name="Get help").click()
            fine("How we can help")
        mira = person(product, http)
        mira.app = "closed"
        mira.activate()
        mira.sign_in()
        body = {"current_password": PASSWORD, "password": NEW, "end_other_sessions": True}
        assert http.put("/v1/me/password", json=body, headers=mira.bearer).status_code == 204
        link = LINK.findall(product.wait_mails(mira.email, subject="password")[0]["text"])[0]
        page.goto(f"{product.origin}/closed/l/{link}")
        page.get_by_role("button", name="Lock my account").click()
        fine("Your account is locked")
        assert page.locator("a[href$='/reset']").count() == 0
        page.get_by_role("link", name="Get help").click()
        fine("How we can help")
        page.goto(f"{product.origin}/closed/l/{link}")
        fine("This link has done its work")
        expect(page.locator("main")).to_contain_text("Tell our service team.")
        page.get_by_role("link", name="Get help").click()
        fine("How we can help")

    @pytest.mark.parametrize(("script", "locale"), [(True, "en"), (False, "ar")], ids=["script", "no script, Arabic"])
    def test_another_way(self, product: Product, http: httpx.Client, open_window, script: bool, locale: str) -> None:
        """R24-R28, D18, WEB-6, WEB-7: one button for each way with one countdown; the same for a number of nobody; 320 px."""
        for number in (phoned(product, http).activate().number, new_number()):
            page = open_window(NARROW, script=script).open(f"/mobile/reset?ui_locales={locale}")
            page.locator("#identifier").fill(number)
            page.locator("main button.button").click()
            expect(page.locator(".lead strong")).to_have_text(number)
            panel, call = page.locator("details.ask"), page.locator("button[value=voice]")
            panel.locator("summary").click()
            expect(page.locator(".ask-row")).to_have_count(3)
            if script:
                expect(call).to_be_disabled()
                expect(panel.locator("[data-wait]")).to_have_text(re.compile(r"You can ask again in 0:\d\d"))
                assert not violations(page)
            else:
                with page.expect_navigation() as early:
                    call.click()
                assert early.value.status == 429
                assert 1 <= int(early.value.headers["retry-after"]) <= 20
                expect(panel).to_have_attribute("open", "")
            assert narrow_enough(page)
            product.move_clock(21)
            page.goto(page.url)
            panel.locator("summary").click()
            call.click()
            page.wait_for_url("**/reset?flow=*&sent=voice")
            if script:
                expect(heading(page)).to_have_text("Check your phone")
                expect(page.locator(".lead")).to_contain_text("press 1 to hear the code")
                assert not violations(page)
            code, way = page.locator("#code").bounding_box(), page.locator(".way").bounding_box()
            assert code["y"] < way["y"], "the code comes first"
            assert narrow_enough(page)


def shape(answer: httpx.Response) -> tuple:
    """All that tells two answers apart but ids, times and what was typed."""
    body = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d\d-\d\dT[0-9:.]+Z?(\+00:00)?|[\w.-]+@posteo\.example", "*", answer.text)
    body = re.sub(r'"(match|flow_token|request_id|retry_after_seconds)":("[^"]*"|\d+|null)', r'"\1":*', body)
    names = sorted(set(answer.headers) - {"content-length"})
    return answer.status_code, names, body
