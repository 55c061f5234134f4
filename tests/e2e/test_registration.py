"""Register, activate, sign in, sign out: through the public HTTP, the real mail and the real topics (docs/flows/registration.md)."""

import json
import re
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby

import httpx
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event
from latchkey_contracts import wire
from latchkey_contracts.event import Event
from testkit.stack import CODE, LINK, PASSWORD, Person, Product, eventually, new_email, person

from .conftest import read_records
from .phones import Phoned, phoned
from .tab import Tab
from .test_password_reset import shape


def account_of(product: Product, email: str) -> str:
    return str(product.rows("identity", "SELECT account_id FROM identifier WHERE canonical = %s", email)[0][0])


def events_of(product: Product, publisher: str, subject: str) -> list[Event]:
    found = read_records(product.stack.infrastructure.kafka_bootstrap, product.stack.topic_prefix, publisher)  # type: ignore[union-attr]
    return [wire.decode(one.value, one.headers) for one in found if one.key == subject.encode()]


class TestJourney:
    def test_register_activate_sign_in_sign_out(self, product: Product, mira: Person) -> None:
        """R2-R7, D1-D4: the main job, by API and mail."""
        flow = mira.register(profile={"given_name": "Mira"}).json()
        assert flow["status"] == "check_your_messages"
        assert re.fullmatch(r"[1-9][0-9]", flow["match"])
        assert mira.sign_in().status_code == 403

        mail = mira.mail()
        assert LINK.search(mail["text"])[0].startswith(f"{product.origin}/demo/l/")
        assert CODE.search(mail["text"])
        mira.flow, mira.flow_token = flow, flow["flow_token"]
        assert mira.confirm().json()["status"] == "activated"
        assert mira.read()["status"] == "activated"

        answer = mira.sign_in()
        assert answer.status_code == 200
        assert answer.json()["status"] == "complete"
        assert mira.http.get("/v1/session", headers=mira.bearer).json()["account_id"] == account_of(product, mira.email)
        assert mira.http.get("/v1/me", headers=mira.bearer).json()["profile"]["given_name"] == "Mira"
        assert mira.http.delete("/v1/session", headers=mira.bearer).status_code == 204
        assert mira.http.get("/v1/session", headers=mira.bearer).status_code == 401

    def test_the_code_from_the_same_mail(self, mira: Person) -> None:
        """D2, LNK-11, OTP-8: typed with a space or dashes, without opening the link."""
        mira.register()
        code = mira.code()
        assert (
            mira.post(f"/registrations/{mira.flow['id']}/code", {"code": code.replace(" ", "-")}).json()["status"] == "activated"
        )
        assert mira.sign_in().status_code == 200

    def test_activation_off_starts_the_session_at_once(self, product: Product, http: httpx.Client) -> None:
        """D4."""
        someone = Person(product, http, new_email(), app="open")
        flow = someone.register().json()
        assert flow["status"] == "complete"
        assert http.get("/v1/session", headers=someone.bearer).status_code == 200

    def test_store_with_usernames_only(self, product: Product, http: httpx.Client) -> None:
        """R8: nothing to prove, so activation is ignored; a taken username is the one thing that is told."""
        name = f"mira.{new_email()[7:13]}"
        body = {"identifiers": {"username": name}, "password": PASSWORD, "client": "api"}
        first, second = (http.post("/v1/apps/names/registrations", json=body) for _ in range(2))
        product.secrets.add(first.json()["session"]["token"])
        assert (first.status_code, first.json()["status"]) == (202, "complete")
        assert (second.status_code, second.json()["code"]) == (422, "username_taken")

    def test_taken_username_is_asked_again_at_the_first_sign_in(self, product: Product, http: httpx.Client, mira: Person) -> None:
        """D32: registration says nothing about it."""
        name = f"okafor.{new_email()[7:13]}"
        mira.register(identifiers={"email": mira.email, "username": name})
        mira.confirm()
        other = person(product, http)
        other.register(identifiers={"email": other.email, "username": name.upper()})
        assert other.confirm().json()["status"] == "activated"
        answer = other.sign_in()
        assert (answer.json()["status"], answer.json()["actions"]) == ("needs_action", ["username"])
        again = other.post(f"/sign-ins/{other.flow['id']}/action", {"username": name})
        assert again.json()["errors"][0]["code"] == "username_taken"
        done = other.post(f"/sign-ins/{other.flow['id']}/action", {"username": f"{name}.2"})
        assert other.take(done)["status"] == "complete"
        assert mira.sign_in(identifier=name).status_code == 200


class TestPasswordLast:
    """D33."""

    def test_by_the_pages(self, product: Product, mira: Person) -> None:
        tab = Tab(product)
        page = tab.open("/later/sign-up")
        assert 'name="password"' not in page.html
        page = tab.press(page, email=mira.email, given_name="Mira")
        assert page.title == "Check your mail"
        page = tab.press(tab.open(f"/later/l/{LINK.findall(product.wait_mails(mira.email)[0]['text'])[0]}"))
        assert (page.title, "One thing is left" in page.html) == ("Choose a password", True)
        page = tab.press(page, password="short", password_again="short")
        assert "Use 15 characters or more" in page.html
        page = tab.press(page, password=PASSWORD, password_again=PASSWORD)
        assert page.title == "Your account is ready"
        mira.app = "later"
        assert mira.sign_in().json()["status"] == "complete"


