"""SQL of challenges."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

from latchkey_contracts.http.common import Channel
from latchkey_contracts.http.factors import Form
from latchkey_contracts.http.step_up import StepUpAction
from servicekit.db import Conn, Record, Tx

Kind: TypeAlias = Literal["sign_in", "step_up"]
Status: TypeAlias = Literal["waiting", "proven", "ended"]
_COLUMNS = """id, kind, account_id, store_id, application, browser, session_id, requested_from, language, match, action, about, factor_id, channel, form, masked, link_ended, digits,
status, methods, created_at, expires_at, proven_at"""
_INSERT = """
INSERT INTO challenge (id, kind, account_id, store_id, application, browser, session_id, requested_from, language, match,
    action, about, status, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 'waiting', $13, $14) ON CONFLICT (id) DO NOTHING RETURNING id
"""
_GET = f"SELECT {_COLUMNS} FROM challenge WHERE id = $1"  # noqa: S608 - constant columns
_LOCK = f"{_GET} FOR UPDATE"
_PROVE = "UPDATE challenge SET status = 'proven', methods = $2, proven_at = $3 WHERE id = $1"
_SENT = "UPDATE challenge SET factor_id = $2, channel = $3, form = $4, masked = $5, digits = $6, link_ended = false WHERE id = $1"
_LINK_ENDED = "UPDATE challenge SET link_ended = true WHERE id = $1"
_END = "UPDATE challenge SET status = 'ended' WHERE id = $1"
_END_ALL = "UPDATE challenge SET status = 'ended' WHERE account_id = $1 AND status = 'waiting' AND created_at <= $2"
_LOOK = "SELECT true"
_PURGE = "DELETE FROM challenge WHERE expires_at < $1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """`id`: the flow's. `browser`: which asked, of a sign-in; `session_id`: of a step-up. `factor_id`, `channel`, `form`: what
    was sent last. `methods`: what was proven (RFC 8176).
    """

    id: UUID
    kind: Kind
    account_id: UUID
    store_id: UUID
    application: str
    browser: bytes | None
    session_id: UUID | None
    requested_from: str | None
    language: str
    match: str
    action: StepUpAction | None = None  # of a step-up
    about: str | None = None  # its new value, masked
    factor_id: UUID | None = None
    channel: Channel | None = None
    form: Form | None = None
    masked: str | None = None
    digits: int | None = None  # of the code that was sent last
    link_ended: bool = False
    status: Status = "waiting"
    methods: tuple[str, ...] = ()
    created_at: datetime
    expires_at: datetime
    proven_at: datetime | None = None


def _challenge(row: Record | None) -> Challenge | None:
    return Challenge(**{**row, "methods": tuple(row["methods"])}) if row is not None else None


async def insert(tx: Tx, one: Challenge) -> bool:
    """False: this flow has one already."""
    return (
        await tx.fetchval(
            _INSERT, one.id, one.kind, one.account_id, one.store_id, one.application, one.browser, one.session_id, one.requested_from,
            one.language, one.match, one.action, one.about, tx.now, one.expires_at,
        )
        is not None
    )  # fmt: skip


async def get(conn: Conn, flow_id: UUID) -> Challenge | None:
    return _challenge(await conn.fetchrow(_GET, flow_id))


async def lock(tx: Tx, flow_id: UUID) -> Challenge | None:
    return _challenge(await tx.fetchrow(_LOCK, flow_id))


async def prove(tx: Tx, flow_id: UUID, methods: list[str]) -> None:
    await tx.execute(_PROVE, flow_id, methods, tx.now)


async def sent(
    tx: Tx, flow_id: UUID, factor_id: UUID, channel: Channel, form: Form, masked: str | None, digits: int | None
) -> None:
    await tx.execute(_SENT, flow_id, factor_id, channel, form, masked, digits)


async def set_link_ended(tx: Tx, flow_id: UUID) -> None:
    await tx.execute(_LINK_ENDED, flow_id)


async def end(tx: Tx, flow_id: UUID) -> None:
    await tx.execute(_END, flow_id)


async def end_all(tx: Tx, account_id: UUID, before: datetime) -> None:
    """Whatever waits for a factor of this person since before that."""
    await tx.execute(_END_ALL, account_id, before)


async def look(conn: Conn) -> None:
    """Whether the database answers."""
    await conn.fetchval(_LOOK)


async def purge(tx: Tx, before: datetime) -> None:
    await tx.execute(_PURGE, before)
