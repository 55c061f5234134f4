"""The notifier's part of `make bench`: how much leaves, on one replica and on four, and what is left of it under a flood.

The mail server only waits, in a process of its own, so that the notifier is what is measured.
"""

import asyncio
import json
import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
from aiokafka import AIOKafkaProducer
from devstack.processes import free_port
from devstack.supervisor import Stack
from latchkey_contracts import wire
from latchkey_contracts.messages import Contact, MessageContent, Secrets
from latchkey_contracts.recovery import ResetRequested
from latchkey_contracts.topics import events_topic
from servicekit.ids import uuid7
from servicekit.keys import Keys
from servicekit.sealing import Sealer
from testkit.stack import Product, eventually

Row = tuple[str, str, str, str]
MakeStack = Callable[..., Stack]
WAIT_SECONDS = 0.05  # of the mail server, for each mail
LEFT = "SELECT count(*) FROM delivery WHERE state IN ('queued', 'sending', 'submitting')"


def measure(stack: MakeStack, factor: float) -> list[Row]:
    return [_latency(stack, factor), *_throughput(stack, factor), _flood(stack, factor)]


def slow_mail_server(port: int, seconds: float) -> None:
    """SMTP that takes its time and keeps nothing."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 bench\r\n")
        while line := await reader.readline():
            word = line[:4].upper()
            if word == b"DATA":
                writer.write(b"354 go on\r\n")
                await reader.readuntil(b"\r\n.\r\n")
                await asyncio.sleep(seconds)
            writer.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")

    async def serve() -> None:
        server = await asyncio.start_server(talk, "127.0.0.1", port, limit=1 << 20)
        await server.serve_forever()

    import uvloop

    uvloop.run(serve())


@contextmanager
def slow(stack: MakeStack, name: str, *, seconds: float = WAIT_SECONDS, replicas: int = 1, **extra: str) -> Iterator[Product]:
    """A product of its own whose mails go to a mail server that waits."""
    port = free_port()
    server = multiprocessing.get_context("spawn").Process(target=slow_mail_server, args=(port, seconds), daemon=True)
    server.start()
    found = stack(name, LATCHKEY_SMTP_URL=f"smtp://127.0.0.1:{port}?starttls=never", **extra)
    found.replicas = {"notifier": replicas}
    found.start()
    try:
        yield Product(found)
    finally:
        found.stop()
        server.terminate()


def _latency(stack: MakeStack, factor: float) -> Row:
    """The notifier's own part, whichever service asks: from the moment an event stands on Kafka to the provider's yes."""
    count = int(1000 * factor)
    with slow(stack, "latency", seconds=0.0) as product:
        asyncio.run(_ask(product, rate=20, seconds=2))
        began = datetime.now(UTC)
        asyncio.run(_ask(product, rate=100, seconds=count / 100))
        eventually(lambda: product.rows("notifier", LEFT)[0][0] == 0, seconds=60, every=0.2)
        sql = "SELECT extract(epoch FROM finished_at - caused_at) FROM delivery WHERE state = 'handed_over' AND caused_at > %s"
        ages = sorted(float(age) for (age,) in eventually(lambda: _all(product.rows("notifier", sql, began), count), seconds=30))
    p50, p99 = ages[len(ages) // 2], ages[int(len(ages) * 0.99)]
    return (
        "asked of the notifier (event on Kafka) → handed to the provider, 100/s",
        f"p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms",
        "p50 ≤ 150 ms, p99 ≤ 1 s",
        f"{p50 / 0.150:.2f} of p50",
    )


def _all(rows: list[Any], count: int) -> list[Any] | None:
    return rows if len(rows) >= count else None


def _throughput(stack: MakeStack, factor: float) -> Iterator[Row]:
    with slow(stack, "full") as product:
        leave(product, 100)
        rate = leave(product, int(3000 * factor))
    yield ("messages/s through one notifier, mail server takes 50 ms", f"{rate:.0f}/s", "≥ 200/s", f"{rate / 200:.2f}")
    # Replicas that wait, not compute: on two cores four full ones would measure the cores.
    rates = {}
    for replicas in (1, 4):
        with slow(stack, f"replicas{replicas}", replicas=replicas, LATCHKEY_CONCURRENCY="4") as product:
            leave(product, 100)
            rates[replicas] = leave(product, int(800 * factor) * replicas)
    yield (
        "the same on 1 and on 4 replicas, each with 4 messages on their way (80/s at most)",
        f"{rates[1]:.0f}/s, {rates[4]:.0f}/s",
        "≥ 0.8 linear",
        f"{rates[4] / rates[1] / 4:.2f}",
    )


def leave(product: Product, count: int) -> float:
    """Messages per second, from the first of them due to the last handed over."""
    sealed = _sealed(product, count)
    with psycopg.connect(product.stack.postgres["notifier"]) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO delivery (id, account_id, application, language, template, channel, sealed, trace, state, due_at, expires_at, created_at)"
            " VALUES (%s, %s, 'demo', 'en', 'activation', 'email', %s, %s, 'queued', now(), now() + interval '1 hour', now())",
            [(uuid4(), uuid4(), one, _TRACE) for one in sealed],
        )
    began = time.perf_counter()
    eventually(lambda: product.rows("notifier", LEFT)[0][0] == 0, seconds=120, every=0.1)
    return count / (time.perf_counter() - began)


_TRACE = json.dumps(
    {"request_id": "b", "correlation_id": "b", "causation_id": None, "traceparent": "", "authtype": "system", "tenant": None}
)


def _sealed(product: Product, count: int) -> list[str]:
    sealer, until = Sealer(Keys(product.stack.data / "keys")), datetime.now(UTC) + timedelta(hours=1)
    return [
        sealer.seal(
            MessageContent(
                channel="email", to=f"many-{number}@posteo.example", link="https://x.example/l/y", link_expires_at=until
            ),
            expires_at=until,
        ).model_dump_json()
        for number in range(count)
    ]


def _flood(stack: MakeStack, factor: float) -> Row:
    """A hundred times as many codes as can leave: those that leave are fresh, and nearly as many as without the flood (REL-9)."""
    seconds, capacity = max(20 * factor, 8), 5
    with slow(stack, "flood", seconds=1 / capacity, LATCHKEY_CONCURRENCY="1") as product:
        alone = leave(product, int(40 * factor) + 20)
        began = datetime.now(UTC)
        asyncio.run(_ask(product, rate=100 * capacity, seconds=seconds))
        ended = datetime.now(UTC)
        eventually(lambda: product.rows("notifier", LEFT)[0][0] == 0, seconds=120, every=0.5)
        drained = (datetime.now(UTC) - ended).total_seconds()
        rows = product.rows(
            "notifier",
            "SELECT extract(epoch FROM finished_at - caused_at) FROM delivery WHERE state = 'handed_over' AND template = 'password_reset'"
            " AND finished_at BETWEEN %s AND %s",
            began,
            ended,
        )
    ages = sorted(float(age) for (age,) in rows)
    good = len(ages) / (ended - began).total_seconds()
    p99 = ages[min(int(len(ages) * 0.99), len(ages) - 1)] if ages else float("inf")
    return (
        f"codes under 100 times the load ({100 * capacity}/s for {seconds:.0f} s on {alone:.1f}/s): handed over, and their age",
        f"{good:.1f}/s, age p99 {p99:.1f} s, drained {drained:.0f} s after",
        "≥ 80 %, p99 ≤ 5 s",
        f"{good / alone:.2f}",
    )


async def _ask(product: Product, *, rate: int, seconds: float) -> None:
    """Events of recovery as they stand on its topic, straight to Kafka: what is measured begins there."""
    sealer, stack = Sealer(Keys(product.stack.data / "keys")), product.stack
    assert stack.infrastructure is not None
    topic = events_topic("recovery", stack.topic_prefix)
    until = datetime.now(UTC) + timedelta(minutes=6)
    contact = sealer.seal(Contact(channel="email", to="flood@posteo.example"), expires_at=until)
    message = sealer.seal(Secrets(code="482193", code_expires_at=until), expires_at=until)
    async with AIOKafkaProducer(bootstrap_servers=stack.infrastructure.kafka_bootstrap) as producer:
        start = time.perf_counter()
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(start + number / rate - time.perf_counter(), 0))
            key, value, headers = _event(until, contact, message)
            await producer.send(topic, key=key, value=value, headers=headers)
        await producer.flush()


def _event(until: datetime, contact: Any, message: Any) -> tuple[bytes, bytes, Any]:
    event = ResetRequested(
        account_id=uuid4(), flow_id=uuid4(), application="demo", channel="email", language="en",
        contact=contact, message=message, expires_at=until,
    )  # fmt: skip
    meta = wire.new_meta(
        event, id=uuid7(), origin="http://bench.example", time=datetime.now(UTC), aggregateversion=1, correlationid="b",
        causationid=None, traceparent=None, authtype="system", tenant=None, expirytime=until,
    )  # fmt: skip
    return wire.encode(event, meta)