class TestEvents:
    def test_order_shape_and_trace(self, product: Product, mira: Person) -> None:
        """EVT-1, 2, 4, 5: a foreign consumer and an independent SDK read one account's story in order."""
        mira.activate()
        mira.sign_in()
        account = account_of(product, mira.email)
        wanted = ["UserRegistered", "ActivationRequested", "UserActivated", "SessionStarted", "SignedIn"]
        eventually(lambda: len(events_of(product, "identity", account)) >= len(wanted))
        found = events_of(product, "identity", account)
        assert [type(event).__name__ for event in found] == wanted
        assert [event.meta.aggregateversion for event in found] == [1, 2, 3, 4, 5]
        assert len({event.meta.id for event in found}) == 5
        registered, requested = found[0].meta, found[1].meta
        assert registered.correlationid == requested.correlationid
        assert registered.traceparent.split("-")[1] == requested.traceparent.split("-")[1]
        assert requested.expirytime is not None
        sent = eventually(
            lambda: [one for one in events_of(product, "notifier", account) if type(one).__name__ == "MessageHandedOver"]
        )
        assert sent[0].meta.correlationid == requested.correlationid, "one story from the request to the mail server"
        queued = next(one for one in events_of(product, "notifier", account) if type(one).__name__ == "MessageQueued")
        assert queued.meta.causationid == str(requested.id), "the chain of causes closes"

    def test_every_record_is_a_valid_cloudevent(self, product: Product, mira: Person) -> None:
        """EVT-1."""
        mira.activate()
        account = account_of(product, mira.email)
        eventually(lambda: len(events_of(product, "identity", account)) >= 3)
        assert {one.meta.source for one in events_of(product, "identity", account)} == {f"{product.origin}/services/identity"}
        bootstrap = product.stack.infrastructure.kafka_bootstrap  # type: ignore[union-attr]
        for publisher in ("identity", "notifier"):
            for record in read_records(bootstrap, product.stack.topic_prefix, publisher):
                message = KafkaMessage(headers=dict(record.headers), key=record.key, value=record.value)
                event = from_binary_event(message)
                # A worker's second product writes to the same topics, from a port of its own.
                assert re.fullmatch(rf"http://localhost:\d+/services/{publisher}", event.get_source())
                assert event.get_subject() == record.key.decode()

    def test_versions_rise_by_one_per_subject(self, product: Product, mira: Person) -> None:
        """EVT-4, INV-8, INV-10: over everything that this run has published so far."""
        mira.activate()
        product.wait_quiet(seconds=60)
        bootstrap = product.stack.infrastructure.kafka_bootstrap  # type: ignore[union-attr]
        for publisher in ("identity", "notifier"):
            decoded = [
                wire.decode(one.value, one.headers) for one in read_records(bootstrap, product.stack.topic_prefix, publisher)
            ]
            decoded.sort(key=lambda event: (event.meta.subject, event.meta.aggregateversion))
            for subject, group in groupby(decoded, key=lambda event: event.meta.subject):
                versions = sorted({event.meta.aggregateversion for event in group})
                assert versions == list(range(1, len(versions) + 1)), subject
                stored = product.rows(publisher, "SELECT version FROM aggregate_version WHERE subject = %s", subject)
                assert stored[0][0] == versions[-1]

    def test_no_address_on_any_topic(self, product: Product, mira: Person) -> None:
        """EVT-6: what the notifier needs travels sealed."""
        mira.activate()
        account = account_of(product, mira.email)
        eventually(lambda: len(events_of(product, "identity", account)) >= 3)
        assert {one.meta.source for one in events_of(product, "identity", account)} == {f"{product.origin}/services/identity"}
        bootstrap = product.stack.infrastructure.kafka_bootstrap  # type: ignore[union-attr]
        for publisher in ("identity", "notifier"):
            for record in read_records(bootstrap, product.stack.topic_prefix, publisher):
                assert mira.email.encode() not in record.value
                assert b"posteo.example" not in record.value


class TestSameAnswerForEverybody:
    def shape(self, response: httpx.Response) -> tuple:
        """All that a stranger sees but ids, times and tokens."""

        def plain(value: object) -> object:
            if isinstance(value, dict):
                return {
                    name: plain(one) if name not in {"id", "match", "flow_token", "at", "expires_at", "available_at"} else ""
                    for name, one in value.items()
                }
            return value

        headers = {name for name in response.headers if name != "date"}
        return response.status_code, headers, json.dumps(plain(response.json())), len(response.content)

    def test_new_pending_and_active_addresses(self, product: Product, http: httpx.Client) -> None:
        """REG-1, ENU-1: one answer; only the mailbox knows."""
        people = [person(product, http, f"p{index}{new_email()[7:]}") for index in range(3)]
        people[1].register()
        people[2].activate()
        eventually(lambda: len(product.mails(people[2].email)) == 2)
        product.move_clock(30)
        shapes = [self.shape(one.register()) for one in people]
        assert shapes[0] == shapes[1] == shapes[2]
        assert "Activate" in people[0].mail()["subject"]
        assert not LINK.search(product.wait_mails(people[2].email, 1, subject="already have")[0]["text"]), (
            "nothing to press there"
        )

    @pytest.mark.parametrize("status", ["disabled", "frozen"])
    def test_disabled_address(self, product: Product, http: httpx.Client, status: str) -> None:
        """REG-1: the same answer, and the same on the page that waits; only the mailbox learns that there is an account."""
        known, unknown = person(product, http), person(product, http)
        known.activate()
        eventually(lambda: len(product.mails(known.email)) == 2)
        with_status(product, known.email, status)
        product.move_clock(30)
        assert self.shape(known.register()) == self.shape(unknown.register())
        unknown.mail()
        told = product.wait_mails(known.email, 1, subject="already have")[0]
        assert not LINK.search(told["text"])
        for one in (known, unknown):
            eventually(lambda one=one: one.read()["delivery"]["state"] == "handed_over")
        looks = [one.read() for one in (known, unknown)]
        assert looks[0].keys() == looks[1].keys()
        assert [(one["status"], one["next"], one["resend"]["channels"]) for one in looks] == [
            ("check_your_messages", ["resend", "code"], ["email"])
        ] * 2

    def test_sign_in_before_activation_is_a_wrong_password(self, product: Product, http: httpx.Client) -> None:
        """REG-2, ENU-1."""
        pending, unknown = person(product, http), person(product, http)
        pending.register()
        pending.mail()
        answers = [pending.sign_in(), pending.sign_in("another wrong password"), unknown.sign_in()]
        bodies = [{**one.json(), "request_id": ""} for one in answers]
        assert bodies[0] == bodies[1] == bodies[2]
        assert {one.status_code for one in answers} == {403}
        assert bodies[0]["code"] == "credentials_wrong"


