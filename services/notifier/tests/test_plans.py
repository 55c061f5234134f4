"""Every statement of the hot paths goes by an index once the planner knows the tables (testkit.plans)."""

from datetime import UTC, datetime
from typing import Any

from notifier.delivery import ending_store as ending
from notifier.delivery import receipt_store as receipts
from notifier.delivery import store as delivery
from notifier.fraud import store as fraud
from notifier.spending import store as spending
from servicekit.db import Database
from testkit import plans

AT = datetime(2026, 11, 30, tzinfo=UTC)
MESSAGES = 40_000  # three of four are over; the rest is what waits after an outage
SEED: tuple[tuple[str, tuple[Any, ...]], ...] = (
    (
        (
            "INSERT INTO delivery (id, account_id, flow_id, application, language, template, channel, lane, trace, state, due_at, expires_at,"
            " created_at, caused_at, finished_at, leased_until, watch_at)"
            " SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'demo', 'en', 'activation',"
            " (ARRAY['email', 'sms', 'voice'])[1 + n % 3], n % 5, '{}', CASE WHEN n % 4 > 0 THEN 'handed_over' WHEN n % 400 = 0 THEN 'sending'"
            " ELSE 'queued' END, at, at + interval '1 day', at, at, CASE WHEN n % 4 > 0 THEN at END, CASE WHEN n % 400 = 0 THEN at END,"
            " CASE WHEN n % 40 = 1 THEN at END FROM (SELECT n, $2::timestamptz + n * interval '1 second' AS at FROM generate_series(1, $1) AS n) AS one"
        ),
        (MESSAGES, AT),
    ),
    (
        (
            "INSERT INTO conversion (message_id, flow_id, account_id, prefix, network, region, sent_at, used_at)"
            " SELECT id, flow_id, account_id, '+49151' || n % 900, 'DE' || n % 30, (ARRAY['DE', 'US', 'GB'])[1 + n % 3], created_at,"
            " CASE n % 2 WHEN 0 THEN created_at END FROM (SELECT *, row_number() OVER () AS n FROM delivery) AS d"
        ),
        (),
    ),
    (
        (
            "INSERT INTO range_block (range, region, level, since, until, sent, used)"
            " SELECT 'prefix:' || n, 'DE', 0, $2, $2, 16, 0 FROM generate_series(1, $1) AS n"
        ),
        (MESSAGES, AT),
    ),
    (
        (
            "INSERT INTO suppression (channel, recipient, reason, since, until)"
            " SELECT 'email', sha256(n::text::bytea), 'bounced', $2, $2 FROM generate_series(1, $1) AS n"
        ),
        (MESSAGES, AT),
    ),
    (
        (
            "INSERT INTO vouched (channel, recipient, since) SELECT 'sms', sha256(n::text::bytea), $2 FROM generate_series(1, $1) AS n"
        ),
        (MESSAGES, AT),
    ),
    (
        (
            "INSERT INTO budget (application, scope, period, starts_at) SELECT 'demo', 'all', 'hour', $2::timestamptz - n * interval '1 hour'"
            " FROM generate_series(1, $1) AS n"
        ),
        (MESSAGES, AT),
    ),
)
HOT: dict[str, str] = {
    "message queued": delivery._INSERT,
    "messages taken up": delivery._CLAIM,
    "messages about to be sent": delivery._SUBMITTING,
    "message put back": delivery._AGAIN,
    "lease renewed": delivery._RENEW,
    "message over": delivery._FINISH,
    "messages handed over": delivery._HANDED_OVER,
    "messages without a receipt": delivery._WATCHED,
    "is any without one": delivery._ANY_UNHEARD,
    "is any too old": ending._ANY_OVER,
    "message": delivery._GET,
    "receipt": receipts._RECEIVED,
    "messages too old": ending._EXPIRE,
    "messages of no use": ending._OF_NO_USE,
    "a newer notice": ending._HAS_NEWER,
    "older notices": ending._COALESCE,
    "admitted before": fraud._ADMITTED,
    "blocked ranges": fraud._BLOCKS,
    "judged by prefix": fraud._JUDGED.format(kind="prefix"),
    "judged by network": fraud._JUDGED.format(kind="network"),
    "judged by region": fraud._JUDGED.format(kind="region"),
    "code used": fraud._USED,
    "account lost": fraud._LOST,
    "account came back": fraud._RETURNED,
    "vouched for": fraud._VOUCHED,
    "money reserved": spending._ADD,
    "money given back": spending._TAKE_BACK,
    "money spent": spending._AMOUNTS,
}


async def test_no_hot_statement_reads_or_sorts_a_table(db: Database) -> None:
    await plans.seeded(db, SEED)
    assert not await plans.too_dear(db, HOT)
