"""What operators watch of messages that cost money (FRD-12)."""

from collections.abc import Iterable, Mapping, Sequence

from prometheus_client import Counter, Gauge

from notifier.spending.rules import Spent

from .store import Region

REFUSED = Counter(
    "latchkey_paid_messages_refused",
    "SMS and calls held back by limits and caps, by reason and effect",
    ["channel", "reason", "effect"],
)
BLOCKED = Counter("latchkey_ranges_blocked", "Ranges of numbers blocked since their codes are not used, by kind", ["kind"])
SPENT = Counter(
    "latchkey_spent", "Reserved for SMS and calls, in the currency of the prices; what sent nothing is not taken off",
    ["application", "channel", "whose"],
)  # fmt: skip
BUDGET = Gauge("latchkey_budget_used_ratio", "Share of a cap that is spent", ["application", "whose", "scope", "period"])
USED = Gauge("latchkey_codes_used_ratio", "Codes to numbers that were not proven: share that was used within a day", ["region"])
SIGMAS = Gauge(
    "latchkey_region_hour_sigmas", "Codes to strangers of this hour: standard deviations above the region's mean", ["region"]
)
OPEN_BLOCKS = Gauge("latchkey_ranges_blocked_now", "Ranges that are blocked at the moment")


def show(budgets: Mapping[str, Sequence[Spent]], regions: Iterable[Region], blocks: int) -> None:
    for application, spent in budgets.items():
        for part in spent:
            ratio = part.amount / part.cap.most if part.cap.most else 1.0
            BUDGET.labels(application, part.cap.whose, part.cap.scope, part.cap.period).set(ratio)
    for region in regions:
        USED.labels(region.region).set(region.used / region.sent)
    OPEN_BLOCKS.set(blocks)
