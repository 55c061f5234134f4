"""Sessions that identity has confirmed, kept close for the hot path (docs/architecture.md).

An entry goes when Kafka says that its session or account is over, and at the latest when identity says so, which is told of
each use within TOUCH_SECONDS: identity's relay may be behind, which nobody can see from here. When the follower can't be sure to
have heard everything, or identity couldn't be told for TRUST_SECONDS, nothing here counts and identity is asked each time: the
cache fails closed. So a restart of identity is ridden out; after a minute without it sessions are 503, as all else is.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from latchkey_contracts.event import Event
from latchkey_contracts.http.sign_in import SessionInfo
from latchkey_contracts.identity import AccountDisabled, SessionRevoked
from servicekit.clock import Clock
from servicekit.errors import Overloaded
from servicekit.events.follow import Follower
from servicekit.events.kafka import KafkaSettings
from servicekit.events.periodic import Periodic
from servicekit.proof import hash_token
from servicekit.web.caller import Caller
from servicekit.web.client import InternalClient

TOUCH_SECONDS = 10.0
TRUST_SECONDS = 60.0


@dataclass(slots=True)
class Entry:
    info: SessionInfo
    body: bytes
    seen_at: datetime
    idle: timedelta
    touched: bool = False


class SessionCache:
    def __init__(self, identity: InternalClient, kafka: KafkaSettings, clock: Clock, *, size: int) -> None:
        self._identity = identity
        self._clock = clock
        self._size = size
        self._entries: OrderedDict[bytes, Entry] = OrderedDict()
        self._by_session: dict[UUID, bytes] = {}
        self._generation = 0
        self._confirmed = clock.monotonic()
        over = (SessionRevoked, AccountDisabled)
        self.follower = Follower(kafka, "identity", clock, self.heard, self.clear, only=over)
        self.touching = Periodic("sessions.touch", TOUCH_SECONDS, self.touch)

    def get(self, token: str) -> Entry | None:
        """From memory alone; None: ask identity."""
        if not self.follower.current or self._clock.monotonic() - self._confirmed >= TRUST_SECONDS:
            return None
        key = hash_token(token)
        entry = self._entries.get(key)
        if entry is None:
            return None
        now = self._clock.now()
        if now >= entry.info.expires_at or now >= entry.seen_at + entry.idle:
            self._drop(key)
            return None
        entry.seen_at, entry.touched = now, True
        return entry

    async def find(self, token: str) -> Entry:
        """Raises SessionRequired, or Overloaded when identity can't be asked."""
        found = self.get(token)
        if found is not None:
            return found
        key, generation = hash_token(token), self._generation
        answer = await self._identity.request(
            "POST", "/internal/sessions/lookup", caller=Caller("gateway"), json={"token_hash": key.hex()}
        )
        info = SessionInfo.model_validate(answer)
        entry = Entry(
            info, info.model_dump_json().encode(), self._clock.now(), timedelta(seconds=info.idle_seconds), touched=True
        )
        if generation == self._generation:  # nothing was revoked while we asked
            self._put(key, entry)
        return entry

    def _put(self, key: bytes, entry: Entry) -> None:
        self._entries[key] = entry
        self._by_session[entry.info.id] = key
        while len(self._entries) > self._size:
            oldest, _ = next(iter(self._entries.items()))
            self._drop(oldest)

    def _drop(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._by_session.pop(entry.info.id, None)

    def forget(self, session_id: UUID) -> None:
        self._generation += 1
        if (key := self._by_session.get(session_id)) is not None:
            self._drop(key)

    def clear(self) -> None:
        self._generation += 1
        self._entries.clear()
        self._by_session.clear()

    def heard(self, event: Event) -> None:
        if isinstance(event, SessionRevoked) and event.session_id is not None:
            self.forget(event.session_id)
        elif isinstance(event, SessionRevoked | AccountDisabled):
            self._generation += 1
            for key in [key for key, entry in self._entries.items() if entry.info.account_id == event.account_id]:
                self._drop(key)

    async def touch(self) -> None:
        """Identity learns when each session was last used, in one call for all, and says which of them are over."""
        began = self._clock.monotonic()
        used = [entry for entry in self._entries.values() if entry.touched]
        try:
            for start in range(0, len(used), 500):
                await self._tell(used[start : start + 500])
        except Overloaded:
            return
        self._confirmed = began

    async def _tell(self, entries: Sequence[Entry]) -> None:
        seen = {str(entry.info.id): entry.seen_at.isoformat() for entry in entries}
        for entry in entries:
            entry.touched = False  # a use that comes while this is on its way is told the next time
        try:
            answer = await self._identity.request(
                "POST", "/internal/sessions/touch", caller=Caller("gateway"), json={"seen": seen}
            )
        except BaseException:
            for entry in entries:
                entry.touched = True
            raise
        for session_id in answer.get("gone", ()):  # the release before doesn't say (REL-14)
            self.forget(UUID(session_id))
