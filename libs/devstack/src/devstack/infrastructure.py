"""Which PostgreSQL and which Kafka: one choice for run and test (docs/architecture.md).

1. what the environment names (LATCHKEY_POSTGRES_DSN, LATCHKEY_KAFKA_BOOTSTRAP),
2. in tests only: containers, where an engine answers and has the images or can pull them,
3. embedded: the real servers as child processes, out of wheels.

LATCHKEY_INFRASTRUCTURE = environment | containers | embedded forces one of them.
"""

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from .kafka import Kafka, prepare
from .postgres import Postgres
from .processes import StartFailed, free_port, taken

POSTGRES_IMAGE = "postgres:17"
KAFKA_IMAGE = "apache/kafka:4.1.0"
Say = Callable[[str], None]


@dataclass
class Infrastructure:
    """Where the servers are. `wait` returns when Kafka answers; `revive` starts again what has died."""

    kind: str
    postgres_dsn: str
    kafka_bootstrap: str
    postgres: Postgres | None = None
    kafka: Kafka | None = None
    containers: list[Any] = field(default_factory=list)

    def wait(self) -> None:
        if self.kafka is None:
            return
        end = time.monotonic() + 60
        while not self.kafka.answers():
            if self.kafka.process is None or self.kafka.process.poll() is not None or time.monotonic() > end:
                raise StartFailed("Kafka did not start; see logs/kafka.log")
            time.sleep(0.03)

    def revive(self, say: Say) -> bool:
        changed = False
        if self.postgres is not None and self.postgres.process is not None and self.postgres.process.poll() is not None:
            say("PostgreSQL ended; starting it again")
            self.postgres.start()
            changed = True
        if self.kafka is not None and self.kafka.process is not None and self.kafka.process.poll() is not None:
            say("Kafka ended; starting it again")
            self.kafka.spawn()
            changed = True
        return changed

    def pids(self) -> dict[str, int | None]:
        postgres = self.postgres.process.pid if self.postgres and self.postgres.process else None
        kafka = self.kafka.process.pid if self.kafka and self.kafka.process else None
        return {"postgres": postgres, "kafka": kafka}

    def stop(self) -> None:
        if self.kafka is not None:
            self.kafka.stop()
        if self.postgres is not None:
            self.postgres.stop()
        for container in self.containers:
            with contextlib.suppress(Exception):
                container.stop()


def choose(
    data: Path,
    *,
    say: Say = lambda _text: None,
    testing: bool = False,
    wait: bool = True,
    durable: bool | None = None,
    only: Literal["postgres", "kafka"] | None = None,
) -> Infrastructure:
    """Starts what is needed, embedded ones also one by one (`only`; the other's address is then empty).

    With wait=False Kafka may still be starting: call `wait()` before it is used.
    """
    dsn, bootstrap = os.environ.get("LATCHKEY_POSTGRES_DSN", ""), os.environ.get("LATCHKEY_KAFKA_BOOTSTRAP", "")
    kind = _kind(testing=testing)
    if kind == "environment":
        if not (dsn and bootstrap):
            raise StartFailed("LATCHKEY_POSTGRES_DSN and LATCHKEY_KAFKA_BOOTSTRAP must both be set")
        return Infrastructure("environment", dsn, bootstrap)
    if kind == "containers":
        return _containers()
    servers = {only} if only else {name for name, known in (("postgres", dsn), ("kafka", bootstrap)) if not known}
    return _embedded(
        data, say, servers, wait=wait, durable=not testing if durable is None else durable, dsn=dsn, bootstrap=bootstrap
    )


Kind = Literal["environment", "containers", "embedded"]


def _kind(*, testing: bool) -> Kind:
    forced = os.environ.get("LATCHKEY_INFRASTRUCTURE") or None
    if forced not in {None, "environment", "containers", "embedded"}:
        raise StartFailed(f"LATCHKEY_INFRASTRUCTURE is {forced!r}; it is environment, containers or embedded, or left out")
    named = os.environ.get("LATCHKEY_POSTGRES_DSN") and os.environ.get("LATCHKEY_KAFKA_BOOTSTRAP")
    if forced == "environment" or (forced is None and named):
        return "environment"
    if forced == "containers" or (forced is None and testing and _engine_has_images()):
        return "containers"
    return "embedded"


