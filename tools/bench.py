"""`make bench`: the numbers of docs/benchmarks.md, side by side in one run, as a table with ratios.

Bounded in count and time; everything on loopback, against a stack of its own. Two shared cores make noise: trust ratios and
medians, not absolute times. `--write` replaces the table in docs/benchmarks.md.
"""

import argparse
import asyncio
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import bench_costs
import bench_mfa
import bench_notifier
import httpx
from bench_tools import Row, Wire, members, memory, milliseconds, quantile, requests_per_second
from devstack.processes import free_port
from devstack.supervisor import Stack
from testkit.stack import PASSWORD, Person, Product, eventually, person

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- measured -->", "<!-- /measured -->"


def arrivals(product: Product, subject: str) -> dict[str, float]:
    """When the mail server accepted each mail, by recipient."""
    return {
        one["to"]: datetime.fromisoformat(one["received_at"]).timestamp() for one in product.mails() if subject in one["subject"]
    }


def registrations(product: Product, count: int, rate: float) -> tuple[list[float], int]:
    bodies = {
        email: {"identifiers": {"email": email}, "password": PASSWORD, "client": "api"}
        for email in (f"bench-{uuid4().hex}@posteo.example" for _ in range(count))
    }
    return delivery_latency(product, "/v1/apps/demo/registrations", bodies, rate, "Activate")


def resets(product: Product, count: int, rate: float) -> tuple[list[float], int]:
    """Request answered to mail accepted by the mail server, as the notifier wrote it down; seconds. And how many were refused."""
    answered: dict[str, float] = {}
    emails = members(product, count)

    async def load() -> None:
        wire = Wire(product.origin, 200)

        async def one(number: int, email: str) -> None:
            # Everybody from a network of their own, as customers are.
            network = {"x-forwarded-for": f"10.{number // 62500}.{number // 250 % 250}.{number % 250}"}
            body = {"identifier": email, "client": "api"}
            status, flow = await wire.send("POST", "/v1/apps/demo/password-resets", body, network)
            if status == 202:
                answered[flow["id"]] = time.time()

        tasks = []
        start = time.perf_counter()
        for number, email in enumerate(emails):
            await asyncio.sleep(max(start + number / rate - time.perf_counter(), 0))
            tasks.append(asyncio.create_task(one(number, email)))
        await asyncio.gather(*tasks)

    asyncio.run(load())
    sql = "SELECT flow_id::text, extract(epoch FROM finished_at) FROM delivery WHERE state = 'handed_over' AND flow_id = ANY(%s::uuid[])"
    done = lambda: dict(product.rows("notifier", sql, list(answered)))  # noqa: E731
    eventually(lambda: len(done()) == len(answered), seconds=120, every=0.5)
    return [max(float(moment) - answered[flow], 0.0) for flow, moment in done().items()], count - len(answered)


def delivery_latency(
    product: Product, path: str, bodies: dict[str, dict[str, Any]], rate: float, subject: str
) -> tuple[list[float], int]:
    """Request accepted (answered) to accepted by the mail server; seconds. And how many were shed with 503."""
    answered: dict[str, float] = {}

    async def load() -> None:
        wire = Wire(product.origin, 200)

        async def one(email: str, body: dict[str, Any]) -> None:
            status, _ = await wire.send("POST", path, body)
            if status == 202:
                answered[email] = time.time()

        tasks = []
        start = time.perf_counter()
        for number, (email, body) in enumerate(bodies.items()):
            await asyncio.sleep(max(start + number / rate - time.perf_counter(), 0))
            tasks.append(asyncio.create_task(one(email, body)))
        await asyncio.gather(*tasks)

    asyncio.run(load())
    product.wait_quiet(seconds=120)
    arrived = arrivals(product, subject)
    return [max(arrived[email] - moment, 0.0) for email, moment in answered.items()], len(bodies) - len(answered)


def reset_rate(product: Product, seconds: float, lanes: int) -> float:
    """Accepted reset requests per second, as fast as they go, for identifiers of nobody (the same work for the customer)."""
    accepted = 0
    end = time.perf_counter() + seconds

    async def load() -> None:
        wire = Wire(product.origin, lanes)

        async def lane() -> None:
            nonlocal accepted
            while time.perf_counter() < end:
                body = {"identifier": f"{uuid4().hex}@posteo.example", "client": "api"}
                status, _ = await wire.send("POST", "/v1/apps/demo/password-resets", body)
                accepted += status == 202

        await asyncio.gather(*(lane() for _ in range(lanes)))

    asyncio.run(load())
    product.wait_quiet(seconds=120)
    return accepted / seconds


