"""One message on its way: looked at, handed to the first provider that is there, and its outcome written down (REL-7)."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias
from uuid import UUID

from latchkey_contracts.templates import TEMPLATES
from servicekit.context import Trace, use_trace
from servicekit.db import Database, Tx
from servicekit.events.together import Together
from servicekit.failpoints import failpoint
from servicekit.logging import get_logger
from servicekit.numbers import Land

from notifier.channels.base import Message, Provider, Refused, Transient, Unknown
from notifier.channels.chain import Chain
from notifier.fraud.service import LATER, Case, Fraud, Verdict
from notifier.spending import service as spending
from notifier.spending.service import Reservation

from . import ending_store, metrics, rules, store
from .asking import Asking
from .outcomes import Outcomes, tell_end
from .preparing import Over, Preparing, Ready, Waits

NOBODY_KNOWS = "nobody can say whether the provider took it"
NO_PROVIDER = "no provider is there"
COALESCED = "coalesced"
log = get_logger(__name__)
Submitted: TypeAlias = tuple[bool, str | None]  # moved, why the address is left alone


@dataclass(eq=False)
class _NotMoved(Exception):
    """Undoes what was counted and reserved."""

    blocked: str | None


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
        fraud: Fraud,
        origin: str,
        concurrency: int,
        lease_seconds: float,
    ) -> None:
        self._db = db
        self._fraud = fraud
        self._preparing = preparing
        self._outcomes = outcomes
        self._chain = chain
        self._lease = timedelta(seconds=lease_seconds)
        self._ask = Asking(db, origin, self._lease)
        # A provider sees so many of ours at a time; what is read before and written after doesn't take up its place.
        self._slots = {channel: asyncio.Semaphore(concurrency) for channel in chain.channels()}
        self._submit = Together(self._submit_free)

    async def send(self, row: store.StoredMessage, lease: UUID) -> None:
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

    async def broken(self, row: store.StoredMessage, lease: UUID) -> None:
        """Something is wrong with us: it waits, and is looked at again when that is mended."""
        await self._outcomes.again(row, lease, "could not be sent")

    def _may_try(self, row: store.StoredMessage) -> bool:
        """Twice at most. After a crash in the middle: an e-mail under its Message-ID, and security notices (REL-7); as often as
        needed what its provider knows by key. Any other SMS or call is asked for again by who misses it.
        """
        if row.state != "submitting":
            return bool(row.attempts < rules.MAX_ATTEMPTS)
        provider = self._chain.get(row.provider or "")
        if provider is not None and provider.keyed:
            return True
        repeatable = row.lane == 0 or (provider is not None and provider.repeatable)
        return repeatable and row.attempts < rules.MAX_ATTEMPTS

    def _providers(self, ready: Ready) -> list[Provider]:
        wanted = getattr(ready.resolved.notification, ready.channel).providers
        providers = self._chain.order(ready.channel, wanted)
        if not providers:  # the policy names none that this notifier has
            raise Over("suppressed", "no_provider", ready.content)
        if ready.row.state == "submitting":  # only the one that may have it knows whether it has
            return [provider for provider in providers if provider.name == ready.row.provider] or providers
        return providers

    async def _hand_over(self, ready: Ready, providers: list[Provider]) -> None:
        """To the first that is there. Once somebody may have it, a second one at most (FRD-10)."""
        asked, reason, attempts = False, NO_PROVIDER, ready.row.attempts
        for provider in providers:
            async with self._slots[ready.channel]:
                # Looked at only now: who waited here for a place need not find out again that nobody is there (E15).
                breaker = self._chain.breaker(provider)
                if (ready.content.hushed and not breaker.is_closed) or not breaker.begin():  # what is hushed probes nobody
                    continue
                asked = True
                outcome = await self._attempt(ready, provider, hurry=self._others(providers, provider))
            if outcome is None:
                return
            if isinstance(outcome, Taken):
                await self._outcomes.handed_over((ready, provider.name, outcome.provider_id))
                return
            reason, attempts = str(outcome), attempts + outcome.counted
            unknown = isinstance(outcome, Unknown)
            last = provider is providers[-1] and not provider.repeatable and ready.row.lane > 0
            if attempts >= rules.MAX_ATTEMPTS or (unknown and last):
                raise Over("failed", NOBODY_KNOWS if unknown else reason, ready.content)
        await self._outcomes.again(ready.row, ready.lease, reason, no_try=not asked)

    def _others(self, providers: list[Provider], provider: Provider) -> bool:
        """Whether another one would take it, so that this one needn't be waited for (E15)."""
        behind = providers[providers.index(provider) + 1 :]
        return any(self._chain.breaker(other).may_send() for other in behind)

    async def _attempt(self, ready: Ready, provider: Provider, *, hurry: bool) -> Taken | Transient | Unknown | None:
        """What the provider has made of it. None: the lease was lost. Raises Over where it is refused or must not go."""
        breaker, reserved = self._chain.breaker(provider), None
        try:
            message = self._written(ready, provider)
            if (reserved := await self._submitting(ready, provider)) is None:
                breaker.undecided()
                return None
            failpoint("before_provider")
            provider_id = await self._ask(ready, provider, message, hurry=hurry)
        except Refused as error:
            breaker.succeeded()  # it answers; it just won't take this one
            self._count(ready, provider, "refused")
            await self._not_sent(ready, reserved)
            if error.opted_out:
                await self._outcomes.opted_out(ready)
            raise Over("failed", str(error), ready.content) from None
        except (Transient, Unknown) as error:
            breaker.judge(there=not error.down, at_once=error.at_once)
            self._count(ready, provider, "unknown" if error.counted else "not_taken")
            if not error.counted:
                await self._not_sent(ready, reserved)
            return error
        except (Over, Waits):
            breaker.undecided()
            await self._not_sent(ready, reserved)
            raise
        except BaseException:
            breaker.undecided()
            raise
        failpoint("after_provider_accept")
        if ready.content.hushed:
            breaker.undecided()
            self._count(ready, provider, "hushed")
        else:
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

    async def _submitting(self, ready: Ready, provider: Provider) -> Reservation | None:
        """From here on it may have gone out, and has cost money. None: the lease was lost. Raises Over or Waits: it must not go."""
        asked = store.Submission(
            id=ready.row.id,
            lease=ready.lease,
            leased_until=self._db.clock.now() + self._lease,  # anew for each provider that is asked
            provider=provider.name,
            channel=ready.channel,
            recipient=ready.recipient,
            masked=rules.masked(ready.channel, ready.message.to),
            essential=TEMPLATES[ready.row.template].essential,
            segments=ready.units,
            cost=ready.cost,
        )
        if ready.land is not None:
            return await self._submit_paid(ready, ready.land, asked)
        moved, blocked = await self._submit(asked)
        if blocked is not None:
            raise Over("suppressed", blocked, ready.content)
        return Reservation(ready.row.application, 0) if moved else None

    async def _submit_free(self, asked: Sequence[store.Submission]) -> list[Submitted]:
        """Several in one transaction."""
        async with self._db.transaction() as tx:
            found = await store.submitting(tx, asked)
        return [found[submission.id] for submission in asked]

    async def _submit_paid(self, ready: Ready, land: Land, asked: store.Submission) -> Reservation | None:
        """With what it costs, both or neither. What a refusal has found out of ranges and caps stays."""
        try:
            async with self._db.transaction() as tx:
                verdict = await self._fraud.admit(tx, _case(ready, land))
                if verdict.reason is None:
                    moved, blocked = (await store.submitting(tx, [asked]))[asked.id]
                    if not moved:
                        raise _NotMoved(blocked)
                elif verdict.reason == LATER:
                    verdict = await self._coalesce(tx, ready, verdict)
        except _NotMoved as undone:
            if undone.blocked is None:
                return None
            raise Over("suppressed", undone.blocked, ready.content) from None
        failpoint("after_reserve")
        if verdict.due is not None:
            raise Waits(verdict.reason or LATER, verdict.due - self._db.clock.now())
        if verdict.reason is not None:
            raise Over("suppressed", verdict.reason, ready.content)
        return verdict.reservation

    async def _coalesce(self, tx: Tx, ready: Ready, verdict: Verdict) -> Verdict:
        """Of notices of one kind that wait for one number the newest stands for all: its text says the same, and every link lives."""
        if await ending_store.has_newer(tx, ready.row, ready.recipient):
            return Verdict(COALESCED)
        for row in await ending_store.coalesce(tx, ready.row, ready.recipient, COALESCED):
            with use_trace(Trace(**row.trace)):
                await tell_end(tx, row, "suppressed", COALESCED)
        return verdict

    async def _not_sent(self, ready: Ready, reserved: Reservation | None) -> None:
        """It is known to have sent nothing, so it was no attempt and cost nothing. A crash knows nothing of the kind (FRD-3)."""
        if reserved is None:
            return
        async with self._db.transaction() as tx:
            if await store.not_sent(tx, ready.row.id, ready.lease, ready.cost) and ready.land is not None:
                await spending.give_back(tx, reserved)
                await self._fraud.not_sent(tx, ready.row.id)


def _case(ready: Ready, land: Land) -> Case:
    row = ready.row
    return Case(
        message_id=row.id,
        account_id=row.account_id,
        flow_id=row.flow_id,
        application=row.application,
        template=row.template,
        lane=row.lane,
        channel=ready.channel,
        number=ready.message.to,
        land=land,
        recipient=ready.recipient,
        proven_at=ready.content.proven_at,
        known=ready.content.known,
        cost=ready.cost,
        policy=ready.resolved.notification,
        asn=ready.content.asked.asn if ready.content.asked is not None else None,
    )
