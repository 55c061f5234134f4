"""Kill switches: an operator stops a channel, a country or an application, and within a second nothing of it leaves (FRD-11).

What waits is held, so that nothing is lost, and goes when the switch is on again or ends when its time is over; switched off
with `drop`, it is suppressed instead. Where Kafka or identity is away the switch works all the same: it is a row here.
"""

from dataclasses import dataclass

from latchkey_contracts.notifier import Channel
from servicekit.db import Conn, Database
from servicekit.errors import NotFound
from servicekit.logging import security_event

from . import store
from .store import Switch


@dataclass(frozen=True)
class Off:
    drop: bool


class Switches:
    """In memory, loaded once a second by every replica."""

    def __init__(self) -> None:
        self._switches: list[Switch] = []

    async def load(self, conn: Conn) -> None:
        self._switches = await store.everything(conn)

    def whole(self, channel: Channel) -> bool:
        """Whether nothing of the channel may leave at all."""
        return any(switch.channel == channel and not switch.country and not switch.application for switch in self._switches)

    def check(self, channel: Channel, country: str | None, application: str) -> Off | None:
        found = [
            switch
            for switch in self._switches
            if switch.channel == channel and switch.country in {"", country} and switch.application in {"", application}
        ]
        return Off(drop=any(switch.drop for switch in found)) if found else None

    def dropping(self) -> list[tuple[Channel, str]]:
        """(channel, application or '') whose waiting messages are to go; a country is known only when one is taken up."""
        return [(switch.channel, switch.application) for switch in self._switches if switch.drop and not switch.country]


class Switchboard:
    """What an operator does."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def off(self, channel: Channel, country: str, application: str, *, drop: bool) -> list[Switch]:
        async with self._db.transaction() as tx:
            await store.off(tx, channel, country, application, drop=drop)
            found = await store.everything(tx)
        self._tell("channel.off", channel, country, application)
        return found

    async def on(self, channel: Channel, country: str, application: str) -> list[Switch]:
        """Raises NotFound where nothing like that is off."""
        async with self._db.transaction() as tx:
            if not await store.on(tx, channel, country, application):
                raise NotFound
            found = await store.everything(tx)
        self._tell("channel.on", channel, country, application)
        return found

    async def everything(self) -> list[Switch]:
        async with self._db.read() as conn:
            return await store.everything(conn)

    @staticmethod
    def _tell(what: str, channel: Channel, country: str, application: str) -> None:
        security_event("sensitive_update", "success", what=what, channel=channel, country=country, application=application)