def timing(product: Product, path: str, body_of: Callable[[str], dict[str, Any]], pairs: int) -> tuple[float, float]:
    """ENU-2: medians of interleaved requests for known and unknown addresses, on one connection; seconds.

    Each address once: asked for again, it would be held back by the 20 s rule, known or not, and that takes another way.
    """
    members_left = members(product, pairs)
    times: dict[bool, list[float]] = {True: [], False: []}

    async def load() -> None:
        wire = Wire(product.origin, 1)
        for number in range(pairs):
            for is_known in (True, False) if number % 2 else (False, True):
                email = members_left.pop() if is_known else f"unknown-{uuid4().hex[:12]}@posteo.example"
                began = time.perf_counter()
                await wire.send("POST", f"/v1/apps/demo{path}", body_of(email))
                times[is_known].append(time.perf_counter() - began)
                await asyncio.sleep(0.05)  # what happens behind the answer is not to be in the next one

    asyncio.run(load())
    return statistics.median(times[True]), statistics.median(times[False])


def timings(product: Product, factor: float) -> list[Row]:
    rows: list[Row] = []
    for what, path, body_of in (
        ("registration", "/registrations", lambda one: {"identifiers": {"email": one}, "password": PASSWORD, "client": "api"}),
        ("password reset", "/password-resets", lambda one: {"identifier": one, "client": "api"}),
        ("username reminder", "/username-reminders", lambda one: {"email": one, "client": "api"}),
    ):
        known, unknown = timing(product, path, body_of, int(200 * factor))
        rows.append(
            (
                f"{what}, known / unknown address (ENU-2), medians of {int(200 * factor)} pairs",
                f"{known * 1000:.1f} / {unknown * 1000:.1f} ms",
                "|Δ| ≤ 1.5 ms",
                f"Δ {abs(known - unknown) * 1000:.2f} ms",
            )
        )
    return rows


def measure(folder: Path, quick: bool, only: str | None) -> tuple[list[Row], str]:
    """Rows of the table, and tables of what a sign-in costs."""
    rows: list[Row] = []
    factor = 0.3 if quick else 1.0

    def stack(name: str, **extra: str) -> Stack:
        return Stack(
            folder / name,
            port=free_port(),
            extra={"LATCHKEY_STARTS_PER_MINUTE": "1000000", "LATCHKEY_TRIES_PER_MINUTE": "1000000", **extra},
            configuration=ROOT / "config" / "latchkey.yaml",
        )

    if only == "notifier":
        return bench_notifier.measure(stack, factor), ""
    if only == "mfa":
        return bench_mfa.measure(stack, factor), ""
    if only == "resets":
        return reset_latencies(stack, factor), ""
    if only == "costs":
        return bench_costs.alone(stack, factor)
    if only == "timing":
        alone = stack("timing")
        alone.start()
        rows = timings(Product(alone), factor)
        alone.stop()
        return rows, ""
    first = stack("first")
    began = time.perf_counter()
    first.start()
    cold = time.perf_counter() - began
    first.stop()
    began = time.perf_counter()
    first.start()
    warm = time.perf_counter() - began
    product = Product(first)
    rows.append(("whole stack ready, new data / again", f"{cold:.1f} s / {warm:.1f} s", "≤ 10 s", f"{10 / warm:.1f}x inside"))
    rows += memory_rows(first)
    registrations(product, 10, 5)  # warm-up
    idle, _ = registrations(product, int(60 * factor), 4)
    rows.append(
        (
            "request accepted → mail accepted, idle (4/s)",
            milliseconds(idle),
            "p50 ≤ 30 ms, p99 ≤ 100 ms",
            f"{quantile(idle, 0.5) / 0.030:.2f} of p50",
        )
    )
    busy, shed = registrations(product, int(600 * factor), 100)
    note = f"; {shed} of {int(600 * factor)} shed with 503: Argon2id alone allows fewer than 100/s here" if shed else ""
    rows.append(
        (
            f"the same at 100 registrations/s{note}",
            milliseconds(busy),
            "p50 ≤ 150 ms, p99 ≤ 1 s",
            f"{quantile(busy, 0.5) / 0.150:.2f} of p50",
        )
    )
    rows.append(("password reset requests accepted, 16 at a time", f"{reset_rate(product, 6 * factor, 16):.0f}/s", "", ""))
    email = _active_account(product)
    token = _session(product, email)
    checks, bare = [], []
    for _ in range(3):
        bare.append(requests_per_second(product.origin, "/v1/session", {}, 3 * factor))
        checks.append(requests_per_second(product.origin, "/v1/session", {"authorization": f"Bearer {token}"}, 3 * factor))
    rows.append((
        "session check/s, one gateway process, against the same server's 401 route without a look-up",
        f"{statistics.median(checks):.0f}/s of {statistics.median(bare):.0f}/s", "≥ 80 %, ≥ 5000/s on two cores", f"{statistics.median(checks) / statistics.median(bare):.2f}",
    ))  # fmt: skip
    rows += timings(product, factor)
    first.stop()
    rows += reset_latencies(stack, factor)
    rows += bench_notifier.measure(stack, factor)
    rows += bench_mfa.measure(stack, factor)
    costs, tables = bench_costs.alone(stack, factor)
    return rows + costs, tables


