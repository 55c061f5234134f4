"""API-2 and the conventions of docs/openapi.json: what HTTP refuses, and how it says so. LOG-2: what an error shows nobody."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import quote_from_bytes
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import APIRouter, Query, Request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from latchkey_contracts.http.common import Identifier
from latchkey_contracts.http.common import Request as Body
from prometheus_client import REGISTRY, generate_latest
from pydantic import BaseModel, Field, field_validator
from pydantic_core import PydanticCustomError
from servicekit import errors
from servicekit.clock import ManualClock
from servicekit.context import current_trace
from servicekit.keys import Keys
from servicekit.web.caller import HEADER, Caller, CallerDep, Signer, allow
from servicekit.web.guard import BODY_SECONDS, MAX_BODY
from servicekit.web.http import Guard, Methods, create_internal_app, problem_response
from servicekit.web.idempotency import Replay
from servicekit.web.problems import from_problem, problem


class Identifiers(Body):
    email: Identifier | None = None
    nickname: str = Field("", max_length=5)


class Example(Body):
    identifiers: Identifiers
    password: str = Field(min_length=1, max_length=300)
    count: int = Field(0, ge=0, le=10)
    remember_me: bool = False
    channel: Literal["email", "sms"] = "email"
    tags: list[str] = Field(default_factory=list)

    @field_validator("password")
    @classmethod
    def _custom(cls, value: str) -> str:
        if value == "short":
            raise PydanticCustomError("password_too_short", "At least {min} characters", {"min": 8})
        if value == "value":
            raise ValueError("says why")
        return value


GOOD: dict[str, Any] = {"identifiers": {"email": "a@b.example"}, "password": "correct horse battery staple"}


def routes() -> APIRouter:
    router = APIRouter(prefix="/v1/apps/{app}")

    @router.post("/things", status_code=202)
    async def make(app: str, body: Example) -> dict[str, Any]:
        return {"app": app, "password_length": len(body.password)}

    @router.get("/things/{id}")
    async def read(app: str, id: UUID, status: str | None = None, limit: Annotated[int, Query(le=50)] = 10) -> dict[str, Any]:
        return {"id": str(id), "status": status, "limit": limit}

    @router.get("/l/{token}")
    async def link(token: str) -> dict[str, str]:
        return {"request_id": current_trace().request_id, "traceparent": current_trace().traceparent}

    @router.get("/caller", dependencies=[allow("gateway")])
    async def who(caller: CallerDep) -> dict[str, Any]:
        return {"service": caller.service, "account_id": str(caller.account_id)}

    @router.get("/fails/{how}")
    async def fail(request: Request, how: str) -> None:
        found: dict[str, Exception] = {
            "bug": RuntimeError("SELECT secret FROM users -- bob@example.com"),
            "wait": errors.TooManyRequests(19.2),
            "busy": errors.Overloaded(1),
            "session": errors.SessionRequired(),
            "database": ConnectionRefusedError("10.0.0.1:5432"),
            "code": errors.CodeWrong(tries_left=3),
            "replay": Replay(202, {"stored": True}),
            "replay_empty": Replay(204, None),
        }
        raise found[how]

    return router


class Api:
    """An internal application and a signed caller in front of it."""

    def __init__(self, keys: Keys, clock: ManualClock) -> None:
        self.app = create_internal_app("identity", [routes()], keys=keys, clock=clock, body_limits={"/big": 200_000})
        self.signer = Signer("gateway", keys, clock)
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=True)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://identity")

    def headers(self, **more: str) -> dict[str, str]:
        return {HEADER: self.signer.sign(Caller("gateway"), "identity"), **more}

    async def post(self, content: bytes, path: str = "/v1/apps/demo/things", kind: str = "application/json") -> httpx.Response:
        return await self.client.post(path, content=content, headers=self.headers(**{"content-type": kind} if kind else {}))

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.client.get(path, headers=self.headers(**headers))


@pytest.fixture
async def api(keys: Keys, clock: ManualClock) -> AsyncIterator[Api]:
    found = Api(keys, clock)
    yield found
    await found.client.aclose()


def problem_of(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Every refusal has the same head (RFC 9457)."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["code"] == code
    assert document["status"] == status
    assert document["type"] == f"/problems/{code}"
    assert document["title"]
    assert document["request_id"] == response.headers["x-request-id"]
    return document


class TestBody:
    """API-2: 4xx naming the field, never 5xx."""

    async def test_a_good_one_passes(self, api):
        response = await api.post(json.dumps(GOOD).encode())
        assert response.status_code == 202

    @pytest.mark.parametrize(
        ("change", "field", "code"),
        [
            ({"surprise": 1}, "/surprise", "unknown_field"),
            ({"identifiers": {"email": "a@b.example", "role": "admin"}}, "/identifiers/role", "unknown_field"),
            ({"a/b~c": 1}, "/a~1b~0c", "unknown_field"),
            ({"password": 12345678}, "/password", "wrong_type"),
            ({"password": None}, "/password", "wrong_type"),
            ({"password": ["x"]}, "/password", "wrong_type"),
            ({"remember_me": "yes"}, "/remember_me", "wrong_type"),
            ({"remember_me": 1}, "/remember_me", "wrong_type"),
            ({"count": "3"}, "/count", "wrong_type"),
            ({"count": 1.5}, "/count", "wrong_type"),
            ({"count": 10**400}, "/count", "out_of_range"),
            ({"count": 11}, "/count", "out_of_range"),
            ({"channel": "pigeon"}, "/channel", "not_an_option"),
            ({"identifiers": {"nickname": "abcdef"}}, "/identifiers/nickname", "too_long"),
            ({"password": ""}, "/password", "too_short"),
            ({"password": "x" * 301}, "/password", "too_long"),
            ({"identifiers": {"email": "x" * 400}}, "/identifiers/email", "too_long"),
            ({"tags": ["ok", 7]}, "/tags/1", "wrong_type"),
            ({"tags": {"a": 1}}, "/tags", "wrong_type"),
            ({"password": "short"}, "/password", "password_too_short"),
            ({"password": "value"}, "/password", "not_allowed"),
        ],
    )
    async def test_schema(self, api, change, field, code):
        document = problem_of(await api.post(json.dumps(GOOD | change).encode()), 422, "validation_failed")
        (wrong,) = document["errors"]
        assert (wrong["field"], wrong["code"]) == (field, code)
        assert wrong["message"]
        assert "{" not in wrong["message"]

    async def test_all_wrong_fields_are_named_at_once(self, api):
        body = b'{"identifiers": {"email": 1}, "count": 99, "extra": true}'
        document = problem_of(await api.post(body), 422, "validation_failed")
        assert {one["field"] for one in document["errors"]} == {"/identifiers/email", "/count", "/extra", "/password"}

    async def test_messages_carry_their_parameters(self, api):
        document = (await api.post(json.dumps(GOOD | {"password": "short", "count": 11}).encode())).json()
        assert [(one["message"], one["params"]) for one in document["errors"]] == [
            ("At least 8 characters", {"min": 8}),
            ("At most 10", {"le": 10}),
        ]

    async def test_what_was_sent_is_not_repeated(self, api):
        response = await api.post(json.dumps(GOOD | {"password": "s3cret" * 100, "count": "s3cret"}).encode())
        assert "s3cret" not in response.text

    @pytest.mark.parametrize("body", [b"null", b"[]", b'"text"', b"7", b"true", b"[{}]"])
    async def test_something_else_than_an_object(self, api, body):
        document = problem_of(await api.post(body), 422, "validation_failed")
        assert document["errors"][0]["field"] == ""

    async def test_no_body(self, api):
        document = problem_of(await api.client.post("/v1/apps/demo/things", headers=api.headers()), 422, "validation_failed")
        assert document["errors"][0]["code"] == "required"

    @pytest.mark.parametrize(
        "body",
        [b"{", b'{"a": }', b"{'a': 1}", b'{"a": NaN}', b'{"a": -Infinity}', b"\xff\xfe{}", b'{"a": "\xff"}', b'{"a": "\xed\xa0\x80"}',
         b'{"a": "\x01"}', b'{"a": "\n"}', b"[" * 60_000, b'{"a": ' + b"9" * 5000 + b"}", b"\xef\xbb\xbf{}", b"{} {}", b"\x00"],
        ids=lambda body: repr(body[:16]),
    )  # fmt: skip
    async def test_malformed(self, api, body):
        problem_of(await api.post(body), 400, "malformed_request")

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            (b'{"password": "a", "password": "b"}', "/password"),
            (b'{"identifiers": {"email": "a", "email": "b"}}', "/email"),
            (b'{"pass\\u0077ord": "a", "password": "b"}', "/password"),
        ],
    )
    async def test_a_field_given_twice(self, api, body, field):
        document = problem_of(await api.post(body), 400, "malformed_request")
        assert [(one["field"], one["code"]) for one in document["errors"]] == [(field, "duplicate")]

    @pytest.mark.parametrize(
        "character", ["\x00", "\x01", "\x08", "\x0b", "\x0c", "\x1b", "\x7f", "\x80", "\x9f", "\\ud800", "\\udfff"], ids=repr
    )
    async def test_control_characters(self, api, character):
        """In any string however deep, escaped or not; PostgreSQL could not even store some of them."""
        escaped = character if character.startswith("\\u") else f"\\u{ord(character):04x}"
        bodies = [f'{{"identifiers": {{"email": "a{escaped}b"}}, "password": "x"}}'.encode()]
        if ord(character[0]) >= 0x7F:
            bodies.append(f'{{"identifiers": {{"email": "a{character}b"}}, "password": "x"}}'.encode())
        for body in bodies:
            document = problem_of(await api.post(body), 422, "validation_failed")
            assert [(one["field"], one["code"]) for one in document["errors"]] == [("/identifiers/email", "control_character")]

    async def test_control_character_in_a_list_or_a_name(self, api):
        document = problem_of(await api.post(b'{"tags": ["a", "\\u0000"]}'), 422, "validation_failed")
        assert document["errors"][0]["field"] == "/tags/1"
        document = problem_of(await api.post(b'{"x\\u0000y": 1}'), 422, "validation_failed")
        assert document["errors"][0]["field"] == "/x\ufffdy"

    async def test_passwords_may_hold_every_other_character(self, api):
        """PWD-2."""
        for text in ("pass word 🔑", "tab\tand\nline", "\u00e9 \u0301", "\u202eabc", "\U0010ffff"):
            assert (await api.post(json.dumps(GOOD | {"password": text}).encode())).json()["password_length"] == len(text)

    @pytest.mark.parametrize(
        "kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx"]
    )
    async def test_wrong_content_type(self, api, kind):
        problem_of(await api.post(json.dumps(GOOD).encode(), kind=kind), 415, "unsupported_media_type")

    @pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "APPLICATION/JSON"])
    async def test_content_type_with_parameters(self, api, kind):
        assert (await api.post(json.dumps(GOOD).encode(), kind=kind)).status_code == 202

    async def test_utf_16_is_not_guessed(self, api):
        problem_of(await api.post(json.dumps(GOOD).encode("utf-16")), 400, "malformed_request")


class TestSize:
    async def test_exactly_64_kib_is_read(self, api):
        body = json.dumps(GOOD).encode()
        response = await api.post(body + b" " * (MAX_BODY - len(body)))
        assert response.status_code == 202

    async def test_one_byte_more_is_refused(self, api):
        body = json.dumps(GOOD).encode()
        problem_of(await api.post(body + b" " * (MAX_BODY - len(body) + 1)), 413, "body_too_large")

    async def test_the_limit_holds_while_it_streams(self, api):
        """Without Content-Length: reading stops as soon as it is too much."""
        taken = 0

        async def chunks() -> AsyncIterator[bytes]:
            nonlocal taken
            for _ in range(1000):
                taken += 4096
                yield b" " * 4096

        sent = []

        async def receive() -> dict[str, Any]:
            async for chunk in source:
                return {"type": "http.request", "body": chunk, "more_body": True}
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        source = chunks()
        scope = {
            "type": "http", "method": "POST", "path": "/v1/apps/demo/things", "raw_path": b"/v1/apps/demo/things", "query_string": b"",
            "headers": [(HEADER.encode(), api.headers()[HEADER].encode()), (b"content-type", b"application/json")],
        }  # fmt: skip
        await api.app(scope, receive, send)
        assert sent[0]["status"] == 413
        assert taken <= MAX_BODY + 2 * 4096

    @pytest.mark.parametrize("length", ["-1", "+5", "abc", "9" * 30, "1e3", "\u0665"])
    async def test_a_declared_length_that_can_t_be(self, api, length):
        headers = [(HEADER, api.headers()[HEADER]), ("content-length", length.encode())]
        problem_of(await api.client.get("/v1/apps/demo/caller", headers=headers), 413, "body_too_large")

    async def test_a_route_may_take_more(self, api):
        response = await api.post(b'"' + b"x" * 100_000 + b'"', path="/big")
        assert response.status_code == 404  # it was read, there is only no such route here
        problem_of(await api.post(b" " * 200_001, path="/big"), 413, "body_too_large")

    async def test_a_body_that_never_comes(self, api, monkeypatch):
        """REL-16: nobody holds a connection by dripping."""
        monkeypatch.setattr("servicekit.web.guard.BODY_SECONDS", 0.05)
        assert BODY_SECONDS == 20

        async def drip() -> AsyncIterator[bytes]:
            yield b"{"
            await asyncio.sleep(10)

        response = await api.client.post("/v1/apps/demo/things", content=drip(), headers=api.headers())
        problem_of(response, 400, "malformed_request")


class TestPathAndQuery:
    async def test_parameters_are_read(self, api):
        response = await api.get(f"/v1/apps/demo/things/{UUID(int=1)}?status=open&limit=50")
        assert response.json() == {"id": str(UUID(int=1)), "status": "open", "limit": 50}

    async def test_given_twice(self, api):
        document = problem_of(await api.get(f"/v1/apps/demo/things/{UUID(int=1)}?status=a&status=b"), 400, "malformed_request")
        assert [(one["field"], one["code"]) for one in document["errors"]] == [("/status", "duplicate")]

    async def test_control_characters(self, api):
        document = problem_of(await api.get(f"/v1/apps/demo/things/{UUID(int=1)}?status=a%00b"), 422, "validation_failed")
        assert document["errors"][0]["field"] == "/status"

    @pytest.mark.parametrize(
        "query", ["status=%ff", "status=%ed%a0%80", "&".join(f"p{n}=1" for n in range(300))], ids=lambda one: one[:14]
    )
    async def test_what_can_t_be_read(self, api, query):
        problem_of(await api.get(f"/v1/apps/demo/things/{UUID(int=1)}?{query}"), 400, "malformed_request")

    async def test_wrong_value(self, api):
        for value, code in (("51", "out_of_range"), ("many", "wrong_type")):
            document = problem_of(await api.get(f"/v1/apps/demo/things/{UUID(int=1)}?limit={value}"), 422, "validation_failed")
            assert [(one["field"], one["code"]) for one in document["errors"]] == [("/limit", code)]

    @pytest.mark.parametrize(
        "path", ["/v1/apps/demo/things/not-a-uuid", "/nothing", "/v1/apps/demo/things/", "//", "/v1/apps/demo/caller/"]
    )
    async def test_nothing_there(self, api, path):
        problem_of(await api.get(path), 404, "not_found")

    @pytest.mark.parametrize("path", ["/v1/apps/a%00b/caller", "/v1/apps/%ff/caller", "/v1/apps/a%0ab%1b/caller"])
    async def test_a_path_that_can_t_be_read(self, api, path):
        problem_of(await api.get(path), 400, "malformed_request")

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "TRACE", "PATCH", "BREW"])
    async def test_wrong_method(self, api, method):
        response = await api.client.request(method, "/v1/apps/demo/things", headers=api.headers())
        problem_of(response, 405, "method_not_allowed")
        assert response.headers["allow"] == "POST"


class TestAnswers:
    async def test_unexpected_errors_tell_nobody_anything(self, api, logged):
        """LOG-2: neither to the client nor, in its words, to the log."""
        document = problem_of(await api.get("/v1/apps/demo/fails/bug"), 500, "internal_error")
        assert set(document) == {"type", "code", "title", "status", "request_id"}
        text = logged.raw().decode()
        assert "SELECT" not in text
        assert "bob@" not in text
        (line,) = [one for one in logged() if one["event"] == "http.unexpected"]
        assert line["exception"]["type"] == "builtins.RuntimeError"
        assert line["request_id"] == document["request_id"]

    async def test_also_when_what_comes_before_fails(self, logged):
        """LOG-1, LOG-2, API-2: a mistake in `before` is told, written down and measured like one in a handler."""

        def before(_scope: Any) -> None:
            raise ValueError("bob@example.com")

        def measured() -> float:
            labels = {"method": "GET", "route": "(none)", "status": "500"}
            return REGISTRY.get_sample_value("latchkey_http_seconds_count", labels) or 0

        counted = measured()
        guard = Guard(None, trust_request_id=True, before=before)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=guard), base_url="http://public") as client:
            answer = await client.get("/", headers={"x-request-id": "0123456789abcdef"})
        document = problem_of(answer, 500, "internal_error")
        assert document["request_id"] != "0123456789abcdef"
        assert measured() == counted + 1
        failed, line = logged()
        assert (failed["event"], failed["exception"]["type"]) == ("http.unexpected", "builtins.ValueError")
        assert (line["event"], line["status"]) == ("http.request", 500)
        assert failed["request_id"] == document["request_id"]
        assert "bob@" not in logged.raw().decode()

    async def test_retry_after_is_whole_seconds_rounded_up(self, api):
        response = await api.get("/v1/apps/demo/fails/wait")
        document = problem_of(response, 429, "too_many_requests")
        assert response.headers["retry-after"] == "20"
        assert document["retry_after_seconds"] == 20
        assert (await api.get("/v1/apps/demo/fails/busy")).headers["retry-after"] == "1"

    async def test_database_away_is_no_500(self, api):
        document = problem_of(await api.get("/v1/apps/demo/fails/database"), 503, "overloaded")
        assert "10.0.0.1" not in str(document)

    async def test_extras_stand_in_the_document(self, api):
        assert problem_of(await api.get("/v1/apps/demo/fails/code"), 403, "code_wrong")["tries_left"] == 3

    async def test_401_says_how(self, api):
        response = await api.get("/v1/apps/demo/fails/session")
        problem_of(response, 401, "session_required")
        assert response.headers["www-authenticate"] == "Bearer"

    async def test_a_stored_answer_is_given_again(self, api):
        """API-4."""
        response = await api.get("/v1/apps/demo/fails/replay")
        assert (response.status_code, response.json()) == (202, {"stored": True})

    async def test_a_stored_answer_without_a_body_has_none(self, api):
        """API-4: a 204 with one would be no HTTP."""
        response = await api.get("/v1/apps/demo/fails/replay_empty")
        assert (response.status_code, response.content) == (204, b"")
        assert "content-type" not in response.headers

    async def test_nothing_is_documented_inside(self, api):
        for path in ("/docs", "/redoc", "/openapi.json"):
            problem_of(await api.get(path), 404, "not_found")


class TestTranslation:
    """docs/openapi.json: messages in the language asked for; codes, fields and parameters stay."""

    CATALOGUE: ClassVar = {"validation_failed": "Bitte berichtigen", "password_too_short": "Mindestens {min} Zeichen", "too_many_requests": "Noch {retry_after_seconds} s"}  # fmt: skip

    def translate(self, code: str, english: str, params: Mapping[str, Any]) -> str:
        return self.CATALOGUE.get(code, english).format_map(params)

    def test_title_and_fields(self):
        wrong = [
            errors.FieldError("/password", "password_too_short", "At least 8 characters", {"min": 8}),
            errors.FieldError("/email", "required", "This is needed"),
        ]
        document = json.loads(bytes(problem_response(errors.ValidationFailed(wrong), "id", self.translate).body))
        assert (document["code"], document["title"]) == ("validation_failed", "Bitte berichtigen")
        assert [(one["field"], one["code"], one["message"]) for one in document["errors"]] == [
            ("/password", "password_too_short", "Mindestens 8 Zeichen"),
            ("/email", "required", "This is needed"),
        ]

    def test_parameters_of_the_error_itself(self):
        document = json.loads(bytes(problem_response(errors.TooManyRequests(20), "id", self.translate).body))
        assert document["title"] == "Noch 20 s"

    def test_english_without(self):
        assert json.loads(bytes(problem_response(errors.NotFound(), "id").body))["title"] == errors.NotFound.title


class TestRequestId:
    async def test_every_answer_has_one(self, api):
        seen = {
            (await api.get(path)).headers["x-request-id"]
            for path in ("/nothing", "/v1/apps/demo/caller", "/v1/apps/demo/fails/bug")
        }
        assert len(seen) == 3
        assert all(len(one) == 32 for one in seen)

    async def test_a_caller_of_ours_may_name_it(self, api):
        response = await api.get(
            "/v1/apps/demo/l/x", **{"x-request-id": "0123456789abcdef", "traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
        )
        assert response.headers["x-request-id"] == response.json()["request_id"] == "0123456789abcdef"
        assert response.json()["traceparent"].split("-")[1] == "a" * 32
        assert response.json()["traceparent"].split("-")[2] != "b" * 16

    @pytest.mark.parametrize(
        "name", ["short", "x" * 65, "with space and more", "a\x1b[31mbcdefgh", '{"json":"yes"}', "ünicode-request"]
    )
    async def test_only_a_sane_one(self, api, name):
        response = await api.get("/v1/apps/demo/l/x", **{"x-request-id": name.encode("latin-1")})
        assert response.headers["x-request-id"] != name
        assert len(response.headers["x-request-id"]) == 32

    async def test_nobody_else_may(self, api):
        headers = {"x-request-id": "0123456789abcdef"}
        assert (await api.client.get("/v1/apps/demo/l/x", headers=headers)).headers["x-request-id"] != "0123456789abcdef"

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await problem_response(errors.NotFound(), scope["latchkey.request_id"])(scope, receive, send)

        public = httpx.AsyncClient(transport=httpx.ASGITransport(app=Guard(app)), base_url="http://public")
        response = await public.get("/", headers=headers)
        assert response.headers.get_list("x-request-id") == [response.json()["request_id"]]
        assert response.json()["request_id"] != "0123456789abcdef"


class TestAccessLog:
    async def test_one_line_with_the_template_of_the_path(self, api, logged):
        """LOG-1, LNK-8: no tokens."""
        await api.get("/v1/apps/demo/l/" + "T" * 43 + "?q=Q" + "T" * 43)
        (line,) = [one for one in logged() if one["event"] == "http.request"]
        assert (line["method"], line["route"], line["status"]) == ("GET", "/v1/apps/{app}/l/{token}", 200)
        assert line["ms"] >= 0
        assert line["request_id"]
        assert "TTTT" not in logged.raw().decode()

    async def test_also_for_refusals_and_bugs(self, api, logged):
        await api.post(b"{")
        await api.get("/nothing?email=bob@example.com")
        await api.get("/v1/apps/demo/fails/bug")
        lines = [(one["route"], one["status"]) for one in logged() if one["event"] == "http.request"]
        assert lines == [("(none)", 400), ("(none)", 404), ("/v1/apps/{app}/fails/{how}", 500)]
        assert "bob@" not in logged.raw().decode()

    async def test_measured_by_route_and_status(self, api):
        """REL-18; nothing of the path, and no method that somebody invents, becomes a label."""

        def count(method: str, route: str, status: int) -> float:
            labels = {"method": method, "route": route, "status": str(status)}
            return REGISTRY.get_sample_value("latchkey_http_seconds_count", labels) or 0

        wanted = [("GET", "/v1/apps/{app}/l/{token}", 200), ("GET", "(none)", 404), ("GET", "/v1/apps/{app}/fails/{how}", 500),
                  ("(other)", "(none)", 404)]  # fmt: skip
        before = [count(*one) for one in wanted]
        await api.get("/v1/apps/demo/l/" + "T" * 43)
        await api.get("/nothing/" + "T" * 43)
        await api.get("/v1/apps/demo/fails/bug")
        await api.client.request("T" * 43, "/nothing", headers=api.headers())
        assert [count(*one) for one in wanted] == [one + 1 for one in before]
        assert "TTTT" not in generate_latest().decode()

    async def test_refused_input_is_a_security_event(self, api, logged):
        """LOG-1: names of fields, no values."""
        await api.post(json.dumps(GOOD | {"password": 123456, "evil\r\nname": 1}).encode())
        await api.post(b"{")
        await api.client.get("/v1/apps/demo/caller")
        found = [(one["event"], one["result"], one["reason"]) for one in logged() if one.get("security")]
        assert found == [
            ("input_validation_fail", "fail", "validation_failed"),
            ("input_validation_fail", "fail", "malformed_request"),
            ("authz_fail", "fail", "caller_not_allowed"),
        ]
        assert "123456" not in logged.raw().decode()


class TestCaller:
    """API-3: every route wants a caller of ours."""

    async def test_without_one(self, api):
        problem_of(await api.client.get("/v1/apps/demo/caller"), 403, "caller_not_allowed")
        problem_of(await api.client.get("/nothing"), 403, "caller_not_allowed")
        problem_of(await api.client.post("/v1/apps/demo/things", json={}), 403, "caller_not_allowed")

    async def test_only_the_services_that_a_route_allows(self, api, keys, clock):
        assert (await api.get("/v1/apps/demo/caller")).json()["service"] == "gateway"
        token = Signer("recovery", keys, clock).sign(Caller("recovery"), "identity")
        problem_of(await api.client.get("/v1/apps/demo/caller", headers={HEADER: token}), 403, "caller_not_allowed")


class TestForms:
    @pytest.fixture
    async def portal(self) -> AsyncIterator[httpx.AsyncClient]:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            body = (await receive())["body"]
            await problem_response(errors.NotFound(length=len(body)), "id")(scope, receive, send)

        guard = Guard(app, forms=lambda scope: scope["path"].startswith("/demo"))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=guard), base_url="http://portal") as client:
            yield client

    async def test_only_where_they_are_taken(self, portal):
        assert (await portal.post("/demo/sign-in", data={"identifier": "bob"})).json()["length"] == len("identifier=bob")
        problem_of(await portal.post("/v1/x", data={"identifier": "bob"}), 415, "unsupported_media_type")

    async def test_multipart_is_not(self, portal):
        problem_of(await portal.post("/demo/sign-in", files={"a": b"x"}), 415, "unsupported_media_type")

    @pytest.mark.parametrize(
        ("content", "status", "field"),
        [("a=1&a=2", 400, "/a"), ("a=%00", 422, "/a"), ("a=%ff", 400, None), ("a=%1b", 422, "/a"), ("a=1%0d%0a2", 404, None)],
    )
    async def test_the_same_rules(self, portal, content, status, field):
        response = await portal.post("/demo/x", content=content, headers={"content-type": "application/x-www-form-urlencoded"})
        assert response.status_code == status
        if field:
            assert response.json()["errors"][0]["field"] == field


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
ALMOST_GOOD = st.fixed_dictionaries(
    {name: JSON_VALUES | st.just(value) for name, value in GOOD.items()},
    optional=dict.fromkeys(("count", "remember_me", "channel", "tags", "surprise"), JSON_VALUES),
)


class TestFuzz:
    """API-2: whatever comes, the answer is below 500, and a refusal is a problem document."""

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(body=ALMOST_GOOD | JSON_VALUES)
    async def test_documents(self, api, body):
        self.check(await api.post(json.dumps(body).encode()))

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        body=st.binary(max_size=60), kind=st.sampled_from(["application/json", "text/plain", "application/x-www-form-urlencoded"])
    )
    async def test_bytes(self, api, body, kind):
        self.check(await api.post(body, kind=kind))

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(path=st.binary(max_size=30), query=st.binary(max_size=30))
    async def test_paths_and_queries(self, api, path, query):
        head = b"/v1/apps/" + quote_from_bytes(path, safe="/").encode() + b"/things/" + str(UUID(int=1)).encode()
        url = httpx.URL("http://identity").copy_with(raw_path=head + b"?status=" + quote_from_bytes(query, safe="&=").encode())
        self.check(await api.client.get(url, headers=api.headers()))

    @staticmethod
    def check(response: httpx.Response) -> None:
        assert response.status_code < 500
        if response.status_code >= 400:
            problem_of(response, response.status_code, response.json()["code"])


class Thing(BaseModel):
    name: str


class TestReads:
    """What is read with every page goes a shorter way, and is answered as everything else."""

    @pytest.fixture
    async def ask(self, keys: Keys, clock: ManualClock) -> AsyncIterator[Callable[..., Awaitable[httpx.Response]]]:
        async def read(caller: Caller) -> Thing:
            caller.account()
            return Thing(name="ours")

        async def broken(_caller: Caller) -> Thing:
            raise ConnectionRefusedError

        app = create_internal_app("identity", [routes()], keys=keys, clock=clock, reads={"/v1/thing": read, "/v1/broken": broken})
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://identity") as client:

            async def ask(path: str, caller: Caller, method: str = "GET") -> httpx.Response:
                token = Signer(caller.service, keys, clock).sign(caller, "identity")
                return await client.request(method, path, headers={HEADER: token})

            yield ask

    async def test_what_it_answers(self, ask) -> None:
        customer = Caller("gateway", account_id=uuid4(), session_id=uuid4())
        answer = await ask("/v1/thing", customer)
        assert (answer.status_code, answer.json()) == (200, {"name": "ours"})
        assert answer.headers["content-type"] == "application/json"
        problem_of(await ask("/v1/thing", customer, "DELETE"), 405, "method_not_allowed")

    async def test_what_it_refuses(self, ask) -> None:
        """API-3."""
        problem_of(await ask("/v1/thing", Caller("gateway")), 401, "session_required")
        problem_of(await ask("/v1/thing", Caller("recovery")), 403, "caller_not_allowed")

    async def test_without_a_database(self, ask) -> None:
        problem_of(await ask("/v1/broken", Caller("gateway")), 503, "overloaded")


class TestStepUpRequired:
    """STP-1: whoever is refused is told by what it can be done."""

    async def refused(self, keys: Keys, clock: ManualClock, methods: Methods) -> httpx.Response:
        router = APIRouter()

        @router.get("/v1/refuses")
        async def refuse() -> None:
            raise errors.StepUpRequired(action="factor.add", payload={"kind": "totp"})

        app = create_internal_app("identity", [router], keys=keys, clock=clock, step_up_methods=methods)
        customer = Caller("gateway", account_id=uuid4(), session_id=uuid4())
        token = Signer("gateway", keys, clock).sign(customer, "identity")
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://identity") as client:
            return await client.get("/v1/refuses", headers={HEADER: token})

    async def test_says_by_what(self, keys: Keys, clock: ManualClock) -> None:
        async def methods(caller: Caller) -> Sequence[str]:
            caller.account()
            return ("totp", "email")

        document = problem_of(await self.refused(keys, clock, methods), 403, "step_up_required")
        assert (document["action"], document["payload"]) == ("factor.add", {"kind": "totp"})
        assert document["methods"] == ["totp", "email"]

    async def test_nobody_knows(self, keys: Keys, clock: ManualClock) -> None:
        """Who holds the factors is away: then no step-up could be made either."""

        async def methods(_caller: Caller) -> Sequence[str]:
            raise errors.Overloaded(2)

        answer = await self.refused(keys, clock, methods)
        problem_of(answer, 503, "overloaded")
        assert answer.headers["retry-after"] == "2"


class TestFromProblem:
    """A peer's error comes as the class that it was."""

    def test_one_code_with_two_statuses(self) -> None:
        for error in (errors.VersionConflict(), errors.PreconditionFailed()):
            assert type(from_problem(problem(error, "r"), error.status)) is type(error)

    def test_a_kind_of_ours_is_nobody_else_s(self) -> None:
        """Of the same code and status."""

        class Own(errors.TooManyRequests):
            pass

        found = from_problem(problem(Own(30), "r"), 429)
        assert (type(found), found.extra["retry_after_seconds"]) == (errors.TooManyRequests, 30)
