"""Reserves what a message costs, or says which cap is reached; tells each cap once (FRD-3, FRD-12, INV-12)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from latchkey_contracts.configuration import NotificationPolicy
from latchkey_contracts.notifier import SpendCapReached
from servicekit.db import Conn, Tx
from servicekit.errors import NotFound
from servicekit.logging import get_logger
from servicekit.process.configuration import Configuration

from . import store
from .rules import COST_UNIT, Cap, Spent, Whose, caps, health, of_the_reserve, reached

log = get_logger(__name__)


@dataclass(frozen=True)
class Reservation:
    """Of one message; kept by whoever sends it, to give it back where nothing was sent."""

    application: str
    amount: int
    caps: tuple[Cap, ...] = ()


async def reserve(tx: Tx, application: str, wanted: Sequence[Cap], amount: int, *, tell: bool = True) -> Reservation | list[Cap]:
    """Or the caps that it would go beyond: then nothing is reserved."""
    amounts = await store.add(tx, application, _keys(wanted), amount)
    over = list(reached([(found.scope, found.period, found.amount) for found in amounts], wanted))
    if not over:
        return Reservation(application, amount, tuple(wanted))
    await store.take_back(tx, application, _keys(wanted), amount)
    for cap in over if tell else ():
        await _tell(tx, application, cap)
    return over


async def give_back(tx: Tx, reservation: Reservation) -> None:
    """What is known to have sent nothing cost nothing. A crash knows nothing of the kind."""
    if reservation.caps:
        await store.take_back(tx, reservation.application, _keys(reservation.caps), reservation.amount)


async def spent(conn: Conn, application: str, wanted: Sequence[Cap]) -> list[Spent]:
    found = {(part.scope, part.period): part.amount for part in await store.amounts(conn, application, _keys(wanted))}
    return [Spent(cap, found.get((cap.scope, cap.period), 0)) for cap in wanted]


async def _tell(tx: Tx, application: str, cap: Cap) -> None:
    if not await store.first_told(tx, application, _key(cap), cap.whose):
        return
    log.warning("spending.cap_reached", application=application, scope=cap.whose, period=cap.period)
    await tx.emit(
        SpendCapReached(application=application, scope=cap.whose, period=cap.period, cap=cap.most / COST_UNIT, until=cap.ends_at)
    )


def _key(cap: Cap) -> tuple[str, str, datetime]:
    return cap.scope, cap.period, cap.starts_at


def _keys(wanted: Sequence[Cap]) -> list[tuple[str, str, datetime]]:
    return [_key(cap) for cap in wanted]


class Budgets:
    """What is left of the money, for whoever promises a message or watches over it."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration

    async def health(self, conn: Conn, application: str, *, strangers: bool) -> dict[str, str]:
        """ok, delayed or down, by channel that costs money. `strangers`: as it is for who begins an account with a phone."""
        try:
            policy = self._configuration.application(application).notification
        except NotFound:
            return {}
        whose: Whose = "strangers" if strangers and policy.spending.strangers.enabled else "proven"
        found = await spent(conn, application, caps(policy.spending, whose, None, conn.now))
        return {channel: health(found, price) for channel, price in _prices(policy).items()}

    async def everything(self, conn: Conn) -> dict[str, list[Spent]]:
        """By application: every cap for everybody that it is for."""
        found: dict[str, list[Spent]] = {}
        for slug in self._configuration.slugs():
            spending = self._configuration.application(slug).notification.spending
            countries = [None, *spending.countries]
            every = [cap for country in countries for whose in _EVERYBODY for cap in caps(spending, whose, country, conn.now)]
            every += [cap for country in countries for cap in of_the_reserve(spending, country, conn.now)]
            wanted = {(cap.scope, cap.whose, cap.period): cap for cap in every}
            found[slug] = [part for cap in wanted.values() for part in await spent(conn, slug, [cap])]
        return found


_EVERYBODY: tuple[Whose, ...] = ("strangers", "proven", "security")


def _prices(policy: NotificationPolicy) -> dict[str, int]:
    """Of the cheapest message of a channel that is open."""
    channels = {"sms": policy.sms, "voice": policy.voice}
    return {
        name: round(min([channel.price, *channel.prices.values()]) * COST_UNIT)
        for name, channel in channels.items()
        if channel.enabled and channel.countries
    }