def with_status(product: Product, email: str, status: str) -> None:
    import psycopg

    with psycopg.connect(product.stack.postgres["identity"]) as connection:
        connection.execute(
            "UPDATE account SET status = %s WHERE id = (SELECT account_id FROM identifier WHERE canonical = %s)", (status, email)
        )


class TestPreHijacking:
    def test_the_strangers_password_never_survives(self, product: Product, http: httpx.Client) -> None:
        """REG-3: the victim activates her own attempt; the attacker's password is worth nothing."""
        attacker, victim = person(product, http), person(product, http)
        attacker.email, attacker.password = victim.email, "the attacker chose these words"
        product.secrets.add(attacker.password)
        attacker.register()
        product.wait_mails(victim.email, 1)
        product.move_clock(25)
        victim.register()
        newest = product.wait_mails(victim.email, 2)[-1]
        assert victim.confirm(LINK.findall(newest["text"])[0]).json()["status"] == "activated"
        assert attacker.sign_in().status_code == 403
        assert victim.sign_in().status_code == 200

    def test_the_strangers_link_activates_nothing(self, product: Product, http: httpx.Client) -> None:
        """REG-3, LNK-3: opened by the victim it asks for the number that only the attacker's window shows."""
        attacker, victim = person(product, http), person(product, http)
        attacker.register()
        answer = victim.post("/links/confirm", {"token": attacker.link()})
        assert (answer.status_code, answer.json()["code"]) == (409, "link_other_browser")
        assert attacker.read()["status"] == "check_your_messages"


