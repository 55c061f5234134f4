"""One message on its way: looked at, handed to the first provider that is there, and its outcome written down (REL-7)."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID

from latchkey_contracts.templates import TEMPLATES
from servicekit.db import Database, Record
from servicekit.failpoints import failpoint
from servicekit.together import Together

from notifier.channels.base import Message, Provider, Refused, Transient, Unknown
from notifier.channels.chain import Chain
from notifier.spending import store as spending

from . import metrics, rules, store
from .outcomes import Outcomes
from .preparing import EXPIRED, Over, Preparing, Ready, Waits

NOBODY_KNOWS = "nobody can say whether the provider took it"
NO_PROVIDER = "no provider is there"
Submitted: TypeAlias = tuple[bool, str | None, datetime]  # moved, why it must not go, when


class _OverCap(Exception):
    """Undoes the reservation."""


@dataclass(frozen=True)
class Taken:
    """The provider said yes. `provider_id`: its own name of the message."""

    provider_id: str | None


class Sending:
    def __init__(
        self,
        *,
        db: Database,
        preparing: Preparing,
        outcomes: Outcomes,
        chain: Chain,
        origin: str,
        concurrency: int,
        lease_seconds: float,
    ) -> None:
        self._db = db
        self._preparing = preparing
        self._outcomes = outcomes
        self._chain = chain
        self._origin = origin
        self._lease = timedelta(seconds=lease_seconds)
        # A provider sees so many of ours at a time; what is read before and written after doesn't take up its place.
        self._slots = {channel: asyncio.Semaphore(concurrency) for channel in chain.channels()}
        self._submit = Together(self._submit_free)

    async def send(self, row: Record, lease: UUID) -> None:
        """A claimed message until it is over, or waits again."""
        try:
            ready = self._preparing.prepare(row, lease)
            if not self._may_try(row):
                raise Over("failed", NOBODY_KNOWS)
            await self._hand_over(ready, self._providers(ready))
        except Over as end:
            await self._outcomes.over(row, lease, end)
        except Waits as wait:
            await self._outcomes.again(row, lease, wait.reason, no_try=True, due=wait.due)

    async def broken(self, row: Record, lease: UUID) -> None:
        """Something is wrong with us: it waits, and is looked at again when that is mended."""
        await self._outcomes.again(row, lease, "could not be sent")

    def _may_try(self, row: Record) -> bool:
        """Twice at most. After a crash in the middle: an e-mail under its Message-ID, and security notices (REL-7); as often as
        needed what its provider knows by key. Any other SMS or call is asked for again by who misses it.
        """
        if row["state"] != "submitting":
            return bool(row["attempts"] < rules.MAX_ATTEMPTS)
        provider = self._chain.get(row["provider"] or "")
        if provider is not None and provider.keyed:
            return True
        repeatable = row["lane"] == 0 or (provider is not None and provider.repeatable)
        return repeatable and row["attempts"] < rules.MAX_ATTEMPTS

    def _providers(self, ready: Ready) -> list[Provider]:
        wanted = getattr(ready.resolved.notification, ready.channel).providers
        providers = self._chain.order(ready.channel, wanted)
        if not providers:  # the policy names none that this notifier has
            raise Over("suppressed", "no_provider", ready.content)
        if ready.row["state"] == "submitting":  # only the one that may have it knows whether it has
            return [one for one in providers if one.name == ready.row["provider"]] or providers
        return providers

    async def _hand_over(self, ready: Ready, providers: list[Provider]) -> None:
        """To the first that is there. Once somebody may have it, a second one at most (FRD-10)."""
        asked, reason, attempts = False, NO_PROVIDER, ready.row["attempts"]
        for provider in providers:
            async with self._slots[ready.channel]:
                # Looked at only now: who waited here for a place need not find out again that nobody is there (E15).
                if not self._chain.breaker(provider).begin():
                    continue
                asked = True
                outcome = await self._attempt(ready, provider)
            if outcome is None:
                return
            if isinstance(outcome, Taken):
                await self._outcomes.handed_over((ready, provider.name, outcome.provider_id))
                return
            reason, attempts = str(outcome), attempts + outcome.counted
            unknown = isinstance(outcome, Unknown)
            last = provider is providers[-1] and not provider.repeatable and ready.row["lane"] > 0
            if attempts >= rules.MAX_ATTEMPTS or (unknown and last):
                raise Over("failed", NOBODY_KNOWS if unknown else reason, ready.content)
        await self._outcomes.again(ready.row, ready.lease, reason, no_try=not asked)

    async def _attempt(self, ready: Ready, provider: Provider) -> Taken | Transient | Unknown | None:
        """What the provider has made of it. None: the lease was lost. Raises Over where it is refused or must not go."""
        breaker, reserved_at = self._chain.breaker(provider), None
        try:
            message = self._written(ready, provider)
            if (reserved_at := await self._submitting(ready, provider)) is None:
                breaker.undecided()
                return None
            failpoint("before_provider")
            provider_id = await self._ask(ready, provider, message)
        except Refused as error:
            breaker.succeeded()  # it answers; it just won't take this one
            self._count(ready, provider, "refused")
            await self._not_sent(ready, reserved_at)
            if error.opted_out:
                await self._outcomes.opted_out(ready)
            raise Over("failed", str(error), ready.content) from None
        except (Transient, Unknown) as error:
            breaker.judge(there=not error.down)
            self._count(ready, provider, "unknown" if error.counted else "not_taken")
            if not error.counted:
                await self._not_sent(ready, reserved_at)
            return error
        except Over:
            breaker.undecided()
            await self._not_sent(ready, reserved_at)
            raise
        except BaseException:
            breaker.undecided()
            raise
        failpoint("after_provider_accept")
        breaker.succeeded()
        self._count(ready, provider, "taken")
        return Taken(provider_id)

    @staticmethod
    def _count(ready: Ready, provider: Provider, outcome: str) -> None:
        metrics.ATTEMPTS.labels(ready.channel, provider.name, outcome).inc()

    @staticmethod
    def _written(ready: Ready, provider: Provider) -> Message:
        """Before the row says that the provider may have it: what can't be written was never sent. Raises Over."""
        try:
            return provider.written(ready.message)
        except Refused as error:
            raise Over("failed", str(error), ready.content) from None

    async def _ask(self, ready: Ready, provider: Provider, message: Message) -> str | None:
        left = (ready.row["expires_at"] - self._db.clock.now()).total_seconds()
        if left <= 0:  # the last look before it leaves (EVT-9)
            raise Over("expired", EXPIRED)
        url = f"{self._origin}/v1/callbacks/{provider.name}?message={ready.row['id']}"
        return await provider.send(message, callback_url=url, expires_in=left)

    async def _submitting(self, ready: Ready, provider: Provider) -> datetime | None:
        """From here on it may have gone out, and has cost money. None: the lease was lost. Raises Over: it must not go."""
        asked = store.Submission(
            id=ready.row["id"],
            lease=ready.lease,
            leased_until=self._db.clock.now() + self._lease,  # anew for each provider that is asked
            provider=provider.name,
            channel=ready.channel,
            recipient=ready.recipient,
            masked=rules.masked(ready.channel, ready.message.to),
            essential=TEMPLATES[ready.row["template"]].essential,
            segments=ready.units,
            cost=ready.cost,
        )
        moved, blocked, at = await (self._submit_paid(ready, asked) if ready.cost else self._submit(asked))
        if blocked is not None:
            raise Over("suppressed", blocked, ready.content)
        return at if moved else None

    async def _submit_free(self, asked: Sequence[store.Submission]) -> list[Submitted]:
        """Several in one transaction."""
        async with self._db.transaction() as tx:
            found = await store.submitting(tx, asked)
        return [(*found[one.id], tx.now) for one in asked]

    async def _submit_paid(self, ready: Ready, asked: store.Submission) -> Submitted:
        """With what it costs, both or neither."""
        spent = ready.resolved.notification.spending
        per_hour, per_day = (round(cap * rules.COST_UNIT) for cap in (spent.per_hour, spent.per_day))
        try:
            async with self._db.transaction() as tx:
                moved, blocked = (await store.submitting(tx, [asked]))[asked.id]
                if moved and not await spending.reserve(
                    tx, ready.row["application"], asked.cost, per_hour=per_hour, per_day=per_day
                ):
                    raise _OverCap
        except _OverCap:
            return False, rules.SPENT, tx.now
        return moved, blocked, tx.now

    async def _not_sent(self, ready: Ready, reserved_at: datetime | None) -> None:
        """It is known to have sent nothing, so it was no attempt and cost nothing. A crash knows nothing of the kind (FRD-3)."""
        if reserved_at is None:
            return
        async with self._db.transaction() as tx:
            if await store.not_sent(tx, ready.row["id"], ready.lease, ready.cost) and ready.cost:
                await spending.give_back(tx, ready.row["application"], ready.cost, reserved_at)
