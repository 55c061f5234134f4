"""The stand-in for Twilio over real sockets: its protocol by Twilio's own document, signatures by Twilio's own example."""

import base64
import json
import re
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from devstack.inbox import signatures
from jsonschema import Draft202012Validator
from testkit.inboxes import NOTHING, Answer, Heard, Listener, LocalInbox
from testkit.stack import eventually

TO = "+493415550141"
PROMPT = '<Response><Gather input="dtmf" numDigits="1" timeout="10" action="{url}&amp;step=key"><Say>Press 1.</Say></Gather><Hangup/></Response>'
CODE = '<Response><Pause length="1"/><Say language="en-GB">Your code is: 4, 8, 2, 1, 9, 3.</Say><Hangup/></Response>'
DOCUMENT = json.loads((Path(__file__).parent / "twilio" / "openapi-excerpt.json").read_text())


@pytest.fixture(scope="module")
def inbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalInbox]:
    found = LocalInbox(tmp_path_factory.mktemp("twilio"))
    yield found
    found.kill()


@pytest.fixture(autouse=True)
def _nothing_fails(inbox: LocalInbox) -> Iterator[None]:
    yield
    inbox.fail("none")


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as found:
        yield found


class Twilio:
    """The stand-in as a client sees it."""

    def __init__(self, inbox: LocalInbox, listener: Listener) -> None:
        self.inbox, self.listener, self.settings = inbox, listener, inbox.provider("twilio")
        self.message = str(uuid4())
        self.callback = f"{listener.url}/v1/callbacks/twilio?message={self.message}"
        self.account = self.settings["account_sid"]
        self.auth: tuple[str, str] = (self.account, self.settings["auth_token"])

    def post(self, kind: str, account: str | None = None, **form: str) -> httpx.Response:
        url = f"{self.settings['url']}/2010-04-01/Accounts/{account or self.account}/{kind}.json"
        return httpx.post(url, data=form, auth=self.auth, timeout=3, trust_env=False)

    def text(self, **more: str) -> httpx.Response:
        form = {
            "To": TO,
            "From": self.settings["from"],
            "Body": "Elmstead: 482193 is your code.",
            "StatusCallback": self.callback,
        }
        return self.post("Messages", **{name: value for name, value in {**form, **more}.items() if value})

    def call(self, **more: str) -> httpx.Response:
        form = {"To": TO, "From": self.settings["from"], "Url": f"{self.callback}&step=answer", "StatusCallback": self.callback}
        return self.post("Calls", **{name: value for name, value in {**form, **more}.items() if value})

    def talk(self, first: str = PROMPT, then: str = CODE) -> None:
        """What the listener answers to a call that asks what to say."""

        def answer(heard: Heard) -> Answer:
            if "step=" not in heard.url:
                return NOTHING
            return (
                200,
                "text/xml",
                (first if "step=answer" in heard.url else then).replace("{url}", self.callback.replace("&", "&amp;")),
            )

        self.listener.answer = answer

    def statuses(self, name: str) -> list[str]:
        return [one.form[name] for one in self.listener.heard if "step=" not in one.url]

    def item(self, channel: str) -> dict[str, Any]:
        found = [one for one in self.inbox.items(channel=channel) if one["message_id"] == self.message]
        assert len(found) <= 1
        return found[0] if found else {}

    def over(self) -> dict[str, Any]:
        """The call, when its end was told."""
        eventually(lambda: self.statuses("CallStatus"))
        return self.item("voice")


@pytest.fixture
def twilio(inbox: LocalInbox, listener: Listener) -> Twilio:
    return Twilio(inbox, listener)


