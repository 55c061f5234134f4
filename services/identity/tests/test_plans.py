"""Every statement of the hot paths goes by an index once the planner knows the tables (testkit.plans)."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from identity.accounts import store as accounts
from identity.credentials import store as credentials
from identity.linked import store as linked
from identity.profile import store as profile
from identity.sessions import store as sessions
from identity.sign_in import store as sign_in
from identity.social import store as social
from servicekit import db as database
from servicekit import throttle
from servicekit.db import Database
from servicekit.events import work
from testkit import plans

STORE, AT = uuid4(), datetime(2026, 11, 30, tzinfo=UTC)
PEOPLE = 20_000
SEED: tuple[tuple[str, tuple[Any, ...]], ...] = (
    (
        (
            "INSERT INTO account (id, store_id, status, created_at, activated_at)"
            " SELECT gen_random_uuid(), $1, 'active', $3, $3 FROM generate_series(1, $2) AS n"
        ),
        (STORE, PEOPLE, AT),
    ),
    (
        (
            "INSERT INTO identifier (id, account_id, store_id, kind, value, canonical, verified_at, created_at)"
            " SELECT gen_random_uuid(), a.id, $1, kind, kind || a.id, kind || a.id, $2, $2"
            " FROM account AS a, unnest(ARRAY['email', 'username']) AS kind"
        ),
        (STORE, AT),
    ),
    ("INSERT INTO password_credential (account_id, hash, changed_at) SELECT id, 'x', $1 FROM account", (AT,)),
    ("INSERT INTO required_action (account_id, action) SELECT id, 'username' FROM account", ()),
    (
        (
            "INSERT INTO session (id, account_id, application, token_hash, methods, idle, created_at, authenticated_at, seen_at, expires_at)"
            " SELECT gen_random_uuid(), id, 'demo', sha256(id::text::bytea), ARRAY['pwd'], '1 hour', $1, $1, $1, $1::timestamptz + interval '1 day'"
            " FROM account"
        ),
        (AT,),
    ),
    (
        (
            "INSERT INTO linked_identity (id, account_id, store_id, provider, issuer, subject, linked_at)"
            " SELECT gen_random_uuid(), id, $1, 'google', 'https://accounts.google.com', id::text, $2 FROM account"
        ),
        (STORE, AT),
    ),
    (
        (
            "INSERT INTO social_attempt (id, state_hash, purpose, store_id, application, provider, created_at, expires_at)"
            " SELECT gen_random_uuid(), sha256(n::text::bytea), 'sign_in', $1, 'demo', 'google', $3, $3 FROM generate_series(1, $2) AS n"
        ),
        (STORE, PEOPLE, AT),
    ),
    (
        (
            "INSERT INTO sign_in_flow (id, store_id, application, status, created_at, expires_at)"
            " SELECT gen_random_uuid(), $1, 'demo', 'password', $3, $3 FROM generate_series(1, $2) AS n"
        ),
        (STORE, PEOPLE, AT),
    ),
    (
        (
            "INSERT INTO throttle (key, hits, keep_until) SELECT sha256(n::text::bytea), ARRAY[$2::timestamptz], $2"
            " FROM generate_series(1, $1) AS n"
        ),
        (PEOPLE, AT),
    ),
    (
        (
            "INSERT INTO work (kind, payload, trace, due_at) SELECT 'any', '{}', '{}', $2::timestamptz + n * interval '1 minute'"
            " FROM generate_series(1, $1) AS n"
        ),
        (PEOPLE, AT),
    ),
    ("INSERT INTO aggregate_version (subject, version) SELECT n::text, 1 FROM generate_series(1, $1) AS n", (PEOPLE,)),
)
HOT: dict[str, str] = {
    "account found": accounts._FIND,
    "account found with its password": accounts._FIND_WITH_PASSWORD,
    "owner of an address": accounts._FIND_OWNERS,
    "claims": accounts._CLAIMS,
    "account": accounts._GET,
    "accounts": accounts._GET_SEVERAL,
    "account locked": accounts._LOCK,
    "account locked with its password": accounts._LOCK_PROVEN,
    "identifiers": accounts._IDENTIFIERS,
    "standing": accounts._STANDING,
    "password": credentials._GET,
    "when it was secured": credentials._SECURED,
    "me": profile._READ,
    "attempt": sign_in._GET,
    "attempt locked": sign_in._LOCK,
    "attempt locked with all that it proves": sign_in._LOCK_PROVEN,
    "attempt written": sign_in._PUT,
    "attempt failed": sign_in._FAILED,
    "still proven": sign_in._STILL_PROVEN,
    "linked account": linked._FIND,
    "what is linked": linked._OF,
    "linked account used": linked._USED,
    "way to a provider": social._GET,
    "way to a provider used": social._USE,
    "session by token": sessions._BY_TOKEN,
    "session": sessions._GET,
    "live sessions": sessions._LIVE,
    "session begun": sessions._INSERT,
    "sessions used": sessions._TOUCH,
    "sessions gone": sessions._GONE,
    "session ended": sessions._REVOKE,
    "sessions ended": sessions._REVOKE_ALL,
    "other sessions": sessions._OTHERS,
    "try counted": throttle._COUNT,
    "tries looked at": throttle._PEEK,
    "tries forgotten": throttle._FORGET,
    "work taken up": work._CLAIM,
    "is there work": work._ANY,
    "events written": database._EMIT,
}


async def test_no_hot_statement_reads_or_sorts_a_table(db: Database) -> None:
    """All in one database: seeding it is what takes time."""
    await plans.seeded(db, SEED)
    assert not await plans.too_dear(db, HOT)