class TestLinks:
    def test_reading_never_consumes(self, product: Product, mira: Person) -> None:
        """LNK-1: 20 GETs and 5 HEADs, then the press still works once."""
        mira.register()
        token = mira.link()
        before = product.rows("identity", "SELECT s::text FROM one_time_secret s WHERE flow_id = %s", mira.flow["id"])
        for number in range(20):
            with httpx.Client(
                base_url=product.origin, headers={"User-Agent": f"scanner/{number}"}, follow_redirects=True
            ) as scanner:
                assert scanner.get(f"/demo/l/{token}").status_code == 200
        with product.client() as scanner:  # of its own: pages leave a cookie with whoever opens them
            for _ in range(5):
                scanner.head(f"/demo/l/{token}")
        assert product.rows("identity", "SELECT s::text FROM one_time_secret s WHERE flow_id = %s", mira.flow["id"]) == before
        assert mira.confirm(token).status_code == 200
        assert mira.confirm(token).json()["code"] == "link_used"

    def test_number_matching(self, product: Product, http: httpx.Client) -> None:
        """LNK-3, D17: the right number lets the asking window go on; the other browser gets nothing."""
        asking, other = person(product, http), person(product, http)
        asking.register()
        answer = other.post("/links/confirm", {"token": asking.link(), "match": asking.flow["match"]})
        assert answer.json() == {"state": "confirmed_elsewhere"}
        assert "set-cookie" not in answer.headers
        assert asking.read()["status"] == "activated"

    def test_wrong_number_ends_the_link(self, product: Product, http: httpx.Client) -> None:
        """LNK-3: one wrong try; the asking window is told, and the code still works."""
        asking, other = person(product, http), person(product, http)
        asking.register()
        wrong = "10" if asking.flow["match"] != "10" else "11"
        answer = other.post("/links/confirm", {"token": asking.link(), "match": wrong})
        assert (answer.status_code, answer.json()["code"]) == (403, "match_wrong")
        assert asking.confirm().json()["code"] == "link_ended"
        flow = asking.read()
        assert flow["link_ended"]
        assert flow["match"] is None

    def test_password_where_the_asking_window_is_gone(self, product: Product, http: httpx.Client) -> None:
        """REG-3: the mailbox and the password chosen at registration; wrong tries are counted."""
        asking, other = person(product, http), person(product, http)
        asking.register()
        token = asking.link()
        wrong = other.post("/links/confirm", {"token": token, "password": "not what was chosen at all"})
        assert (wrong.json()["code"], wrong.json()["tries_left"]) == ("credentials_wrong", 4)
        assert other.post("/links/confirm", {"token": token, "password": asking.password}).status_code == 200
        assert asking.sign_in().status_code == 200

    def test_five_wrong_passwords_end_the_link(self, product: Product, http: httpx.Client) -> None:
        asking, other = person(product, http), person(product, http)
        asking.register()
        token = asking.link()
        codes = [
            other.post("/links/confirm", {"token": token, "password": f"wrong password number {one}"}).json()["code"]
            for one in range(5)
        ]
        assert codes == ["credentials_wrong"] * 4 + ["link_ended"]
        assert asking.confirm(token).json()["code"] == "link_ended"

    def test_expired_and_renewed(self, product: Product, http: httpx.Client) -> None:
        """D5, LNK-10, REG-2: too old after 24 h; one press sends a new one to the same address."""
        mira = person(product, http)
        mira.register()
        token = mira.link()
        product.move_clock(24 * 3600 + 1)
        assert mira.confirm(token).json()["code"] == "link_expired"
        assert mira.post("/links/inspect", {"token": token}).json()["state"] == "expired"
        assert mira.sign_in().status_code == 403
        mira.take(mira.post("/links/renew", {"token": token}))
        assert mira.flow["status"] == "check_your_messages"
        fresh = LINK.findall(product.wait_mails(mira.email, 2)[-1]["text"])[0]
        assert mira.confirm(fresh).json()["status"] == "activated"
        assert mira.sign_in().status_code == 200

    def test_renewed_from_another_browser_asks_for_a_new_password(self, product: Product, http: httpx.Client) -> None:
        """REG-3."""
        gone, here = person(product, http), person(product, http)
        here.email = gone.email
        gone.register()
        token = gone.link()
        product.move_clock(24 * 3600 + 1)
        here.take(here.http.post("/v1/apps/demo/links/renew", json={"token": token, "client": "api"}))
        assert "password" in here.flow["next"]
        fresh = LINK.findall(product.wait_mails(here.email, 2)[-1]["text"])[0]
        assert here.confirm(fresh).json()["status"] == "password"
        here.password = "seven ochre bicycles sing"
        product.secrets.add(here.password)
        done = here.post(f"/registrations/{here.flow['id']}/password", {"password": here.password})
        assert done.json()["status"] == "activated"
        assert here.sign_in().status_code == 200
        assert gone.sign_in().status_code == 403

    def test_resend_supersedes_in_its_own_flow_only(self, product: Product, http: httpx.Client) -> None:
        """LNK-9, C5: a stranger's request never voids my link; the first success voids all."""
        mine, strangers = person(product, http), person(product, http)
        strangers.email = mine.email
        mine.register()
        first = mine.link()
        product.move_clock(25)
        strangers.register()
        theirs = LINK.findall(product.wait_mails(mine.email, 2)[-1]["text"])[0]
        product.move_clock(25)
        assert mine.post(f"/registrations/{mine.flow['id']}/resend", {}).status_code == 202
        newest = LINK.findall(product.wait_mails(mine.email, 3)[-1]["text"])[0]
        assert mine.confirm(first).json()["code"] == "link_superseded"
        assert mine.post("/links/inspect", {"token": theirs}).json()["state"] == "other_browser"
        assert mine.confirm(newest).json()["status"] == "activated"
        assert strangers.confirm(theirs).json()["code"] == "link_ended"

    @pytest.mark.parametrize("token", ["x", "a" * 43, "\u00e9" * 43, "../../etc", "%00"])
    def test_malformed_is_unknown(self, mira: Person, token: str) -> None:
        answer = mira.post("/links/confirm", {"token": token})
        assert (answer.status_code, answer.json()["code"]) == (404, "link_malformed")
        assert mira.post("/links/inspect", {"token": token}).json()["state"] == "malformed"

    def test_another_application_does_not_know_it(self, product: Product, http: httpx.Client) -> None:
        """LNK-7."""
        mira = person(product, http)
        mira.register()
        token = mira.link()
        assert http.post("/v1/apps/zinnia/links/confirm", json={"token": token}, headers=mira.headers).status_code == 404

    def test_fifty_presses_have_one_winner(self, product: Product, http: httpx.Client) -> None:
        """LNK-6, INV-3, E34: over two gateways and two identities."""
        mira = person(product, http)
        mira.register()
        token = mira.link()
        origins = [product.origin, product.stack.url("gateway", 1)]

        def press(number: int) -> tuple[int, str]:
            with httpx.Client(base_url=origins[number % 2], timeout=60, trust_env=False) as client:
                answer = client.post("/v1/apps/demo/links/confirm", json={"token": token}, headers=mira.headers)
                return answer.status_code, answer.json().get("code", "")

        with ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(press, range(50)))
        assert sorted(answers) == [(200, "")] + [(410, "link_used")] * 49

    def test_tokens_are_long_and_unlike(self, product: Product, http: httpx.Client) -> None:
        """LNK-5."""
        tokens = []
        for _ in range(5):
            one = person(product, http)
            one.register()
            tokens.append(one.link())
        assert all(len(token) >= 43 for token in tokens)
        assert len({token[:6] for token in tokens}) == 5


