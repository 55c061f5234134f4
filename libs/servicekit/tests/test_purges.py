"""PRV-19: what servicekit keeps for a service is forgotten in time, and no service has to think of it."""

from datetime import timedelta

import pytest
from servicekit.process.migrations import OWN
from servicekit.process.purges import purges

SECRET = """
INSERT INTO one_time_secret (id, purpose, flow_id, tenant, created_at) VALUES (gen_random_uuid(), 'p', gen_random_uuid(), 't', $1)
"""
# A row of each table that is as old as one says, and for how long it is kept.
ROWS = {
    "one_time_secret": (SECRET, timedelta(days=30)),
    "one_time_tries": (
        "INSERT INTO one_time_tries (flow_id, purpose, wrong, last_at) VALUES (gen_random_uuid(), 'p', 1, $1)", timedelta(days=30),
    ),
    "one_time_wrong": ("INSERT INTO one_time_wrong (purpose, subject, wrong, last_at) VALUES ('p', 's', 1, $1)", timedelta(days=30)),
    "throttle": ("INSERT INTO throttle (key, hits, keep_until) VALUES ('k', '{}', $1)", timedelta()),
    "idempotency": ("INSERT INTO idempotency (key, fingerprint, created_at) VALUES ('k', 'f', $1)", timedelta(hours=24)),
    "step_up_used": ("INSERT INTO step_up_used (grant_id, expires_at) VALUES (gen_random_uuid(), $1)", timedelta()),
    "inbox": (
        "INSERT INTO inbox (consumer, source, event_id, handled_at) VALUES ('c', 's', gen_random_uuid(), $1)", timedelta(days=14),
    ),
    "flow_asked": ("INSERT INTO flow_asked (flow_id, state, at) VALUES (gen_random_uuid(), 'queued', $1)", timedelta(days=90)),
    "flow_message": (
        ("INSERT INTO flow_message (message_id, flow_id, way, version, state, at) "
        "VALUES (gen_random_uuid(), gen_random_uuid(), 0, 1, 'queued', $1)"), timedelta(days=90),
    ),
}  # fmt: skip


@pytest.mark.parametrize("table", ROWS)
async def test_forgotten_when_its_time_is_over(db, clock, table):
    insert, kept = ROWS[table]
    count = f"SELECT count(*) FROM {table}"  # noqa: S608 - of the table above
    async with db.transaction() as tx:
        await tx.execute(f"TRUNCATE {table}")
        await tx.execute(insert, tx.now)
    found = []
    for seconds in (kept.total_seconds() - 1, 2):
        clock.move(seconds)
        for _name, _seconds, purge in purges(db):
            await purge()
        async with db.read() as conn:
            found.append(await conn.fetchval(count))
    assert found == [1, 0]


def test_every_table_of_the_kit_is_one_of_them_or_ends_by_itself():
    """What is published, handled or done is deleted there; one row per subject, process, kind or configuration stays."""
    made = {
        line.split()[2].strip("(")
        for path in OWN.glob("*.sql")
        for line in path.read_text().splitlines()
        if line.startswith("CREATE TABLE")
    }
    stay = {"outbox", "parked", "work", "aggregate_version", "configuration_copy", "code_tries", "code_alarm", "probe"}
    assert made == stay | set(ROWS)
