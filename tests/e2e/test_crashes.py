"""What must survive a kill -9 is killed with -9 (REL-1, REL-2, REL-7, REL-10): identity, notifier, broker, under load.

A product of its own, with a broker of its own. Clients behave as real ones do: they repeat what got no answer, under the same
Idempotency-Key. Afterwards the checker of invariants.py has the word.
"""

import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from uuid import uuid4

import httpx
import pytest
from devstack.infrastructure import Infrastructure, _embedded
from latchkey_contracts.recovery import ResetCompleted
from testkit.records import alone
from testkit.stack import LINK, PASSWORD, Person, Product, eventually, new_email, running

from .conftest import configuration
from .invariants import check, events

pytestmark = [pytest.mark.crash]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Infrastructure]:
    folder = tmp_path_factory.mktemp("crash")
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)
    found = _embedded(folder, lambda _text: None, wait=True, durable=False, dsn=None, bootstrap=None)
    yield found
    found.stop()


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory, servers: Infrastructure) -> Iterator[Product]:
    folder = tmp_path_factory.mktemp("victim")
    # Clients that repeat until they are acknowledged are many starts from one network while a service is dead.
    limits = {"LATCHKEY_STARTS_PER_MINUTE": "100000", "LATCHKEY_TRIES_PER_MINUTE": "100000"}
    with running(folder, servers, "crash-", configuration=configuration(folder), **limits) as found:
        yield found


def insist(product: Product, client: httpx.Client, email: str, *, seconds: float = 60) -> str:
    """Registers until it is acknowledged; answers the flow's id."""
    body = {"identifiers": {"email": email}, "password": PASSWORD, "client": "api"}
    answer = insist_on(client, "/v1/apps/demo/registrations", body, seconds=seconds)
    product.secrets.add(answer["flow_token"])
    return str(answer["id"])


def insist_on(client: httpx.Client, path: str, body: dict, *, seconds: float = 60) -> dict:
    """As a real client does: the same request under the same key until it is acknowledged."""
    key, end = str(uuid4()), time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            answer = client.post(path, json=body, headers={"Idempotency-Key": key}, timeout=10)
            if answer.status_code == 202:
                return answer.json()
            assert answer.status_code in {429, 503, 500}, answer.text
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise AssertionError("never acknowledged")


def load(product: Product, pool: ThreadPoolExecutor, count: int) -> dict[str, Future]:
    def one(email: str) -> str:
        with product.client() as client:
            return insist(product, client, email)

    return {email: pool.submit(one, email) for email in (new_email() for _ in range(count))}


def settle(product: Product, running_load: dict[str, Future], *, seconds: float = 90) -> dict[str, str]:
    """Brings back what died until all is answered and quiet. From the main thread: the kernel watches who spawns."""

    def done() -> bool:
        product.watch()
        return all(one.done() for one in running_load.values())

    eventually(done, seconds=seconds, every=0.1)
    acknowledged = {email: one.result() for email, one in running_load.items()}
    eventually(product.all_ready, seconds=seconds, every=0.2)
    product.wait_quiet(seconds=seconds)
    product.secrets.add(PASSWORD)
    for email in acknowledged:
        product.wait_mails(email)
    return acknowledged


class TestIdentity:
    @pytest.mark.parametrize("point", ["before_commit", "after_commit", "before_send", "after_send", "before_mark"])
    def test_killed(self, victim: Product, servers: Infrastructure, point: str) -> None:
        """REL-1, INV-1, 2, 3, 7, 8, 9, 10, 17, 18: at every point of the write and of the relay."""
        before = victim.pid("identity")
        with ThreadPoolExecutor(6) as pool:
            running_load = load(victim, pool, 12)
            time.sleep(0.15)
            armed = victim.arm("identity", point)
            acknowledged = settle(victim, running_load)
        assert not armed.exists()
        assert victim.pid("identity") != before, "it was really killed"
        check(victim, servers.kafka_bootstrap, acknowledged=acknowledged)

    def test_attempts_survive(self, victim: Product, servers: Infrastructure) -> None:
        """INV-13, OTP-5: wrong tries stay counted over a kill."""
        with victim.client() as client:
            mira = Person(victim, client, new_email())
            mira.register()
            mira.code()
            path = f"/registrations/{mira.flow['id']}/code"
            assert mira.post(path, {"code": "no"}).json()["tries_left"] == 4
            victim.kill("identity")
            eventually(lambda: victim.ready("identity"), seconds=30)
            assert mira.post(path, {"code": "no"}).json()["tries_left"] == 3
        victim.wait_quiet(seconds=30)


