"""The published names and shapes of events are promises: they are pinned here (EVT-3, EVT-7, habit 13)."""

import json
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from uuid import UUID

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event
from cloudevents.core.formats.json import JSONFormat
from latchkey_contracts import wire
from latchkey_contracts.event import Event, Meta
from latchkey_contracts.identity import SessionRevoked, UserRegistered

SAMPLES = Path(__file__).parents[1] / "samples"
ACCOUNT = UUID("3f1f9a34-9f8e-4a53-8a2f-0a6c9b1d2e3f")


def meta(event: Event, **changes: object) -> Meta:
    values: dict = {
        "id": UUID("0192f0c1-7b1e-7c4d-9a51-6f1e2d3c4b5a"),
        "origin": "https://id.example",
        "time": datetime(2026, 11, 24, 12, 0, 0, 123000, tzinfo=UTC),
        "aggregateversion": 3,
        "correlationid": "c0ffee",
        "causationid": None,
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "authtype": "unauthenticated",
        "tenant": "s1",
        "expirytime": None,
    }
    return wire.new_meta(event, **{**values, **changes})


def sample_of(cls: type[Event]) -> Path:
    return SAMPLES / f"{cls.event_type}.json"


class TestNames:
    def test_class_and_type_carry_the_same_name(self) -> None:
        for event_type, cls in Event.registry.items():
            words = event_type.split(".")[2].split("_")
            assert cls.__name__ == "".join(word.capitalize() for word in words)
            assert getattr(import_module(f"latchkey_contracts.{cls.publisher}"), cls.__name__) is cls

    def test_every_released_type_is_still_here(self) -> None:
        """EVT-7: a type that was published once has a sample, and the sample stays."""
        assert {path.stem for path in SAMPLES.glob("*.json")} == set(Event.registry)


class TestSamples:
    @pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.json")), ids=lambda path: path.stem)
    def test_todays_code_reads_it_and_writes_it_back(self, path: Path) -> None:
        """EVT-7: samples of every released version are kept for ever and parsed by today's code."""
        document = json.loads(path.read_text())
        event = Event.registry[path.stem].model_validate(document)
        written = json.loads(event.model_dump_json())
        assert {name: written[name] for name in document} == document

    def test_unknown_fields_are_ignored(self) -> None:
        path = sample_of(UserRegistered)
        assert UserRegistered.model_validate({**json.loads(path.read_text()), "later": 1})


class TestWire:
    event = UserRegistered(account_id=ACCOUNT, store_id=ACCOUNT, application="demo", identifier_kinds=["email"])

    def test_binary_mode_validates_with_the_cloudevents_sdk(self) -> None:
        """EVT-1: an independent SDK reads what we write."""
        key, value, headers = wire.encode(self.event, meta(self.event))
        read = from_binary_event(KafkaMessage(headers=dict(headers), key=key, value=value), JSONFormat())
        assert read.get_type() == "latchkey.identity.user_registered.v1"
        assert read.get_subject() == str(ACCOUNT) == key.decode()
        assert read.get_source() == "https://id.example/services/identity"
        assert read.get_extension("aggregateversion") == "3"
        assert read.get_extension("partitionkey") == str(ACCOUNT)
        assert read.get_specversion() == "1.0"

    def test_round_trip(self) -> None:
        _, value, headers = wire.encode(self.event, meta(self.event))
        read = wire.decode(value, headers)
        assert read.model_dump() == self.event.model_dump()
        assert read.meta == meta(self.event)
        assert dict(headers)["traceparent"] == dict(headers)["ce_traceparent"]

    def test_structured_mode_is_accepted(self) -> None:
        """EVT-1: consumers also accept structured mode."""
        document = {**wire.attributes(meta(self.event)), "data": json.loads(self.event.model_dump_json())}
        read = wire.decode(json.dumps(document).encode(), [("content-type", b"application/cloudevents+json; charset=utf-8")])
        assert read.model_dump() == self.event.model_dump()
        assert read.meta.aggregateversion == 3

    @pytest.mark.parametrize(
        ("value", "change", "expected"),
        [
            (b"\xff", {}, "not JSON"),
            (b"[]", {}, "does not validate"),
            (b"{}", {}, "does not validate: account_id"),
            (None, {}, "no value"),
            (b"{}", {"ce_specversion": b"0.3"}, "specversion"),
            (b"{}", {"content-type": b"text/plain"}, "content-type"),
            (b"{}", {"ce_type": b"\xff\xfe"}, "not known"),
            (b"{}", {"ce_type": b"latchkey.identity.user_registered.v9"}, "not known"),
        ],
    )
    def test_bad_records_say_why_without_their_content(self, value: bytes | None, change: dict, expected: str) -> None:
        _, _, headers = wire.encode(self.event, meta(self.event))
        with pytest.raises(wire.Malformed, match=expected):
            wire.decode(value, list({**dict(headers), **change}.items()))

    def test_unknown_type_is_told_apart(self) -> None:
        _, _, headers = wire.encode(self.event, meta(self.event))
        with pytest.raises(wire.Unknown):
            wire.decode(b"{}", [*dict(headers, ce_type=b"latchkey.identity.new.v1").items()])

    def test_meta_of_an_event_that_was_only_made(self) -> None:
        with pytest.raises(LookupError):
            _ = SessionRevoked(account_id=ACCOUNT, session_id=None, reason="signed_out").meta


class TestRegistry:
    def test_a_type_belongs_to_one_class(self) -> None:
        with pytest.raises(TypeError, match="two classes"):
            type("UserRegistered2", (Event,), {"event_type": "latchkey.identity.user_registered.v1", "__module__": __name__})
