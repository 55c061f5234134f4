"""LOG-1, LOG-2, LOG-3: what a line of the log is, and what it never holds."""

import logging
import uuid
from dataclasses import dataclass
from typing import get_args

import pytest
from pydantic import BaseModel, SecretStr
from servicekit.context import new_trace, use_trace
from servicekit.db import UniqueViolation
from servicekit.logging import REDACTED, SecurityEvent, _Bridge, configure, get_logger, mask, security_event

EARLY = get_logger("made.before.configure")  # as every module does


class TestShape:
    def test_a_line_names_time_service_and_trace(self, logged):
        """LOG-1: UTC, service, request, correlation and causation id, traceparent, tenant."""
        trace = new_trace(request_id="r" * 32, causation_id="event-1", tenant="store-1")
        with use_trace(trace):
            EARLY.info("something.happened", account_id=uuid.UUID(int=7))
        (line,) = logged()
        assert line["event"] == "something.happened"
        assert line["service"] == "kit"
        assert line["module"] == "made.before.configure"
        assert line["timestamp"].endswith("Z")
        assert line["request_id"] == line["correlation_id"] == "r" * 32
        assert line["causation_id"] == "event-1"
        assert line["tenant"] == "store-1"
        assert line["traceparent"] == trace.traceparent
        assert line["account_id"] == str(uuid.UUID(int=7))

    def test_below_the_level_nothing_is_written(self, logged):
        EARLY.debug("too.small")
        assert logged() == []

    def test_unknown_level_is_refused(self):
        with pytest.raises(KeyError):
            configure("kit", "LOUD")

    @pytest.mark.parametrize("name", get_args(SecurityEvent))
    def test_security_events_are_a_closed_list(self, logged, name):
        """LOG-1: (event, result), ids only."""
        security_event(name, "fail", account_id="a1", reason="password")
        (line,) = logged()
        assert (line["event"], line["result"], line["security"]) == (name, "fail", True)
        assert (line["account_id"], line["reason"]) == ("a1", "password")


class TestRedaction:
    """LOG-2."""

    CANARIES = ("correct horse battery", "bob@example.com", "+49 151 2345678", "A" * 43, "482913")

    @pytest.mark.parametrize(
        "name",
        ["password", "new_password", "token", "flow_token", "code", "otp", "match", "cookie", "set-cookie", "Authorization",
         "email", "phone", "to", "address", "identifier", "username", "given_name", "name", "client_secret", "grant", "dsn"],
    )  # fmt: skip
    def test_fields_with_telling_names_are_masked(self, logged, name):
        EARLY.info("x", **{name: "anything at all"})
        assert logged()[0][name] == REDACTED

    def test_a_code_as_a_number_is_masked_but_counts_are_not(self, logged):
        EARLY.info("x", code=482913, tokens=3)
        assert (logged()[0]["code"], logged()[0]["tokens"]) == (REDACTED, 3)

    def test_values_are_masked_wherever_they_stand(self, logged):
        EARLY.info(
            "mail for bob@example.com",
            note="call +49 151 2345678 or (bob@example.com)",
            nested={"list": [{"deep": "bob@example.com"}], "password": "correct horse battery"},
            path=f"/demo/l/{'b' * 12}",
            raw=b"bob@example.com",
            link="https://id.example/demo/l/" + "A" * 43 + "?x=1",
        )
        text = logged.raw().decode()
        assert "bob@" not in text
        assert "2345678" not in text
        assert "A" * 43 not in text
        assert "b" * 12 not in text
        assert logged()[0]["link"].endswith(f"/demo/l/{REDACTED}?x=1")

    def test_objects_show_their_class_only(self, logged):
        @dataclass
        class Issued:
            value: str

        class Body(BaseModel):
            value: str

        EARLY.info("x", a=Issued("482913"), b=Body(value="482913"), c=SecretStr("482913"), d=ValueError("482913"), e=object())
        assert "482913" not in logged.raw().decode()
        assert logged()[0]["a"] == "<Issued>"

    def test_too_deep_is_cut(self, logged):
        EARLY.info("x", a={"b": {"c": {"d": {"e": {"f": "482913"}}}}})
        assert "482913" not in logged.raw().decode()

    def test_an_exception_is_class_and_places_never_its_message(self, logged):
        """PostgreSQL, Pydantic and int() repeat in their messages what somebody typed."""
        try:
            try:
                int("482913x")
            except ValueError as error:
                raise RuntimeError("bob said 482913") from error
        except RuntimeError:
            EARLY.exception("work.failed")
        (line,) = logged()
        assert line["exception"]["type"] == "builtins.RuntimeError"
        assert line["exception"]["cause"] == "builtins.ValueError"
        assert "test_logging.py" in line["exception"]["frames"][-1]
        assert "482913" not in logged.raw().decode()

    async def test_a_database_error_shows_state_and_constraint_but_no_row(self, logged, db):
        try:
            async with db.transaction() as tx:
                for _ in range(2):
                    await tx.execute("INSERT INTO throttle VALUES ($1, '{}', $2)", b"canary-row", tx.now)
        except UniqueViolation:
            EARLY.exception("work.failed")
        (line,) = logged()
        assert line["exception"]["sqlstate"] == "23505"
        assert line["exception"]["constraint_name"] == "throttle_pkey"
        assert b"canary-row".hex() not in logged.raw().decode()

    def test_libraries_go_the_same_way(self, logged):
        logging.getLogger("some.library").warning("mail to %s failed", "bob@example.com")
        _Bridge().emit(logging.LogRecord("some.library", logging.WARNING, "", 1, "%s %s", ("one that doesn't fit",), None))
        assert [line["event"] for line in logged()] == [f"mail to {REDACTED} failed", "%s %s"]
        assert logged()[0]["module"] == "some.library"

    def test_kafka_s_client_is_kept_short(self, logged):
        for number in range(100):
            logging.getLogger("aiokafka.conn").error("broker away %s", number)
        assert len(logged()) == 1

    def test_mask_leaves_ids_and_words_alone(self):
        text = "flow 0198c0de-1111-4222-8333-444455556666 of demo: 12 tries"
        assert mask(text) == text


class TestInjection:
    """LOG-3: one JSON line each, whatever is in it."""

    @pytest.mark.parametrize(
        "evil",
        ["a\r\nb", 'a\n{"event":"forged"}', "\x1b[2Jwiped", "a\u2028b", "a\u2029b", "a\u0085b", "\x9b31m", "\x7f", "\x00", "\ud800", "\u202eevil", 10**30],
        ids=repr,
    )  # fmt: skip
    def test_one_line_without_controls(self, logged, evil):
        EARLY.info("x", user_agent=evil, nested={"header": [evil]})
        raw = logged.raw()
        assert raw.isascii()
        assert len(raw.decode().splitlines()) == 1
        assert raw.endswith(b"\n")
        assert not any(byte < 0x20 or byte == 0x7F for byte in raw[:-1])
        if isinstance(evil, str):
            assert logged()[0]["user_agent"] == evil
