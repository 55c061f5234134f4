"""What a challenge costs: a code of the account's own address for a step-up, begun, sent, and typed (docs/flows/mfa.md).

Everybody has signed in and has one address as a factor; both are put where they belong before the clock runs.
"""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from uuid import uuid4

import psycopg
from bench_tools import Row, Wire, members, milliseconds, ordinary, quantile
from devstack.supervisor import Stack
from latchkey_contracts.configuration import configuration_id
from servicekit.at_rest import AtRest
from servicekit.keys import Keys
from testkit.stack import CODE, PASSWORD, Product, eventually

LANES = 16
BODY = {"action": "factor.add", "payload": {"kind": "totp"}}
MARK = "UPDATE account SET second_factor = true, second_factor_version = 1 WHERE id = %s"
OWNER = "SELECT account_id FROM identifier WHERE canonical = %s"
HANDED = "SELECT flow_id::text, extract(epoch FROM finished_at) FROM delivery WHERE state = 'handed_over' AND flow_id = ANY(%s::uuid[])"
Bearer = dict[str, str]


def measure(stack: Callable[..., Stack], factor: float) -> list[Row]:
    made = stack("mfa")
    made.start()
    product = Product(made)
    try:
        people = signed_in(product, int(500 * factor))
        enrol(product, list(people))
        most, rest = list(people.items())[: int(300 * factor)], list(people.items())[int(300 * factor) :]
        return [*_saturated(product, most), *_below(product, rest)]
    finally:
        made.stop()


def signed_in(product: Product, count: int) -> dict[str, Bearer]:
    """By address; while nobody has a factor."""
    emails = members(product, count, ordinary().hash(PASSWORD))

    async def one(wire: Wire, email: str) -> Bearer:
        _, flow = await wire.send("POST", "/v1/apps/demo/sign-ins", {"identifier": email, "client": "api"})
        path, token = f"/v1/apps/demo/sign-ins/{flow['id']}/password", {"latchkey-flow": flow["flow_token"]}
        _, done = await wire.send("POST", path, {"password": PASSWORD}, token)
        return {"authorization": f"Bearer {done['session']['token']}"}

    async def load() -> list[Bearer]:
        wire = Wire(product.origin, LANES)
        return await asyncio.gather(*(one(wire, email) for email in emails))

    return dict(zip(emails, asyncio.run(load()), strict=True))


def enrol(product: Product, emails: Sequence[str]) -> None:
    """Each their own address, as if it had been confirmed."""
    at_rest, store = AtRest(Keys(product.stack.data / "keys"), "factor"), configuration_id("store", "Default")
    postgres = product.stack.postgres
    with psycopg.connect(postgres["identity"]) as identity, psycopg.connect(postgres["mfa"]) as mfa:
        for email in emails:
            (account,), factor = identity.execute(OWNER, (email,)).fetchone() or (None,), uuid4()
            identity.execute(MARK, (account,))
            mfa.execute("INSERT INTO holder (account_id, store_id, version) VALUES (%s, %s, 1)", (account, store))
            target = at_rest.encrypt(email.encode(), factor.bytes)
            mfa.execute(
                "INSERT INTO factor (id, account_id, application, kind, status, target, masked, created_at, confirmed_at)"
                " VALUES (%s, %s, 'demo', 'email', 'active', %s, 'm•••@p•••', now(), now())",
                (factor, account, target),
            )


async def begin(wire: Wire, bearer: Bearer) -> str:
    """A step-up, and its code on the way; the flow's id."""
    status, flow = await wire.send("POST", "/v1/me/step-ups", BODY, bearer)
    assert (status, flow["status"]) == (200, "needs_factor"), flow
    status, sent = await wire.send("POST", f"/v1/me/step-ups/{flow['id']}/challenges", {"form": "code"}, bearer)
    assert status == 202, sent
    return str(flow["id"])


async def prove(wire: Wire, flow: str, code: str, bearer: Bearer) -> None:
    status, done = await wire.send("POST", f"/v1/me/step-ups/{flow}/code", {"code": code}, bearer)
    assert (status, done["status"]) == (200, "complete"), done


