"""The command line as one meets it: what there is, what it is for, and what is wrong told in a sentence (README.md)."""

import argparse
import contextlib
import importlib
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import latchkey_cli
import pytest
from latchkey_cli.cli import main, parser
from latchkey_contracts.topics import SERVICES
from servicekit.process.settings import ServiceSettings, load

ROOT = Path(__file__).parents[3]
SAFE = {
    "ENVIRONMENT": "development",
    "ORIGIN": "http://localhost:8080",
    "POSTGRES_DSN": "postgresql://identity@localhost/identity",
    "KAFKA_BOOTSTRAP": "localhost:9092",
    "HTTP_PORT": "8001",
    "MANAGEMENT_PORT": "8002",
    "KEYS_DIR": "keys",
}


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch, tmp_path) -> None:
    for name in [one for one in os.environ if one.startswith("LATCHKEY_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LATCHKEY_DATA_DIR", str(tmp_path / "nothing runs here"))


def code(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    return int(caught.value.code or 0)


def parsers(one: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield one
    for action in one._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from parsers(inner)


def groups() -> list[list[str]]:
    return [
        one.prog.split()[1:] for one in parsers(parser()) if any(isinstance(a, argparse._SubParsersAction) for a in one._actions)
    ]


class TestHelp:
    @pytest.mark.parametrize("words", groups(), ids=" ".join)
    def test_without_a_command_it_lists_them(self, words, capsys):
        assert code(*words) == 0
        told = capsys.readouterr().out
        found = next(one for one in parsers(parser()) if one.prog.split()[1:] == words)
        for action in found._actions:
            if isinstance(action, argparse._SubParsersAction):
                assert all(f"    {name}" in told for name in action.choices)

    def test_everything_says_what_it_is_for(self):
        for one in parsers(parser()):
            for action in one._actions:
                if isinstance(action, argparse._SubParsersAction):
                    assert [inner.dest for inner in action._choices_actions if not inner.help] == []
                    assert len(action._choices_actions) == len(action.choices)
                else:
                    assert action.help, f"{one.prog} {action.option_strings or action.dest}"

    def test_version(self, capsys):
        """That of the package, and the same everywhere."""
        assert code("--version") == 0
        assert capsys.readouterr().out == f"latchkey {latchkey_cli.__version__}\n"
        for path in ROOT.glob("libs/*/pyproject.toml"):
            assert tomllib.loads(path.read_text())["project"]["version"] == latchkey_cli.__version__

    def test_in_an_image(self, tmp_path):
        """Without devstack and the gateway: what needs them is not there or says so, the rest works."""
        roots = [str(ROOT / "libs" / name / "src") for name in ("contracts", "servicekit", "cli")]
        blocked = "import sys; sys.modules['devstack'] = sys.modules['gateway'] = None; from latchkey_cli.cli import main; main()"
        for words, expected in ([], 0), (["openapi"], 1), (["asyncapi"], 0), (["dev", "up"], 2), (["work", "list"], 2):
            done = subprocess.run(
                [sys.executable, "-c", blocked, *words],
                env={"PYTHONPATH": ":".join(roots), "LATCHKEY_DATA_DIR": str(tmp_path)},
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert (done.returncode, "Traceback" in done.stderr) == (expected, False), done.stderr


class TestWrong:
    @pytest.mark.parametrize(
        ("words", "variables", "sentence"),
        [
            (["dev", "up"], {"LATCHKEY_PORT": "abc"}, "LATCHKEY_PORT is 'abc'"),
            (["dev", "up"], {"LATCHKEY_PORT": "99999"}, "between 1 and 65535"),
            (["dev", "up", "--port", "0"], {}, "--port is '0'"),
            (["topics"], {}, "which broker?"),
            (["topics"], {"LATCHKEY_KAFKA_BOOTSTRAP": "127.0.0.1:9"}, "Kafka at 127.0.0.1:9"),
            (["parked", "list"], {}, "which database?"),
            (["parked", "list"], {"LATCHKEY_POSTGRES_DSN": "nonsense"}, "must be postgresql://"),
            (["work", "list"], {"LATCHKEY_POSTGRES_DSN": "postgresql://x@127.0.0.1:9/x"}, "does not answer"),
            (["apply", "nowhere.yaml", "--identity-url", "http://127.0.0.1:9"], {}, "can't be read"),
            (["apply", "nowhere.yaml"], {}, "where is the identity?"),
            (
                ["channels", "list"],
                {"LATCHKEY_NOTIFIER_URL": "http://127.0.0.1:9", "LATCHKEY_KEYS_DIR": "/nowhere"},
                "operator's key",
            ),
            (["keys", "init"], {"LATCHKEY_KEYS_DIR": "/proc/nowhere"}, "/proc/nowhere"),
            (["keys", "rotate"], {"LATCHKEY_KEYS_DIR": "/nowhere"}, "/nowhere"),
            (["nothing"], {}, "invalid choice"),
        ],
    )
    def test_is_told_in_a_sentence(self, words, variables, sentence, monkeypatch, capsys):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        assert code(*words) in {1, 2}
        said = "".join(capsys.readouterr())
        assert sentence in said
        assert "Traceback" not in said

    @pytest.mark.parametrize("service", SERVICES)
    def test_every_variable_of_every_service(self, service, monkeypatch, capsys):
        """What can't be used is refused with the variable's name, and without a traceback."""
        (settings,) = (
            one
            for one in vars(importlib.import_module(f"{service}.wiring")).values()
            if isinstance(one, type) and issubclass(one, ServiceSettings)
        )
        for name, value in SAFE.items():
            monkeypatch.setenv(f"LATCHKEY_{name}", value)
        for name in set(settings.model_fields) - {"service_name"}:
            variable = f"LATCHKEY_{name.upper()}"
            for value in ("", "non sense", "-1", "99999999", "http://[", "/nowhere"):
                with monkeypatch.context() as patch:
                    patch.setenv(variable, value)
                    with contextlib.suppress(SystemExit):  # nothing else may come out of it
                        load(settings, service)
                    said = capsys.readouterr().err
                    assert all(line.startswith(f"{service}: LATCHKEY_") for line in said.splitlines()), (variable, value, said)


class TestPort:
    def test_taken(self, monkeypatch):
        """`make run` says so before it installs anything."""
        import socket

        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            one.listen()
            port = one.getsockname()[1]
            for value, told in ((str(port), "can't be had"), ("abc", "whole number"), ("99999", "whole number")):
                done = subprocess.run(
                    [sys.executable, "-S", str(ROOT / "tools/free_port.py")],
                    env={"LATCHKEY_PORT": value}, capture_output=True, text=True, check=False,
                )  # fmt: skip
                assert done.returncode == 1
                assert told in done.stderr