def memory_rows(stack: Stack) -> list[Row]:
    used = memory(stack)
    total, services = sum(used.values()), [used[name] for name in stack.services]
    each = ", ".join(f"{name} {value:.0f}" for name, value in sorted(used.items(), key=lambda one: -one[1]))
    return [
        (f"memory of everything (PSS): {each}", f"{total:.0f} MB", "≤ 1000 MB", f"{total / 1000:.2f}"),
        ("memory of the largest service (PSS), at rest", f"{max(services):.0f} MB", "≤ 60 MB", f"{max(services) / 60:.2f}"),
    ]


def _active_account(product: Product) -> str:
    with httpx.Client(base_url=product.origin, timeout=30) as http:
        return person(product, http).activate().email


def _session(product: Product, email: str) -> str:
    with httpx.Client(base_url=product.origin, timeout=30) as http:
        found = Person(product, http, email)
        found.sign_in()
        return found.session_token


def reset_latencies(stack: Callable[..., Stack], factor: float) -> list[Row]:
    """Three services and Kafka between them; the mail server says yes at once."""
    rows: list[Row] = []
    with bench_notifier.slow(stack, "resets", seconds=0.0, LATCHKEY_TRUSTED_PROXIES="127.0.0.1/32") as product:
        resets(product, 40, 20)
        for rate in (60, 100):
            asked, shed = resets(product, int(8 * rate * factor), rate)
            rows.append(
                (
                    f"password reset requested → mail accepted, {rate} requests/s, three services"
                    + (f"; {shed} shed" if shed else ""),
                    milliseconds(asked),
                    "p50 ≤ 150 ms, p99 ≤ 1 s" if rate == 100 else "",
                    f"{quantile(asked, 0.5) / 0.150:.2f} of p50",
                )
            )
    return rows


def table(rows: list[Row]) -> str:
    lines = ["| what | measured | target | ratio |", "|---|---|---|---|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["costs", "mfa", "notifier", "resets", "timing"], help="this part alone")
    parser.add_argument("--quick", action="store_true", help="a third of the counts")
    parser.add_argument("--write", action="store_true", help="replace the table in docs/benchmarks.md")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="latchkey-bench-"))
    folder.chmod(0o755)
    os.environ.setdefault("LATCHKEY_TEST_RUN", "bench")
    try:
        rows, tables = measure(folder, arguments.quick, only=arguments.only)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    text = table(rows) + (f"\n\n{tables}" if tables else "")
    print(text)
    if arguments.write:
        write(text)
    return 0


def write(text: str) -> None:
    """Between the marks; what people say about it stays around them."""
    machine = f"{len(os.sched_getaffinity(0))} shared cores, Python {platform.python_version()}, {datetime.now(UTC):%Y-%m-%d}"
    path = ROOT / "docs" / "benchmarks.md"
    before, rest = path.read_text().split(BEGIN)
    _, after = rest.split(END)
    path.write_text(f"{before}{BEGIN}\n{machine}\n\n{text}\n{END}{after}")


if __name__ == "__main__":
    sys.exit(main())