def codes(product: Product, people: Sequence[tuple[str, Bearer]]) -> dict[str, str]:
    """By address, once all have come."""
    wanted = {email for email, _ in people}

    def look() -> dict[str, str] | None:
        found = {one["to"]: one["text"] for one in product.mails() if one["to"] in wanted}
        return {email: str(CODE.findall(text)[0]) for email, text in found.items()} if len(found) == len(wanted) else None

    found: dict[str, str] = eventually(look, seconds=60, every=0.2)
    return found


def _saturated(product: Product, people: Sequence[tuple[str, Bearer]]) -> list[Row]:
    """As fast as it goes: begun and sent, then proven. The mails in between are not counted."""

    async def begun() -> list[str]:
        wire = Wire(product.origin, LANES)
        return await asyncio.gather(*(begin(wire, bearer) for _, bearer in people))

    async def proven(flows: Sequence[str], sent: dict[str, str]) -> None:
        wire = Wire(product.origin, LANES)
        await asyncio.gather(
            *(prove(wire, flow, sent[email], bearer) for flow, (email, bearer) in zip(flows, people, strict=True))
        )

    at = time.perf_counter()
    flows = asyncio.run(begun())
    creating = time.perf_counter() - at
    sent = codes(product, people)
    product.wait_quiet(seconds=60)
    at = time.perf_counter()
    asyncio.run(proven(flows, sent))
    proving = time.perf_counter() - at
    cores = len(os.sched_getaffinity(0))
    rate = len(people) / (creating + proving)
    what = f"challenges/s, begun, sent and proven (three calls of the API), {LANES} at a time, {cores} cores for everything"
    said = f"{rate:.0f}/s ({len(people) / creating:.0f}/s begun and sent, {len(people) / proving:.0f}/s proven)"
    return [(what, said, "≥ 50/s per core", f"{rate / cores / 50:.2f}")]


def _below(product: Product, people: Sequence[tuple[str, Bearer]], rate: float = 15) -> list[Row]:
    """At a steady pace well below that: how long each half takes, and when the mail server has the code."""
    times: dict[str, list[float]] = {"begun": [], "proven": []}
    answered: dict[str, float] = {}
    flows: dict[str, str] = {}

    async def paced(one: Callable[[Wire, str, Bearer], object]) -> None:
        wire, start, tasks = Wire(product.origin, 200), time.perf_counter(), []
        for number, (email, bearer) in enumerate(people):
            await asyncio.sleep(max(start + number / rate - time.perf_counter(), 0))
            tasks.append(asyncio.create_task(one(wire, email, bearer)))  # type: ignore[arg-type]
        await asyncio.gather(*tasks)

    async def first(wire: Wire, email: str, bearer: Bearer) -> None:
        at = time.perf_counter()
        flows[email] = await begin(wire, bearer)
        times["begun"].append(time.perf_counter() - at)
        answered[flows[email]] = time.time()

    asyncio.run(paced(first))
    sent = codes(product, people)
    handed = eventually(lambda: _all(product, list(answered)), seconds=60, every=0.2)
    late = [max(float(handed[flow]) - at, 0.0) for flow, at in answered.items()]

    async def second(wire: Wire, email: str, bearer: Bearer) -> None:
        at = time.perf_counter()
        await prove(wire, flows[email], sent[email], bearer)
        times["proven"].append(time.perf_counter() - at)

    asyncio.run(paced(second))
    begun, proven = (f"p95 {quantile(times[name], 0.95) * 1000:.0f} ms" for name in ("begun", "proven"))
    worst = max(quantile(one, 0.95) for one in times.values())
    return [
        (
            f"a challenge at {rate:.0f}/s: begun and sent (two calls); proven",
            f"{begun}; {proven}",
            "p95 ≤ 250 ms",
            f"{worst / 0.25:.2f}",
        ),
        (
            f"challenge answered → code accepted by the mail server, {rate:.0f}/s",
            milliseconds(late),
            "p50 ≤ 150 ms, p99 ≤ 1 s",
            f"{quantile(late, 0.5) / 0.15:.2f} of p50",
        ),
    ]


def _all(product: Product, flows: Sequence[str]) -> dict[str, float] | None:
    found = dict(product.rows("notifier", HANDED, list(flows)))
    return found if len(found) == len(flows) else None
