"""What a sign-in and a signed-in call cost, process by process and part by part (`make bench`, docs/benchmarks.md).

The CPU of each process is the kernel's, over all operations of a run. Parts are measured alone, by the code that does them, and
so are floors: what is left of a process is its event loop, sockets and logging.
"""

import asyncio
import itertools
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

import asyncpg
import psycopg
import uvloop
from bench_tools import (
    MEMORY_KIB,
    PASSES,
    Row,
    Wire,
    argon2_alone,
    cpu,
    members,
    milliseconds,
    ordinary,
    quantile,
    requests_per_second,
    spent,
)
from devstack.supervisor import Stack
from identity.credentials.argon2id import Argon2id
from servicekit.clock import make_clock
from servicekit.ids import random_id
from servicekit.keys import Keys
from servicekit.web.caller import Caller, Signer, verify
from testkit.stack import PASSWORD, Product

Lane = Callable[[str], Awaitable[bool]]  # one sign-in of a person, by address; whether it succeeded
CALLS = {"two calls": 2, "one call": 1, "pages": 3}  # that the gateway makes of identity
BESIDE = ("recovery", "mfa", "privacy", "notifier", "inbox")


@dataclass
class Run:
    """`by_process`: milliseconds of CPU for each operation."""

    rate: float
    times: list[float]
    by_process: Mapping[str, float]

    @property
    def total(self) -> float:
        return sum(value for name, value in self.by_process.items() if not name.startswith("("))


def two_calls(wire: Wire) -> Lane:
    async def sign_in(email: str) -> bool:
        _, flow = await wire.send("POST", "/v1/apps/demo/sign-ins", {"identifier": email, "client": "api"})
        path = f"/v1/apps/demo/sign-ins/{flow['id']}/password"
        status, _ = await wire.send("POST", path, {"password": PASSWORD}, {"latchkey-flow": flow["flow_token"]})
        return status == 200

    return sign_in


def one_call(wire: Wire) -> Lane:
    async def sign_in(email: str) -> bool:
        body = {"identifier": email, "password": PASSWORD, "client": "api"}
        status, answer = await wire.send("POST", "/v1/apps/demo/sign-ins", body)
        return status == 200 and answer["status"] == "complete"

    return sign_in


def pages(wire: Wire) -> Lane:
    """As a browser: name, the password's page, password. Its flow cookie is from the first page, which is looked at once."""
    kept: dict[str, str] = {}

    async def sign_in(email: str) -> bool:
        if not kept:
            head, page = await wire.raw("GET", "/demo/sign-in", b"", {})
            kept["cookie"] = (re.search(rb"(?i)set-cookie: (latchkey_flow=[^;]+)", head) or _missing())[1].decode()
            kept["csrf"] = (re.search(rb'name="csrf" value="([^"]+)"', page) or _missing())[1].decode()
        said = {"cookie": kept["cookie"], "content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin"}
        step = "/demo/sign-in"
        for field, value in (("identifier", email), ("password", PASSWORD)):
            form = urlencode({"csrf": kept["csrf"], field: value}).encode()
            head, _ = await wire.raw("POST", step, form, said)
            step = (re.search(rb"(?i)location: (?:https?://[^/]+)?(\S+)", head) or _missing())[1].decode()
            if field == "identifier":
                await wire.raw("GET", step, b"", {"cookie": kept["cookie"]})
        return step.endswith("/account")

    return sign_in


def _missing() -> re.Match[bytes]:
    raise RuntimeError("a page of the sign-in is not as the benchmark knows it")


def sign_ins(product: Product, way: Callable[[Wire], Lane], seconds: float, lanes: int, people: list[str]) -> Run:
    """Complete sign-ins of many people, as sign-ins are."""
    times: list[float] = []
    turn = itertools.cycle(people)
    before = cpu(product.stack)
    end = time.perf_counter() + seconds

    async def load() -> None:
        wire = Wire(product.origin, lanes)
        sign_in = way(wire)

        async def lane() -> None:
            while time.perf_counter() < end:
                began = time.perf_counter()
                if await sign_in(next(turn)):
                    times.append(time.perf_counter() - began)

        await asyncio.gather(*(lane() for _ in range(lanes)))

    uvloop.run(load())
    product.wait_quiet(seconds=60)
    used = spent(before, cpu(product.stack))
    return Run(len(times) / seconds, times, {name: value / max(len(times), 1) * 1000 for name, value in used.items()})


def calls(product: Product, path: str, token: str, seconds: float) -> Run:
    before = cpu(product.stack)
    rate = requests_per_second(product.origin, path, {"authorization": f"Bearer {token}"}, seconds)
    used = spent(before, cpu(product.stack))
    return Run(rate, [], {name: value / (rate * seconds) * 1000 for name, value in used.items()})


# --- parts, each alone --------------------------------------------------------------------------------------------------------


