"""What an operator sees and does: money, blocked ranges, conversion, and numbers to vouch for (FRD-8, FRD-12)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from servicekit.db import Conn, Database, Tx
from servicekit.errors import NotFound
from servicekit.keys import Keys
from servicekit.logging import security_event

from notifier.spending.rules import COST_UNIT
from notifier.spending.service import Budgets
from notifier.suppression.rules import fingerprint

from . import metrics, rules, store
from .store import Block, Lasting, Region
from .traffic import HOURS, Traffic

MOST_BLOCKS = 500
KEEP = timedelta(hours=HOURS)


@dataclass(frozen=True)
class Budget:
    """Amounts in the currency of the prices. `whose`: strangers, proven, all (security notices), or a country."""

    application: str
    whose: str
    scope: str
    period: str
    spent: float
    cap: float
    until: datetime


@dataclass(frozen=True)
class Overview:
    budgets: list[Budget]
    blocks: list[Block]
    regions: list[Region]
    lasting: list[Lasting]
    vouched: int


class Watch:
    def __init__(self, db: Database, budgets: Budgets, keys: Keys, traffic: Traffic) -> None:
        self._db = db
        self._traffic = traffic
        self._budgets = budgets
        self._keys = keys

    async def overview(self) -> Overview:
        async with self._db.read() as conn:
            return Overview(
                budgets=await self._read_budgets(conn),
                blocks=await store.open_blocks(conn, MOST_BLOCKS),
                regions=await store.by_region(conn, rules.WINDOW, rules.RIPE_AFTER),
                lasting=await store.lasted(conn, rules.LASTING),
                vouched=await store.count_vouched(conn),
            )

    async def _read_budgets(self, conn: Conn) -> list[Budget]:
        return [
            Budget(
                application=slug,
                whose=part.cap.whose,
                scope=part.cap.scope,
                period=part.cap.period,
                spent=part.amount / COST_UNIT,
                cap=part.cap.most / COST_UNIT,
                until=part.cap.ends_at,
            )
            for slug, spent in (await self._budgets.everything(conn)).items()
            for part in spent
        ]

    async def unblock(self, name: str) -> None:
        """Raises NotFound where it is not blocked."""
        async with self._db.transaction() as tx:
            if not await store.unblock(tx, name):
                raise NotFound
        security_event("sensitive_update", "success", what="range.unblocked", range=name)

    async def vouch(self, number: str) -> None:
        """For one whose range is blocked or that is a stranger's: no range stands in its way. Money caps hold."""
        async with self._db.transaction() as tx:
            for channel in ("sms", "voice"):
                await store.vouch(tx, channel, self._hashed(channel, number))
        security_event("sensitive_update", "success", what="number.vouched")

    async def unvouch(self, number: str) -> None:
        """Raises NotFound."""
        async with self._db.transaction() as tx:
            found = [await store.unvouch(tx, channel, self._hashed(channel, number)) for channel in ("sms", "voice")]
            if not any(found):
                raise NotFound
        security_event("sensitive_update", "success", what="number.unvouched")

    def _hashed(self, channel: str, number: str) -> bytes:
        return fingerprint(self._keys.secret("lookup"), channel, number)  # type: ignore[arg-type] # one of the channels

    async def measure(self) -> None:
        async with self._db.read() as conn:
            hour = conn.now.replace(minute=0, second=0, microsecond=0)
            self._traffic.look(await store.by_hour(conn, hour, HOURS), hour)
            budgets, blocks = await self._budgets.everything(conn), await store.open_blocks(conn, MOST_BLOCKS)
            metrics.show(budgets, await store.by_region(conn, rules.WINDOW, rules.RIPE_AFTER), len(blocks))

    async def purge(self, tx: Tx) -> None:
        await store.purge(tx, tx.now - KEEP)
