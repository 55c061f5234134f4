"""Reads that are passed on in front of everything else answer as the long way does (sessions: SES-3; problems: API-2)."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest
from gateway.api.passed_on import READS
from servicekit.clock import ManualClock
from servicekit.keys import Keys
from servicekit.proof import hash_token
from servicekit.web.caller import HEADER, Caller, verify
from servicekit.web.transport import Answer, Connections, Unanswered

TOKEN, DEAD = "a" * 43, "b" * 43
LONG_WAY = "?anything=unusual"


class Identity:
    """Knows one session; `answer`: to everything else."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.session_id, self.account_id = uuid4(), uuid4()
        self.answer: Answer | None = Answer(200, b'{"as": "it stands",  "items": [1], "version": "7"}')
        self.callers: list[str] = []

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None, params: Mapping[str, str] | None
    ) -> Answer:
        if url.endswith("/internal/sessions/lookup"):
            return self._session(orjson.loads(content or b"{}")["token_hash"])
        assert method == "GET"
        self.callers.append(headers[HEADER])
        if self.answer is None:
            raise Unanswered
        return self.answer

    def _session(self, token_hash: str) -> Answer:
        if token_hash != hash_token(TOKEN).hex():
            return Answer(401, orjson.dumps({"code": "session_required"}))
        now = self.clock.now()
        found = {
            "id": self.session_id, "account_id": self.account_id, "application": "demo", "created_at": now, "authenticated_at": now,
            "expires_at": now + timedelta(hours=12), "idle_expires_at": now + timedelta(minutes=30), "idle_seconds": 1800,
            "methods": ["pwd"],
        }  # fmt: skip
        return Answer(200, orjson.dumps(found))


@pytest.fixture
def identity(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Identity:
    found = Identity(clock)

    async def send(_self: Connections, *asked: Any) -> Answer:
        return await found.send(*asked)

    monkeypatch.setattr(Connections, "send", send)
    return found


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def told(answer: httpx.Response) -> tuple[Any, ...]:
    """All that a caller sees but the request's own id and nonce."""
    changing = {"x-request-id", "content-security-policy"}
    body = {**answer.json(), "request_id": ""} if answer.status_code >= 400 else answer.json()
    return (
        answer.status_code,
        body,
        {name: value for name, value in answer.headers.items() if name not in changing | {"content-length"}},
    )


def test_which_they_are():
    assert set(READS) == {
        "/v1/me",
        "/v1/me/sessions",
        "/v1/me/factors",
        "/v1/me/trusted-devices",
        "/v1/me/passkey-offer",
        "/v1/me/activity",
        "/v1/me/linked-identities",
        "/v1/me/notification-preferences",
        "/v1/me/identifiers",
        "/v1/me/contact-changes",
    }


@pytest.mark.parametrize("path", sorted(READS))
class TestBothWays:
    async def test_the_answer_as_it_stands(self, portal, identity, path: str):
        short, long = [await portal.get(path + query, headers=bearer(TOKEN)) for query in ("", LONG_WAY)]
        assert short.content == b'{"as": "it stands",  "items": [1], "version": "7"}'
        assert told(short) == told(long)
        assert len(short.headers["x-request-id"]) == 32

    async def test_who_asks(self, portal, identity, keys: Keys, path: str):
        """The receiver is told the same, when and how it was proven among it."""
        for query in ("", LONG_WAY):
            await portal.get(path + query, headers=bearer(TOKEN))
        first, second = [verify(token, READS[path].owner, keys, identity.clock) for token in identity.callers]
        assert first == second
        assert isinstance(first, Caller)
        assert (first.account_id, first.session_id) == (identity.account_id, identity.session_id)
        assert (first.methods, first.authenticated_at) == (("pwd",), identity.clock.now())

    @pytest.mark.parametrize("headers", [{}, bearer(DEAD), {"cookie": f"latchkey_session={DEAD}"}])
    async def test_nobody(self, portal, identity, path: str, headers: dict[str, str]):
        short, long = [await portal.get(path + query, headers=headers) for query in ("", LONG_WAY)]
        assert (short.status_code, short.json()["code"]) == (401, "session_required")
        assert told(short) == told(long)
        assert identity.callers == []

    async def test_in_the_language_asked_for(self, portal, identity, path: str):
        short, long = [await portal.get(path + query, headers={"accept-language": "de"}) for query in ("", LONG_WAY)]
        assert told(short) == told(long)

    @pytest.mark.parametrize(
        "answer",
        [
            None,
            Answer(404, b'{"code": "not_found", "detail": "gone"}'),
            Answer(503, b'{"code": "overloaded", "retry_after_seconds": 7}'),
            Answer(403, b'{"code": "caller_not_allowed"}'),
        ],
    )
    async def test_refusals_of_the_service_behind(self, portal, identity, path: str, answer: Answer | None):
        identity.answer = answer
        short, long = [await portal.get(path + query, headers=bearer(TOKEN)) for query in ("", LONG_WAY)]
        assert short.status_code >= 400
        assert told(short) == told(long)

    async def test_a_body_goes_the_long_way(self, portal, identity, path: str):
        short = await portal.request("GET", path, headers=bearer(TOKEN), content=b"{")
        assert (short.status_code, short.json()["code"]) == (415, "unsupported_media_type")
