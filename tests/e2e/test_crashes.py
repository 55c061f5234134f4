"""What must survive a kill -9 is killed with -9 (REL-1, REL-2, REL-7, REL-10): identity, notifier, broker, under load.

A product of its own, with a broker of its own. Clients behave as real ones do: they repeat what got no answer, under the same
Idempotency-Key. Afterwards the checker of invariants.py has the word.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from uuid import uuid4

import httpx
import psycopg
import pytest
from devstack.infrastructure import Infrastructure, _embedded
from latchkey_contracts.recovery import ResetCompleted
from psycopg import sql
from servicekit.db import database_name
from testkit import nursery
from testkit.records import alone
from testkit.running import running
from testkit.stack import LINK, PASSWORD, Person, Product, eventually, new_email
from testkit.unread import wait_read

from .conftest import canaries, configuration
from .invariants import check, events

pytestmark = [pytest.mark.crash]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Infrastructure]:
    folder = tmp_path_factory.mktemp("crash")
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)
    found = _embedded(folder, lambda _text: None, {"postgres", "kafka"}, wait=True, durable=False, dsn="", bootstrap="")
    yield found
    found.stop()


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory, servers: Infrastructure) -> Iterator[Product]:
    folder = tmp_path_factory.mktemp("victim")
    # Clients that repeat until they are acknowledged are many starts from one network while a service is dead.
    limits = {"LATCHKEY_STARTS_PER_MINUTE": "100000", "LATCHKEY_TRIES_PER_MINUTE": "100000"}
    with running(folder, servers, "crash-", configuration=configuration(folder), **limits) as found:
        yield found
        found.wait_quiet()
        assert not canaries(found, servers.kafka_bootstrap), "INV-7"


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
    wait_read(product, seconds=seconds)
    product.secrets.add(PASSWORD)
    for email in acknowledged:
        product.wait_mails(email)
    return acknowledged


# Of the write, and of the relay.
POINTS = ("before_commit", "after_commit", "before_send", "after_send", "before_mark")


def die_at_each(product: Product, service: str, more: Callable[[int], object]) -> None:
    """One death after another, each under the load that `more` adds and while what the one before interrupted is made good."""
    for number, point in enumerate(POINTS):
        before = product.pid(service)
        armed = product.arm(service, point)
        more(number)
        eventually(lambda before=before: product.watch() or product.pid(service) != before, seconds=60, every=0.05)
        assert not armed.exists(), f"it was really killed at {point}"


class TestIdentity:
    def test_killed(self, victim: Product, servers: Infrastructure) -> None:
        """REL-1, INV-1, 2, 3, 7, 8, 9, 10, 17, 18: at every point of the write and of the relay."""
        running_load: dict[str, Future] = {}
        with ThreadPoolExecutor(6) as pool:
            die_at_each(victim, "identity", lambda _number: running_load.update(load(victim, pool, 6)))
            acknowledged = settle(victim, running_load)
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


def activated(product: Product, client: httpx.Client, count: int) -> list[Person]:
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda _: Person(product, client, new_email()).activate(), range(count)))


@contextlib.contextmanager
def read_only(product: Product, servers: Infrastructure, service: str) -> Iterator[None]:
    """As after a failover to a standby: its sessions end, and those that begin meanwhile take no write for good."""
    name = sql.Identifier(database_name(product.stack.postgres[service]))

    def run(statement: str) -> None:
        with psycopg.connect(servers.postgres_dsn, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(name))  # type: ignore[arg-type]

    def end_sessions() -> None:
        with psycopg.connect(servers.postgres_dsn, autocommit=True) as connection:
            ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
            connection.execute(ended, [database_name(product.stack.postgres[service])])

    run("ALTER DATABASE {} SET default_transaction_read_only = on")
    try:
        end_sessions()
        yield
    finally:
        run("ALTER DATABASE {} RESET default_transaction_read_only")


class TestReadOnly:
    def test_everybody_signs_in_right_after_it(self, victim: Product, servers: Infrastructure) -> None:
        """REL-12: readiness is false while it lasts, nobody is told anything but 503, and no session of it is used again."""
        with contextlib.ExitStack() as clients:
            people = activated(victim, clients.enter_context(victim.client()), 8)
            victim.wait_quiet(seconds=30)
            pool = clients.enter_context(ThreadPoolExecutor(8))
            probe = victim.stack.children["identity"].ready_url
            assert probe is not None
            with read_only(victim, servers, "identity"):
                eventually(lambda: httpx.get(probe, timeout=10).json()["database"] is False, seconds=30)
                assert list(pool.map(begin, people)) == [503] * 8
            assert [one["status"] for one in pool.map(sign_in, people)] == ["complete"] * 8
            eventually(lambda: victim.ready("identity"), seconds=30)
            victim.wait_quiet(seconds=30)


def begin(person: Person) -> int:
    return person.http.post(person.url("/sign-ins"), json={"identifier": person.email, "client": "api"}).status_code


def sign_in(person: Person) -> dict:
    return person.sign_in().json()


class TestRecovery:
    """The same for resets: three services take part, and none may lose or double a mail."""

    def test_killed(self, victim: Product, servers: Infrastructure) -> None:
        """REL-1, INV-1, 7, 8, 10, 17, 18: every acknowledged reset has its mail, once."""
        with victim.client() as client:
            members = [one.email for one in activated(victim, client, 3 * len(POINTS))]
        running_load: list[Future] = []

        def ask(email: str) -> None:
            with victim.client() as client:
                insist_on(client, "/v1/apps/demo/password-resets", {"identifier": email, "client": "api"})

        with ThreadPoolExecutor(6) as pool:
            die_at_each(
                victim,
                "recovery",
                lambda number: running_load.extend(pool.submit(ask, one) for one in members[3 * number : 3 * number + 3]),
            )
            eventually(lambda: victim.watch() or all(one.done() for one in running_load), seconds=60, every=0.1)
            [one.result() for one in running_load]
        eventually(victim.all_ready, seconds=30, every=0.2)
        wait_read(victim)
        assert [len(self.resets(victim, email)) for email in members] == [1] * len(members), "INV-1, INV-17"
        check(victim, servers.kafka_bootstrap, acknowledged={})

    @pytest.mark.parametrize("point", ["before_commit", "after_commit"])
    def test_killed_while_several_share_a_transaction(self, victim: Product, servers: Infrastructure, point: str) -> None:
        """INV-1: without a key starts are written down together. Who was answered 202 gets the mail; a crash leaves all of a
        transaction or nothing, and nobody an answer that isn't true.
        """
        with victim.client() as client:
            people = activated(victim, client, 12)

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
        for one in people[:3]:  # whoever asks again is answered, once the gateway no longer spares a service that was away
            eventually(partial(ask, one), seconds=10, every=0.3)
        victim.move_clock(21)  # whoever asked twice has the second mail when its turn has come
        wait_read(victim)
        for one, told in zip(people, answered, strict=True):
            assert self.resets(victim, one.email) or not told, "acknowledged and lost"
        written = [
            victim.rows("recovery", "SELECT id FROM request WHERE account_id = %s", mira_account(victim, one.email))
            for one in people
        ]
        assert [len(self.resets(victim, one.email)) for one in people] == [len(rows) for rows in written], (
            "INV-17: what is written"
        )
        assert all(written[:3])
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
            armed = victim.arm("notifier", "before_provider")
            acknowledged = settle(victim, load(victim, pool, 8))
        assert not armed.exists(), "it was really killed"
        check(victim, servers.kafka_bootstrap, acknowledged=acknowledged)

    def test_killed_after_the_provider_has_it(self, victim: Product, servers: Infrastructure) -> None:
        """REL-7, INV-17: nobody can know, so it goes once more under the same Message-ID; twice at most."""
        with ThreadPoolExecutor(4) as pool:
            armed = victim.arm("notifier", "after_provider_accept")
            acknowledged = settle(victim, load(victim, pool, 8))
        assert not armed.exists(), "it was really killed"
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
    def test_away(self, victim: Product, servers: Infrastructure) -> None:
        """REL-10, REL-2: registrations go on, nothing is lost, nothing is doubled, order is kept. Away for longer than the relay
        waits for one sending (10 s) and any consumer's session lasts (2 s); the next time-out, of the client itself, is at 40 s.
        """
        assert servers.kafka is not None
        assert servers.kafka.process is not None
        servers.kafka.process.kill()
        servers.kafka.process.wait()
        down_since = time.monotonic()
        with ThreadPoolExecutor(3) as pool:
            running_load = load(victim, pool, 15)
            eventually(lambda: victim.watch() or all(one.done() for one in running_load.values()), seconds=25, every=0.1)
            assert all(one.exception() is None for one in running_load.values()), "accepted while the broker is away"
            while time.monotonic() - down_since < 13:
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
            command = [sys.executable, "-m", "latchkey_cli", "parked", *words]
            done = nursery.run(command, environment=environment)
            assert done.returncode == 0, done.stderr
            return done.stdout

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