def schema(path: str) -> tuple[dict, dict]:
    """Of the request's form and of the 201's body, with their references, in JSON Schema's way to say null."""

    def with_null(node: Any) -> Any:
        if isinstance(node, list):
            return [with_null(one) for one in node]
        if not isinstance(node, dict):
            return node
        found = {key: with_null(value) for key, value in node.items()}
        if found.pop("nullable", False):
            return {"anyOf": [{"type": "null"}, found]}
        return found

    operation = DOCUMENT["paths"][f"/2010-04-01/Accounts/{{AccountSid}}/{path}.json"]["post"]
    form = operation["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]
    answer = operation["responses"]["201"]["content"]["application/json"]["schema"]
    components = {"components": with_null(DOCUMENT["components"])}
    return {**with_null(form), **components}, {**with_null(answer), **components}


class TestProtocol:
    def test_an_answer_is_as_the_document_says(self, twilio: Twilio) -> None:
        """README.md: the provider's own protocol. Every field that Twilio answers, of its type, and no other."""
        twilio.talk()
        for path, answer in (("Messages", twilio.text()), ("Calls", twilio.call())):
            assert answer.status_code == 201
            resource = answer.json()
            Draft202012Validator(schema(path)[1]).validate(resource)
            name = schema(path)[1]["$ref"].rpartition("/")[2]
            assert set(resource) == set(DOCUMENT["components"]["schemas"][name]["properties"])
            assert resource["status"] == "queued"
            for stamp in ("date_created", "date_updated"):
                assert resource[stamp] is None or parsedate_to_datetime(resource[stamp])

    def test_a_messaging_service_as_sender(self, twilio: Twilio) -> None:
        answer = twilio.text(From="", MessagingServiceSid="MG" + "0" * 32).json()
        Draft202012Validator(schema("Messages")[1]).validate(answer)
        assert (answer["from"], answer["status"]) == (None, "accepted")

    @pytest.mark.parametrize(
        ("kind", "changed", "code"),
        [
            ("text", {"To": ""}, 21604),
            ("text", {"To": "0341 555"}, 21211),
            ("text", {"From": ""}, 21603),
            ("text", {"From": "me"}, 21212),
            ("text", {"Body": ""}, 21602),
            ("text", {"Body": "x" * 1601}, 21617),
            ("text", {"StatusCallback": "nowhere"}, 21609),
            ("call", {"To": ""}, 21201),
            ("call", {"To": "+1"}, 21211),
            ("call", {"From": ""}, 21213),
            ("call", {"Url": "nowhere"}, 21205),
        ],
    )
    def test_wrong_requests(self, twilio: Twilio, kind: str, changed: dict[str, str], code: int) -> None:
        answer = getattr(twilio, kind)(**changed)
        assert answer.status_code == 400
        assert answer.json() == {
            "code": code,
            "message": answer.json()["message"],
            "more_info": f"https://www.twilio.com/docs/errors/{code}",
            "status": 400,
        }
        assert twilio.item("sms") == {}

    def test_another_s_credentials(self, twilio: Twilio) -> None:
        assert twilio.text().status_code == 201
        twilio.auth = (twilio.account, "wrong")
        refused = twilio.text()
        assert (refused.status_code, refused.json()["code"]) == (401, 20003)
        assert "Basic" in refused.headers["www-authenticate"]
        url = f"{twilio.settings['url']}/2010-04-01/Accounts/{twilio.account}/Messages.json"
        assert httpx.post(url, trust_env=False).json()["code"] == 20003

    def test_what_is_not_there(self, twilio: Twilio) -> None:
        assert (twilio.post("Faxes").status_code, twilio.post("Faxes").json()["code"]) == (404, 20404)
        assert twilio.post("Messages", account="AC" + "0" * 32, To=TO, From=TO, Body="x").json()["code"] == 20404


class TestSignature:
    def test_twilio_s_own_example(self) -> None:
        """The request with which Twilio documents its signature."""
        parameters = {"CallSid": "CA1234567890ABCDE", "Caller": "+14158675309", "Digits": "1234", "From": "+14158675309"}
        parameters["To"] = "+18005551212"
        url = "https://mycompany.com/myapp.php?foo=1&bar=2"
        assert signatures.twilio("12345", url, parameters) == "RSOYDt4T1cUTdK1PDd93/VVr8B8="

    def test_every_callback_is_signed(self, twilio: Twilio) -> None:
        """REL-8."""
        twilio.talk()
        twilio.text()
        twilio.call()
        eventually(lambda: len(twilio.listener.heard) == 5)
        for one in twilio.listener.heard:
            expected = signatures.twilio(twilio.settings["auth_token"], one.url, one.form)
            assert one.headers["x-twilio-signature"] == expected
            assert len(base64.b64decode(expected)) == 20


class TestMessages:
    def test_sent_then_delivered(self, twilio: Twilio) -> None:
        """REL-8: receipts; README.md: every field of the inbox."""
        sid = twilio.text().json()["sid"]
        eventually(lambda: twilio.statuses("MessageStatus") == ["sent", "delivered"])
        assert {one.form["MessageSid"] for one in twilio.listener.heard} == {sid}
        found = twilio.item("sms")
        assert (found["channel"], found["to"], found["subject"], found["html"]) == ("sms", TO, None, None)
        assert (found["text"], found["state"]) == ("Elmstead: 482193 is your code.", "delivered")
        assert (found["headers"]["provider"], found["headers"]["sid"]) == ("twilio", sid)

    def test_undelivered(self, twilio: Twilio) -> None:
        twilio.inbox.fail("undelivered", channel="sms")
        twilio.text()
        eventually(lambda: twilio.statuses("MessageStatus") == ["sent", "undelivered"])
        assert twilio.listener.heard[-1].form["ErrorCode"] == "30003"
        assert twilio.item("sms")["state"] == "undelivered"

    def test_no_receipt(self, twilio: Twilio) -> None:
        """The next one's receipts come, so this one's would have."""
        twilio.inbox.fail("no_receipt", channel="sms")
        silent = twilio.text().json()["sid"]
        told = twilio.text().json()["sid"]
        eventually(lambda: len(twilio.listener.heard) == 2)
        assert silent != told
        assert {one.form["MessageSid"] for one in twilio.listener.heard} == {told}

    def test_kept_over_a_kill(self, twilio: Twilio) -> None:
        """Message and state."""
        twilio.text()
        eventually(lambda: twilio.item("sms").get("state") == "delivered")
        with (twilio.inbox.folder / "messages.jsonl").open("a") as file:
            file.write('{"id": "half')
        twilio.inbox.kill()
        twilio.inbox.start()
        assert twilio.item("sms")["state"] == "delivered"
        before = twilio.message
        twilio.message = str(uuid4())
        twilio.text(StatusCallback=f"{twilio.listener.url}/?message={twilio.message}")
        twilio.inbox.kill()
        twilio.inbox.start()
        assert twilio.item("sms")["text"]
        twilio.message = before
        assert twilio.item("sms")["text"]


class TestCalls:
    def test_a_person_presses_1_and_hears_the_code(self, twilio: Twilio) -> None:
        """PST-4, README.md."""
        twilio.talk()
        sid = twilio.call().json()["sid"]
        found = twilio.over()
        assert found["text"] == "Press 1.\n[1 pressed]\n[pause]\nYour code is: 4, 8, 2, 1, 9, 3."
        assert (found["state"], found["headers"]["sid"], found["to"]) == ("answered", sid, TO)
        answer, key, end = twilio.listener.heard
        assert (answer.form["CallStatus"], "Digits" in answer.form) == ("in-progress", False)
        assert (key.form["Digits"], key.url) == ("1", f"{twilio.callback}&step=key")
        assert (end.form["CallStatus"], end.form["CallSid"]) == ("completed", sid)
        assert int(end.form["CallDuration"]) > 0

    def test_an_answering_machine_hears_no_digit(self, twilio: Twilio) -> None:
        """PST-4: no code on voicemail."""
        twilio.talk()
        twilio.inbox.fail("answering_machine", channel="voice")
        twilio.call()
        found = twilio.over()
        assert found["text"] == "[answering machine]\nPress 1.\n[no key pressed]"
        assert twilio.statuses("CallStatus") == ["completed"]

    def test_the_machine_is_a_switch(self, twilio: Twilio) -> None:
        twilio.talk()
        twilio.inbox.fail("answering_machine", "until_cleared", channel="voice")
        twilio.inbox.fail("cut", channel="voice")
        with pytest.raises(httpx.RemoteProtocolError):
            twilio.call()
        assert twilio.over()["state"] == "answering machine"
        twilio.inbox.fail("none", channel="voice")
        twilio.message = str(uuid4())
        twilio.call(StatusCallback=f"{twilio.listener.url}/?message={twilio.message}")
        eventually(lambda: twilio.item("voice"))
        assert twilio.item("voice")["state"] == "answered"

    @pytest.mark.parametrize(("fault", "status"), [("busy", "busy"), ("no_answer", "no-answer"), ("undelivered", "failed")])
    def test_nobody_there(self, twilio: Twilio, fault: str, status: str) -> None:
        twilio.talk()
        twilio.inbox.fail(fault, channel="voice")
        twilio.call()
        assert twilio.over()["state"] == status.replace("-", " ")
        assert twilio.statuses("CallStatus") == [status]
        assert len(twilio.listener.heard) == 1

    def test_redirect_and_the_order_of_verbs(self, twilio: Twilio) -> None:
        """Without a key in time Twilio goes on below the Gather; Redirect leaves the document."""
        twilio.talk(
            first='<Response><Gather input="speech"><Say>Say yes.</Say></Gather><Say>So be it.</Say><Redirect>?step=key</Redirect>'
            "<Say>never</Say></Response>",
            then='<Response><Say loop="2">Bye <break time="1s"/>now.</Say></Response>',
        )
        twilio.call()
        assert twilio.over()["text"] == "Say yes.\n[no key pressed]\nSo be it.\nBye [pause] now.\nBye [pause] now."

    def test_no_longer_than_its_limit(self, twilio: Twilio) -> None:
        """FRD-7: 60 s."""
        twilio.talk(first="<Response><Say>" + "word " * 149 + "</Say><Pause length='1'/><Say>never</Say></Response>")
        twilio.call(TimeLimit="60")
        assert twilio.over()["text"].endswith("[cut off after 60 s]")
        assert twilio.listener.heard[-1].form["CallDuration"] == "60"

    @pytest.mark.parametrize(
        ("status", "kind", "text"),
        [
            (404, "text/xml", PROMPT),
            (200, "application/json", PROMPT),
            (200, "text/xml", "<Response>"),
            (200, "text/xml", '<!DOCTYPE x [<!ENTITY a "b">]><Response><Say>&a;</Say></Response>'),
            (200, "text/xml", "<Say>no response</Say>"),
        ],
    )
    def test_what_is_no_twiml(self, twilio: Twilio, status: int, kind: str, text: str) -> None:
        """Twilio then says that it is sorry, and hangs up."""
        twilio.listener.answer = lambda heard: (status, kind, text) if "step=" in heard.url else NOTHING
        twilio.call()
        assert re.search("application error", twilio.over()["text"])


class TestFaults:
    @pytest.mark.parametrize(
        ("fault", "status", "code"),
        [("temporary", 429, 20429), ("permanent", 400, 21211), ("server_error", 500, 20500), ("unsubscribed", 400, 21610)],
    )
    def test_not_taken(self, twilio: Twilio, fault: str, status: int, code: int) -> None:
        """REL-7: it says no, and means it; once."""
        assert twilio.inbox.fail(fault, channel="sms").json() == {"waiting": 1}
        answer = twilio.text()
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert twilio.item("sms") == {}
        assert twilio.text().status_code == 201

    def test_taken_without_saying_so(self, twilio: Twilio) -> None:
        """REL-7: the outcome is unknown to the caller."""
        twilio.inbox.fail("accepted_500", channel="sms")
        assert twilio.text().status_code == 500
        assert twilio.item("sms")["text"]
        twilio.message = str(uuid4())
        twilio.inbox.fail("cut", channel="sms")
        with pytest.raises(httpx.RemoteProtocolError):
            twilio.text(StatusCallback=f"{twilio.listener.url}/?message={twilio.message}")
        assert twilio.item("sms")["text"]

    def test_no_answer(self, twilio: Twilio) -> None:
        twilio.inbox.fail("time_out", channel="sms")
        with pytest.raises(httpx.ReadTimeout):
            twilio.text()
        assert twilio.item("sms") == {}

    def test_away_until_it_is_cleared(self, twilio: Twilio) -> None:
        """FRD-10, E15: really refused, by this provider alone; one in a pool is closed, too."""
        url = f"{twilio.settings['url']}/2010-04-01/Accounts/{twilio.account}/Messages.json"
        with httpx.Client(auth=twilio.auth, trust_env=False) as pooled:
            assert pooled.post(url).status_code == 400
            twilio.inbox.fail("refuse", "until_cleared", channel="sms", provider="twilio")
            for _ in range(3):
                with pytest.raises(httpx.NetworkError):  # the pooled one is reset, the next are refused
                    pooled.post(url)
            backup = twilio.inbox.provider("backup")["url"]
            assert httpx.post(backup, trust_env=False).status_code == 401
            twilio.inbox.fail("none", channel="sms")
            assert pooled.post(url).status_code == 400

    def test_lasting_and_counted(self, twilio: Twilio) -> None:
        """Counted ones come first, in their order."""
        twilio.inbox.fail("temporary", "until_cleared", channel="sms")
        twilio.inbox.fail("permanent", 1, channel="sms")
        twilio.inbox.fail("server_error", 1, channel="sms")
        assert [twilio.text().status_code for _ in range(4)] == [400, 500, 429, 429]
        assert twilio.inbox.fail("none", channel="email").json() == {"waiting": 1}
        assert twilio.inbox.fail("none", channel="sms").json() == {"waiting": 0}
        assert twilio.text().status_code == 201

    def test_another_channel_and_another_provider_are_left_alone(self, twilio: Twilio) -> None:
        twilio.talk()
        twilio.inbox.fail("permanent", channel="voice")
        twilio.inbox.fail("permanent", channel="sms", provider="backup")
        assert twilio.text().status_code == 201
        assert twilio.call().status_code == 400

    @pytest.mark.parametrize(
        "body",
        [
            {"fault": "busy", "channel": "sms"},
            {"fault": "temporary", "channel": "fax"},
            {"fault": "temporary", "channel": "sms", "provider": "nobody"},
            {"fault": "temporary", "channel": "sms", "provider": "smtp"},
            {"fault": "temporary", "channel": "sms", "count": "for ever"},
            {"fault": "temporary", "channel": "sms", "count": True},
            {"fault": "none", "channel": "fax"},
            {"fault": ["cut"]},
            {"fault": "refuse", "channel": "sms", "count": 1},
            ["cut"],
        ],
    )
    def test_what_it_does_not_know(self, inbox: LocalInbox, body: object) -> None:
        answer = httpx.post(f"{inbox.url}/inbox/faults", json=body, trust_env=False)
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
