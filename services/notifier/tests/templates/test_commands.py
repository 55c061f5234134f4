"""`latchkey templates`, as an operator types it, against a running notifier's routes (E17)."""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from devstack.processes import free_port
from latchkey_cli import cli
from notifier.channels.base import Refused
from notifier.channels.chain import Chain
from notifier.templates import routes
from notifier.templates.render import Renderer
from notifier.templates.service import Templates
from servicekit import keys as key_files
from servicekit.clock import Clock
from servicekit.keys import Keys
from servicekit.web.http import create_internal_app
from testkit import nursery

from .conftest import ORIGIN
from .test_service import GERMAN, Provider


@pytest.fixture
def smtp() -> Provider:
    return Provider("smtp", {"email"})


@pytest.fixture
def keys_dir(tmp_path: Path) -> Path:
    key_files.init(tmp_path / "keys")
    return tmp_path / "keys"


@pytest.fixture
def url(application, configuration, keys_dir, smtp) -> Iterator[str]:
    applications = {"demo": application.model_dump(mode="json")}
    named = {"Default": {"name": "Default"}}
    configuration.replace(named, named, applications, {"Default": {"name": "Default", "templates": GERMAN}})
    clock = Clock()
    templates = Templates(Renderer("no-reply@localhost", ORIGIN), configuration, Chain([smtp], clock), clock, ORIGIN)
    app = create_internal_app("notifier", [routes.router(templates)], keys=Keys(keys_dir), clock=clock)
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="critical"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def latchkey(url, keys_dir) -> Callable[..., tuple[int, str, str]]:
    """Exit code, stdout, stderr."""

    def run(*arguments: str, at: str = url, keys: Path = keys_dir) -> tuple[int, str, str]:
        command = [sys.executable, "-m", "latchkey_cli", "templates", *arguments, "--notifier-url", at, "--keys-dir", str(keys)]
        done = nursery.run(command)
        return done.returncode, done.stdout, done.stderr

    return run


class TestList:
    def test_one_line_each(self, latchkey):
        code, out, _ = latchkey("list")
        assert code == 0
        assert "welcome               email  off  own words in email: de\n" in out
        assert "account_exists        email, sms\n" in out
        assert "password_reset        email, sms, voice\n" in out

    def test_json(self, latchkey):
        assert {one["template"] for one in json.loads(latchkey("list", "--json")[1])} >= {"activation", "welcome"}


class TestPreview:
    def test_a_mail_and_its_html(self, latchkey, tmp_path: Path):
        path = tmp_path / "mail.html"
        code, out, _ = latchkey("preview", "welcome", "--language", "de", "--html", str(path))
        assert code == 0
        assert "subject: Servus, Mira\nyour own: subject\n\nIhr Konto ist bereit" in out
        assert path.read_text().startswith("<!doctype html>")

    def test_a_text_message(self, latchkey):
        _, out, _ = latchkey("preview", "activation", "--channel", "sms", "--language", "ar")
        assert "segments: 2\nencoding: UCS-2\n" in out
        assert out.endswith("@id.example #482913\n")

    def test_a_call(self, latchkey):
        assert "Press 1 to hear it.\n\nYour code is: 4, 8, 2" in latchkey("preview", "password_reset", "--channel", "voice")[1]

    def test_what_is_wrong_in_sentences(self, latchkey, tmp_path: Path):
        code, out, said = latchkey("preview", "wellcome", "--language", "pt", "--application", "demo")
        assert (code, out) == (1, "")
        assert "latchkey: template: There is no such template; there are: account_exists, " in said
        assert "latchkey: language: There is no such language; there are: en, ar, de, es, fr\n" in said
        code, _, said = latchkey("preview", "activation", "--channel", "sms", "--html", str(tmp_path / "x"))
        assert (code, said) == (1, "latchkey: only a mail has HTML\n")


class TestSend:
    def test_to_oneself(self, latchkey, smtp):
        assert latchkey("send", "welcome", "--to", "me@elmstead.example") == (0, "smtp has taken it\n", "")
        (mail,) = smtp.sent
        assert mail.subject == "[Test] Welcome to Elmstead"

    def test_refused(self, latchkey, smtp):
        smtp.trouble = Refused("550 no such user")
        assert latchkey("send", "welcome", "--to", "me@elmstead.example")[:2] == (1, "smtp refused it: 550 no such user\n")

    def test_without_a_provider(self, latchkey):
        code, _, said = latchkey("send", "activation", "--channel", "sms", "--to", "+4915550100")
        assert (code, said) == (1, "latchkey: the notifier has no provider for sms\n")


class TestUnreachable:
    def test_nobody_answers(self, latchkey):
        assert latchkey("list", at="http://127.0.0.1:9")[2] == "latchkey: the notifier does not answer at http://127.0.0.1:9\n"

    def test_no_key(self, latchkey, tmp_path: Path):
        code, _, said = latchkey("list", keys=tmp_path / "none")
        assert code == 1
        assert "there is no operator's key; `latchkey keys init` makes it" in said

    def test_another_instances_key(self, latchkey, tmp_path: Path):
        key_files.init(tmp_path / "other")
        code, _, said = latchkey("list", keys=tmp_path / "other")
        assert code == 1
        assert said.startswith("latchkey: ")

    def test_no_address_of_the_notifier(self, monkeypatch: pytest.MonkeyPatch, capsys: Any):
        monkeypatch.delenv("LATCHKEY_NOTIFIER_URL", raising=False)
        monkeypatch.setattr(cli, "local", lambda _name: None)
        with pytest.raises(SystemExit) as ended:
            cli.main(["templates", "list"])
        assert ended.value.code == 2
        assert "where is the notifier?" in capsys.readouterr().err
