"""An account is found by an index, whatever the planner knows: a look-up that reads a whole store slows down with every customer."""

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from identity.accounts import store as accounts
from identity.accounts.rules import Identifier
from identity.reach import store as contacts
from servicekit.db import Database

STORE = uuid4()
PEOPLE = """
WITH person AS (
    INSERT INTO account (id, store_id, status, profile, created_at)
    SELECT gen_random_uuid(), $1, 'active', jsonb_build_object('mobile', '+49 341 5' || lpad(n::text, 6, '0'), 'work', 'Work' || n || '@B.example'), now()
    FROM generate_series(1, $2) AS n
    RETURNING id, profile
)
INSERT INTO identifier (id, account_id, store_id, kind, value, canonical, verified_at, created_at)
SELECT gen_random_uuid(), id, $1, kind, kind || id, kind || id, now(), now() FROM person, unnest(ARRAY['email', 'username']) AS kind
"""


@pytest.fixture
async def crowded(db: Database) -> Database:
    """Many people of one store, of whom the planner has heard nothing."""
    async with db.transaction() as tx:
        await tx.execute(PEOPLE, STORE, 5000)
    return db


async def scans(db: Database, sql: str, *args: Any, analyzed: bool) -> set[tuple[str, str]]:
    """(How, which table) of a plan for any values, as a prepared statement has it after a while."""
    async with db.transaction() as tx:
        if analyzed:
            await tx.execute("ANALYZE account")
            await tx.execute("ANALYZE identifier")
        await tx.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        await tx.execute("SET LOCAL enable_seqscan = on")  # what the statement itself is worth
        rows = await tx.fetch(f"EXPLAIN (FORMAT JSON) {sql}", *args)
    found: set[tuple[str, str]] = set()

    def walk(node: dict[str, Any]) -> None:
        if "Relation Name" in node:
            found.add((node["Node Type"], node["Relation Name"]))
        for child in node.get("Plans", ()):
            walk(child)

    walk(json.loads(rows[0]["QUERY PLAN"])[0]["Plan"])
    return found


@pytest.mark.parametrize("analyzed", [False, True])
@pytest.mark.parametrize(
    ("sql", "args"),
    [
        (accounts._FIND, ([0, 0], [STORE, STORE], ["email", "username"], ["mira@posteo.example", "mira"])),
        (accounts._CLAIMS, (STORE, "email", "mira@posteo.example")),
        (accounts._IDENTIFIERS, ([uuid4()],)),
        (contacts._BY_ADDRESS, (STORE, "email", "mira@posteo.example")),
        (contacts._BY_ATTRIBUTE, (STORE, "phone", "+493415000007", ["mobile"])),
    ],
    ids=["find", "claims", "identifiers", "by_address", "by_attribute"],
)
async def test_no_look_up_reads_a_whole_table(crowded: Database, sql: str, args: Sequence[Any], analyzed: bool) -> None:
    found = await scans(crowded, sql, *args, analyzed=analyzed)
    assert found
    assert not {one for one in found if one[0] == "Seq Scan"}, found


@pytest.mark.parametrize(
    ("kind", "canonical", "attributes", "count"),
    [
        ("phone", "+493415000007", ["mobile"], 1),
        ("phone", "+493415000007", ["work"], 0),
        ("email", "work7@b.example", ["work"], 1),
        ("email", "work7@b.example", [], 0),
        ("email", "nobody@b.example", ["work", "mobile"], 0),
    ],
)
async def test_by_what_stands_in_the_profile(
    crowded: Database, kind: str, canonical: str, attributes: list[str], count: int
) -> None:
    """D7: only by the attributes that the policy lets count, and however they were spelled."""
    async with crowded.read() as conn:
        found = await contacts.with_address(conn, STORE, kind, canonical, attributes)
    assert len(found) == count


