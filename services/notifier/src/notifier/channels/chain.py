"""The providers of each channel, in order: the first that is there takes the message (E15)."""

from collections.abc import Iterable, Iterator, Sequence

from latchkey_contracts.notifier import Channel
from servicekit.clock import Clock

from .base import Provider
from .breaker import Breaker


class Chain:
    """One per process; every provider has its breaker."""

    def __init__(self, providers: Sequence[Provider], clock: Clock) -> None:
        self._providers = {provider.name: provider for provider in providers}
        self._breakers = {provider.name: Breaker(clock) for provider in providers}

    def channels(self) -> set[Channel]:
        """Those that have a provider."""
        return {channel for provider in self._providers.values() for channel in provider.channels}

    def names(self) -> list[str]:
        return list(self._providers)

    def get(self, name: str) -> Provider | None:
        return self._providers.get(name)

    def order(self, channel: Channel, wanted: Sequence[str] = ()) -> list[Provider]:
        """As the policy names them; those that this notifier doesn't have are passed over. None named: all, as configured."""
        able = [provider for provider in self._providers.values() if channel in provider.channels]
        return [provider for name in wanted for provider in able if provider.name == name] if wanted else able

    def breaker(self, provider: Provider) -> Breaker:
        return self._breakers[provider.name]

    def room(self, channel: Channel, most: int) -> int:
        """How many messages of a channel may be taken up: all while a provider is well, one to probe with, or none."""
        breakers = [self._breakers[provider.name] for provider in self.order(channel)]
        if any(breaker.is_closed for breaker in breakers):
            return most
        return 1 if any(breaker.may_send() for breaker in breakers) else 0

    def troubled(self) -> Iterator[str]:
        """Names of providers that are left alone now."""
        return (name for name, breaker in self._breakers.items() if not breaker.is_closed)

    def is_down(self, channel: Channel, troubled: Iterable[str]) -> bool:
        """Whether every provider of the channel is among the troubled."""
        known = set(troubled)
        return all(provider.name in known for provider in self.order(channel))

    async def close(self) -> None:
        for provider in self._providers.values():
            await provider.close()
