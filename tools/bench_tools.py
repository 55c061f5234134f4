"""What the parts of `make bench` share: a client that costs little, people to sign in, and what processes have spent."""

import asyncio
import json
import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import psutil
import psycopg
import uvloop
from argon2 import PasswordHasher
from devstack.supervisor import Stack
from latchkey_contracts.configuration import configuration_id
from testkit.stack import PASSWORD, Product

Row = tuple[str, str, str, str]
MEMORY_KIB, PASSES = 19456, 2  # as identity hashes


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def milliseconds(values: list[float]) -> str:
    return f"p50 {quantile(values, 0.5) * 1000:.0f} ms, p99 {quantile(values, 0.99) * 1000:.0f} ms"


class Wire:
    """A small HTTP/1.1 client with connections kept open, so that the client is not what is measured."""

    def __init__(self, origin: str, connections: int) -> None:
        self._address = re.match(r"http://([^:/]+):(\d+)", origin).groups()  # type: ignore[union-attr]
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._room = asyncio.Semaphore(connections)

    async def send(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        content = json.dumps(body).encode() if body is not None else b""
        kind = {"content-type": "application/json"} if content else {}
        head, answer = await self.raw(method, path, content, {**(headers or {}), **kind})
        return int(head[9:12]), json.loads(answer) if answer else None

    async def raw(self, method: str, path: str, content: bytes, headers: dict[str, str]) -> tuple[bytes, bytes]:
        """The head and the body of the answer."""
        host, port = self._address
        lines = [f"{method} {path} HTTP/1.1", f"host: {host}:{port}", *(f"{name}: {value}" for name, value in headers.items())]
        if content:
            lines.append(f"content-length: {len(content)}")
        async with self._room:
            reader, writer = self._free.pop() if self._free else await asyncio.open_connection(host, int(port))
            writer.write("\r\n".join([*lines, "", ""]).encode() + content)
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            answer = await reader.readexactly(int(length[1]) if length else 0)
            self._free.append((reader, writer))
        return head, answer


def members(product: Product, count: int, password_hash: str | None = None) -> list[str]:
    """Active accounts, put straight into identity's database: hashing their passwords isn't what is measured."""
    store = configuration_id("store", "Default")
    emails = [f"member-{uuid4().hex}@posteo.example" for _ in range(count)]
    with psycopg.connect(product.stack.postgres["identity"]) as connection, connection.cursor() as cursor:
        for email in emails:
            account = uuid4()
            cursor.execute(
                "INSERT INTO account (id, store_id, status, created_at) VALUES (%s, %s, 'active', now())", (account, store)
            )
            cursor.execute(
                "INSERT INTO identifier (id, account_id, store_id, kind, value, canonical, verified_at, created_at)"
                " VALUES (%s, %s, %s, 'email', %s, %s, now(), now())",
                (uuid4(), account, store, email, email),
            )
            if password_hash is not None:
                cursor.execute("INSERT INTO password_credential VALUES (%s, %s, now())", (account, password_hash))
    return emails


def argon2_alone(seconds: float) -> float:
    """Verifications per second that the same cores give, in threads as the service has."""
    hasher = ordinary()
    stored = hasher.hash(PASSWORD)
    end = time.perf_counter() + seconds
    cores = len(os.sched_getaffinity(0))

    def work(_: int) -> int:
        count = 0
        while time.perf_counter() < end:
            hasher.verify(stored, PASSWORD)
            count += 1
        return count

    with ThreadPoolExecutor(cores) as pool:
        return sum(pool.map(work, range(cores))) / seconds


def requests_per_second(origin: str, path: str, headers: dict[str, str], seconds: float, lanes: int = 16) -> float:
    end = time.perf_counter() + seconds
    host, port = re.match(r"http://([^:/]+):(\d+)", origin).groups()  # type: ignore[union-attr]
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    request = f"GET {path} HTTP/1.1\r\nhost: {host}:{port}\r\n{head}\r\n".encode()
    counts = [0] * lanes

    async def lane(number: int) -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        while time.perf_counter() < end:
            writer.write(request)
            top = await reader.readuntil(b"\r\n\r\n")
            at = top.lower().index(b"content-length: ") + 16
            await reader.readexactly(int(top[at : top.index(b"\r", at)]))
            counts[number] += 1
        writer.close()

    async def load() -> None:
        await asyncio.gather(*(lane(number) for number in range(lanes)))

    uvloop.run(load())
    return sum(counts) / seconds


def ordinary() -> PasswordHasher:
    """argon2-cffi's own wheel, which is what sign-ins are measured against."""
    return PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=1)


def pids(stack: Stack) -> dict[str, int]:
    """Of every process of the stack that we started."""
    status = stack.status()
    return {name: one["pid"] for name, one in {**status["services"], **status["processes"]}.items() if one["pid"] is not None}


def memory(stack: Stack) -> dict[str, float]:
    """Proportional set size of each, with its children; MB."""

    def pss(pid: int) -> float:
        process = psutil.Process(pid)
        return sum(each.memory_full_info().pss for each in [process, *process.children(recursive=True)]) / 1e6

    return {name: pss(pid) for name, pid in pids(stack).items()}


def cpu(stack: Stack) -> dict[str, float]:
    """Seconds of CPU that each has spent so far, with the children that have ended."""

    def spent_by(pid: int) -> float:
        process = psutil.Process(pid)
        own = process.cpu_times()  # with what its ended children spent; living ones are added
        living = [each.cpu_times() for each in process.children(recursive=True)]
        return sum(own[:4]) + sum(sum(one[:2]) for one in living)

    found = {name: spent_by(pid) for name, pid in pids(stack).items()}
    found["(this driver)"] = sum(os.times()[:2])
    return found


def spent(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    return {name: after[name] - before[name] for name in after}
