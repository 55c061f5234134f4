"""REL-16: calls between services have a deadline, one repetition where it is safe, a breaker, and the peer's own errors."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from servicekit import errors
from servicekit.clock import ManualClock
from servicekit.context import new_trace, use_trace
from servicekit.errors import FieldError, ServiceError
from servicekit.keys import Keys
from servicekit.web.caller import HEADER, Caller, Signer, verify
from servicekit.web.client import OPEN_AFTER, OPEN_SECONDS, InternalClient
from servicekit.web.problems import problem_response
from servicekit.web.transport import Answer, NotSent, Unanswered

GATEWAY = Caller("gateway", language="ar")


class SteppingClock(ManualClock):
    """Spans can be moved too."""

    span = 100.0

    def monotonic(self) -> float:
        return self.span


def said(document: object, status: int = 200) -> Answer:
    return Answer(status, orjson.dumps(document))


@dataclass
class Asked:
    method: str
    url: str
    headers: Mapping[str, str]
    content: bytes | None
    params: Mapping[str, str] | None


class Peer:
    """What answers, and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answer: Callable[[], Any] = lambda: said({"ok": True})

    async def send(self, *asked: Any) -> Answer:
        self.asked.append(Asked(*asked))
        found = self.answer()
        if isinstance(found, Exception):
            raise found
        answer: Answer = await found if asyncio.iscoroutine(found) else found
        return answer

    async def close(self) -> None:
        pass


@pytest.fixture
def peer() -> Peer:
    return Peer()


@pytest.fixture
def clock() -> SteppingClock:
    return SteppingClock()


@pytest.fixture
async def client(peer: Peer, keys: Keys, clock: ManualClock) -> AsyncIterator[InternalClient]:
    found = InternalClient("identity", "http://identity/", Signer("gateway", keys, clock), clock, timeout=2, transport=peer)
    yield found
    await found.close()


def problem(error: ServiceError) -> Callable[[], Answer]:
    made = problem_response(error, "id-of-the-peer")
    return lambda: Answer(made.status_code, bytes(made.body))


class TestRequest:
    async def test_signed_traced_and_parsed(self, client, peer, keys, clock):
        trace = new_trace()
        with use_trace(trace):
            answer = await client.request("POST", "/v1/x", caller=GATEWAY, json={"a": "é"}, params={"q": "1"})
        assert answer == {"ok": True}
        (asked,) = peer.asked
        assert (asked.method, asked.url, asked.params) == ("POST", "http://identity/v1/x", {"q": "1"})
        assert asked.content == '{"a":"é"}'.encode()
        assert asked.headers["content-type"] == "application/json"
        assert asked.headers["x-request-id"] == trace.request_id
        assert asked.headers["traceparent"] == trace.traceparent
        assert verify(asked.headers[HEADER], "identity", keys, clock) == GATEWAY

    async def test_no_content_is_none(self, client, peer):
        peer.answer = lambda: Answer(204)
        assert await client.request("DELETE", "/v1/session", caller=GATEWAY) is None


