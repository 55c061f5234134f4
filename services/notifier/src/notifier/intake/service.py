"""From an event to a message that waits: one row, its content still sealed."""

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from latchkey_contracts.event import AccountEvent
from latchkey_contracts.notifier import Channel, MessageQueued
from latchkey_contracts.sealed import Sealed
from latchkey_contracts.templates import CHOSEN, LANES, TEMPLATES, in_turn
from servicekit.context import current_trace
from servicekit.db import Tx

from notifier.channels.chain import Chain
from notifier.delivery import ending_store, rules, showing_store, store
from notifier.delivery.outcomes import head, tell_end
from notifier.preferences import store as preferences

COUNT_EVERY = timedelta(seconds=0.2)
OVERLOADED, SUPERSEDED, UNWANTED = "overloaded", "superseded", "unwanted"
_NAMESPACE = UUID("6f0f6a51-8f1e-4f6d-9f43-2f2b7a0c9d11")


def message_id(event: AccountEvent, template: str, channel: str, number: int = 0) -> UUID:
    """The same for every replay of the event (REL-7). `number`: which of several recipients of one event."""
    name = f"{event.meta.source}/{event.meta.id}/{template}/{channel}"
    return uuid5(_NAMESPACE, f"{name}/{number}" if number else name)


class Intake:
    """`code_limit`: codes of one channel that may wait at a time; `least`: that may in any case, where nothing is known of how
    fast they leave. One that would wait longer than its reader does is better told as not sent, and asked for again (REL-9).
    """

    def __init__(self, chain: Chain, code_limit: int, least: int) -> None:
        self._chain = chain
        self._code_limit = code_limit
        self._least = least
        self._counted: dict[Channel, Counted] = {}

    @property
    def sends_paid(self) -> bool:
        """Whether there is any provider of SMS or calls; without one nothing is learnt of numbers."""
        return bool({"sms", "voice"} & self._chain.channels())

    async def queue(
        self,
        tx: Tx,
        event: AccountEvent,
        *,
        template: str,
        sealed: Sealed,
        language: str,
        application: str,
        contact: Sealed | None = None,
        number: int = 0,
        channel: Channel = "email",
    ) -> None:
        """Once, however often the event comes. `contact`: whom to reach, where the asker doesn't know it (docs/architecture.md)."""
        expires_at = min(sealed.expires_at, contact.expires_at) if contact else sealed.expires_at
        new = store.New(
            id=message_id(event, template, channel, number),
            account_id=event.account_id,
            flow_id=getattr(event, "flow_id", None),
            application=application,
            language=language,
            template=template,
            channel=channel,
            lane=LANES.index(TEMPLATES[template].lane),
            # A code's own life, not what is left of it: a late event is as short as it was.
            short=expires_at - event.meta.time <= rules.SHORT,
            sealed=sealed.model_dump(mode="json"),
            contact=contact.model_dump(mode="json") if contact else None,
            trace=asdict(current_trace()),
            caused_at=event.meta.time,
            expires_at=expires_at,
        )
        await self._insert(tx, new)

    async def _insert(self, tx: Tx, new: store.New) -> None:
        """And tells that it waits, or why it never will, unless both was done before."""
        found = await store.insert(tx, replace(new, suppressed=await self._not_now(tx, new)))
        if found is None:
            return
        if found.has_older:
            # Its links and codes are dead from now on (D16); its end is told before this one's beginning.
            before = new.caused_at - timedelta(microseconds=1)
            await self._end(tx, new.account_id, in_turn(new.template), before, new.flow_id)
        if found.state == "suppressed":
            await tell_end(tx, found, "suppressed", found.reason or "")
        else:
            await tx.emit(MessageQueued(**head(found), at=tx.now))
            tx.signal("delivery")

    async def no_longer_of_use(self, tx: Tx, event: AccountEvent, template: str, *, flow_id: UUID | None = None) -> None:
        """What the link or code was for has happened, or can't happen any more: none leaves by any way after this (LNK-7, E15).
        `flow_id`: in this flow alone.
        """
        await self._end(tx, event.account_id, in_turn(template), event.meta.time, flow_id)

    @staticmethod
    async def _end(tx: Tx, account_id: UUID, templates: list[str], caused_until: datetime, flow_id: UUID | None) -> None:
        for row in await ending_store.of_no_use(tx, account_id, templates, caused_until, reason=SUPERSEDED, flow_id=flow_id):
            await tell_end(tx, row, "suppressed", SUPERSEDED)

    async def _not_now(self, tx: Tx, new: store.New) -> str | None:
        """Why it is told as suppressed at once and never waits."""
        if new.channel not in self._chain.channels():
            return "no_provider"
        kind = TEMPLATES[new.template].kind
        if kind in CHOSEN and await preferences.unwanted(tx, new.account_id, kind, new.channel):
            return UNWANTED
        return OVERLOADED if new.short and await self._too_many(tx, new.channel) else None

    async def _too_many(self, tx: Tx, channel: Channel) -> bool:
        """Whether a code would come too late: more wait already than leave while their readers do. While the provider is away
        nothing leaves, and codes wait for it as long as they live, up to a bound.
        """
        counted = self._counted.get(channel)
        if counted is None or abs(tx.now - counted.at) > COUNT_EVERY:
            codes = await showing_store.codes(tx, channel, self._code_limit, tx.now - rules.PATIENCE)
            room = self._code_limit
            if self._chain.room(channel, 2) > 1:
                over = tx.now - codes.first_left if codes.first_left else None
                room = min(room, rules.codes_in_time(codes.left_lately, over, self._least))
            counted = self._counted[channel] = Counted(tx.now, codes.waiting, room)
        counted.waiting += 1
        return counted.waiting > counted.room


@dataclass
class Counted:
    """How many codes of a channel wait, and how many may."""

    at: datetime
    waiting: int
    room: int