class TestCodes:
    def test_five_wrong_tries_burn_the_codes_not_the_link(self, product: Product, http: httpx.Client) -> None:
        """OTP-5: counted over all codes of the flow; the link lives."""
        mira = person(product, http)
        mira.register()
        path = f"/registrations/{mira.flow['id']}/code"
        right = mira.code().replace(" ", "")
        wrong = f"{(int(right) + 1) % 1_000_000:06d}"
        answers = [mira.post(path, {"code": wrong}).json() for _ in range(4)]
        assert [one["tries_left"] for one in answers] == [4, 3, 2, 1]
        product.move_clock(25)
        mira.post(f"/registrations/{mira.flow['id']}/resend", {})
        product.wait_mails(mira.email, 2)
        newest = product.mails(mira.email)[-1]["text"]
        fifth = mira.post(path, {"code": "000000" if "000 000" not in newest else "000001"})
        assert (fifth.status_code, fifth.json()["code"]) == (410, "code_burned")
        assert mira.post(path, {"code": CODE.findall(newest)[0]}).json()["code"] == "code_burned"
        assert mira.confirm(LINK.findall(newest)[0]).json()["status"] == "activated"

    def test_six_minutes(self, product: Product, http: httpx.Client) -> None:
        """OTP-2."""
        mira = person(product, http)
        mira.register()
        code = mira.code()
        product.move_clock(6 * 60 + 1)
        answer = mira.post(f"/registrations/{mira.flow['id']}/code", {"code": code})
        assert (answer.status_code, answer.json()["code"]) == (410, "code_expired")

    def test_useless_in_another_flow_or_browser(self, product: Product, http: httpx.Client) -> None:
        """OTP-4: refused, and counted even where the right code comes from somebody else's browser."""
        one, two = person(product, http), person(product, http)
        one.register()
        two.register()
        code = one.code()
        two.mail()
        assert two.post(f"/registrations/{two.flow['id']}/code", {"code": code}).status_code == 403
        foreign = [two.post(f"/registrations/{one.flow['id']}/code", {"code": code}) for _ in range(2)]
        assert [answer.status_code for answer in foreign] == [404, 404]
        wrong = one.post(f"/registrations/{one.flow['id']}/code", {"code": "000000" if code != "000000" else "000001"})
        assert wrong.json()["tries_left"] == 2
        assert one.post(f"/registrations/{one.flow['id']}/code", {"code": code}).status_code == 200

    def test_one_of_many_presses_wins(self, product: Product, http: httpx.Client) -> None:
        """OTP-3: the same right code, 20 times at once."""
        mira = person(product, http)
        mira.register()
        code, path = mira.code(), f"/v1/apps/demo/registrations/{mira.flow['id']}/code"

        def type_it(_number: int) -> int:
            with product.client() as client:
                return client.post(path, json={"code": code}, headers=mira.headers).status_code

        with ThreadPoolExecutor(20) as pool:
            assert sorted(pool.map(type_it, range(20))).count(200) == 1

    def test_only_a_keyed_hash_is_stored(self, product: Product, http: httpx.Client) -> None:
        """OTP-7: trying all six digits without the key finds nothing."""
        import hashlib

        mira = person(product, http)
        mira.register()
        mira.code()
        stored = bytes(
            product.rows("identity", "SELECT code_hash FROM one_time_secret WHERE flow_id = %s", mira.flow["id"])[0][0]
        )
        flow = mira.flow["id"]
        for number in range(0, 1_000_000, 1):
            digits = f"{number:06d}".encode()
            if stored in {hashlib.sha256(digits).digest(), hashlib.sha256(flow.encode() + digits).digest()}:
                pytest.fail("the code's hash has no key")


class TestThrottle:
    def test_twenty_seconds_between_two(self, product: Product, http: httpx.Client) -> None:
        """R19, D18, THR-1: too early with the time left, then accepted."""
        mira = person(product, http)
        mira.register()
        mira.mail()
        path = f"/registrations/{mira.flow['id']}/resend"
        early = mira.post(path, {})
        assert early.status_code == 429
        assert 1 <= int(early.headers["retry-after"]) <= 20
        assert mira.read()["resend"]["retry_after_seconds"] <= 20
        product.move_clock(20)
        assert mira.post(path, {}).status_code == 202
        product.wait_mails(mira.email, 2)

    def test_at_most_five_an_hour_whoever_asks(self, product: Product, http: httpx.Client) -> None:
        """REG-9, THR-1: starts all answer alike; the mailbox gets five."""
        mira = person(product, http)
        codes = []
        for _ in range(9):
            codes.append(person(product, http, mira.email).register().status_code)
            product.move_clock(21)
        assert codes == [202] * 9
        product.wait_mails(mira.email, 5)
        product.wait_quiet(seconds=30)
        assert len(product.messages(mira.email)) == 5
        product.move_clock(3600)
        assert person(product, http, mira.email).register().status_code == 202
        product.wait_mails(mira.email, 6)

    def test_parallel_starts_share_the_cap(self, product: Product, http: httpx.Client) -> None:
        """THR-1, REG-9: thirty at once over two processes: five mails leave in their turns, and nothing waits for hours."""
        address = new_email()
        with ThreadPoolExecutor(15) as pool:
            answers = list(pool.map(lambda _: person(product, http, address).register().status_code, range(30)))
        assert answers == [202] * 30
        for count in range(1, 6):
            product.wait_mails(address, count)
            product.move_clock(21)
        product.wait_quiet(seconds=20)
        assert len(product.messages(address)) == 5
        waiting = "SELECT count(*) FROM work w JOIN registration_attempt a ON a.id = (w.payload->>'flow_id')::uuid WHERE a.recipient = %s"
        eventually(lambda: product.rows("identity", waiting, address)[0][0] == 0, seconds=20)

    def test_over_is_over(self, product: Product, http: httpx.Client) -> None:
        """A registration whose time is up is neither revived by "send again" nor by a code; another one begins anew."""
        mira = person(product, http)
        mira.register()
        path, code = f"/registrations/{mira.flow['id']}", mira.code()
        product.move_clock(24 * 3600 + 60)
        assert mira.read()["status"] == "ended"
        for step, body in (("resend", {}), ("code", {"code": code}), ("password", {"password": PASSWORD})):
            answer = mira.post(f"{path}/{step}", body)
            assert (answer.status_code, answer.json()["code"]) == (410, "flow_ended"), step

    def test_a_strangers_start_waits_its_turn(self, product: Product, http: httpx.Client) -> None:
        """The 20 s rule: the second start's mail leaves when its turn comes; its link's life begins then."""
        mine, theirs = person(product, http), person(product, http)
        theirs.email = mine.email
        mine.register()
        mine.mail()
        assert theirs.register().status_code == 202
        assert len(product.mails(mine.email)) == 1
        product.move_clock(21)
        product.wait_mails(mine.email, 2)

    def test_unknown_and_known_throttle_alike(self, product: Product, http: httpx.Client) -> None:
        """THR-2, ENU-1."""
        known, unknown = person(product, http), person(product, http)
        known.activate()
        product.move_clock(3700)
        statuses: list[list[int]] = [[], []]
        for one, found in zip((known, unknown), statuses, strict=True):
            one.register()
            for _ in range(8):
                found.append(one.post(f"/registrations/{one.flow['id']}/resend", {}).status_code)
                product.move_clock(7)
        assert statuses[0] == statuses[1]
        assert 202 in statuses[0]

    def test_hundred_parallel_resends_over_two_processes(self, product: Product, http: httpx.Client) -> None:
        """THR-5: one of them."""
        mira = person(product, http)
        mira.register()
        mira.mail()
        product.move_clock(20)
        origins = [product.origin, product.stack.url("gateway", 1)]

        def again(number: int) -> int:
            with httpx.Client(base_url=origins[number % 2], timeout=60, trust_env=False) as client:
                return client.post(
                    f"/v1/apps/demo/registrations/{mira.flow['id']}/resend", json={}, headers=mira.headers
                ).status_code

        with ThreadPoolExecutor(25) as pool:
            statuses = list(pool.map(again, range(100)))
        assert statuses.count(202) == 1
        assert set(statuses) == {202, 429}


