"""Sends what is due: leased, by lane, tried again, never after its time, and told at every step (REL-7, REL-9, EVT-9, INV-17)."""

import asyncio
import itertools
from collections import Counter
from datetime import timedelta
from uuid import UUID, uuid4

from latchkey_contracts.notifier import Channel
from latchkey_contracts.templates import LANES
from servicekit.context import Trace, use_trace
from servicekit.db import Contention, Database, DatabaseUnavailable, Tx
from servicekit.events.wakeups import Pace, Wakeups, wait
from servicekit.logging import get_logger

from notifier.channels import store as channel_store
from notifier.channels.chain import Chain
from notifier.fraud.watch import Watch
from notifier.spending import store as spending
from notifier.spending.service import Budgets
from notifier.suppression import store as suppression
from notifier.switches.service import Switches

from . import ending_store, metrics, rules, showing_store, store
from .outcomes import Outcomes, tell_end
from .preparing import EXPIRED
from .sending import Sending
from .states import Ended

BATCH = 200  # of what is over while it waits
TROUBLE_FOR = timedelta(seconds=30)  # a replica that says nothing for so long is gone, and what it said with it
TOGETHER_SECONDS = 0.02  # what becomes due within this is taken up together
MEASURE_EVERY = 10  # rounds
DELAYED_AFTER = timedelta(seconds=10)
log = get_logger(__name__)


