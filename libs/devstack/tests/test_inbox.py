"""The local inbox over its real protocols: SMTP in, JSON and page out, faults on demand (api.md §6)."""

import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest
from devstack.processes import free_port


class Inbox:
    def __init__(self, folder: Path) -> None:
        self.http, self.smtp, self.folder = free_port(), free_port(), folder
        self.url = f"http://127.0.0.1:{self.http}"
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "devstack.inbox", "--http", str(self.http), "--smtp", str(self.smtp), "--data"]
        self.process = subprocess.Popen([*command, str(self.folder)])
        end = time.monotonic() + 10
        while time.monotonic() < end:
            try:
                httpx.get(f"{self.url}/inbox/messages", trust_env=False)
                socket.create_connection(("127.0.0.1", self.smtp), 1).close()
                return
            except (httpx.HTTPError, OSError):
                time.sleep(0.05)
        raise AssertionError("the inbox did not start")

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(5)

    def get(self, path: str, **query: str) -> httpx.Response:
        return httpx.get(self.url + path, params=query, trust_env=False)

    def items(self, **query: str) -> list[dict]:
        return self.get("/inbox/messages", **query).json()["items"]

    def fail(self, fault: str, count: int = 1) -> httpx.Response:
        return httpx.post(f"{self.url}/inbox/faults", json={"fault": fault, "count": count}, trust_env=False)

    def send(self, to: str = "mira@posteo.example", *, html: str = "<p>hi</p>", text: str = "hi\n") -> None:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = "a@b.example", to, "Größe"
        message["Message-ID"] = f"<{time.monotonic_ns()}@b.example>"
        message.set_content(text)
        message.add_alternative(html, subtype="html")
        with smtplib.SMTP("127.0.0.1", self.smtp, timeout=5) as client:
            client.send_message(message)


@pytest.fixture(scope="module")
def inbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inbox]:
    found = Inbox(tmp_path_factory.mktemp("inbox"))
    yield found
    found.stop()


class TestMessages:
    def test_every_field(self, inbox: Inbox) -> None:
        inbox.send("one@posteo.example", text="Hello\nlink: https://x.example/demo/l/abc\n")
        (found,) = inbox.items(to="one@posteo.example")
        assert set(found) >= {"id", "channel", "to", "subject", "text", "html", "headers", "received_at", "message_id"}
        assert (found["channel"], found["subject"]) == ("email", "Größe")
        assert found["text"].startswith("Hello\nlink:")
        assert "@b.example" in found["message_id"]
        assert datetime.fromisoformat(found["received_at"]).tzinfo is not None

    def test_filters(self, inbox: Inbox) -> None:
        inbox.send("two@posteo.example")
        moment = datetime.now(UTC).isoformat()
        inbox.send("two@posteo.example")
        assert len(inbox.items(to="two@posteo.example")) == 2
        assert len(inbox.items(to="two@posteo.example", since=moment)) == 1
        assert inbox.items(to="two@posteo.example", channel="sms") == []
        assert inbox.get("/inbox/messages", since="yesterday").status_code == 400

    def test_the_page_shows_a_mail_and_runs_nothing_of_it(self, inbox: Inbox) -> None:
        inbox.send("three@posteo.example", html="<script>alert(1)</script><p>fine</p>")
        (found,) = inbox.items(to="three@posteo.example")
        page = inbox.get("/inbox", message=found["id"])
        assert "three@posteo.example" in page.text
        assert "alert(1)" not in page.text
        shown = inbox.get(f"/inbox/messages/{found['id']}/html")
        assert "sandbox" in shown.headers["content-security-policy"]
        assert "default-src 'none'" in shown.headers["content-security-policy"]

    def test_kept_over_a_restart(self, inbox: Inbox) -> None:
        inbox.send("four@posteo.example")
        inbox.stop()
        inbox.start()
        assert len(inbox.items(to="four@posteo.example")) == 1


class TestFaults:
    @pytest.mark.parametrize(("fault", "kept"), [("refuse", 0), ("temporary", 0), ("permanent", 0), ("cut", 1)])
    def test_once_and_then_no_more(self, inbox: Inbox, fault: str, kept: int) -> None:
        """`cut`: the mail is taken, and the line goes dead before the answer."""
        to = f"{fault}@posteo.example"
        assert inbox.fail(fault).json() == {"waiting": 1}
        with pytest.raises((smtplib.SMTPException, OSError)):
            inbox.send(to)
        assert len(inbox.items(to=to)) == kept
        inbox.send(to)
        assert len(inbox.items(to=to)) == kept + 1

    def test_none_takes_them_back(self, inbox: Inbox) -> None:
        inbox.fail("temporary", 5)
        assert inbox.fail("none").json() == {"waiting": 0}
        inbox.send("none@posteo.example")
        assert len(inbox.items(to="none@posteo.example")) == 1

    @pytest.mark.parametrize("body", [{}, {"fault": "explode"}, {"fault": "cut", "count": 0}, {"fault": "cut", "count": "x"}])
    def test_what_it_does_not_know(self, inbox: Inbox, body: dict) -> None:
        answer = httpx.post(f"{inbox.url}/inbox/faults", json=body, trust_env=False)
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