class TestClaims:
    """A number that an account only names, without proof, is no reason to turn its true owner away."""

    @pytest.fixture
    def claimed(self, product: Product, http: httpx.Client) -> tuple[Person, Phoned]:
        """Somebody with a proven address who typed a number, and the person whose number that is."""
        kim = phoned(product, http, app="calls")
        mira = person(product, http)
        mira.app = "calls"
        mira.register(identifiers={"email": mira.email, "phone": kim.number})
        mira.confirm()
        product.move_clock(30)
        return mira, kim

    @staticmethod
    def holders(product: Product, number: str) -> list[tuple[str, bool]]:
        rows = product.rows("identity", "SELECT account_id, verified_at IS NOT NULL FROM identifier WHERE canonical = %s", number)
        return [(str(account), bool(proven)) for account, proven in rows]

    def test_its_owner_registers(self, product: Product, claimed: tuple[Person, Phoned]) -> None:
        """The proof takes it from whoever only typed it; that account is there as before, by its own address."""
        mira, kim = claimed
        account = account_of(product, mira.email)
        assert self.holders(product, kim.number) == [(account, False)]
        kim.activate()
        ((other, proven),) = self.holders(product, kim.number)
        assert (other != account, proven) == (True, True)
        assert kim.sign_in(identifier=kim.number).json()["status"] == "complete"
        assert mira.sign_in().json()["status"] == "complete"

    def test_a_registration_alone_takes_nothing(self, product: Product, claimed: tuple[Person, Phoned]) -> None:
        """Whoever proves nothing changes nothing; and asking twice makes one pending account."""
        mira, kim = claimed
        kim.register()
        kim.messages()
        product.move_clock(30)
        kim.register()
        kim.messages()
        product.wait_quiet(seconds=30)
        assert [proven for _, proven in self.holders(product, kim.number)] == [False, False]
        assert mira.sign_in(identifier=kim.number).json()["status"] == "complete", (
            "its name to sign in with, until somebody proves it"
        )

    def test_who_has_proven_nothing_keeps_nobody_out(self, product: Product, http: httpx.Client) -> None:
        """REG-3: where activation is off nothing is ever proven. The owner of the mailbox registers beside it, in an application of the
        same store that asks for proof, and has the address alone; the stranger's account ends with its session.
        """
        stranger = person(product, http)
        stranger.app = "open"
        assert stranger.register().json()["status"] == "complete"
        owner = person(product, http, stranger.email)
        owner.password = "seven copper lanterns drifting north"
        product.secrets.add(owner.password)
        owner.activate()
        assert owner.sign_in().status_code == 200
        assert stranger.sign_in().status_code == 403
        eventually(lambda: http.get("/v1/session", headers=stranger.bearer).status_code == 401, seconds=5)


