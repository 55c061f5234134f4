"""`make bench-growth`: what the same calls cost with 2,000, 200,000 and 1,000,000 accounts; within 10 % (docs/benchmarks.md).

One stack that grows, by COPY. What a call costs is the CPU of the product for it, without the hash, which knows no customers; each
size is measured twice, and the better counts.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
from bench_costs import Run, calls, hash_alone, one_call, sign_ins, token_of, two_calls
from bench_tools import ordinary
from devstack.processes import free_port
from devstack.supervisor import Stack
from latchkey_contracts.configuration import configuration_id
from testkit.stack import PASSWORD, Product

ROOT = Path(__file__).parents[1]
SIZES = (2_000, 200_000, 1_000_000)
ASKED = 500  # of the newest and the oldest, whose rows are anywhere


def address(number: int) -> str:
    return f"grown-{number}@posteo.example"


def grow(dsn: str, start: int, end: int, password_hash: str) -> None:
    """Active accounts with address, username, password, and one live session each."""
    store, now = configuration_id("store", "Default"), datetime.now(UTC)
    ids = [uuid4() for _ in range(start, end)]
    numbered = list(zip(range(start, end), ids, strict=True))

    def copy(cursor: psycopg.Cursor[Any], table: str, columns: str, rows: Iterator[tuple[Any, ...]]) -> None:
        with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as into:
            for row in rows:
                into.write_row(row)

    with psycopg.connect(dsn) as connection, connection.cursor() as cursor:
        copy(
            cursor, "account", "id, store_id, status, created_at, activated_at", ((one, store, "active", now, now) for one in ids)
        )
        columns = "id, account_id, store_id, kind, value, canonical, verified_at, created_at"
        mails = ((uuid4(), one, store, "email", address(number), address(number), now, now) for number, one in numbered)
        copy(cursor, "identifier", columns, mails)
        names = ((uuid4(), one, store, "username", f"grown{number}", f"grown{number}", None, now) for number, one in numbered)
        copy(cursor, "identifier", columns, names)
        copy(cursor, "password_credential", "account_id, hash, changed_at", ((one, password_hash, now) for one in ids))
        columns = "id, account_id, application, token_hash, methods, idle, created_at, authenticated_at, seen_at, expires_at"
        copy(cursor, "session", columns, (_session(one, now) for one in ids))
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def _session(account: UUID, now: datetime) -> tuple[Any, ...]:
    token = sha256(account.bytes).digest()
    return uuid4(), account, "demo", token, ["pwd"], timedelta(hours=1), now, now, now, now + timedelta(days=1)


def kinds(product: Product, people: list[str], seconds: float) -> dict[str, Callable[[], Run]]:
    token = token_of(product, people[0])
    fresh = iter(lambda: f"new-{uuid4().hex}@posteo.example", "")

    def started(path: str, body_of: Callable[[str], dict[str, Any]], names: Iterator[str]) -> Callable[[], Run]:
        def way(wire: Any) -> Any:
            async def start(_: str) -> bool:
                status, _answer = await wire.send("POST", path, {**body_of(next(names)), "client": "api"})
                return bool(status == 202)

            return start

        return lambda: sign_ins(product, way, seconds, 4, people)

    everybody = iter(people * 1000)
    return {
        "sign-in": lambda: sign_ins(product, two_calls, seconds, 4, people),
        "sign-in, one call": lambda: sign_ins(product, one_call, seconds, 4, people),
        "who am I (GET /v1/me)": lambda: calls(product, "/v1/me", token, seconds),
        "reset": started("/v1/apps/demo/password-resets", lambda one: {"identifier": one}, everybody),
        "registration": started(
            "/v1/apps/demo/registrations", lambda one: {"identifiers": {"email": one}, "password": PASSWORD}, fresh
        ),
    }


HASHED = {"sign-in", "sign-in, one call", "registration"}


def measure(folder: Path, sizes: tuple[int, ...], seconds: float) -> dict[str, list[float]]:
    """{what: milliseconds of CPU for each size}"""
    extra = {"LATCHKEY_STARTS_PER_MINUTE": "10000000", "LATCHKEY_TRIES_PER_MINUTE": "10000000"}
    stack = Stack(folder / "grown", port=free_port(), extra=extra, configuration=ROOT / "config" / "latchkey.yaml")
    stack.start()
    found: dict[str, list[float]] = {}
    try:
        product, hashed, there = Product(stack), ordinary().hash(PASSWORD), 0
        _, hashing = hash_alone()
        for size in sizes:
            grow(stack.postgres["identity"], there, size, hashed)
            there = size
            people = [address(number) for number in (*range(ASKED), *range(size - ASKED, size))]
            for what, run in kinds(product, people, seconds).items():
                run()
                least = min(run().total for _ in range(2)) - (hashing if what in HASHED else 0)
                found.setdefault(what, []).append(least)
                print(f"{size} accounts, {what}: {least:.2f} ms", flush=True)
    finally:
        stack.stop()
    return found


def table(found: dict[str, list[float]], sizes: tuple[int, ...]) -> str:
    head = " | ".join(f"{size:,} accounts" for size in sizes)
    lines = [f"| CPU of the product without the hash, ms | {head} | growth |", f"|---|{'---|' * len(sizes)}---|"]
    for what, values in found.items():
        lines.append(f"| {what} | {' | '.join(f'{one:.2f}' for one in values)} | {max(values) / values[0]:.2f} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="numbers of accounts, growing")
    parser.add_argument("--seconds", type=float, default=6.0, help="for each kind of call and size, three times")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="latchkey-growth-"))
    folder.chmod(0o755)
    os.environ.setdefault("LATCHKEY_TEST_RUN", "bench")
    sizes = tuple(arguments.sizes)
    try:
        found = measure(folder, sizes, arguments.seconds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("\n" + table(found, sizes))
    return 0


if __name__ == "__main__":
    sys.exit(main())
