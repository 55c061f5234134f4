"""The stand-in for the generic provider over real sockets: signatures, one message per key, signed receipts."""

import json
import time
from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest
from devstack import providers
from devstack.inbox import signatures
from testkit.inboxes import Listener, LocalInbox
from testkit.stack import eventually

TO = "+493415550141"


@pytest.fixture(scope="module")
def inbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalInbox]:
    found = LocalInbox(tmp_path_factory.mktemp("https"))
    yield found
    found.kill()


class Backup:
    """The stand-in as a client sees it."""

    def __init__(self, inbox: LocalInbox, listener: Listener) -> None:
        self.inbox, self.listener, self.settings = inbox, listener, inbox.provider("backup")
        self.key, self.message = providers.key_of(self.settings), str(uuid4())

    def document(self, **more: str) -> dict[str, str]:
        return {
            "message_id": self.message,
            "channel": "sms",
            "to": TO,
            "language": "en",
            "text": "482193 is your code",
            "expires_at": "2026-11-26T14:08:00Z",
            "callback_url": f"{self.listener.url}/v1/callbacks/backup?message={self.message}",
            **more,
        }

    def post(self, document: object = None, *, age: float = 0, **headers: str) -> httpx.Response:
        body = json.dumps(self.document() if document is None else document).encode()
        signed = signatures.webhook(self.key, self.message, int(time.time() - age), body)
        sent = {"content-type": "application/json", "idempotency-key": self.message, **signed, **headers}
        return httpx.post(self.settings["url"], content=body, headers=sent, timeout=3, trust_env=False)

    def items(self) -> list[dict]:
        return [one for one in self.inbox.items() if one["message_id"] == self.message]

    def receipts(self) -> list[dict]:
        return [json.loads(one.body) for one in self.listener.heard]


@pytest.fixture
def backup(inbox: LocalInbox) -> Iterator[Backup]:
    with Listener() as listener:
        yield Backup(inbox, listener)
    inbox.fail("none")


class TestSignature:
    def test_standard_webhooks_own_example(self) -> None:
        """The test vector that the specification publishes."""
        key = providers.key_of({"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"})
        found = signatures.webhook(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
        assert found["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

    @pytest.mark.parametrize("wrong", [{"webhook-signature": "v1,AAAA"}, {"webhook-id": "other"}, {"webhook-timestamp": "x"}])
    def test_what_is_not_signed(self, backup: Backup, wrong: dict[str, str]) -> None:
        assert backup.post(**wrong).status_code == 401
        assert backup.items() == []

    def test_an_old_one(self, backup: Backup) -> None:
        """A request that somebody kept can't be sent again."""
        assert backup.post(age=400).status_code == 401

    def test_receipts_are_signed(self, backup: Backup) -> None:
        """REL-8."""
        backup.post()
        eventually(lambda: len(backup.listener.heard) == 2)
        for one in backup.listener.heard:
            assert signatures.is_signed(backup.key, one.headers, one.body, time.time())
        assert len({one.headers["webhook-id"] for one in backup.listener.heard}) == 2


class TestMessages:
    def test_accepted_then_delivered(self, backup: Backup) -> None:
        answer = backup.post()
        assert answer.status_code == 202
        eventually(lambda: len(backup.listener.heard) == 2)
        assert backup.receipts() == [{"message_id": backup.message, "state": state} for state in ("accepted", "delivered")]
        (found,) = backup.items()
        assert (found["channel"], found["to"], found["text"], found["state"]) == ("sms", TO, "482193 is your code", "delivered")
        assert found["headers"] == {"provider": "backup", "sid": answer.json()["id"], "idempotency_key": backup.message}

    def test_a_repeated_key_is_one_message(self, backup: Backup) -> None:
        """REL-7: the same id, also after a kill."""
        backup.inbox.fail("accepted_500", channel="sms")
        assert backup.post().status_code == 500
        (kept,) = backup.items()
        assert backup.post().json() == {"id": kept["headers"]["sid"]}
        eventually(lambda: len(backup.listener.heard) == 2)
        backup.inbox.kill()
        backup.inbox.start()
        assert backup.post().json() == {"id": kept["headers"]["sid"]}
        assert len(backup.items()) == 1
        assert len(backup.listener.heard) == 2

    def test_what_it_does_not_understand(self, backup: Backup) -> None:
        without_key = {"idempotency-key": ""}
        assert backup.post(**without_key).status_code == 400
        for wrong in ({}, [], {**backup.document(), "channel": "email"}, {**backup.document(), "channel": "voice"}):
            assert backup.post(wrong).status_code == 400
        assert backup.items() == []


class TestCalls:
    def call(self, backup: Backup) -> dict:
        backup.post(backup.document(channel="voice", prompt="Press 1.", text="Your code: 4, 8, 2, 1, 9, 3."))
        eventually(lambda: len(backup.listener.heard) == 2)
        (found,) = backup.items()
        return found

    def test_the_code_after_a_key(self, backup: Backup) -> None:
        """PST-4."""
        found = self.call(backup)
        assert (found["text"], found["state"]) == ("Press 1.\n[1 pressed]\nYour code: 4, 8, 2, 1, 9, 3.", "answered")
        assert backup.receipts()[-1]["state"] == "delivered"

    @pytest.mark.parametrize("fault", ["answering_machine", "busy", "no_answer"])
    def test_nobody_heard_it(self, backup: Backup, fault: str) -> None:
        """PST-4: no digit of the code, and failed is what is told."""
        backup.inbox.fail(fault, channel="voice")
        found = self.call(backup)
        assert "4, 8" not in found["text"]
        assert backup.receipts()[-1] == {"message_id": backup.message, "state": "failed", "reason": found["state"]}


class TestFaults:
    @pytest.mark.parametrize(("fault", "status"), [("temporary", 503), ("permanent", 400), ("server_error", 500)])
    def test_not_taken(self, backup: Backup, fault: str, status: int) -> None:
        backup.inbox.fail(fault, channel="sms", provider="backup")
        assert backup.post().status_code == status
        assert backup.items() == []
        assert backup.post().status_code == 202

    def test_taken_and_cut(self, backup: Backup) -> None:
        backup.inbox.fail("cut", channel="sms")
        with pytest.raises(httpx.RemoteProtocolError):
            backup.post()
        assert len(backup.items()) == 1

    def test_refused(self, backup: Backup) -> None:
        backup.inbox.fail("refuse", "until_cleared", channel="sms", provider="backup")
        with pytest.raises(httpx.ConnectError):
            backup.post()
        backup.inbox.fail("none")
        assert backup.post().status_code == 202

    def test_undelivered(self, backup: Backup) -> None:
        backup.inbox.fail("undelivered", channel="sms")
        backup.post()
        eventually(lambda: len(backup.listener.heard) == 2)
        assert backup.receipts()[-1] == {"message_id": backup.message, "state": "failed", "reason": "unreachable"}
        assert backup.items()[0]["state"] == "undelivered"
