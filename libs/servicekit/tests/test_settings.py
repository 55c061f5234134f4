"""Settings: unsafe ones are refused outside development, every problem at once, no value repeated."""

from pathlib import Path
from typing import Annotated, Any

import certifi
import pytest
from pydantic import ValidationError
from servicekit.process.settings import ServiceSettings, in_production, load, only_for_tests, problems_of

SAFE: dict[str, Any] = {
    "origin": "https://id.example",
    "postgres_dsn": "postgresql://identity:pass-word@db/identity",
    "kafka_bootstrap": "kafka:9093",
    "kafka_ca_file": "/etc/kafka/ca.pem",
    "http_port": 8000,
    "management_port": 8001,
    "keys_dir": "/run/keys",
}
LOOSE = SAFE | {
    "origin": "http://localhost:8080",
    "postgres_dsn": "postgresql://postgres@localhost/identity",
    "kafka_ca_file": None,
}


class ExampleSettings(ServiceSettings):
    trick: Annotated[str | None, in_production(only_for_tests)] = None

    def unsafe(self) -> list[str]:
        return (
            [*super().unsafe(), "one and two don't fit", "three"] if self.http_port == self.management_port else super().unsafe()
        )


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    import os

    for name in [one for one in os.environ if one.startswith("LATCHKEY_")]:
        monkeypatch.delenv(name)


def refused(**values: Any) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        ExampleSettings(**values)
    assert "pass-word" not in str(caught.value)
    return problems_of(caught.value)


class TestProduction:
    def test_is_the_default(self):
        assert ServiceSettings(**SAFE).environment == "production"
        assert not ServiceSettings(**SAFE).development

    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            ({"origin": "http://id.example"}, "LATCHKEY_ORIGIN must be https in production"),
            ({"postgres_dsn": "postgresql://identity@db/identity"}, "LATCHKEY_POSTGRES_DSN has no password"),
            ({"postgres_dsn": SAFE["postgres_dsn"] + "?sslmode=disable"}, "LATCHKEY_POSTGRES_DSN switches TLS off"),
            ({"kafka_ca_file": None}, "LATCHKEY_KAFKA_CA_FILE is missing: Kafka without TLS"),
            ({"clock_file": "/tmp/clock"}, "LATCHKEY_CLOCK_FILE is for tests only"),
            ({"failpoints_dir": "/tmp/failpoints"}, "LATCHKEY_FAILPOINTS_DIR is for tests only"),
            ({"trick": "x"}, "LATCHKEY_TRICK is for tests only"),
        ],
    )
    def test_each_unsafe_value(self, change, problem):
        assert refused(**SAFE | change) == [problem]

    def test_all_at_once_together_with_what_is_missing_or_wrong(self):
        values = LOOSE | {"clock_file": "/c", "failpoints_dir": "/f", "trick": "x", "http_port": 99999}
        del values["keys_dir"], values["kafka_bootstrap"]
        assert refused(**values) == [
            "LATCHKEY_ORIGIN must be https in production",
            "LATCHKEY_POSTGRES_DSN has no password",
            "LATCHKEY_KAFKA_BOOTSTRAP is required",
            "LATCHKEY_KAFKA_CA_FILE is missing: Kafka without TLS",
            "LATCHKEY_HTTP_PORT Input should be less than or equal to 65535",
            "LATCHKEY_KEYS_DIR is required",
            "LATCHKEY_CLOCK_FILE is for tests only",
            "LATCHKEY_FAILPOINTS_DIR is for tests only",
            "LATCHKEY_TRICK is for tests only",
        ]

    def test_an_unknown_environment_is_no_way_around(self):
        found = refused(**LOOSE | {"environment": "Production "})
        assert len(found) == 4
        assert found[0].startswith("LATCHKEY_ENVIRONMENT")

    def test_rules_over_several_fields(self):
        assert refused(**SAFE | {"management_port": 8000}) == ["one and two don't fit", "three"]
        assert ExampleSettings(**SAFE | {"management_port": 8000, "environment": "test"}).development


class TestElsewhere:
    @pytest.mark.parametrize("environment", ["development", "test"])
    def test_what_is_handy_is_allowed(self, environment):
        settings = ServiceSettings(**LOOSE, environment=environment, clock_file="/c", failpoints_dir="/f")
        assert settings.development
        assert not settings.secure

    @pytest.mark.parametrize(
        "origin",
        [
            "id.example",
            "ftp://id.example",
            "https://",
            "https://id.example/path",
            "https://id.example?x=1",
            "https://a.example#b",
        ],
    )
    def test_an_origin_is_an_origin(self, origin):
        """REC-8: every link is built from it."""
        assert refused(**LOOSE | {"origin": origin, "environment": "test"}) == ["LATCHKEY_ORIGIN must be scheme://host[:port]"]

    def test_a_slash_at_its_end_is_dropped(self):
        assert ServiceSettings(**SAFE | {"origin": "https://id.example/"}).origin == "https://id.example"


class TestLoad:
    def test_from_the_environment(self, monkeypatch):
        for name, value in (SAFE | {"kafka_ca_file": certifi.where()}).items():
            monkeypatch.setenv(f"LATCHKEY_{name.upper()}", str(value))
        settings = load(ServiceSettings, "identity")
        assert (settings.service_name, settings.http_port, settings.keys_dir) == ("identity", 8000, Path("/run/keys"))

    def test_exit_code_2_and_one_line_a_problem(self, capsys):
        with pytest.raises(SystemExit) as caught:
            load(ServiceSettings, "identity", **SAFE | {"origin": "http://x.example", "clock_file": "/c"})
        assert caught.value.code == 2
        lines = capsys.readouterr().err.splitlines()
        assert lines == [
            "identity: LATCHKEY_ORIGIN must be https in production",
            "identity: LATCHKEY_CLOCK_FILE is for tests only",
        ]

    def test_secrets_are_not_shown(self):
        assert "pass-word" not in repr(ServiceSettings(**SAFE))
