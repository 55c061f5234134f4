"""The local inbox over its real protocols: SMTP in, JSON and page out, faults on demand (README.md)."""

import json
import smtplib
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from uuid import UUID, uuid4

import httpx
import pytest
from devstack import providers
from devstack.inbox import signatures
from testkit.inboxes import Listener, LocalInbox
from testkit.stack import eventually


class Inbox(LocalInbox):
    def send(
        self, to: str = "mira@posteo.example", *, html: str = "<p>hi</p>", text: str = "hi\n", client: smtplib.SMTP | None = None
    ) -> None:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = "a@b.example", to, "Größe"
        message["Message-ID"] = f"<{uuid4()}@b.example>"
        message.set_content(text)
        message.add_alternative(html, subtype="html")
        if client is not None:
            client.send_message(message)
            return
        with smtplib.SMTP("127.0.0.1", self.smtp, timeout=5) as own:
            own.send_message(message)


@pytest.fixture(scope="module")
def inbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inbox]:
    found = Inbox(tmp_path_factory.mktemp("inbox"))
    yield found
    found.kill()


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
        inbox.kill()
        inbox.start()
        assert len(inbox.items(to="four@posteo.example")) == 1


class TestFaults:
    @pytest.mark.parametrize(
        ("fault", "kept"),
        [("refuse", 0), ("temporary", 0), ("permanent", 0), ("server_error", 0), ("cut", 1), ("accepted_500", 1)],
    )
    def test_once_and_then_no_more(self, inbox: Inbox, fault: str, kept: int) -> None:
        """`cut`: the mail is taken, and the line goes dead before the answer."""
        to = f"{fault}@posteo.example"
        assert inbox.fail(fault).json() == {"waiting": 1}
        with pytest.raises((smtplib.SMTPException, OSError)):
            inbox.send(to)
        assert len(inbox.items(to=to)) == kept
        inbox.send(to)
        assert len(inbox.items(to=to)) == kept + 1

    def test_away_until_it_is_cleared(self, inbox: Inbox) -> None:
        """FRD-10: also over a connection from before."""
        with smtplib.SMTP("127.0.0.1", inbox.smtp, timeout=5) as client:
            inbox.send("away@posteo.example", client=client)
            inbox.fail("refuse", "until_cleared")
            with pytest.raises(smtplib.SMTPException):
                inbox.send("away@posteo.example", client=client)
        for _ in range(2):
            with pytest.raises((smtplib.SMTPException, OSError)):
                inbox.send("away@posteo.example")
        inbox.fail("none", channel="email")
        inbox.send("away@posteo.example")
        assert len(inbox.items(to="away@posteo.example")) == 2

    def test_a_bounce_is_told(self, inbox: Inbox) -> None:
        """REL-8: signed, to the address for callbacks."""
        with Listener() as listener:
            inbox.kill()
            inbox.origin = listener.url
            inbox.start()
            inbox.fail("undelivered", channel="email")
            inbox.send("bounces@posteo.example")
            (heard,) = eventually(lambda: list(listener.heard))
        assert heard.url.startswith(f"{listener.url}/v1/callbacks/smtp?message=")
        assert signatures.is_signed(providers.key_of(inbox.provider("smtp")), heard.headers, heard.body, time.time())
        told = json.loads(heard.body)
        (found,) = inbox.items(to="bounces@posteo.example")
        assert (told["state"], found["state"]) == ("bounced", "undelivered")
        assert str(UUID(told["message_id"])) in found["message_id"]

    def test_none_takes_them_back(self, inbox: Inbox) -> None:
        inbox.fail("temporary", 5)
        assert inbox.fail("none").json() == {"waiting": 0}
        inbox.send("none@posteo.example")
        assert len(inbox.items(to="none@posteo.example")) == 1

    @pytest.mark.parametrize("body", [{}, {"fault": "explode"}, {"fault": "cut", "count": 0}, {"fault": "cut", "count": "x"}])
    def test_what_it_does_not_know(self, inbox: Inbox, body: dict) -> None:
        answer = httpx.post(f"{inbox.url}/inbox/faults", json=body, trust_env=False)
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