def least(work: Callable[[], object], times: int, rounds: int = 7) -> float:
    """Milliseconds of CPU of one, in the best of some rounds."""
    found = []
    for _ in range(rounds):
        began = time.thread_time()
        for _ in range(times):
            work()
        found.append((time.thread_time() - began) / times * 1000)
    return min(found)


def hash_alone() -> tuple[str, float]:
    """By the implementation that identity chooses here, too."""
    hasher = Argon2id(memory_kib=MEMORY_KIB, passes=PASSES)
    stored = hasher.hash(PASSWORD)
    return hasher.implementation, least(lambda: hasher.verify(stored, PASSWORD), 4)


def caller_alone(stack: Stack) -> tuple[float, float]:
    """To sign one, and to check it."""
    keys, clock = Keys(stack.data / "keys"), make_clock(None, "bench")
    signer = Signer("gateway", keys, clock)
    caller = Caller("gateway", ip="192.0.2.7", flow="ab" * 32, account_id=random_id(), session_id=random_id(), language="en")
    token = signer.sign(caller, "identity")
    return least(lambda: signer.sign(caller, "identity"), 200), least(lambda: verify(token, "identity", keys, clock), 200)


def statement_alone(stack: Stack) -> float:
    """Our side of one round trip: the client library, the event loop and the socket."""

    async def measure() -> float:
        connection = await asyncpg.connect(stack.postgres["identity"])
        statement = await connection.prepare("SELECT id, store_id, status FROM account WHERE id = $1")
        found = []
        for _ in range(7):
            began = time.thread_time()
            for _ in range(300):
                await statement.fetchrow(random_id())
            found.append((time.thread_time() - began) / 300 * 1000)
        await connection.close()
        return min(found)

    return uvloop.run(measure())