class Delivery:
    """One per process; any number of processes share the table."""

    def __init__(
        self,
        *,
        db: Database,
        wakeups: Wakeups,
        sending: Sending,
        outcomes: Outcomes,
        chain: Chain,
        switches: Switches,
        budgets: Budgets,
        watch: Watch,
        concurrency: int,
        lease_seconds: float,
        keep_days: int,
        poll_seconds: float,
    ) -> None:
        self._db = db
        self._woken = wakeups.waiter("delivery")
        self._wakeups = wakeups
        self._sending = sending
        self._outcomes = outcomes
        self._chain = chain
        self._switches = switches
        self._budgets = budgets
        self._watch = watch
        self._room = 2 * concurrency  # half of them with the providers, the others with the database
        self._lease_seconds = lease_seconds
        self._keep = timedelta(days=keep_days)
        self._poll = poll_seconds
        self._pace = Pace(TOGETHER_SECONDS)
        self._replica = uuid4()
        self._reported = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._in_flight: dict[Channel, Counter[int]] = {channel: Counter() for channel in chain.channels()}

    async def run(self) -> None:
        """Until cancelled; what is on its way to a provider then is finished first (REL-11)."""
        await self._load_switches()
        self._wakeups.handled_here("delivery", True)
        housekeeping = asyncio.create_task(self._keep_house())
        try:
            while True:
                await self._pace.keep()
                try:
                    taken = await self._take_up()
                except (*DatabaseUnavailable, *Contention) as error:
                    log.warning("delivery.paused", error=type(error).__name__)
                    taken = 0
                if not taken:
                    await wait(self._woken, self._poll)
        finally:
            self._wakeups.handled_here("delivery", False)
            housekeeping.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=10)
            await self._chain.close()

    async def _load_switches(self) -> None:
        """Before the first message is taken up: what an operator has switched off stays so over a restart (FRD-11)."""
        while True:
            try:
                async with self._db.read() as conn:
                    await self._switches.load(conn)
                return
            except (*DatabaseUnavailable, *Contention) as error:
                log.warning("delivery.paused", error=type(error).__name__)
                await asyncio.sleep(self._poll)

    def _rooms(self) -> list[tuple[str, int, int, int]]:
        """How many may be taken up now, by channel and lane, and of the whole channel. A pool for each channel: a slow one holds
        up no other.
        """
        rooms: list[tuple[str, int, int, int]] = []
        for channel, in_flight in self._in_flight.items():
            most = 0 if self._switches.whole(channel) else self._chain.room(channel, self._room)
            room = min(most, self._room - in_flight.total())
            if most == 1 and in_flight.total():  # one probes already
                room = 0
            if room > 0:
                lanes = rules.lane_rooms(room, self._room, in_flight)
                rooms += [(channel, lane, count, room) for lane, count in enumerate(lanes) if count]
        return rooms

    async def _take_up(self) -> int:
        rooms = self._rooms()
        if not rooms and self._tasks:
            await asyncio.wait(self._tasks, timeout=self._poll, return_when=asyncio.FIRST_COMPLETED)
            return 1
        lease = uuid4()
        async with self._db.transaction() as tx:
            rows = await store.claim(tx, lease, self._lease_seconds, rooms, self._room)
        for row in sorted(rows, key=lambda row: row.lane):
            in_flight = self._in_flight.setdefault(row.channel, Counter())
            in_flight[row.lane] += 1
            task = asyncio.create_task(self._guarded(row, lease))
            self._tasks.add(task)
            task.add_done_callback(lambda done, row=row: self._done(done, row))  # type: ignore[misc]
        return len(rows)

    def _done(self, task: "asyncio.Task[None]", row: store.StoredMessage) -> None:
        self._tasks.discard(task)
        self._in_flight[row.channel][row.lane] -= 1
        self._woken.set()

    async def _guarded(self, row: store.StoredMessage, lease: UUID) -> None:
        with use_trace(Trace(**row.trace)):
            try:
                await self._sending.send(row, lease)
            except (*DatabaseUnavailable, *Contention) as error:
                # The lease runs out, and the message is taken up again by whoever has a database.
                log.warning("delivery.database_unavailable", message_id=str(row.id), error=type(error).__name__)
            except Exception:
                log.exception("delivery.failed", message_id=str(row.id), template=row.template)
                await self._sending.broken(row, lease)

    # --- once a second -----------------------------------------------------------------------------------------------

    async def _keep_house(self) -> None:
        for count in itertools.count():
            try:
                await self.keep_house()
                if count % MEASURE_EVERY == 0:
                    await self.measure()
            except (*DatabaseUnavailable, *Contention) as error:
                log.warning("delivery.house", error=type(error).__name__)
            except Exception:
                log.exception("delivery.house_failed")
            await asyncio.sleep(self._poll)

    async def keep_house(self) -> None:
        """Switches, what is over, what got no receipt, and which providers are left alone."""
        async with self._db.read() as conn:
            await self._switches.load(conn)
            over, unheard = await ending_store.is_any_over(conn), await store.is_any_unheard(conn)
        while over and await self._drop_expired() == BATCH:
            pass
        for channel, application in self._switches.dropping():
            while await self._drop_switched_off(channel, application) == BATCH:
                pass
        while unheard and await self._miss_receipts() == BATCH:
            pass
        await self._report_trouble()
        self._woken.set()  # a breaker may be half open by now, a switch on

    async def measure(self) -> None:
        async with self._db.read() as conn:
            rows = await showing_store.waiting(conn)
        metrics.show_waiting(rows, self._chain.channels(), conn.now)
        await self._watch.measure()

    async def _report_trouble(self) -> None:
        """For `channels()` of every replica; nothing to write while all is well."""
        troubled = sorted(self._chain.troubled())
        metrics.show_providers(self._chain.names(), troubled)
        if troubled or self._reported:
            async with self._db.transaction() as tx:
                await channel_store.report_trouble(tx, self._replica, troubled)
            self._reported = bool(troubled)

    async def _drop_expired(self) -> int:
        async with self._db.transaction() as tx:
            return await self._tell(tx, await ending_store.expire(tx, EXPIRED, BATCH), "expired", EXPIRED)

    async def _drop_switched_off(self, channel: Channel, application: str) -> int:
        async with self._db.transaction() as tx:
            rows = await ending_store.drop(tx, channel, application, "channel_off", BATCH)
            return await self._tell(tx, rows, "suppressed", "channel_off")

    @staticmethod
    async def _tell(tx: Tx, rows: list[store.Head], state: Ended, reason: str) -> int:
        for row in rows:
            with use_trace(Trace(**row.trace)):
                await tell_end(tx, row, state, reason)
        return len(rows)

    async def _miss_receipts(self) -> int:
        """No word came of what was handed over: it goes another way while its code lives (E15)."""
        async with self._db.transaction() as tx:
            rows = await store.watched(tx, BATCH)
            for row in rows:
                with use_trace(Trace(**row.trace)):
                    await self._outcomes.missed(tx, row)
            return len(rows)

    # --- asked by others ---------------------------------------------------------------------------------------------

    async def channels(self, application: str = "", *, strangers: bool = False) -> dict[str, str]:
        """ok, delayed or down, for every channel that has a provider, and by what the application's money leaves for strangers or for
        customers (FRD-12); depends on nobody's identifier (docs/openapi.json).
        """
        async with self._db.read() as conn:
            oldest = await showing_store.oldest_waiting(conn)
            troubled = await channel_store.troubled(conn, conn.now - TROUBLE_FOR)
            await self._switches.load(conn)
            money = await self._budgets.health(conn, application, strangers=strangers)
        states: dict[str, str] = {}
        for channel in sorted(self._chain.channels()):
            left = money.get(channel, "ok")
            if self._switches.whole(channel) or self._chain.is_down(channel, troubled) or left == "down":
                states[channel] = "down"
            else:
                waiting = conn.now - oldest[channel] if channel in oldest else timedelta()
                states[channel] = "delayed" if waiting > DELAYED_AFTER else left
        return states

    async def purge(self) -> None:
        async with self._db.transaction() as tx:
            await store.purge(tx, tx.now - self._keep)
            await channel_store.purge(tx, tx.now - self._keep)
            await suppression.purge(tx)
            await spending.purge(tx)
            await self._watch.purge(tx)


assert len(LANES) == 5  # noqa: S101 - migration 0003 names them by number
