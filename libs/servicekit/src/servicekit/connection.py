"""What a session with PostgreSQL is like, in the pool and beside it, and whether it can still be written through."""

from typing import Any

import asyncpg
import orjson

# Look-ups by key go by their index from the first row on. By its statistics the planner takes a table for small until it is
# analyzed, and reads all of a queue for each message. Compiling queries pays for reports, never for these.
PLANS = {"enable_seqscan": "off", "jit": "off"}

# How soon PostgreSQL notices that the host at the other end is gone without a word: 25 s, where Linux takes two hours (REL-2).
LOST = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "25000",
}


def is_read_only(raw: Any) -> bool:
    """Whether the session was begun in a read-only spell, or its server is a standby by now; it may stay so for ever.

    PostgreSQL (14) says so by itself whenever it changes: no round trip.
    """
    settings = raw.get_settings()
    return "on" in {getattr(settings, name, "off") for name in ("default_transaction_read_only", "in_hot_standby")}


def refuse_read_only(raw: Any) -> None:
    """Raises what PostgreSQL would say to a write: for sessions that are kept for long and write seldom."""
    if is_read_only(raw):
        raise asyncpg.ReadOnlySQLTransactionError("the session is read-only")


class Connection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types
    """No reset between uses: one round trip less per request; session state is never set, by rule."""

    def get_reset_query(self) -> str:
        return ""


async def prepare(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        format="binary",
        encoder=lambda value: b"\x01" + orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS),
        decoder=lambda raw: orjson.loads(raw[1:]),
    )
    # asyncpg looks every kind of list up, on every connection and for many milliseconds; here all of them at once.
    await connection.prepare("SELECT $1::text[], $2::uuid[], $3::bytea[], $4::timestamptz[], $5::bigint[], $6::int[], $7::bool[]")
