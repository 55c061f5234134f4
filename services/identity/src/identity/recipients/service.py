"""How often one recipient is written to: spacing per purpose, caps for registration, reset and reminder together (D18, REG-9).

An account that has several addresses has the same limits over all of them (E1, THR-1). A number has limits of its own beside them, over all purposes and stores: text messages cost money, and calls wake people up
(D19, FRD-4, FRD-7).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from latchkey_contracts.http.common import Channel
from servicekit.configuration import Resolved
from servicekit.db import Conn, Tx
from servicekit.throttle import Decision, Limit, Throttle

NUMBER_LIMITS: Mapping[Channel, Sequence[Limit]] = {
    "sms": (Limit(3, 600), Limit(5, 3600), Limit(10, 86400)),
    "voice": (Limit(2, 3600),),
}


@dataclass(frozen=True)
class Message:
    """What one is for and whom it goes to: `canonical` is the address or number as identity compares it. `account_id`: whose it is
    alone; none where others may share it, or where there is no account yet.
    """

    app: Resolved
    purpose: str
    canonical: str
    channel: Channel
    account_id: UUID | None = None


class Recipients:
    def __init__(self, throttle: Throttle) -> None:
        self._throttle = throttle

    async def turn(self, tx: Tx, app: Resolved, purpose: str, canonical: str, channel: Channel) -> datetime | None:
        """When a message may leave: now (then it is counted), later by the spacing, or not at all by a cap."""
        return (await self.turns(tx, [Message(app, purpose, canonical, channel)]))[0]

    async def turns(self, tx: Tx, messages: Sequence[Message]) -> list[datetime | None]:
        """The same for several, in their order."""
        wanted = [[*self._all(one), *self._account(one)] for one in messages]
        turns: list[datetime | None] = []
        for one, decision in zip(messages, await self._throttle.take_several(tx, wanted), strict=True):
            turn: datetime | None = tx.now
            if not decision.allowed:
                # The counters are locked by now, so nobody can use up a cap before this look.
                caps = await self._throttle.peek(tx, [*self._caps(one), *self._account(one)[1:]])
                turn = decision.available_at if caps.allowed else None
            turns.append(turn)
        return turns

    async def take(self, tx: Tx, app: Resolved, purpose: str, canonical: str, channel: Channel) -> Decision:
        return await self._throttle.take(tx, self._all(Message(app, purpose, canonical, channel)))

    async def peek(self, conn: Conn, app: Resolved, purpose: str, canonical: str, channel: Channel) -> Decision:
        return await self._throttle.peek(conn, self._all(Message(app, purpose, canonical, channel)))

    async def is_free(self, conn: Conn, canonical: str, channel: Channel) -> bool:
        """Whether the limits of a number leave room for one more; an address has none."""
        return (await self._throttle.peek(conn, self._number(canonical, channel))).allowed

    def _all(self, one: Message) -> list[tuple[bytes, Sequence[Limit]]]:
        return [self._spacing(one, one.canonical), *self._caps(one)]

    def _caps(self, one: Message) -> list[tuple[bytes, Sequence[Limit]]]:
        return [self._cap(one, "recipient", one.canonical), *self._number(one.canonical, one.channel)]

    def _account(self, one: Message) -> list[tuple[bytes, Sequence[Limit]]]:
        account = str(one.account_id)
        return [self._spacing(one, account), self._cap(one, "account", account)] if one.account_id is not None else []

    def _spacing(self, one: Message, whose: str) -> tuple[bytes, Sequence[Limit]]:
        key = self._throttle.key("spacing", one.purpose, str(one.app.store.id), whose)
        return key, [Limit(1, one.app.policy.resend.spacing.total_seconds())]

    def _cap(self, one: Message, of: str, whose: str) -> tuple[bytes, Sequence[Limit]]:
        resend = one.app.policy.resend
        return self._throttle.key(of, str(one.app.store.id), whose), [Limit(resend.per_hour, 3600), Limit(resend.per_day, 86400)]

    def _number(self, canonical: str, channel: Channel) -> list[tuple[bytes, Sequence[Limit]]]:
        limits = NUMBER_LIMITS.get(channel)
        return [(self._throttle.key("number", channel, canonical), limits)] if limits is not None else []
