"""REL-11: SIGTERM makes a process unready first; it finishes what runs, leaves its groups, and ends well."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from devstack.databases import create, drop
from devstack.infrastructure import Infrastructure
from devstack.processes import free_port
from latchkey_contracts.topics import events_topic
from servicekit.events.kafka import KafkaSettings
from servicekit.process import run
from servicekit.process.migrations import migrate
from testkit.records import an_event, headers_of, record

STARTED_IN = 90  # seconds; on a busy machine it takes 15 for its imports alone
READY = {"ready": True, "started": True, "schema": True, "database": True, "clock": True, "not_stopping": True}


@pytest.fixture(scope="module")
def migrated(infrastructure: Infrastructure, run_prefix: str) -> Iterator[str]:
    dsn = create(infrastructure.postgres_dsn, run_prefix, ["kit-run"])["kit-run"]
    migrate(dsn, "privacy")
    yield dsn
    drop(infrastructure.postgres_dsn, f"{run_prefix}kit-run")


class Running:
    """`python -m privacy ROLE` as a child."""

    def __init__(self, role: str, log: Path, **environment: str) -> None:
        self.http, self.management = free_port(), free_port()
        self._log = log
        ports = {"LATCHKEY_HTTP_PORT": str(self.http), "LATCHKEY_MANAGEMENT_PORT": str(self.management)}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("LATCHKEY_")}
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "privacy", role], env={**inherited, **environment, **ports}, stdout=out, stderr=out
            )

    def get(self, path: str, *, port: int | None = None) -> httpx.Response | None:
        try:
            return httpx.get(f"http://127.0.0.1:{port or self.management}{path}", timeout=2, trust_env=False)
        except httpx.TransportError:
            return None

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._log.read_text().splitlines() if line.startswith("{")]

    async def until(self, look: Callable[[], Any], seconds: float = 15) -> Any:
        end = time.monotonic() + seconds
        while not (found := await asyncio.to_thread(look)):
            assert time.monotonic() < end, self._log.read_text()[-3000:]
            assert self.process.poll() is None, self._log.read_text()[-3000:]
            await asyncio.sleep(0.02)
        return found

    def ready(self) -> bool:
        answer = self.get("/health/ready")
        return answer is not None and answer.status_code == 200

    def consuming(self) -> bool:
        answer = self.get("/metrics")
        return answer is not None and "latchkey_consuming 1.0" in answer.text

    async def stop(self) -> float:
        """SIGTERM; seconds until the end, which must be a good one."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(self.process.wait, 15) == 0, self._log.read_text()[-3000:]
        return time.monotonic() - began


@pytest.fixture
def start(migrated: str, kafka: KafkaSettings, keys_dir: Path, tmp_path: Path) -> Iterator[Callable[..., Running]]:
    begun: list[Running] = []
    environment = {
        "LATCHKEY_ENVIRONMENT": "test",
        "LATCHKEY_ORIGIN": "https://id.example",
        "LATCHKEY_POSTGRES_DSN": migrated,
        "LATCHKEY_KAFKA_BOOTSTRAP": kafka.bootstrap,
        "LATCHKEY_TOPIC_PREFIX": kafka.topic_prefix,
        "LATCHKEY_KEYS_DIR": str(keys_dir),
        "LATCHKEY_POLL_SECONDS": "0.2",
    }

    def run(role: str = "all", **more: str) -> Running:
        begun.append(Running(role, tmp_path / f"{uuid4().hex}.log", **{**environment, **more}))
        return begun[-1]

    yield run
    for one in begun:
        one.process.kill()
        one.process.wait()


async def members(kafka: KafkaSettings) -> int:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        (answer,) = await admin.describe_consumer_groups([kafka.group("privacy")])
        return len(answer.groups[0][5])
    finally:
        await admin.close()


async def committed(kafka: KafkaSettings) -> int:
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap, group_id=kafka.group("privacy"), enable_auto_commit=False)
    await consumer.start()
    try:
        topic = events_topic("identity", kafka.topic_prefix)
        return sum([await consumer.committed(TopicPartition(topic, number)) or 0 for number in range(2)])
    finally:
        await consumer.stop()


class TestShutdown:
    async def test_unready_first_then_gone_from_its_group(self, start, kafka):
        """REL-11: while the drain delay runs it still answers; it leaves the group, so nobody waits for its session to end."""
        service = start(LATCHKEY_DRAIN_DELAY_SECONDS="0.7")
        await service.until(service.ready, STARTED_IN)
        await service.until(service.consuming)
        assert service.get("/health/ready").json() == READY
        assert await members(kafka) == 1
        service.process.send_signal(signal.SIGTERM)
        answer = await service.until(lambda: (found := service.get("/health/ready")) and found.status_code == 503 and found)
        assert answer.json() == {**READY, "ready": False, "not_stopping": False}
        assert service.get("/health/live").status_code == 200
        assert service.get("/internal/nothing", port=service.http) is not None  # connections are still accepted
        assert await asyncio.to_thread(service.process.wait, 10) == 0
        assert await members(kafka) == 0
        events = [line["event"] for line in service.lines()]
        assert (events[0], events[-1]) == ("sys_startup", "sys_shutdown")
        assert "loop.crashed" not in events

    async def test_what_it_handled_it_acknowledged(self, start, kafka, migrated):
        """REL-4, REL-11: stopped in the middle of a stream, what is in the database and what is acknowledged agree."""
        producer = kafka.producer()
        await producer.start()
        service = start()
        await service.until(service.ready, STARTED_IN)
        await service.until(service.consuming)
        topic = events_topic("identity", kafka.topic_prefix)

        async def stream() -> None:
            for number in range(3000):
                one = record(headers=headers_of(an_event(), type="latchkey.identity.of_a_later_release.v1"))
                await producer.send_and_wait(topic, one.value, key=str(number).encode(), headers=list(one.headers))

        def parked() -> int:
            with psycopg.connect(migrated) as connection:
                return connection.execute("SELECT count(*) FROM parked WHERE topic = %s", [topic]).fetchone()[0]

        streaming = asyncio.create_task(stream())
        await service.until(lambda: parked() > 10)
        await service.stop()
        streaming.cancel()
        assert await committed(kafka) == parked()
        await producer.stop()

    async def test_kafka_away(self, start):
        """REL-10, REL-12: it starts, is ready without a broker, and stops in time."""
        service = start(LATCHKEY_KAFKA_BOOTSTRAP="127.0.0.1:9")
        await service.until(service.ready, STARTED_IN)
        assert not service.consuming()
        assert await service.stop() < 10

    @pytest.mark.parametrize(("role", "listens", "consumes"), [("api", True, False), ("worker", False, True)])
    async def test_roles(self, start, role, listens, consumes):
        """`api` answers and consumes nothing; `worker` consumes and listens for probes only."""
        service = start(role)
        await service.until(service.ready, STARTED_IN)
        if consumes:
            await service.until(service.consuming)
        else:
            assert not service.consuming()
        assert (service.get("/", port=service.http) is not None) == listens
        assert await service.stop() < 10


class TestLoops:
    async def test_a_swallowed_cancellation_is_asked_again(self, monkeypatch: pytest.MonkeyPatch):
        """REL-11: a library that was just connecting may lose it; the process ends all the same."""
        monkeypatch.setattr(run, "END_SECONDS", 0.05)
        process, swallowed = run.Process(None, None), []

        async def stubborn() -> None:
            while True:
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    if swallowed:
                        raise
                    swallowed.append(1)

        process._spawn(stubborn)
        await asyncio.sleep(0)
        await process._end_loops()
        assert swallowed
        assert not process._tasks
