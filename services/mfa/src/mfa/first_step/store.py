"""SQL of sign-ins that ask for a factor before anything else."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

from latchkey_contracts.http.common import Channel
from latchkey_contracts.http.factors import Form
from servicekit.db import Conn, Record, Tx

Status: TypeAlias = Literal["waiting", "proven", "ended"]
_COLUMNS = """id, store_id, application, browser, identifier, requested_from, language, match, channel, form, press, account_id, factor_id,
masked, link_ended, status, methods, created_at, expires_at, proven_at"""
# Another press is another message; what was found out of the first holds for all.
_PRESS = f"""
INSERT INTO first_step AS f (id, store_id, application, browser, identifier, requested_from, language, match, channel, form, status,
    created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'waiting', $11, $12)
ON CONFLICT (id) DO UPDATE SET channel = excluded.channel, form = excluded.form, press = f.press + 1, link_ended = false
RETURNING {_COLUMNS}
"""  # noqa: S608 - constant columns
_GET = f"SELECT {_COLUMNS} FROM first_step WHERE id = $1"  # noqa: S608
_LOCK = f"{_GET} FOR UPDATE"
_FOUND = "UPDATE first_step SET account_id = $2, factor_id = $3, masked = $4 WHERE id = $1"
_PROVE = "UPDATE first_step SET status = 'proven', methods = $2, proven_at = $3 WHERE id = $1"
_LINK_ENDED = "UPDATE first_step SET link_ended = true WHERE id = $1"
_END = "UPDATE first_step SET status = 'ended' WHERE id = $1"
_END_ALL = "UPDATE first_step SET status = 'ended' WHERE account_id = $1 AND status = 'waiting' AND created_at <= $2"
_PURGE = "DELETE FROM first_step WHERE expires_at < $1"


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstStep:
    """`id`: the sign-in's. `channel`, `form`: what was asked for last, by its `press`. `account_id`: whose it is, once that was found out;
    `factor_id`: what was sent to, null for an address or number that is no factor.
    """

    id: UUID
    store_id: UUID
    application: str
    browser: bytes | None
    identifier: str
    requested_from: str | None
    language: str
    match: str
    channel: Channel
    form: Form
    press: int = 1
    account_id: UUID | None = None
    factor_id: UUID | None = None
    masked: str | None = None
    link_ended: bool = False
    status: Status = "waiting"
    methods: tuple[str, ...] = ()
    created_at: datetime
    expires_at: datetime
    proven_at: datetime | None = None


def _first_step(row: Record | None) -> FirstStep | None:
    return FirstStep(**{**row, "methods": tuple(row["methods"])}) if row is not None else None


async def press(tx: Tx, one: FirstStep) -> FirstStep:
    """A new one, or another message of one that there is; locked."""
    row = await tx.fetchrow(
        _PRESS, one.id, one.store_id, one.application, one.browser, one.identifier, one.requested_from, one.language, one.match,
        one.channel, one.form, tx.now, one.expires_at,
    )  # fmt: skip
    found = _first_step(row)
    assert found is not None  # noqa: S101 - written
    return found


async def get(conn: Conn, flow_id: UUID) -> FirstStep | None:
    return _first_step(await conn.fetchrow(_GET, flow_id))


async def lock(tx: Tx, flow_id: UUID) -> FirstStep | None:
    return _first_step(await tx.fetchrow(_LOCK, flow_id))


async def found(tx: Tx, flow_id: UUID, account_id: UUID, factor_id: UUID | None, masked: str | None) -> None:
    await tx.execute(_FOUND, flow_id, account_id, factor_id, masked)


async def prove(tx: Tx, flow_id: UUID, methods: list[str]) -> None:
    await tx.execute(_PROVE, flow_id, methods, tx.now)


async def set_link_ended(tx: Tx, flow_id: UUID) -> None:
    await tx.execute(_LINK_ENDED, flow_id)


async def end(tx: Tx, flow_id: UUID) -> None:
    await tx.execute(_END, flow_id)


async def end_all(tx: Tx, account_id: UUID, before: datetime) -> None:
    await tx.execute(_END_ALL, account_id, before)


async def purge(tx: Tx, before: datetime) -> None:
    await tx.execute(_PURGE, before)
