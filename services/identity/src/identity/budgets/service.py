"""How often one recipient is written to: spacing per purpose, caps for registration, reset and reminder together (D18, REG-9).

What a customer can see of it depends on what was typed alone, in whatever form and to whomever it belongs (ENU-1): a registration's
limits count every registration, reset and reminder that named the address, whether or not anything left. Recovery, of which nobody sees
anything, keeps to the messages that reached the address, whatever was typed. A registration whose mailbox is full by messages that others
have asked for by username goes its way like any other, and no provider is given it (`is_full`, docs/decisions/0011).

An account that has several addresses has the same limits over all of them (E1, THR-1). A number has limits of its own beside them, over all purposes and stores: text messages cost money, and calls wake people up
(D19, FRD-4, FRD-7).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from latchkey_contracts.http.common import Channel
from servicekit.db import Conn, Tx
from servicekit.process.configuration import Resolved
from servicekit.throttle import Decision, Limit, Throttle

from .rules import Named, Room

Keyed: TypeAlias = Sequence[tuple[bytes, Sequence[Limit]]]

NUMBER_LIMITS: Mapping[Channel, Sequence[Limit]] = {
    "sms": (Limit(3, 600), Limit(5, 3600), Limit(10, 86400)),
    "voice": (Limit(2, 3600),),
}


# Counts what refuses nobody.
COUNTED = Limit(1_000_000, 86400)


@dataclass(frozen=True)
class Message:
    """What one is for and whom it goes to: `canonical` is the address or number as identity compares it. `account_id`: whose it is
    alone; none where others may share it, or where there is no account yet. `named`: what was typed for it, and is counted. `restarted`:
    asked for by whoever held a valid link to that very address, so its caps are of its own: a stranger has not used them up. The spacing
    is everybody's. `alone`: its purpose has caps of its own, beside those that registration, reset and reminder share.
    """

    app: Resolved
    purpose: str
    canonical: str
    channel: Channel
    account_id: UUID | None = None
    named: Named | None = None
    restarted: bool = False
    alone: bool = False


class Budgets:
    def __init__(self, throttle: Throttle) -> None:
        self._throttle = throttle

    async def turn(
        self,
        tx: Tx,
        app: Resolved,
        purpose: str,
        canonical: str,
        channel: Channel,
        *,
        restarted: bool = False,
        alone: bool = False,
    ) -> datetime | None:
        """When the message of a flow that named its recipient may leave: now, later by the spacing, or not at all by a cap. It is
        counted for then.
        """
        one = Message(app, purpose, canonical, channel, restarted=restarted, alone=alone)
        wanted = self._all(one)
        if (await self._throttle.take(tx, wanted)).allowed:
            return tx.now
        # It has its place among those to this recipient, so that whoever asks again is told when there is room behind it.
        if not (await self._throttle.peek(tx, self._caps(one))).allowed:
            return None
        return (await self._throttle.reserve(tx, wanted)).available_at

    async def is_full(self, conn: Conn, app: Resolved, canonical: str, *, restarted: bool = False) -> bool:
        """Whether a mailbox has had more than its share with the message that was counted last, whatever was typed for the others
        (REG-9). Nobody may be told of it: it shows which address belongs to a username (ENU-3).
        """
        resend = app.policy.resend
        above = [Limit(resend.per_hour + 1, 3600), Limit(resend.per_day + 1, 86400)]
        one = Message(app, "", canonical, "email", restarted=restarted)
        return not (await self._throttle.peek(conn, [self._reached(one, above)])).allowed

    async def turns(self, tx: Tx, messages: Sequence[Message]) -> list[datetime | None]:
        """The same for recovery's, in their order; what was typed is counted before (`count`)."""
        wanted = []
        for message in messages:
            number = self._number(message.canonical, message.channel)
            spacings, caps = (
                [self._spacing(message, message.canonical)],
                [self._reached(message, self._limits(message.app)), *number],
            )
            if message.account_id is not None:
                account = str(message.account_id)
                spacings.append(self._spacing(message, account))
                caps.append(self._cap(message.app, "account", account, restarted=message.restarted))
            wanted.append((spacings, caps))
        return await self._turns(tx, wanted)

    async def _turns(self, tx: Tx, wanted: Sequence[tuple[Keyed, Keyed]]) -> list[datetime | None]:
        """`wanted`: spacings, and caps."""
        turns: list[datetime | None] = []
        decisions = await self._throttle.take_several(tx, [[*spacings, *caps] for spacings, caps in wanted])
        for (_, caps), decision in zip(wanted, decisions, strict=True):
            turn: datetime | None = tx.now
            if not decision.allowed:
                # The counters are locked by now, so nobody can use up a cap before this look.
                turn = decision.available_at if (await self._throttle.peek(tx, caps)).allowed else None
            turns.append(turn)
        return turns

    async def count(self, tx: Tx, several: Sequence[Named | None]) -> list[Room]:
        """What was typed, known or not, alike: by nothing else (ENU-1). None: nothing is counted, and there is room."""
        wanted: list[tuple[int, str, Keyed]] = []
        for place, one in enumerate(several):
            if one is not None:
                wanted.append((place, "any", [self._cap(one.app, "recipient", one.canonical)]))
                if one.texted:
                    wanted.append((place, "text", self._named(one.canonical, "sms")))
        rooms = [Room() for _ in several]
        for (place, what, _), found in zip(
            wanted, await self._throttle.take_several(tx, [one[2] for one in wanted]), strict=True
        ):
            if not found.allowed:
                rooms[place] = replace(rooms[place], **{what: False})
        return rooms

    async def take(
        self,
        tx: Tx,
        app: Resolved,
        purpose: str,
        canonical: str,
        channel: Channel,
        *,
        restarted: bool = False,
        alone: bool = False,
    ) -> Decision:
        one = Message(app, purpose, canonical, channel, restarted=restarted, alone=alone)
        return await self._throttle.take(tx, self._all(one))

    async def peek(
        self,
        conn: Conn,
        app: Resolved,
        purpose: str,
        canonical: str,
        channel: Channel,
        *,
        restarted: bool = False,
        alone: bool = False,
    ) -> Decision:
        one = Message(app, purpose, canonical, channel, restarted=restarted, alone=alone)
        return await self._throttle.peek(conn, self._all(one))

    async def is_free(self, conn: Conn, canonical: str, channel: Channel) -> bool:
        """Whether the limits of a number leave room for one more; an address has none."""
        return (await self._throttle.peek(conn, self._number(canonical, channel))).allowed

    def _all(self, one: Message) -> list[tuple[bytes, Sequence[Limit]]]:
        number = [(key, (COUNTED,)) for key, _ in self._number(one.canonical, one.channel)]
        reached = [] if one.alone else [self._reached(one, (COUNTED,))]
        return [self._spacing(one, one.canonical), *self._caps(one), *reached, *number]

    def _caps(self, one: Message) -> list[tuple[bytes, Sequence[Limit]]]:
        return [
            self._cap(one.app, one.purpose if one.alone else "recipient", one.canonical, restarted=one.restarted),
            *self._named(one.canonical, one.channel),
        ]

    def _reached(self, one: Message, limits: Sequence[Limit]) -> tuple[bytes, Sequence[Limit]]:
        """Messages that left for this address, whatever was typed for them."""
        own = ("restarted",) if one.restarted else ()
        return self._throttle.key("reached", *own, str(one.app.store.id), one.canonical), limits

    def _spacing(self, one: Message, whose: str) -> tuple[bytes, Sequence[Limit]]:
        key = self._throttle.key("spacing", one.purpose, str(one.app.store.id), whose)
        return key, [Limit(1, one.app.policy.resend.spacing.total_seconds())]

    def _cap(self, app: Resolved, of: str, whose: str, *, restarted: bool = False) -> tuple[bytes, Sequence[Limit]]:
        own = ("restarted",) if restarted else ()
        return self._throttle.key(of, *own, str(app.store.id), whose), self._limits(app)

    @staticmethod
    def _limits(app: Resolved) -> Sequence[Limit]:
        resend = app.policy.resend
        return [Limit(resend.per_hour, 3600), Limit(resend.per_day, 86400)]

    def _number(self, canonical: str, channel: Channel, *what: str) -> list[tuple[bytes, Sequence[Limit]]]:
        """What was sent to it, whatever was typed."""
        limits = NUMBER_LIMITS.get(channel)
        return [(self._throttle.key("number", *what, channel, canonical), limits)] if limits is not None else []

    def _named(self, canonical: str, channel: Channel) -> list[tuple[bytes, Sequence[Limit]]]:
        """What was asked for by that very number, by which alone a registration is judged."""
        return self._number(canonical, channel, "named")