class TestIdentifiers:
    def test_spellings_of_one_address(self, product: Product, http: httpx.Client) -> None:
        """REG-6: case and punycode make no other account; dots do."""
        tail = new_email()[7:13]
        mira = person(product, http, f"Mira.{tail}@B\u00fccher.example")
        mira.register()
        sent = product.wait_mails(mira.email, 1) if product.mails(mira.email) else None
        product.wait_quiet(seconds=30)
        product.move_clock(25)
        again = person(product, http, f"mira.{tail}@xn--bcher-kva.example")
        again.register()
        product.wait_quiet(seconds=30)
        found = product.rows("identity", "SELECT canonical FROM identifier WHERE canonical LIKE %s", f"mira.{tail}%")
        assert found == [(f"mira.{tail}@xn--bcher-kva.example",)]
        assert sent is None or sent

    def test_fifty_at_once_make_one_account(self, product: Product, http: httpx.Client) -> None:
        """REG-6, INV-14."""
        email = new_email()

        def register(_number: int) -> int:
            with product.client() as client:
                return person(product, client, email).register().status_code

        with ThreadPoolExecutor(10) as pool:
            statuses = list(pool.map(register, range(50)))
        assert set(statuses) <= {202, 503}, "what doesn't fit is shed with 503 (PWD-8)"
        assert statuses.count(202) >= 10
        product.wait_mails(email, 1)
        assert product.rows("identity", "SELECT count(*) FROM identifier WHERE canonical = %s", email)[0][0] == 1

    def test_never_activated_accounts_go(self, product: Product, http: httpx.Client) -> None:
        """REG-8: after 30 days nothing of the address is left, and it may come again."""
        mira = person(product, http)
        mira.register()
        mira.mail()
        account = account_of(product, mira.email)
        product.move_clock(30 * 86400 + 60)

        def gone() -> bool:
            return not product.rows("identity", "SELECT 1 FROM identifier WHERE canonical = %s", mira.email)

        eventually(gone, seconds=20)
        assert not product.rows("identity", "SELECT 1 FROM registration_attempt WHERE recipient = %s", mira.email)
        eventually(
            lambda: [one for one in events_of(product, "identity", account) if type(one).__name__ == "RegistrationExpired"]
        )
        assert mira.activate().sign_in().status_code == 200

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"identifiers": {"email": "nobody"}}, "/identifiers/email"),
            ({"identifiers": {}}, "/identifiers/email"),
            ({"identifiers": {"phone": "+493415550141"}}, "/identifiers/phone"),
            ({"identifiers": {"username": "admin"}}, "/identifiers/username"),
            ({"password": "too short"}, "/password"),
            ({"password": "elmsteadenergy2026"}, "/password"),
            ({"password": "a" * 257}, "/password"),
            ({"password": "123456789012345"}, "/password"),
            ({"profile": {"status": "active"}}, "/profile/status"),
            ({"profile": {"given_name": "a\r\nBcc: x@y.z"}}, "/profile/given_name"),
            ({"consents": [{"id": "other", "version": "1.0", "given": True}]}, "/consents/0"),
            ({"language": "xx"}, "/language"),
            ({"return_to": "https://evil.example/"}, "/return_to"),
            ({"email_verified": True}, "/email_verified"),
            ({"roles": ["admin"]}, "/roles"),
            ({"id": "1"}, "/id"),
        ],
    )
    def test_bad_input_names_its_field(self, mira: Person, body: dict, field: str) -> None:
        """REG-7, API-2, PWD-1, PWD-2, PWD-4, WEB-12."""
        whole = {"identifiers": {"email": mira.email}, "password": PASSWORD, "client": "api", **body}
        answer = mira.http.post("/v1/apps/demo/registrations", json=whole)
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        assert field in [one["field"] for one in answer.json()["errors"]], answer.text
        assert PASSWORD not in answer.text


class TestPasswords:
    def test_any_unicode_and_nothing_cut(self, product: Product, http: httpx.Client) -> None:
        """PWD-2: 200 characters with emoji; the last one counts; NFC and NFD are one password."""
        mira = person(product, http)
        mira.password = "\U0001f98a caf\u00e9 " * 25
        product.secrets.add(mira.password)
        mira.activate()
        assert mira.sign_in(unicodedata.normalize("NFD", mira.password)).status_code == 200
        assert mira.sign_in(mira.password[:-2] + "x ").status_code == 403

    def test_no_composition_rules(self, mira: Person) -> None:
        """PWD-3: fifteen small letters that nobody lists."""
        mira.password = "qzvkwmorbelinat"
        mira.product.secrets.add(mira.password)
        assert mira.register().status_code == 202

    def test_stored_as_argon2id(self, product: Product, mira: Person) -> None:
        """PWD-5."""
        mira.activate()
        stored = product.rows(
            "identity", "SELECT hash FROM password_credential WHERE account_id = %s", account_of(product, mira.email)
        )[0][0]
        found = re.match(r"\$argon2id\$v=19\$m=(\d+),t=(\d+),p=1\$", stored)
        assert found
        assert int(found[1]) >= 19456
        assert int(found[2]) >= 2


