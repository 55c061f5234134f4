"""Every statement of the hot paths goes by an index once the planner knows the tables (testkit.plans)."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from recovery.flows import store as flows
from recovery.total_loss import store as total_loss
from servicekit.db import Database
from servicekit.events import messages, work
from servicekit.proof import store as proof
from testkit import plans

STORE, AT = uuid4(), datetime(2026, 11, 30, tzinfo=UTC)
REQUESTS = 20_000
SEED: tuple[tuple[str, tuple[Any, ...]], ...] = (
    (
        (
            "INSERT INTO request (id, kind, store_id, application, language, match, account_id, status, created_at, expires_at)"
            " SELECT gen_random_uuid(), CASE n % 4 WHEN 0 THEN 'username_reminder' ELSE 'password_reset' END, $1, 'demo', 'en', '41',"
            " gen_random_uuid(), CASE n % 3 WHEN 0 THEN 'complete' ELSE 'check_your_messages' END, $3, $3 FROM generate_series(1, $2) AS n"
        ),
        (STORE, REQUESTS, AT),
    ),
    (
        (
            "INSERT INTO total_loss_case (id, store_id, application, language, account_id, status, notices, created_at, takes_effect_at)"
            " SELECT gen_random_uuid(), $1, 'demo', 'en', gen_random_uuid(), CASE n % 2 WHEN 0 THEN 'waiting' ELSE 'void' END,"
            " ARRAY[gen_random_uuid()], $3, $3 FROM generate_series(1, $2) AS n"
        ),
        (STORE, REQUESTS, AT),
    ),
    (
        (
            "INSERT INTO one_time_secret (id, purpose, flow_id, subject, tenant, link_hash, code_hash, link_expires_at, code_expires_at, created_at)"
            " SELECT gen_random_uuid(), 'password_reset', id, account_id::text, 't', sha256(id::text::bytea), '\\x00', $1, $1, $1 FROM request"
        ),
        (AT,),
    ),
    ("INSERT INTO one_time_tries (flow_id, purpose, wrong, last_at) SELECT id, 'password_reset', 1, $1 FROM request", (AT,)),
    (
        "INSERT INTO one_time_wrong (purpose, subject, wrong, last_at) SELECT 'password_reset', id::text, 1, $1 FROM request",
        (AT,),
    ),
    (
        (
            "INSERT INTO flow_message (message_id, flow_id, way, channel, version, state, at)"
            " SELECT gen_random_uuid(), id, 0, 'email', 1, 'handed_over', $1 FROM request"
        ),
        (AT,),
    ),
    ("INSERT INTO flow_asked (flow_id, cause, state, at) SELECT id, gen_random_uuid(), 'queued', $1 FROM request", (AT,)),
    (
        (
            "INSERT INTO work (kind, payload, trace, due_at) SELECT 'any', '{}', '{}', $2::timestamptz + n * interval '1 minute'"
            " FROM generate_series(1, $1) AS n"
        ),
        (REQUESTS, AT),
    ),
)
HOT: dict[str, str] = {
    "request": flows._GET,
    "requests": flows._GET_SEVERAL,
    "requests of an account locked": flows._LOCK,
    "whose they are": flows._REACHED,
    "request prolonged": flows._PROLONG,
    "request proven": flows._PROVEN,
    "request complete": flows._COMPLETE,
    "requests overtaken": flows._VOID,
    "its link ended": flows._LINK_ENDED,
    "requests purged": flows._PURGE,
    "case": total_loss._GET,
    "case locked": total_loss._LOCK,
    "case by a notice": total_loss._BY_NOTICE,
    "case overtaken": total_loss._VOID,
    "link": proof._BY_LINK,
    "link used": proof._USE,
    "secrets of a person locked": proof._LOCK_SUBJECT,
    "newest code": proof._LATEST_CODE,
    "tries locked": proof._LOCK_FLOW,
    "try counted": proof._COUNT_TRY,
    "tries": proof._TRIES,
    "who is guessed": proof._GUESSED,
    "flows ended": proof._END_FLOWS,
    "secrets of a person ended": proof._END_SUBJECT,
    "what became of a message": messages._TOLD,
    "what left": messages._LEFT_AT,
    "work taken up": work._CLAIM,
    "is there work": work._ANY,
}


async def test_no_hot_statement_reads_or_sorts_a_table(db: Database) -> None:
    await plans.seeded(db, SEED)
    assert not await plans.too_dear(db, HOT)