def kind_for_tests() -> Kind:
    return _kind(testing=True)


def _ports(data: Path, names: list[str]) -> dict[str, int]:
    """Kafka's clients keep its address, so it has the same one after a restart."""
    path = data / "infrastructure.json"
    known: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
    for name in names:
        if name not in known or taken(known[name]):
            known[name] = free_port()
    path.write_text(json.dumps(known))
    return known


def _embedded(
    data: Path, say: Say, servers: AbstractSet[str], *, wait: bool, durable: bool, dsn: str, bootstrap: str
) -> Infrastructure:
    data.mkdir(parents=True, exist_ok=True)
    ports = _ports(data, ["postgres", "kafka", "controller"])
    kafka = postgres = None
    try:
        if "kafka" in servers:
            prepare(say)
            kafka = Kafka(data / "kafka", port=ports["kafka"], controller_port=ports["controller"])
            kafka.spawn()
        if "postgres" in servers:
            postgres = Postgres(data / "postgres", port=ports["postgres"], durable=durable, connections=400)
            postgres.start()
        found = Infrastructure(
            "embedded",
            postgres.dsn if postgres else dsn,
            kafka.bootstrap if kafka else bootstrap,
            postgres,
            kafka,
        )
        if wait:
            found.wait()
        return found
    except BaseException:
        for one in (kafka, postgres):
            if one is not None:
                one.stop()
        raise


def _engine_has_images() -> bool:
    """Two seconds are enough to find out; no engine is the normal case."""
    for image in (POSTGRES_IMAGE, KAFKA_IMAGE):
        try:
            found = subprocess.run(["docker", "image", "inspect", image], capture_output=True, timeout=2, check=False)
            if found.returncode and subprocess.run(["docker", "info"], capture_output=True, timeout=2, check=False).returncode:
                return False
            if (
                found.returncode
                and subprocess.run(["docker", "pull", "-q", image], capture_output=True, timeout=120, check=False).returncode
            ):
                return False
        except (OSError, subprocess.TimeoutExpired):
            return False
    return True


def _containers() -> Infrastructure:
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy

    postgres = DockerContainer(POSTGRES_IMAGE).with_env("POSTGRES_PASSWORD", "latchkey").with_exposed_ports(5432)
    postgres.with_command("postgres -c max_connections=400 -c fsync=off -c synchronous_commit=off")
    port = free_port()
    kafka = DockerContainer(KAFKA_IMAGE).with_bind_ports(9092, port)
    for name, value in _kafka_environment(port).items():
        kafka.with_env(name, value)
    started = []
    try:
        for container, line in ((postgres, "ready to accept connections"), (kafka, "Kafka Server started")):
            started.append(container)
            container.waiting_for(LogMessageWaitStrategy(line).with_startup_timeout(60)).start()
        dsn = f"postgresql://postgres:latchkey@127.0.0.1:{postgres.get_exposed_port(5432)}/postgres"
        _wait_postgres(dsn)
        return Infrastructure("containers", dsn, f"127.0.0.1:{port}", containers=[kafka, postgres])
    except BaseException:
        for container in started:
            container.stop()
        raise


def _wait_postgres(dsn: str) -> None:
    """The image says that it is ready twice; only an answer counts."""
    import psycopg

    end = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(dsn, connect_timeout=2).close()
            return
        except psycopg.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def _kafka_environment(port: int) -> dict[str, str]:
    return {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_LISTENERS": "PLAINTEXT://0.0.0.0:9092,CONTROLLER://localhost:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://127.0.0.1:{port}",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS": "500",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_LOG_CLEANER_DEDUPE_BUFFER_SIZE": "2097152",
        "KAFKA_HEAP_OPTS": "-Xmx256m",
    }
