"""How much SMS and voice may cost, and whose money it is (FRD-3, FRD-6, INV-12). Pure functions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from latchkey_contracts.configuration import Spending

COST_UNIT = 10_000  # amounts are kept in 1/10,000 of the currency
Whose = Literal["security", "proven", "strangers"]
# Tenths of every cap that they may fill: what strangers leave is there for customers, and what those leave for security notices.
TENTHS: dict[Whose, int] = {"strangers": 5, "proven": 8, "security": 10}
OF_A_SYSTEM = 5  # tenths of the strangers' money
Period = Literal["hour", "day", "month"]


@dataclass(frozen=True)
class Cap:
    """One amount that counts, and how far it may go for this message. `scope`: which amount; `whose`: for whom it ends there."""

    scope: str
    whose: str
    period: Period
    starts_at: datetime
    ends_at: datetime
    most: int


def caps(spending: Spending, whose: Whose, country: str | None, now: datetime) -> list[Cap]:
    """`country`: the name under which the policy limits it. A notice's part of the month goes on in `of_the_reserve`."""
    spans, who = _spans(now), "all" if whose == "security" else whose
    every: list[tuple[str, str, Period, int, int]] = [
        ("all", who, "hour", _units(spending.per_hour), TENTHS[whose]),
        ("all", who, "day", _units(spending.per_day), TENTHS[whose]),
        ("all", who, "month", _month(spending), min(TENTHS[whose], TENTHS["proven"])),
    ]
    if whose == "strangers":
        every += [
            ("strangers", who, "hour", _units(spending.strangers.per_hour), 10),
            ("strangers", who, "day", _units(spending.strangers.per_day), 10),
        ]
    if country is not None:
        every.append((f"country:{country}", f"country:{country}", "day", _units(spending.countries[country]), TENTHS[whose]))
    return [Cap(scope, told, period, *spans[period], amount * tenths // 10) for scope, told, period, amount, tenths in every]


def of_a_system(spending: Spending, asn: int, now: datetime) -> list[Cap]:
    """For strangers whose requests come from one autonomous system: half of all strangers' money, so that neither a hoster nor the largest
    carrier alone takes it from everybody else (FRD-4).
    """
    scope, spans = f"asn:{asn}", _spans(now)
    amounts: list[tuple[Period, float]] = [("hour", spending.strangers.per_hour), ("day", spending.strangers.per_day)]
    return [Cap(scope, scope, period, *spans[period], _units(amount) * OF_A_SYSTEM // 10) for period, amount in amounts]


def of_the_reserve(spending: Spending, country: str | None, now: datetime) -> list[Cap]:
    """For a security notice beyond what `caps` lets it have of the month: of the two tenths that are left to notices alone as many as
    days have begun, so that none waits longer than until tomorrow. With what `caps` lets them have it is the month's cap.
    """
    begins, ends = _spans(now)["month"]
    tomorrow, days = _spans(now)["day"][1], (ends - begins).days
    most = _month(spending) * (10 - TENTHS["proven"]) // 10 * (tomorrow - begins).days // days
    month = Cap("notices", "notices", "month", begins, tomorrow, most)
    return [*(cap for cap in caps(spending, "security", country, now) if cap.period != "month"), month]


def worst_case(spending: Spending, whose: Whose, begins: datetime, ends: datetime) -> int:
    """The most that may be spent within: the sum of the caps of all hours and days that it touches, whichever is less."""
    found: dict[str, int] = {}
    for period in ("hour", "day"):
        total, at = dict[str, int](), begins
        while at < ends:
            touched = [cap for cap in caps(spending, whose, None, at) if cap.period == period]
            for cap in touched:
                total[cap.scope] = total.get(cap.scope, 0) + cap.most
            at = touched[0].ends_at
        for scope, amount in total.items():
            found[scope] = min(amount, found.get(scope, amount))
    return min(found.values())


def _units(amount: float) -> int:
    return round(amount * COST_UNIT)


def _month(spending: Spending) -> int:
    return _units(spending.per_month if spending.per_month is not None else spending.per_day * 31)


def _spans(now: datetime) -> dict[Period, tuple[datetime, datetime]]:
    hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    day = hour.replace(hour=0)
    month = day.replace(day=1)
    return {
        "hour": (hour, hour + timedelta(hours=1)),
        "day": (day, day + timedelta(days=1)),
        "month": (month, (month + timedelta(days=32)).replace(day=1)),
    }


@dataclass(frozen=True)
class Spent:
    """A cap and what is spent of it."""

    cap: Cap
    amount: int


def health(spent: Sequence[Spent], price: int) -> Literal["ok", "delayed", "down"]:
    """Whether one more message of that price still goes: said before one is promised. `delayed`: four fifths are spent."""
    if any(part.amount + price > part.cap.most for part in spent):
        return "down"
    return "delayed" if any(part.amount * 5 >= part.cap.most * 4 for part in spent) else "ok"


def reached(rows: Sequence[tuple[str, str, int]], wanted: Sequence[Cap]) -> Iterator[Cap]:
    """Those of the caps that these amounts (scope, period, amount) go beyond."""
    amounts = {(scope, period): amount for scope, period, amount in rows}
    yield from (cap for cap in wanted if amounts[cap.scope, cap.period] > cap.most)
