"""Wrong passwords of one person are slowed down: growing, never for good (BRF-1, BRF-3, THR-2).

Counted by the name that was typed, whether it exists or not. A browser in which somebody has signed in to that account before
has a count of its own, so no stranger who guesses keeps the owner out of it: from the hundredth wrong one in a row on strangers have one try
an hour, and nothing changes there.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from servicekit.db import Database, Tx
from servicekit.errors import TooManyRequests
from servicekit.logging import security_event
from servicekit.process.configuration import Resolved
from servicekit.throttle import Limit, Throttle
from servicekit.web.caller import Caller

from identity.accounts.rules import candidates

# Sliding windows: the sixth wrong password within 30 s of the first of five waits, and so on up to an hour.
FAILURES: Sequence[Limit] = (Limit(5, 30), Limit(10, 300), Limit(20, 3600))
# In a row, as far as they are kept; a right one forgets them.
RUN, KEPT = 100, timedelta(days=7)
STRANGERS: Sequence[Limit] = (*FAILURES, Limit(1, 3600, after=RUN, kept=KEPT.total_seconds()))
# Its owner is told once of such a run.
TOLD = (Limit(1, KEPT.total_seconds()),)


@dataclass(frozen=True, slots=True)
class Count:
    """Under which key a try is counted, and how many there may be."""

    key: bytes
    limits: Sequence[Limit] = FAILURES


class Slowdown:
    """Each method that counts or forgets wants one of the keys that `at_sign_in` and `signed_in` make."""

    def __init__(self, throttle: Throttle) -> None:
        self._throttle = throttle

    def at_sign_in(self, app: Resolved, typed: str, account_id: UUID | None, caller: Caller) -> Count:
        device = caller.known_device(account_id)
        if device is not None:
            return Count(self._of_device(account_id, device))
        known = candidates(typed, app.store)
        return Count(self._of_name(app.store.id, known[0][1] if known else typed.casefold()), STRANGERS)

    def signed_in(self, account_id: UUID) -> Count:
        return Count(self._throttle.key("current_password", str(account_id)))

    async def take(self, db: Database, count: Count) -> None:
        """Counts a try before its password is looked at: of many at once no more are looked at than one after the other (INV-13).
        Raises TooManyRequests while the next try has to wait. Whoever is right forgets it.
        """
        # Between the count and its taking back, where it is refused, another may be refused, too: that is no harm here.
        async with db.single() as tx:
            decision = await self._throttle.take(tx, [(count.key, count.limits)])
        if not decision.allowed:
            security_event("excess_rate_limit_exceeded", "fail", limit="password")
            raise TooManyRequests(decision.retry_after_seconds)

    async def forget(self, tx: Tx, count: Count) -> int:
        """After a right one, which was counted, too. Answers how many wrong ones there were within the hour."""
        return max(await self._throttle.forget(tx, [count.key]) - 1, 0)

    async def forget_all(self, tx: Tx, store_id: UUID, account_id: UUID, identifiers: Iterable[str], caller: Caller) -> None:
        """After a new password was set by a reset: its owner has tried the old one long enough. `identifiers`: canonical."""
        device = caller.known_device(account_id)
        own = [self._of_device(account_id, device)] if device is not None else []
        names = [self._of_name(store_id, one) for one in identifiers]
        await self._throttle.forget(tx, [*names, *own, self.signed_in(account_id).key])

    async def is_news(self, tx: Tx, store_id: UUID, account_id: UUID, identifiers: Iterable[str]) -> bool:
        """Whether strangers have a run of wrong ones for it that its owner wasn't told of. `identifiers`: canonical."""
        if await self._throttle.most(tx, [self._of_name(store_id, one) for one in identifiers]) < RUN:
            return False
        return (await self._throttle.take(tx, [(self._throttle.key("password_guessed", str(account_id)), TOLD)])).allowed

    def _of_name(self, store_id: UUID, canonical: str) -> bytes:
        return self._throttle.key("password", str(store_id), canonical)

    def _of_device(self, account_id: UUID | None, device: str) -> bytes:
        return self._throttle.key("password", str(account_id), "device", device)