class Statements:
    """What PostgreSQL has done for each service, by pg_stat_statements."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.counted = True
        try:
            for dsn in stack.postgres.values():
                with psycopg.connect(dsn, autocommit=True) as connection:
                    connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        except psycopg.Error:  # a server of somebody else's, without the library
            self.counted = False

    def since(self) -> dict[str, tuple[int, float]]:
        """{service: (how many, milliseconds in all)}, and from now on anew."""
        if not self.counted:
            return {}
        found = {}
        for service, dsn in self._stack.postgres.items():
            with psycopg.connect(dsn, autocommit=True) as connection:
                row = connection.execute(
                    "SELECT coalesce(sum(calls), 0), coalesce(sum(total_exec_time + total_plan_time), 0) FROM pg_stat_statements"
                    " WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
                ).fetchone()
                assert row is not None
                found[service] = (int(row[0]), float(row[1]))
                connection.execute(
                    "SELECT pg_stat_statements_reset(0, (SELECT oid FROM pg_database WHERE datname = current_database()), 0)"
                )
        return found


def preload_statistics(stack: Stack) -> None:
    """Before its second start: pg_stat_statements must be loaded by the server itself."""
    assert stack.infrastructure is not None
    with psycopg.connect(stack.infrastructure.postgres_dsn, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")


# --- tables -------------------------------------------------------------------------------------------------------------------


def measure(product: Product, factor: float) -> tuple[list[Row], str]:
    """Rows for the first table; and what each sign-in cost, as tables of their own."""
    people = members(product, 1000, ordinary().hash(PASSWORD))
    statements = Statements(product.stack)
    sign_ins(product, two_calls, 2, 4, people)  # warm-up: plans, pools
    rows: list[Row] = []
    runs: dict[str, Run] = {}
    counted: dict[str, dict[str, tuple[int, float]]] = {}
    for name, way in (("two calls", two_calls), ("one call", one_call), ("pages", pages)):
        before = argon2_alone(4 * factor)
        statements.since()
        run = runs[name] = sign_ins(product, way, 10 * factor, 8, people)
        counted[name] = statements.since()
        alone = (before + argon2_alone(4 * factor)) / 2
        rows.append((
            f"sign-ins/s, {name}, 8 at a time, against ordinary argon2-cffi alone",
            f"{run.rate:.0f}/s of {alone:.0f}/s, {milliseconds(run.times)}", "≥ 75 %, p99 < 250 ms", f"{run.rate / alone:.2f}",
        ))  # fmt: skip
    for name, way in (("two calls", two_calls), ("one call", one_call)):
        run = sign_ins(product, way, 5 * factor, 1, people)
        rows.append(
            (f"a sign-in alone, {name}", milliseconds(run.times), "p50 ≤ 33 ms", f"{quantile(run.times, 0.5) / 0.033:.2f} of p50")
        )
    rows.append((
        "pages, CPU of a sign-in against two calls", f"{runs['pages'].total:.1f} / {runs['two calls'].total:.1f} ms", "≤ 1.10",
        f"{runs['pages'].total / runs['two calls'].total:.2f}",
    ))  # fmt: skip
    rows += _calls(product, people[0], factor)
    return rows, f"{_processes(runs)}\n\n{_parts(product.stack, runs, counted)}"


def token_of(product: Product, email: str) -> str:
    """Of a new session."""
    with product.client() as http:
        body = {"identifier": email, "password": PASSWORD, "client": "api"}
        answer = http.post("/v1/apps/demo/sign-ins", json=body).raise_for_status().json()
    token: str = answer["session"]["token"]
    return token


def _calls(product: Product, email: str, factor: float) -> list[Row]:
    token = token_of(product, email)
    rows: list[Row] = []
    for path in ("/v1/me", "/v1/me/sessions"):
        calls(product, path, token, 1)
        run = calls(product, path, token, 5 * factor)
        shares = ", ".join(f"{name} {run.by_process[name]:.2f}" for name in ("gateway", "identity", "postgres"))
        rows.append((
            f"GET {path}/s, asked of identity each time; ms of CPU each: {shares}", f"{run.rate:.0f}/s",
            "≥ 1700/s, gateway ≤ 0.4 ms", f"{run.rate / 1700:.2f}",
        ))  # fmt: skip
    return rows


def idle(product: Product, seconds: float) -> list[Row]:
    """Nobody asks for anything."""
    product.wait_quiet(seconds=60)
    time.sleep(3)
    before = cpu(product.stack)
    began = time.monotonic()
    time.sleep(seconds)
    used = spent(before, cpu(product.stack))
    lasted = time.monotonic() - began
    per_second = {name: value / lasted * 1000 for name, value in used.items() if not name.startswith("(")}
    each = ", ".join(f"{name} {value:.0f}" for name, value in sorted(per_second.items(), key=lambda one: -one[1]))
    total = sum(per_second.values())
    return [(f"CPU of the idle stack: {each}", f"{total:.0f} ms/s", "≤ 60 ms/s", f"{total / 60:.2f}")]


def _processes(runs: Mapping[str, Run]) -> str:
    names = sorted(runs["two calls"].by_process, key=lambda name: (name.startswith("("), -runs["two calls"].by_process[name]))
    lines = [f"| process | {' | '.join(runs)} |", f"|---|{'---|' * len(runs)}"]
    lines += [f"| {name} | {' | '.join(f'{run.by_process[name]:.1f}' for run in runs.values())} |" for name in names]
    lines.append(f"| **the product** | {' | '.join(f'**{run.total:.1f}**' for run in runs.values())} |")
    return "CPU of one sign-in by process, ms, 8 at a time:\n\n" + "\n".join(lines)


def _parts(stack: Stack, runs: Mapping[str, Run], counted: Mapping[str, dict[str, tuple[int, float]]]) -> str:
    implementation, hashing = hash_alone()
    sign, check = caller_alone(stack)
    trip = statement_alone(stack)
    lines = [f"| part | {' | '.join(runs)} |", f"|---|{'---|' * len(runs)}"]

    def line(what: str, values: list[str]) -> None:
        lines.append(f"| {what} | {' | '.join(values)} |")

    line(f"hash, by {implementation}", [f"{hashing:.1f}"] * len(runs))
    line("caller token: signed and checked", [f"{CALLS[name] * (sign + check):.2f}" for name in runs])
    for service in ("identity", "gateway", "notifier"):
        told = []
        for name, run in runs.items():
            count, milliseconds_all = counted[name].get(service, (0, 0.0))
            made = max(len(run.times), 1)
            told.append(f"{count / made:.1f}, {milliseconds_all / made:.2f} + {count / made * trip:.2f}")
        line(f"statements of {service}: how many, ms in PostgreSQL + at our side", told)
    line("relay's and consumers' broker (Kafka)", [f"{run.by_process['kafka']:.1f}" for run in runs.values()])
    line("services that only listen", [f"{sum(run.by_process.get(name, 0) for name in BESIDE):.1f}" for run in runs.values()])
    rest = [
        run.by_process["identity"] - hashing - CALLS[name] * check - _trips(counted[name], run, trip)
        for name, run in runs.items()
    ]
    line("what is left of identity: HTTP, relay, loop, page faults", [f"{value:.1f}" for value in rest])
    left = [run.by_process["gateway"] - CALLS[name] * sign for name, run in runs.items()]
    line("what is left of the gateway: HTTP in and out, limits, sessions", [f"{value:.1f}" for value in left])
    return "The same by part, ms, each measured alone:\n\n" + "\n".join(lines)


def _trips(counted: dict[str, tuple[int, float]], run: Run, trip: float) -> float:
    return counted.get("identity", (0, 0.0))[0] / max(len(run.times), 1) * trip


def alone(make: Callable[..., Stack], factor: float) -> tuple[list[Row], str]:
    """On a stack of its own, whose server counts statements."""
    stack = make("costs")
    stack.start()
    preload_statistics(stack)
    stack.stop()
    stack.start()
    try:
        product = Product(stack)
        rows, tables = measure(product, factor)
        rows += idle(product, 30 * factor)
    finally:
        stack.stop()
    return rows, tables