@pytest.fixture(scope="module")
def members(victim: Product) -> list[str]:
    with victim.client() as client:
        return [Person(victim, client, new_email()).activate().email for _ in range(6)]


class TestRecovery:
    """The same for resets: three services take part, and none may lose or double a mail."""

    @pytest.mark.parametrize("point", ["before_commit", "after_commit", "before_send", "after_send", "before_mark"])
    def test_killed(self, victim: Product, servers: Infrastructure, members: list[str], point: str) -> None:
        """REL-1, INV-1, 7, 8, 10, 17, 18: every acknowledged reset has its mail, once."""
        victim.move_clock(3601)  # beyond spacing and hourly cap of the round before
        counted = {email: len(self.resets(victim, email)) for email in members}

        def ask(email: str) -> None:
            with victim.client() as client:
                insist_on(client, "/v1/apps/demo/password-resets", {"identifier": email, "client": "api"})

        with ThreadPoolExecutor(6) as pool:
            running_load = [pool.submit(ask, email) for email in members]
            armed = victim.arm("recovery", point)
            eventually(lambda: victim.watch() or all(one.done() for one in running_load), seconds=60, every=0.1)
            [one.result() for one in running_load]
        eventually(victim.all_ready, seconds=30, every=0.2)
        eventually(lambda: not armed.exists(), seconds=10)
        eventually(victim.all_ready, seconds=30, every=0.2)
        victim.wait_quiet(seconds=60)
        for email in members:
            assert len(self.resets(victim, email)) == counted[email] + 1, "INV-1, INV-17"
        check(victim, servers.kafka_bootstrap, acknowledged={})

    @pytest.mark.parametrize("point", ["before_commit", "after_commit"])
    def test_killed_while_several_share_a_transaction(self, victim: Product, servers: Infrastructure, point: str) -> None:
        """INV-1: without a key starts are written down together. Who was answered 202 gets the mail; a crash leaves all of a
        transaction or nothing, and nobody an answer that isn't true.
        """
        with victim.client() as client:
            people = [Person(victim, client, new_email()).activate() for _ in range(12)]

        def ask(one: Person) -> bool:
            with victim.client() as client, contextlib.suppress(httpx.HTTPError):
                body = {"identifier": one.email, "client": "api"}
                return client.post(one.url("/password-resets"), json=body, timeout=10).status_code == 202
            return False

        victim.arm("recovery", point)
        with ThreadPoolExecutor(12) as pool:
            answered = list(pool.map(ask, people))
        eventually(victim.all_ready, seconds=30, every=0.2)
        assert not all(answered), "it died while they waited"
        with ThreadPoolExecutor(12) as pool:
            later = list(pool.map(ask, people[:3]))
        assert all(later), "whoever asks again is answered"
        victim.wait_quiet(seconds=60)
        for one, told in zip(people, answered, strict=True):
            mails = self.resets(victim, one.email)
            assert len(mails) <= 1, "the 20 s rule counts what was written down"
            assert mails or not told, "acknowledged and lost"
        assert all(self.resets(victim, one.email) for one in people[:3])
        check(victim, servers.kafka_bootstrap, acknowledged={})

    def test_killed_between_identitys_yes_and_its_own(self, victim: Product, servers: Infrastructure) -> None:
        """The password is set, recovery dies before it has noted so: the event completes the flow, once (REL-3)."""
        with victim.client() as client:
            mira = Person(victim, client, new_email()).activate()
            mira.take(mira.post("/password-resets", {"identifier": mira.email, "client": "api"}))
            token = LINK.findall(victim.wait_mails(mira.email, subject="Set a new")[0]["text"])[0]
            mira.confirm(token)
            fresh = "after the crash another password"
            victim.secrets.add(fresh)
            victim.arm("recovery", "after_identity")
            with contextlib.suppress(httpx.HTTPError):
                mira.post(f"/password-resets/{mira.flow['id']}/password", {"password": fresh})
            eventually(victim.all_ready, seconds=30, every=0.2)
            path = mira.url(f"/password-resets/{mira.flow['id']}")
            eventually(lambda: client.get(path, headers=mira.headers).json().get("status") == "complete", seconds=30, every=0.2)
            assert mira.sign_in(fresh).status_code == 200
        victim.wait_quiet(seconds=30)
        completed = [one for one in events(victim, servers.kafka_bootstrap, "recovery") if isinstance(one, ResetCompleted)]
        assert len([one for one in completed if str(one.account_id) == mira_account(victim, mira.email)]) == 1

    @staticmethod
    def resets(product: Product, email: str) -> set[str]:
        return {one["message_id"] for one in product.mails(email) if "Set a new" in one["subject"]}


