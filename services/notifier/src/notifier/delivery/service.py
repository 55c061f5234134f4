"""Sends what is due: leased, tried again, never after its time, and told at every step (REL-7, EVT-9, INV-17)."""

import asyncio
import random
from datetime import timedelta
from uuid import UUID, uuid4

from latchkey_contracts.messages import Contact, MessageContent, Secrets
from latchkey_contracts.notifier import MessageExpired, MessageFailed, MessageHandedOver
from latchkey_contracts.sealed import Sealed
from servicekit.configuration import Configuration
from servicekit.context import Trace, use_trace
from servicekit.db import Contention, Database, DatabaseUnavailable, Record
from servicekit.errors import NotFound
from servicekit.failpoints import failpoint
from servicekit.logging import get_logger
from servicekit.sealing import Opener, SealBroken, SealExpired
from servicekit.wakeups import Wakeups, wait

from notifier.channels.base import EmailProvider, Mail, Refused, Transient, Unknown
from notifier.channels.health import ChannelHealth
from notifier.templates.render import Renderer

from . import rules, store

log = get_logger(__name__)


class Delivery:
    """One per process; any number of processes share the table."""

    def __init__(
        self,
        *,
        db: Database,
        wakeups: Wakeups,
        opener: Opener,
        renderer: Renderer,
        configuration: Configuration,
        provider: EmailProvider,
        health: ChannelHealth,
        concurrency: int,
        lease_seconds: float,
        keep_days: int,
        poll_seconds: float,
    ) -> None:
        self._db = db
        self._woken = wakeups.waiter("delivery")
        self._wakeups = wakeups
        self._opener = opener
        self._renderer = renderer
        self._configuration = configuration
        self._provider = provider
        self._health = health
        self._room = concurrency
        self._lease_seconds = lease_seconds
        self._keep = timedelta(days=keep_days)
        self._poll = poll_seconds
        self._sending: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until cancelled; what is on its way to the provider then is finished first (REL-11)."""
        self._wakeups.handled_here("delivery", True)
        try:
            while True:
                try:
                    taken = await self._take_up()
                except (*DatabaseUnavailable, *Contention) as error:
                    log.warning("delivery.paused", error=type(error).__name__)
                    taken = 0
                if not taken:
                    await wait(self._woken, self._poll)
        finally:
            self._wakeups.handled_here("delivery", False)
            if self._sending:
                await asyncio.wait(self._sending, timeout=10)
            await self._provider.close()

    async def _take_up(self) -> int:
        room = self._room - len(self._sending)
        if room <= 0:
            await asyncio.wait(self._sending, return_when=asyncio.FIRST_COMPLETED)
            return 1
        lease = uuid4()
        async with self._db.transaction() as tx:
            rows = await store.claim(tx, lease, self._lease_seconds, room)
        for row in rows:
            task = asyncio.create_task(self._guarded(row, lease))
            self._sending.add(task)
            task.add_done_callback(self._done)
        return len(rows)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._sending.discard(task)
        self._woken.set()

    async def _guarded(self, row: Record, lease: UUID) -> None:
        with use_trace(Trace(**row["trace"])):
            try:
                await self._send(row, lease)
            except (*DatabaseUnavailable, *Contention) as error:
                # The lease runs out, and the message is taken up again by whoever has a database.
                log.warning("delivery.database_unavailable", message_id=str(row["id"]), error=type(error).__name__)
            except Exception:
                log.exception("delivery.failed", message_id=str(row["id"]), template=row["template"])
                await self._again(row, lease, "could not be rendered", not_sent=True)

    async def _send(self, row: Record, lease: UUID) -> None:
        if row["expires_at"] <= self._db.clock.now():
            await self._expired(row, lease)
            return
        if row["state"] == "submitting" and not rules.may_resend_unknown(row["attempts"]):
            await self._failed(row, lease, "nobody can say whether the mail server took it")
            return
        try:
            content = self._open(row)
            app = self._configuration.application(row["application"])
        except SealExpired:
            await self._expired(row, lease)
            return
        except SealBroken as error:
            await self._failed(row, lease, f"the envelope can't be opened: {error}")
            return
        except NotFound:
            await self._again(row, lease, "the application is not known yet", not_sent=row["state"] != "submitting")
            return
        mail = self._renderer.render(
            row["template"], row["language"], app.application, content, str(row["id"]), self._db.clock.now()
        )
        failpoint("before_provider")
        async with self._db.transaction() as tx:
            if not await store.submitting(tx, row["id"], lease):
                return
        await self._hand_over(row, lease, mail)

    def _open(self, row: Record) -> MessageContent:
        """One envelope, or two where identity sealed whom to reach and another service what to say."""
        sealed = Sealed.model_validate(row["sealed"])
        if row["contact"] is None:
            return self._opener.open(sealed, MessageContent)
        contact = self._opener.open(Sealed.model_validate(row["contact"]), Contact)
        secrets = self._opener.open(sealed, Secrets)
        return MessageContent(**contact.model_dump(), **secrets.model_dump())

    async def _hand_over(self, row: Record, lease: UUID, mail: Mail) -> None:
        try:
            await self._provider.send(mail)
        except Refused as error:
            self._health.succeeded()  # it answers; it just won't take this one
            await self._failed(row, lease, str(error))
        except Transient as error:
            self._health.failed()
            await self._again(row, lease, str(error), not_sent=True)
        except Unknown as error:
            self._health.failed()
            if rules.may_resend_unknown(row["attempts"] + 1):
                await self._again(row, lease, f"unknown: {error}", not_sent=False)
            else:
                await self._failed(row, lease, "nobody can say whether the mail server took it")
        else:
            failpoint("after_provider_accept")
            self._health.succeeded()
            async with self._db.transaction() as tx:
                attempts = await store.finish(tx, row["id"], lease, "handed_over", provider=self._provider.name)
                if attempts is not None:
                    await tx.emit(MessageHandedOver(**_head(row), at=tx.now, provider=self._provider.name, attempts=attempts))

    async def _again(self, row: Record, lease: UUID, reason: str, *, not_sent: bool) -> None:
        async with self._db.transaction() as tx:
            due_at = tx.now + rules.delay(row["tries"], random.random())  # noqa: S311 - jitter
            await store.again(tx, row["id"], lease, due_at=due_at, reason=reason, not_sent=not_sent)
        log.info("delivery.again", message_id=str(row["id"]), tries=row["tries"], reason=reason)

    async def _failed(self, row: Record, lease: UUID, reason: str) -> None:
        async with self._db.transaction() as tx:
            if await store.finish(tx, row["id"], lease, "failed", reason=reason) is not None:
                await tx.emit(MessageFailed(**_head(row), at=tx.now, reason=reason))
        log.warning("delivery.given_up", message_id=str(row["id"]), template=row["template"], reason=reason)

    async def _expired(self, row: Record, lease: UUID) -> None:
        async with self._db.transaction() as tx:
            if await store.finish(tx, row["id"], lease, "expired", reason="its time was over before it could leave") is not None:
                await tx.emit(MessageExpired(**_head(row), at=tx.now))

    async def channels(self) -> dict[str, str]:
        async with self._db.read() as conn:
            oldest = await store.oldest_waiting(conn, "email")
            waiting = (conn.now - oldest).total_seconds() if oldest else 0.0
        return {"email": self._health.state(waiting)}

    async def purge(self) -> None:
        async with self._db.transaction() as tx:
            await store.purge(tx, tx.now - self._keep)


def _head(row: Record) -> dict[str, object]:
    return {
        "account_id": row["account_id"],
        "message_id": row["id"],
        "flow_id": row["flow_id"],
        "template": row["template"],
        "channel": row["channel"],
    }
