"""SQL of decisions, and of where sign-ins of the last day came from."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from servicekit.db import Conn, Tx

_COLUMNS = "flow_id, kind, account_id, application, policy, decision, reasons, rules, decided_at"
_PUT = """
INSERT INTO access_decision (flow_id, kind, account_id, application, policy, decision, reasons, rules, decided_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (flow_id) DO UPDATE SET policy = excluded.policy, decision = excluded.decision, reasons = excluded.reasons,
    rules = excluded.rules, decided_at = excluded.decided_at
"""
_GET = f"SELECT {_COLUMNS} FROM access_decision WHERE flow_id = $1"  # noqa: S608 - constant columns
_PURGE = "DELETE FROM access_decision WHERE decided_at < $1"
_SEEN = """
INSERT INTO sign_in_place (flow_id, account_id, latitude, longitude, seen_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING
"""
_ARRIVED = "UPDATE sign_in_place SET arrived_at = $2 WHERE flow_id = $1 AND arrived_at IS NULL"
_LAST = """
SELECT latitude, longitude, arrived_at FROM sign_in_place
WHERE account_id = $1 AND arrived_at > $2 AND flow_id <> $3 ORDER BY arrived_at DESC LIMIT 1
"""
_PURGE_PLACES = "DELETE FROM sign_in_place WHERE seen_at < $1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """`rules`: each that was looked at, with its effect and which of its conditions didn't hold."""

    flow_id: UUID
    kind: str
    account_id: UUID
    application: str
    policy: str
    decision: str
    reasons: Sequence[str]
    rules: Sequence[dict[str, Any]]
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class Arrived:
    latitude: float
    longitude: float
    arrived_at: datetime


async def put(tx: Tx, one: Decision) -> None:
    """The newest of a flow counts."""
    await tx.execute(
        _PUT, one.flow_id, one.kind, one.account_id, one.application, one.policy, one.decision, list(one.reasons), list(one.rules),
        one.decided_at,
    )  # fmt: skip


async def get(conn: Conn, flow_id: UUID) -> Decision | None:
    return await conn.row(Decision, _GET, flow_id)


async def purge(tx: Tx, decided_before: datetime, seen_before: datetime) -> None:
    await tx.execute(_PURGE, decided_before)
    await tx.execute(_PURGE_PLACES, seen_before)


async def seen(tx: Tx, flow_id: UUID, account_id: UUID, latitude: float, longitude: float) -> None:
    await tx.execute(_SEEN, flow_id, account_id, latitude, longitude, tx.now)


async def arrived(tx: Tx, flow_id: UUID) -> None:
    await tx.execute(_ARRIVED, flow_id, tx.now)


async def last(conn: Conn, account_id: UUID, flow_id: UUID, after: datetime) -> Arrived | None:
    """Of another flow."""
    return await conn.row(Arrived, _LAST, account_id, after, flow_id)