def mira_account(product: Product, email: str) -> str:
    return str(product.rows("identity", "SELECT account_id FROM identifier WHERE canonical = %s", email)[0][0])


class TestNotifier:
    def test_killed_before_the_provider_has_it(self, victim: Product, servers: Infrastructure) -> None:
        """REL-7: nothing was sent, so it is sent once."""
        with ThreadPoolExecutor(4) as pool:
            victim.arm("notifier", "before_provider")
            acknowledged = settle(victim, load(victim, pool, 8))
        check(victim, servers.kafka_bootstrap, acknowledged=acknowledged)

    def test_killed_after_the_provider_has_it(self, victim: Product, servers: Infrastructure) -> None:
        """REL-7, INV-17: nobody can know, so it goes once more under the same Message-ID; twice at most."""
        with ThreadPoolExecutor(4) as pool:
            victim.arm("notifier", "after_provider_accept")
            acknowledged = settle(victim, load(victim, pool, 8))
        check(victim, servers.kafka_bootstrap, acknowledged=acknowledged, most_copies=2)

    def test_mail_server_away(self, victim: Product, servers: Infrastructure) -> None:
        """Provider down: queued, told so, then all arrive once."""
        victim.fail_mails("temporary", 10)
        with ThreadPoolExecutor(4) as pool:
            acknowledged = settle(victim, load(victim, pool, 6))
        check(victim, servers.kafka_bootstrap, acknowledged=acknowledged, most_copies=2)

    def test_code_that_expired_meanwhile_is_not_sent(self, victim: Product, servers: Infrastructure) -> None:
        """EVT-9, OTP-2, INV-9: the mail that leaves after 7 minutes has the link and no code; after 25 hours none leaves."""
        victim.fail_mails("temporary", 2)
        with victim.client() as client:
            mira = Person(victim, client, new_email())
            mira.register()
            eventually(lambda: victim.rows("notifier", "SELECT 1 FROM delivery WHERE tries > 0 AND state = 'queued'"))
            victim.move_clock(7 * 60)
            mail = victim.wait_mails(mira.email, seconds=30)[0]
            assert "/l/" in mail["text"]
            assert "type this code" not in mail["text"]
            victim.fail_mails("temporary", 3)
            late = Person(victim, client, new_email())
            late.register()
            eventually(lambda: victim.rows("notifier", "SELECT 1 FROM delivery WHERE tries > 0 AND state = 'queued'"))
            victim.move_clock(25 * 3600)
            eventually(lambda: late.read()["delivery"]["state"] == "expired", seconds=30)
            assert not victim.mails(late.email)
            victim.fail_mails("none")


class TestBroker:
    def test_thirty_seconds_away(self, victim: Product, servers: Infrastructure) -> None:
        """REL-10, REL-2: registrations go on, nothing is lost, nothing is doubled, order is kept."""
        assert servers.kafka is not None
        assert servers.kafka.process is not None
        servers.kafka.process.kill()
        servers.kafka.process.wait()
        down_since = time.monotonic()
        with ThreadPoolExecutor(3) as pool:
            running_load = load(victim, pool, 15)
            eventually(lambda: victim.watch() or all(one.done() for one in running_load.values()), seconds=25, every=0.1)
            assert all(one.exception() is None for one in running_load.values()), "accepted while the broker is away"
            while time.monotonic() - down_since < 30:
                time.sleep(0.2)
            assert not any(victim.mails(email) for email in running_load)
            servers.kafka.start()
            acknowledged = settle(victim, running_load)
        check(victim, servers.kafka_bootstrap, acknowledged=acknowledged)


