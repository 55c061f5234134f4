"""What providers tell later: receipts, bounces, complaints, and calls that ask what to say (REL-8, PST-4)."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from servicekit.context import Trace, use_trace
from servicekit.db import Database, Tx
from servicekit.errors import NotFound
from servicekit.logging import get_logger, security_event
from servicekit.sealing import SealBroken, SealExpired

from notifier.channels import twilio
from notifier.channels.base import Call, Callback, CallStep, Forged, Receipt
from notifier.channels.chain import Chain
from notifier.delivery import receipt_store, rules, store
from notifier.delivery.outcomes import Outcomes
from notifier.delivery.preparing import Preparing
from notifier.suppression import store as suppression
from notifier.templates.render import NotRenderable

MOST_HEARD = 2  # PST-4: a code is said in a call so often at most
log = get_logger(__name__)


@dataclass(frozen=True)
class Answer:
    """What the provider is answered."""

    status: int
    body: str = ""
    content_type: str = "text/plain"


class Receipts:
    def __init__(self, db: Database, chain: Chain, preparing: Preparing, outcomes: Outcomes, suppress_days: int) -> None:
        self._db = db
        self._chain = chain
        self._preparing = preparing
        self._outcomes = outcomes
        self._suppress = timedelta(days=suppress_days)

    async def take(self, provider_name: str, callback: Callback) -> Answer:
        """Any number of times the same: a receipt that was heard before changes nothing. Raises NotFound for a provider that is none."""
        provider = self._chain.get(provider_name)
        if provider is None:
            raise NotFound
        try:
            told = provider.read(callback)
        except Forged as error:
            security_event("authz_fail", "fail", what="callback", provider=provider_name, reason=str(error))
            return Answer(403)
        if isinstance(told, CallStep):
            return await self._say(provider_name, told, callback)
        for receipt in told:
            async with self._db.transaction() as tx:
                await self._receive(tx, provider_name, receipt)
        return Answer(204)

    async def _row(self, tx: Tx, provider: str, message_id: UUID) -> store.StoredMessage | None:
        """Locked; only a provider that was given a message may speak of it."""
        row = await store.get(tx, message_id)
        if row is None or row.provider != provider:
            log.info("receipt.of_nothing", provider=provider, message_id=str(message_id))
            return None
        return row

    async def _receive(self, tx: Tx, provider: str, receipt: Receipt) -> None:
        row = await self._row(tx, provider, receipt.message_id)
        if row is None:
            return
        if receipt.state in {"bounced", "complained"}:
            recipient = await receipt_store.recipient(tx, row.id)
            if recipient is not None:
                await suppression.add(tx, row.channel, recipient, receipt.state, tx.now + self._suppress)
        if receipt.state == "complained" or row.bounced:
            return  # it arrived, or there would be no complaint; a bounce is final
        with use_trace(Trace(**row.trace)):
            held = row  # with its content, which is of use where this very receipt sends it another way
            row = await self._outcomes.taken(tx, row)
            state = "failed" if receipt.state == "bounced" else receipt.state
            # A bounce takes back even what was told as delivered: the last server knows best. Nothing takes back a bounce.
            if (bounced := receipt.state == "bounced") and row.state in rules.HANDED_ON:
                await receipt_store.bounced(tx, row.id)
            if not rules.heeded(row.state, state, bounced=bounced):
                return
            if state == "failed":
                await self._outcomes.not_delivered(tx, held, receipt.reason or receipt.state)
            elif state == "delivered":
                await self._outcomes.delivered(tx, row)
            else:
                await self._outcomes.accepted(tx, row)

    async def _say(self, provider: str, step: CallStep, callback: Callback) -> Answer:
        """The prompt at the answer; the code after a key, twice at most, and never a dead one."""
        async with self._db.transaction() as tx:
            row = await self._row(tx, provider, step.message_id)
            call = self._call(row) if row is not None else None
            if row is None or call is None:
                return _twiml(None, None)
            with use_trace(Trace(**row.trace)):
                row = await self._outcomes.taken(tx, row)
                if not step.key_pressed:
                    return _twiml(call, _key_url(callback.url, row.id))
                if row.heard >= MOST_HEARD:
                    return _twiml(None, None)
                await receipt_store.heard(tx, row.id)
                if rules.heeded(row.state, "delivered"):
                    await self._outcomes.delivered(tx, row, keep=True)
        return _twiml(call, None)

    def _call(self, row: store.StoredMessage) -> Call | None:
        if row.sealed is None or row.channel != "voice" or row.expires_at <= self._db.clock.now():
            return None
        try:
            message = self._preparing.words(row)
        except (SealExpired, SealBroken, NotFound, NotRenderable) as error:
            log.warning("call.says_nothing", message_id=str(row.id), error=type(error).__name__)
            return None
        return message if isinstance(message, Call) else None


def _twiml(call: Call | None, key_url: str | None) -> Answer:
    return Answer(200, twilio.twiml(call, key_url), "text/xml")


def _key_url(url: str, message_id: UUID) -> str:
    return f"{url.partition('?')[0]}?message={message_id}&step=key"
