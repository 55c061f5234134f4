"""Against guesses that are spread over many people: each stays within everybody's own five, and some hit (OTP-6).

All tries of a purpose are counted, over all replicas. When many are wrong, and most are, an event says so, and new codes are
longer until it has been calm for an hour. Tries are written down every few seconds; a crash loses those since, of everybody
together. What one person's flow allows is counted in the try's own transaction (`proof`).
"""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

from latchkey_contracts.event import CodeGuessing
from prometheus_client import Counter as Metric
from prometheus_client import Gauge

from servicekit.db import Contention, Database, DatabaseUnavailable, Tx
from servicekit.logging import get_logger, security_event
from servicekit.proof import LONG_CODE, CodeOutcome

WINDOW = timedelta(minutes=10)
# So many guesses at six digits hit once in 2,000 such windows. People mistype: by far less than every second code.
LEAST_WRONG, WRONG_SHARE = 500, 0.5
CALM = timedelta(hours=1)
KEEP = timedelta(days=1)
LOOK_SECONDS = 5.0
log = get_logger(__name__)

TRIES = Metric("latchkey_code_tries", "Codes that were typed", ["purpose", "outcome"])
ALARM = Gauge("latchkey_code_guessing", "1: codes of this purpose are being guessed, new ones are longer", ["purpose"])

_ADD = """
INSERT INTO code_tries AS t (purpose, minute, correct, wrong) VALUES ($1, $2, $3, $4)
ON CONFLICT (purpose, minute) DO UPDATE SET correct = t.correct + excluded.correct, wrong = t.wrong + excluded.wrong
"""
_SUM = """
SELECT coalesce(sum(correct), 0)::int AS correct, coalesce(sum(wrong), 0)::int AS wrong FROM code_tries WHERE purpose = $1 AND minute > $2
"""
_UNTIL = "SELECT until FROM code_alarm WHERE purpose = $1"
# One of several replicas that see it raises it; the others wait for its row here and find it raised.
_HOLD = """
INSERT INTO code_alarm (purpose, until) VALUES ($1, $2) ON CONFLICT (purpose) DO UPDATE SET until = code_alarm.until RETURNING until
"""
_RAISE = "UPDATE code_alarm SET until = $2 WHERE purpose = $1"
_PURGE = "DELETE FROM code_tries WHERE purpose = $1 AND minute < $2"


class Guesses:
    """One per purpose and process. `event` is the publishing service's own class of it."""

    def __init__(self, db: Database, purpose: str, event: type[CodeGuessing]) -> None:
        self._db = db
        self._purpose = purpose
        self._event = event
        self._counted: Counter[bool] = Counter()
        self._until = datetime.min.replace(tzinfo=UTC)

    def count(self, outcome: CodeOutcome) -> None:
        """A right code is no guess, even if it came too late."""
        TRIES.labels(self._purpose, outcome).inc()
        self._counted[outcome in {"wrong", "burned"}] += 1

    def code_length(self, usual: int) -> int:
        """Digits of the next code."""
        return max(usual, LONG_CODE) if self._until > self._db.clock.now() else usual

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.look()
            except (*DatabaseUnavailable, *Contention) as error:
                log.warning("guessing.paused", error=type(error).__name__)
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Writes down what was counted here and learns what all replicas have seen."""
        counted, self._counted = self._counted, Counter()
        try:
            # Most often there is nothing to write down, and a look is no transaction.
            async with self._db.transaction() if counted else self._db.single() as tx:
                if counted:
                    await tx.execute(_ADD, self._purpose, tx.now.replace(second=0, microsecond=0), counted[False], counted[True])
                until = await tx.fetchval(_UNTIL, self._purpose)
                if counted[True]:
                    until = await self._judge(tx) or until
        except BaseException:
            self._counted.update(counted)
            raise
        self._until = until or self._until
        ALARM.labels(self._purpose).set(self._until > self._db.clock.now())

    async def _judge(self, tx: Tx) -> datetime | None:
        await tx.execute(_PURGE, self._purpose, tx.now - KEEP)
        found = await tx.fetchrow(_SUM, self._purpose, tx.now - WINDOW)
        if found is None or found["wrong"] < LEAST_WRONG or found["wrong"] < WRONG_SHARE * (found["wrong"] + found["correct"]):
            return None
        before, until = await tx.fetchval(_HOLD, self._purpose, tx.now), tx.now + CALM
        await tx.execute(_RAISE, self._purpose, until)
        if before <= tx.now:
            security_event("excess_rate_limit_exceeded", "fail", limit="population", purpose=self._purpose, wrong=found["wrong"])
            await tx.emit(
                self._event(
                    purpose=self._purpose,
                    wrong=found["wrong"],
                    correct=found["correct"],
                    window_seconds=int(WINDOW.total_seconds()),
                    code_length=LONG_CODE,
                    until=until,
                )
            )
        return until