class TestLongProfile:
    """No address is as long as a key of PostgreSQL's indexes may be; a profile's text is."""

    async def holding(self, db: Database, value: str) -> int:
        """How many are found by what their profile holds, among them one with this value."""
        async with db.transaction() as tx:
            account_id = await accounts.insert(tx, STORE, "en")
            await accounts.add_identifier(tx, account_id, STORE, Identifier("username", "mira", "mira"), verified_at=None)
            await accounts.activate(tx, account_id, profile={"about": value}, consents=[], language="en")
        async with db.read() as conn:
            return len(await contacts.with_address(conn, STORE, "email", value.lower(), ["about"]))

    async def test_can_be_kept(self, db: Database) -> None:
        """6000 bytes that don't compress."""
        text = "".join(map(chr, Random(3).choices(range(0x4E00, 0x9FA5), k=1990)))
        assert await self.holding(db, f"me@home {text}") == 0

    @pytest.mark.parametrize(("length", "found"), [(320, 1), (321, 0)])
    async def test_the_longest_address_is_found(self, db: Database, length: int, found: int) -> None:
        """D7: index and query agree on what is one."""
        assert await self.holding(db, "M" * (length - len("@b.example")) + "@b.example") == found


class TestClaim:
    """One pending account for an address (INV-14), beside another account's unproven claim at most."""

    ADDRESS = Identifier("phone", "+4915112345641", "+4915112345641")

    async def pending(self, db: Database, store_id: UUID) -> bool:
        async with db.transaction() as tx:
            return await accounts.claim(tx, await accounts.insert(tx, store_id, "en"), store_id, self.ADDRESS)

    async def claimed(self, db: Database, store_id: UUID, *, proven: bool) -> None:
        """An active account that only typed the number; `proven`: it has another identifier that is proven."""
        async with db.transaction() as tx:
            account_id = await accounts.insert(tx, store_id, "en")
            await accounts.set_status(tx, account_id, "active")
            own = Identifier("email", "mira@posteo.example", "mira@posteo.example")
            await accounts.add_identifier(tx, account_id, store_id, own, verified_at=tx.now if proven else None)
            await accounts.add_identifier(tx, account_id, store_id, self.ADDRESS, verified_at=None)

    async def test_the_first_attempt_has_it(self, db: Database) -> None:
        store_id = uuid4()
        assert [await self.pending(db, store_id) for _ in range(2)] == [True, False]

    async def test_many_at_once(self, db: Database) -> None:
        store_id = uuid4()
        assert sum(await asyncio.gather(*(self.pending(db, store_id) for _ in range(8)))) == 1

    async def test_beside_an_unproven_claim_once(self, db: Database) -> None:
        store_id = uuid4()
        await self.claimed(db, store_id, proven=True)
        assert [await self.pending(db, store_id) for _ in range(2)] == [True, False]

    async def test_who_has_proven_nothing_at_all_keeps_nobody_out(self, db: Database) -> None:
        """REG-3: an unproven identifier never blocks its owner, whatever the policy was."""
        store_id = uuid4()
        await self.claimed(db, store_id, proven=False)
        assert [await self.pending(db, store_id) for _ in range(2)] == [True, False]


async def test_several_in_their_order(crowded: Database) -> None:
    async with crowded.read() as conn:
        ids = [row["id"] for row in await conn.fetch("SELECT id FROM account WHERE store_id = $1 LIMIT 2", STORE)]
        asked: list[tuple[UUID, list[Any]]] = [
            (STORE, [("email", f"email{ids[0]}"), ("username", "nobody")]),
            (uuid4(), [("email", f"email{ids[0]}")]),
            (STORE, []),
            (STORE, [("username", f"username{ids[1]}")]),
        ]
        found = await accounts.find_several(conn, asked)
    assert [row and row.id for row in found] == [ids[0], None, None, ids[1]]


class TestNeverActivated:
    async def test_as_many_as_were_asked_for_whatever_the_planner_knows(self, db: Database):
        """REG-8: where it takes the table for empty, it runs the inner query for each row anew, which locks others each time."""
        many = "INSERT INTO account (id, store_id, status, created_at) SELECT gen_random_uuid(), $1, 'pending', $2 FROM generate_series(1, 60)"
        async with db.transaction() as tx:
            await tx.execute(many, STORE, tx.now)
            await tx.execute("DELETE FROM account")
            await tx.execute("ANALYZE account")
            await tx.execute(many, STORE, tx.now - timedelta(days=31))
            assert len(await accounts.delete_never_activated(tx, tx.now, 20)) == 20
