"""SQL of links and codes. Consuming is `UPDATE ... WHERE used_at IS NULL RETURNING`, so one of many concurrent presses wins."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from servicekit.db import Conn, Record, Tx

from .secret import Code, Issued, Link, LinkState, ToIssue
from .tokens import hash_token

_COLUMNS = """id, purpose, flow_id, subject, tenant, browser, match, link_expires_at, created_at, used_at, superseded_at,
    coalesce(ended_at, link_ended_at) AS ended_at"""
_INSERT = """
WITH issued AS (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::bytea[], $7::bytea[], $8::bytea[], $9::text[],
        $10::timestamptz[], $11::timestamptz[], $12::timestamptz[]) AS one(id, purpose, flow_id, subject, tenant, browser, link_hash,
        code_hash, match, link_expires_at, code_expires_at, superseded_at)
), superseded AS (
    UPDATE one_time_secret AS old SET superseded_at = $13 FROM issued
    WHERE old.flow_id = issued.flow_id AND old.purpose = issued.purpose AND old.used_at IS NULL AND old.superseded_at IS NULL
)
INSERT INTO one_time_secret (id, purpose, flow_id, subject, tenant, browser, link_hash, code_hash, match, link_expires_at, code_expires_at,
    superseded_at, created_at)
SELECT issued.*, $13 FROM issued
"""
_BY_LINK = f"SELECT {_COLUMNS} FROM one_time_secret WHERE link_hash = $1"  # noqa: S608 - constant columns
_USE = """
UPDATE one_time_secret SET used_at = $2
WHERE id = $1 AND used_at IS NULL AND superseded_at IS NULL AND ended_at IS NULL AND ($3 OR link_ended_at IS NULL) RETURNING id
"""
_END_LINK = "UPDATE one_time_secret SET link_ended_at = $2 WHERE id = $1 AND used_at IS NULL AND ended_at IS NULL AND link_ended_at IS NULL"
# All open ones of a person, always in the same order: two presses at once wait for one another and never deadlock.
_LOCK_SUBJECT = (
    "SELECT id FROM one_time_secret WHERE subject = $1 AND used_at IS NULL AND ended_at IS NULL ORDER BY id FOR UPDATE"
)
_LATEST_CODE = """
SELECT id, subject, browser, code_hash, code_expires_at, used_at, ended_at FROM one_time_secret
WHERE flow_id = $1 AND purpose = $2 AND superseded_at IS NULL AND code_hash IS NOT NULL
ORDER BY created_at DESC LIMIT 1
"""
# The row of tries is also the lock of its flow: issuing and trying wait for one another.
_LOCK_FLOW = """
INSERT INTO one_time_tries (flow_id, purpose, wrong, last_at)
SELECT DISTINCT flow_id, purpose, 0, $3::timestamptz FROM unnest($1::uuid[], $2::text[]) AS one(flow_id, purpose) ORDER BY flow_id, purpose
ON CONFLICT (flow_id, purpose) DO UPDATE SET last_at = excluded.last_at
"""
_COUNT_TRY = """
INSERT INTO one_time_tries (flow_id, purpose, wrong, last_at) VALUES ($1, $2, 1, $3)
ON CONFLICT (flow_id, purpose) DO UPDATE SET wrong = one_time_tries.wrong + 1, last_at = excluded.last_at RETURNING wrong
"""
_FORGIVE_TRY = "UPDATE one_time_tries SET wrong = wrong - 1 WHERE flow_id = $1 AND purpose = $2"
_TRIES = "SELECT wrong FROM one_time_tries WHERE flow_id = $1 AND purpose = $2"
_COUNT_WRONG = """
INSERT INTO one_time_wrong AS w (purpose, subject, wrong, last_at) VALUES ($1, $2, 1, $3)
ON CONFLICT (purpose, subject) DO UPDATE SET wrong = w.wrong + 1, last_at = excluded.last_at RETURNING wrong
"""
_GUESSED = """
SELECT purpose, subject FROM one_time_wrong JOIN unnest($1::text[], $2::text[]) AS one(purpose, subject) USING (purpose, subject)
WHERE wrong >= $3
"""
_FORGIVE_WRONG = "DELETE FROM one_time_wrong WHERE subject = $1"
_PURGE_WRONG = """
DELETE FROM one_time_wrong WHERE (purpose, subject) IN
    (SELECT purpose, subject FROM one_time_wrong WHERE last_at < $1 FOR UPDATE SKIP LOCKED)
"""
_END_FLOWS = """
UPDATE one_time_secret SET ended_at = $2
WHERE flow_id = ANY($1::uuid[]) AND used_at IS NULL AND ended_at IS NULL
"""
_END_SUBJECT = """
UPDATE one_time_secret SET ended_at = $2
WHERE subject = $1 AND used_at IS NULL AND ended_at IS NULL AND ($3::text[] IS NULL OR purpose = ANY($3::text[]))
"""
_PURGE = "DELETE FROM one_time_secret WHERE created_at < $1"
# Passes over rows in use: a flow that goes on is not over.
_PURGE_TRIES = """
DELETE FROM one_time_tries WHERE (flow_id, purpose) IN
    (SELECT flow_id, purpose FROM one_time_tries WHERE last_at < $1 FOR UPDATE SKIP LOCKED)