class TestErrors:
    @pytest.mark.parametrize(
        "error",
        [errors.NotFound(), errors.CodeWrong(tries_left=2), errors.TooManyRequests(20, available_at="x"), errors.LinkUsed("said so"),
         errors.Overloaded(7), errors.SessionRequired()],
        ids=lambda one: one.code,
    )  # fmt: skip
    async def test_the_peer_s_come_back_as_themselves(self, client, peer, error):
        peer.answer = problem(error)
        with pytest.raises(type(error)) as caught:
            await client.request("POST", "/v1/x", caller=GATEWAY)
        assert (caught.value.extra, caught.value.detail) == (error.extra, error.detail)

    async def test_field_errors_with_what_a_translation_needs(self, client, peer):
        wrong = FieldError("/password", "password_too_short", "At least 8 characters", {"min": 8})
        peer.answer = problem(errors.ValidationFailed([wrong]))
        with pytest.raises(errors.ValidationFailed) as caught:
            await client.request("POST", "/v1/x", caller=GATEWAY)
        assert caught.value.errors == [wrong]

    @pytest.mark.parametrize(
        ("response", "expected"),
        [(Answer(502, b"<html>"), errors.InternalError), (Answer(503), errors.Overloaded),
         (said({"code": "teapot"}, 418), errors.InternalError), (said([], 400), errors.InternalError)],
        ids=str,
    )  # fmt: skip
    async def test_what_is_no_problem_of_ours(self, client, peer, response, expected):
        peer.answer = lambda: response
        with pytest.raises(expected):
            await client.request("POST", "/v1/x", caller=GATEWAY)

    async def test_a_refused_caller_is_our_own_mistake(self, client, peer, logged):
        peer.answer = problem(errors.CallerNotAllowed())
        with pytest.raises(errors.InternalError):
            await client.request("POST", "/v1/x", caller=GATEWAY)
        assert logged()[-1]["event"] == "peer.refuses_us"

    @pytest.mark.parametrize("method", ["GET", "POST"])
    async def test_a_token_that_lapsed_on_its_way_is_signed_anew(self, client, peer, clock, method):
        """This process was held up between signing and sending: the peer has done nothing."""

        def late() -> Answer:
            if len(peer.asked) > 1:
                return said(1)
            clock.move(90)
            return problem(errors.CallerNotAllowed())()

        peer.answer = late
        assert await client.request(method, "/v1/x", caller=GATEWAY) == 1
        first, second = (one.headers[HEADER] for one in peer.asked)
        assert first != second


class TestUnreachable:
    @pytest.mark.parametrize(
        ("method", "failure", "tries"),
        [("GET", Unanswered, 2), ("GET", NotSent, 2), ("POST", NotSent, 2), ("POST", Unanswered, 1), ("DELETE", Unanswered, 1)],
    )  # fmt: skip
    async def test_once_more_only_where_nothing_can_happen_twice(self, client, peer, method, failure, tries):
        peer.answer = lambda: failure("cut")
        with pytest.raises(errors.Overloaded):
            await client.request(method, "/v1/x", caller=GATEWAY)
        assert len(peer.asked) == tries

    async def test_the_second_try_counts(self, client, peer):
        peer.answer = lambda: Unanswered("cut") if len(peer.asked) == 1 else said(1)
        assert await client.request("GET", "/v1/x", caller=GATEWAY) == 1

    async def test_deadline(self, client, peer):
        async def slow() -> Answer:
            await asyncio.sleep(5)
            return Answer(200)

        peer.answer = slow
        with pytest.raises(errors.Overloaded):
            await asyncio.wait_for(client.request("GET", "/v1/x", caller=GATEWAY, deadline=0.05), 1)

    async def test_breaker(self, client, peer, clock):
        peer.answer = lambda: Unanswered("cut")
        for _ in range(OPEN_AFTER):
            with pytest.raises(errors.Overloaded):
                await client.request("POST", "/v1/x", caller=GATEWAY)
        with pytest.raises(errors.Overloaded):
            await client.request("POST", "/v1/x", caller=GATEWAY)
        assert len(peer.asked) == OPEN_AFTER  # the last one was not even tried
        peer.answer = lambda: said(1)
        clock.span += OPEN_SECONDS
        assert await client.request("POST", "/v1/x", caller=GATEWAY) == 1

    async def test_a_success_closes_the_count(self, client, peer):
        for _ in range(3):
            peer.answer = lambda: Unanswered("cut")
            for _ in range(OPEN_AFTER - 1):
                with pytest.raises(errors.Overloaded):
                    await client.request("POST", "/v1/x", caller=GATEWAY)
            peer.answer = lambda: said(1)
            assert await client.request("POST", "/v1/x", caller=GATEWAY) == 1