class TestReplay:
    def test_every_topic_from_the_start(self, victim: Product, servers: Infrastructure) -> None:
        """REL-3: everything again, and nothing happens."""

        from aiokafka import AIOKafkaProducer

        from .conftest import read_records

        victim.wait_quiet(seconds=30)
        counts = self.consumed(victim)
        before = len(victim.mails())

        async def again() -> None:
            producer = AIOKafkaProducer(bootstrap_servers=servers.kafka_bootstrap)
            await producer.start()
            for publisher in ("identity", "recovery", "notifier"):
                for one in read_records(servers.kafka_bootstrap, victim.stack.topic_prefix, publisher):
                    await producer.send(one.topic, key=one.key, value=one.value, headers=list(one.headers))
            await producer.stop()

        alone(again)
        time.sleep(2)
        victim.wait_quiet(seconds=30)
        assert self.consumed(victim) == counts
        assert len(victim.mails()) == before

    @staticmethod
    def consumed(product: Product) -> dict[str, int]:
        """Events handled so far, once nobody is behind any more: unchanged for two seconds."""
        seen: list[dict[str, int]] = []

        def still() -> bool:
            services = ("identity", "recovery", "notifier")
            seen.append({one: product.rows(one, "SELECT count(*) FROM inbox")[0][0] for one in services})
            return len(seen) > 10 and all(one == seen[-1] for one in seen[-10:])

        eventually(still, seconds=30, every=0.2)
        return seen[-1]


class TestBadEvents:
    def test_parked_with_their_reason_while_the_partition_moves_on(self, victim: Product, servers: Infrastructure) -> None:
        """REL-4, REL-6: bytes, headers, types and schemas that nobody understands; `latchkey parked` shows and replays them."""
        import json
        import os
        import subprocess
        import sys

        from aiokafka import AIOKafkaProducer
        from latchkey_contracts.topics import events_topic

        topic = events_topic("identity", victim.stack.topic_prefix)
        good = [("ce_specversion", b"1.0"), ("ce_id", str(uuid4()).encode()), ("content-type", b"application/json")]
        bad = [
            (b"\xff", []),
            (b"{}", [("ce_specversion", b"1.0"), ("ce_type", b"\xff\xfe")]),
            (b"{}", [*good, ("ce_type", b"latchkey.identity.from_the_future.v1")]),
            (b"{}", [*good, ("ce_type", b"latchkey.identity.user_activated.v1")]),
            (None, []),
        ]

        async def send() -> None:
            producer = AIOKafkaProducer(bootstrap_servers=servers.kafka_bootstrap)
            await producer.start()
            for value, headers in bad:
                await producer.send_and_wait(topic, key=b"somebody", value=value, headers=headers)
            await producer.stop()

        alone(send)
        with victim.client() as client:
            mira = Person(victim, client, new_email()).activate()
            assert mira.sign_in().status_code == 200
        eventually(lambda: victim.rows("notifier", "SELECT count(*) FROM parked")[0][0] == len(bad))
        environment = {**os.environ, "LATCHKEY_POSTGRES_DSN": victim.stack.postgres["notifier"]}

        def latchkey(*words: str) -> str:
            command = [sys.executable, "-m", "servicekit.cli", "parked", *words]
            return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

        listed = json.loads(latchkey("list", "--service", "notifier", "--json"))
        assert {one["reason"].split(":")[0] for one in listed} == {"malformed", "unknown"}
        shown = json.loads(latchkey("show", "--service", "notifier", listed[0]["id"]))
        assert shown["topic"] == topic
        assert "5 would be replayed" in latchkey("replay", "--service", "notifier", "--all", "--dry-run")
        assert "5 made due" in latchkey("replay", "--service", "notifier", "--all")
        eventually(lambda: all(row[0] > 0 for row in victim.rows("notifier", "SELECT attempts FROM parked")), seconds=20)
        assert victim.rows("notifier", "SELECT count(*) FROM parked WHERE due_at IS NULL")[0][0] == len(bad), (
            "still not understood"
        )