class TestByPhone:
    """A store whose accounts begin with a phone."""

    def test_register_activate_sign_in(self, product: Product, http: httpx.Client) -> None:
        """D2, C3: a code alone, as long as a code lives; no link, so no number to match; the flow lives as with a mail."""
        kim = phoned(product, http)
        flow = kim.register().json()
        assert (flow["status"], flow["match"], flow["resend"]["channels"]) == ("check_your_messages", None, ["sms"])
        assert (flow["delivery"]["channel"], flow["delivery"]["to"]) == ("sms", f"•••{kim.number[-2:]}")
        (message,) = kim.messages()
        assert (message.channel, message.to, message.link) == ("sms", kim.number, None)
        assert (message.event.expires_at - message.event.meta.time).total_seconds() == pytest.approx(360, abs=2)
        assert kim.sign_in(identifier=kim.number).status_code == 403
        kim.flow = flow
        assert kim.type_code(kim.code()).json()["status"] == "activated"
        assert kim.sign_in(identifier=kim.number).json()["status"] == "complete"
        account = kim.http.get("/v1/session", headers=kim.bearer).json()["account_id"]
        verified = product.rows("identity", "SELECT kind, verified_at IS NOT NULL FROM identifier WHERE account_id = %s", account)
        assert verified == [("phone", True)]

    def test_through_the_network(self, product: Product, http: httpx.Client) -> None:
        """R27, E33: over the provider's own protocol; its receipt is what the waiting page tells, and later events take nothing back."""
        kim = phoned(product, http)
        kim.register()
        code = product.code_of(product.wait_message(kim.number, channel="sms"))
        eventually(lambda: kim.read()["delivery"]["state"] == "delivered")
        assert kim.read()["delivery"]["channel"] == "sms"
        assert kim.type_code(code or "").json()["status"] == "activated"
        product.move_clock(21)
        again = phoned(product, http, kim.number)
        again.register()
        told = product.wait_message(kim.number, channel="sms", count=2)
        assert product.code_of(told) is None, "its owner has an account, so there is nothing to type"
        assert again.read()["delivery"] is not None

    def test_send_again(self, product: Product, http: httpx.Client) -> None:
        """R19, R27: 20 s; the newer code works, the older one is dead, and its wrong tries stay counted (D16)."""
        kim = phoned(product, http)
        kim.register()
        first = kim.code()
        early = kim.resend(flow="registrations")
        assert (early.status_code, early.json()["code"]) == (429, "too_many_requests")
        assert kim.resend("email", flow="registrations").json()["errors"][0]["field"] == "/channel"
        product.move_clock(21)
        assert kim.type_code("000000" if first != "000000" else "000001").json()["tries_left"] == 4
        assert kim.resend("sms", flow="registrations").status_code == 202
        second = kim.messages(2)[-1].code
        if first != second:
            assert kim.type_code(first).json()["tries_left"] == 3
        assert kim.type_code(second).json()["status"] == "activated"

    def test_a_code_is_too_old_and_the_flow_lives(self, product: Product, http: httpx.Client) -> None:
        """OTP-2: six minutes; a new one is asked for in the same flow."""
        kim = phoned(product, http)
        kim.register()
        code = kim.code()
        product.move_clock(6 * 60 + 1)
        assert kim.type_code(code).json()["code"] == "code_expired"
        assert kim.resend(flow="registrations").status_code == 202
        assert kim.type_code(kim.messages(2)[-1].code).json()["status"] == "activated"

    def test_five_wrong_tries_end_it(self, product: Product, http: httpx.Client) -> None:
        """OTP-5: without a link beside the code there is nothing left to use, so no more text messages are paid for."""
        kim = phoned(product, http)
        kim.register()
        code = kim.code()
        wrong = "000000" if code != "000000" else "000001"
        codes = [kim.type_code(wrong).json()["code"] for _ in range(5)]
        assert codes == ["code_wrong"] * 4 + ["code_burned"]
        assert kim.type_code(code).json()["code"] == "code_burned"
        assert (kim.read()["status"], kim.read()["next"]) == ("ended", [])
        product.move_clock(21)
        assert kim.resend(flow="registrations").json()["code"] == "flow_ended"

    def test_sixteen_at_once(self, product: Product, http: httpx.Client) -> None:
        """OTP-3: one code activates once."""
        kim = phoned(product, http)
        kim.register()
        assert kim.type_at_once(kim.code(), "registrations").count(200) == 1

    def test_alike_for_new_pending_and_active_numbers(self, product: Product, http: httpx.Client) -> None:
        """REG-1, ENU-1: at the start, and at every look that follows; its owner is told by text message, and nowhere else."""
        people = [phoned(product, http) for _ in range(3)]
        people[1].register()
        people[1].messages()
        people[2].activate()
        product.move_clock(30)
        shapes = [[shape(one.register())] for one in people]
        for one in people:
            one.messages()
        product.wait_quiet(seconds=30)
        ends = set()
        for one, seen in zip(people, shapes, strict=True):
            answer = http.get(one.url(f"/registrations/{one.flow['id']}"), headers=one.headers)
            ends.add(answer.json()["expires_at"] == one.flow["expires_at"])
            seen += [shape(answer), shape(one.type_code("12345x")), shape(one.resend(flow="registrations"))]
        assert shapes[0] == shapes[1] == shapes[2]
        assert len(ends) == 1, "the time until which it can be gone on with tells nothing either"
        (told,) = people[2].messages()
        assert type(told.event).__name__ == "RegistrationRepeated"
        assert (told.channel, told.to, told.code, told.contact.others) == ("sms", people[2].number, None, [])

    def test_an_address_beside_the_number_is_what_is_proven(self, product: Product, http: httpx.Client) -> None:
        """REG-3, R6: a phone's code must not activate an account that carries somebody else's address."""
        kim, email = phoned(product, http), new_email()
        flow = kim.register(identifiers={"phone": kim.number, "email": email}).json()
        assert (flow["delivery"]["channel"], flow["resend"]["channels"]) == ("email", ["email"])
        (message,) = kim.messages()
        assert (message.channel, message.to) == ("email", email)
        assert message.link
        assert kim.resend("sms", flow="registrations").status_code == 422

    def test_three_text_messages_in_ten_minutes(self, product: Product, http: httpx.Client) -> None:
        """D19, FRD-4: the fourth waits, and says for how long."""
        kim = phoned(product, http)
        kim.register()
        kim.messages()
        for _ in range(2):
            product.move_clock(21)
            assert kim.resend(flow="registrations").status_code == 202
        product.move_clock(21)
        refused = kim.resend(flow="registrations")
        assert refused.status_code == 429
        assert int(refused.headers["Retry-After"]) > 300
