"""docs/architecture.md: what the gateway remembers counts only while it is sure; identity says the rest (SES-3, SES-4)."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from gateway.sessions.cache import TRUST_SECONDS, SessionCache
from servicekit.clock import ManualClock
from servicekit.errors import Overloaded, SessionRequired
from servicekit.events.kafka import KafkaSettings
from servicekit.keys import Keys
from servicekit.proof import hash_token
from servicekit.web.caller import Signer
from servicekit.web.client import InternalClient
from servicekit.web.transport import Answer, NotSent

TOKENS = ["a" * 43, "b" * 43]


class SteppingClock(ManualClock):
    """Spans can be moved, too."""

    span = 100.0

    def monotonic(self) -> float:
        return self.span


class Identity:
    """What answers the gateway; `says_gone`: as this release does (REL-14)."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.live = {hash_token(token).hex(): uuid4() for token in TOKENS}
        self.seen: list[dict[str, str]] = []
        self.looked_up = 0
        self.says_gone = True
        self.away = False
        self.meanwhile: Any = lambda: None

    def revoke(self, token: str) -> UUID:
        """Without an event that anybody hears."""
        return self.live.pop(hash_token(token).hex())

    async def send(self, _method: str, url: str, _headers: Any, content: bytes, _params: Any) -> Answer:
        if self.away:
            raise NotSent
        asked = orjson.loads(content)
        if url.endswith("/internal/sessions/touch"):
            self.seen.append(asked["seen"])
            gone = [one for one in asked["seen"] if UUID(one) not in self.live.values()]
            self.meanwhile()
            return Answer(200, orjson.dumps({"touched": len(asked["seen"])} | ({"gone": gone} if self.says_gone else {})))
        self.looked_up += 1
        session_id = self.live.get(asked["token_hash"])
        if session_id is None:
            return Answer(401, orjson.dumps({"code": "session_required"}))
        now = self.clock.now()
        found = {
            "id": session_id,
            "account_id": uuid4(),
            "application": "demo",
            "created_at": now,
            "authenticated_at": now,
            "expires_at": now + timedelta(hours=12),
            "idle_expires_at": now + timedelta(minutes=30),
            "idle_seconds": 1800,
            "methods": ["password"],
        }
        return Answer(200, orjson.dumps(found))

    async def close(self) -> None: ...


@pytest.fixture
def clock() -> SteppingClock:
    return SteppingClock()


@pytest.fixture
def identity(clock: SteppingClock) -> Identity:
    return Identity(clock)


@pytest.fixture
def cache(identity: Identity, clock: SteppingClock, keys: Keys) -> SessionCache:
    """One that has heard all there is on the topic, though identity's relay may be behind."""
    client = InternalClient("identity", "http://identity", Signer("gateway", keys, clock), clock, transport=identity)
    found = SessionCache(client, KafkaSettings("127.0.0.1:9"), clock, size=100)
    found.follower._confirmed = float("inf")
    return found


class TestTouch:
    async def test_one_that_is_over_is_forgotten(self, cache: SessionCache, identity: Identity) -> None:
        """SES-4: though its event is late; others stay."""
        for token in TOKENS:
            await cache.find(token)
        identity.revoke(TOKENS[0])
        await cache.find(TOKENS[0])
        await cache.touch()
        with pytest.raises(SessionRequired):
            await cache.find(TOKENS[0])
        await cache.find(TOKENS[1])
        assert identity.looked_up == 3

    async def test_an_identity_that_does_not_say(self, cache: SessionCache, identity: Identity) -> None:
        """REL-14: the release before."""
        identity.says_gone = False
        await cache.find(TOKENS[0])
        identity.revoke(TOKENS[0])
        await cache.touch()
        await cache.find(TOKENS[0])
        assert identity.looked_up == 1

    async def test_used_while_it_is_told(self, cache: SessionCache, identity: Identity, clock: SteppingClock) -> None:
        """SES-3: that use is told the next time."""
        await cache.find(TOKENS[0])

        def used() -> None:
            clock.move(60)
            assert cache.get(TOKENS[0]) is not None

        identity.meanwhile = used
        await cache.touch()
        identity.meanwhile = lambda: None
        await cache.touch()
        await cache.touch()
        first, second = (next(iter(one.values())) for one in identity.seen)
        assert first < second

    async def test_away_and_back(self, cache: SessionCache, identity: Identity) -> None:
        """What couldn't be told is told later."""
        await cache.find(TOKENS[0])
        identity.away = True
        await cache.touch()
        identity.away = False
        await cache.touch()
        assert len(identity.seen) == 1


class TestIdentityAway:
    async def test_not_believed_for_long(self, cache: SessionCache, identity: Identity, clock: SteppingClock) -> None:
        """Nobody could say that a session is over; so memory counts for a minute, then identity is asked, and the answer is 503."""
        await cache.find(TOKENS[0])
        identity.away = True
        clock.span += TRUST_SECONDS - 1
        await cache.touch()
        await cache.find(TOKENS[0])
        clock.span += 1
        await cache.touch()
        assert cache.get(TOKENS[0]) is None
        with pytest.raises(Overloaded):
            await cache.find(TOKENS[0])
        identity.away = False
        clock.span += 2  # the client's breaker
        await cache.touch()
        assert cache.get(TOKENS[0]) is not None

    async def test_when_nothing_was_used_there_is_nothing_to_doubt(
        self, cache: SessionCache, identity: Identity, clock: Any
    ) -> None:
        await cache.find(TOKENS[0])
        await cache.touch()
        identity.away = True
        clock.span += 2 * TRUST_SECONDS
        await cache.touch()
        assert cache.get(TOKENS[0]) is not None