"""
KEEP_WRONG = timedelta(days=30)  # after the last one


async def lock_flows(tx: Tx, several: Sequence[ToIssue]) -> None:
    await tx.execute(_LOCK_FLOW, [one.flow_id for one in several], [one.purpose for one in several], tx.now)


async def insert(tx: Tx, several: Sequence[ToIssue], issued: Sequence[Issued], code_hashes: Sequence[bytes | None]) -> None:
    """Supersedes what their flows had; of several for one flow only the last is alive."""
    last = {(one.flow_id, one.purpose): new.id for one, new in zip(several, issued, strict=True)}
    await tx.execute(
        _INSERT,
        [new.id for new in issued],
        [one.purpose for one in several],
        [one.flow_id for one in several],
        [one.subject for one in several],
        [one.tenant for one in several],
        [one.browser for one in several],
        [hash_token(new.token) if new.token else None for new in issued],
        list(code_hashes),
        [one.match for one in several],
        [new.link_expires_at for new in issued],
        [new.code_expires_at for new in issued],
        [None if last[one.flow_id, one.purpose] == new.id else tx.now for one, new in zip(several, issued, strict=True)],
        tx.now,
    )


async def guessed(conn: Conn, theirs: set[tuple[str, str]], wrong: int) -> set[tuple[str, str]]:
    """Of these (purpose, subject) those with so many wrong codes in a row."""
    rows = await conn.fetch(_GUESSED, [purpose for purpose, _ in theirs], [subject for _, subject in theirs], wrong)
    return {(row["purpose"], row["subject"]) for row in rows}


async def by_link(conn: Conn, token: str) -> Link:
    row = await conn.fetchrow(_BY_LINK, hash_token(token))
    return _link(row, conn.now) if row is not None else Link("malformed")


def _link(row: Record, now: datetime) -> Link:
    state: LinkState = "valid"
    if row["used_at"] is not None:
        state = "used"
    elif row["ended_at"] is not None:
        state = "ended"
    elif row["superseded_at"] is not None:
        state = "superseded"
    elif row["link_expires_at"] <= now:
        state = "expired"
    return Link(
        state,
        id=row["id"],
        purpose=row["purpose"],
        flow_id=row["flow_id"],
        subject=row["subject"],
        tenant=row["tenant"],
        browser=row["browser"],
        match=row["match"],
        created_at=row["created_at"],
        expires_at=row["link_expires_at"],
        used_at=row["used_at"],
        superseded_at=row["superseded_at"],
    )


async def latest_code(conn: Conn, flow_id: UUID, purpose: str) -> Code | None:
    row = await conn.fetchrow(_LATEST_CODE, flow_id, purpose)
    if row is None:
        return None
    return Code(
        row["id"],
        row["subject"],
        row["browser"],
        row["code_hash"],
        row["code_expires_at"],
        used=row["used_at"] is not None,
        ended=row["ended_at"] is not None,
    )


async def lock_subject(tx: Tx, subject: str) -> None:
    await tx.fetch(_LOCK_SUBJECT, subject)


async def use(tx: Tx, secret_id: UUID, *, by_code: bool) -> bool:
    """Once, by its link or by its code: a link may have ended alone."""
    return await tx.fetchrow(_USE, secret_id, tx.now, by_code) is not None


async def count_try(tx: Tx, flow_id: UUID, purpose: str) -> int:
    tried: int = await tx.fetchval(_COUNT_TRY, flow_id, purpose, tx.now)
    return tried


async def forgive_try(tx: Tx, flow_id: UUID, purpose: str) -> None:
    await tx.execute(_FORGIVE_TRY, flow_id, purpose)


async def tries(conn: Conn, flow_id: UUID, purpose: str) -> int:
    return await conn.fetchval(_TRIES, flow_id, purpose) or 0


async def count_wrong(tx: Tx, purpose: str, subject: str) -> int:
    wrong: int = await tx.fetchval(_COUNT_WRONG, purpose, subject, tx.now)
    return wrong


async def forgive_wrong(tx: Tx, subject: str) -> None:
    await tx.execute(_FORGIVE_WRONG, subject)


async def end_link(tx: Tx, secret_id: UUID | None) -> None:
    """The code that went with it lives on."""
    await tx.execute(_END_LINK, secret_id, tx.now)


async def end_flows(tx: Tx, flow_ids: Sequence[UUID]) -> None:
    await tx.execute(_END_FLOWS, list(flow_ids), tx.now)


async def end_subject(tx: Tx, subject: str, purposes: Sequence[str] | None) -> None:
    await tx.execute(_END_SUBJECT, subject, tx.now, list(purposes) if purposes else None)


async def purge(tx: Tx, before: datetime) -> None:
    await tx.execute(_PURGE, before)
    await tx.execute(_PURGE_TRIES, before)
    await tx.execute(_PURGE_WRONG, tx.now - KEEP_WRONG)
