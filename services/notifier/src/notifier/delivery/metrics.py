"""What operators watch (REL-18): what providers answer, how much waits in which lane and how long, who is left alone."""

from collections.abc import Iterable
from datetime import datetime

from latchkey_contracts.notifier import Channel
from latchkey_contracts.templates import LANES
from prometheus_client import Counter, Gauge

from .showing_store import Waiting

ATTEMPTS = Counter(
    "latchkey_message_attempts", "Messages offered to a provider, by what came of it", ["channel", "provider", "outcome"]
)
WAITING = Gauge("latchkey_messages_waiting", "Messages that are due and wait", ["channel", "lane"])
AGE = Gauge("latchkey_messages_oldest_seconds", "How long the oldest due message has waited", ["channel", "lane"])
PROVIDER_UP = Gauge("latchkey_provider_up", "0: this replica leaves the provider alone for now", ["provider"])


def show_waiting(rows: Iterable[Waiting], channels: Iterable[Channel], now: datetime) -> None:
    found = {(row.channel, row.lane): row for row in rows}
    for channel in channels:
        for number, lane in enumerate(LANES):
            row = found.get((channel, number))
            WAITING.labels(channel, lane).set(row.count if row else 0)
            AGE.labels(channel, lane).set((now - row.since).total_seconds() if row else 0)


def show_providers(providers: Iterable[str], troubled: Iterable[str]) -> None:
    left_alone = set(troubled)
    for name in providers:
        PROVIDER_UP.labels(name).set(0 if name in left_alone else 1)
