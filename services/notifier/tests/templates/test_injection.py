"""Whatever people and their browsers are called, it stays text (WEB-14): mail, text message, call, TwiML, headers."""

import re
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default

import pytest
from latchkey_contracts.messages import Origin
from latchkey_contracts.templates import TEMPLATES
from notifier.channels.smtp import compose as on_the_wire
from notifier.channels.twilio import twiml

from .conftest import NOW, xml

EVIL = [
    "Mira\r\nBcc: evil evil",
    "Mira\nX-Evil: 1",
    "Mira\x00\x1b[2J",
    "{{ 7*7 }}",
    "{{ code }}",
    "{% for x in range(9) %}x{% endfor %}",
    "{% if code %}",
    "{# gone #}",
    "<script>alert(1)<script>",
    "<b onmouseover=alert(1)>bold",
    '"><a href=javascript:alert(1)>press',
    "</Say><Hangup/>",
    "\u202egro.live\u2066",
    "a\u2028b\u2029c",
]
OWN = {
    "password_reset": {
        "en": {
            "subject": "{{ name }} {{ device }}",
            "text": "{{ name }} {{ device }} {{ link }} {{ code }}",
            "html": "<p>{{ name }} {{ device }} <a href='{{ link }}'>{{ code }}</a></p>",
            "sms": "{{ name }} {{ device }} {{ code }}",
            "voice": "{{ name }} {{ device }} {{ digits }}",
        }
    }
}
BY = {"ours": None, "own": OWN}


def inert(text: str, evil: str) -> None:
    """As one line, and nothing of it was computed."""
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u2028\u2029\u202e]", text)
    assert not re.search(r"(?m)^(Bcc|X-Evil):", text)
    assert "49" not in re.sub(r"\S*(?:id\.example|#)\S*|\d\d:\d\d", "", text)
    if evil.startswith("{%"):
        assert "xxxxxxxxx" not in text


@pytest.mark.parametrize("texts", BY)
@pytest.mark.parametrize("evil", EVIL)
class TestPeople:
    def changes(self, evil: str) -> dict:
        return {"given_name": evil, "usernames": [evil], "asked": Origin(at=NOW, device=evil, place=evil)}

    def test_mail(self, compose, evil: str, texts: str):
        found = compose("email", "password_reset", texts=BY[texts], **self.changes(evil))
        # Where lines of the text are broken is no matter: below the headers nothing is one.
        for text in (found.subject, " ".join(found.text.split())):
            inert(text, evil)
        assert "\n" not in found.subject
        body = found.html.partition("</head>")[2]
        assert not re.search(r"<script|<b on|<[^>]*javascript|<hangup", body, re.IGNORECASE)
        assert len(re.findall(r"<a ", body)) == 1
        message = message_from_bytes(on_the_wire(found, datetime.now(UTC)), policy=default)
        assert message["Bcc"] is None
        assert message["X-Evil"] is None

    def test_sms(self, compose, evil: str, texts: str):
        body = compose("sms", "password_reset", texts=BY[texts], **self.changes(evil)).body
        inert(body, evil)
        assert body.count("\n") == 1, "nobody adds a line, and so no second code"

    def test_call(self, compose, evil: str, texts: str):
        call = compose("voice", "password_reset", texts=BY[texts], **self.changes(evil))
        inert(call.prompt + call.body, evil)
        for answer in (twiml(call, "https://id.example/key"), twiml(call, None)):
            assert len(list(xml(answer).iter("Hangup"))) == 1

    def test_reminder(self, compose, evil: str, texts: str):
        for channel in ("email", "sms"):
            found = compose(channel, "username_reminder", texts=BY[texts], **self.changes(evil))
            inert(found.text if channel == "email" else found.body, evil)


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize("field", ["name", "short_name", "sender_name", "postal_line"])
def test_brand(compose, application, field: str, evil: str, monkeypatch: pytest.MonkeyPatch):
    brand = application.brand.model_copy(update={field: evil})
    monkeypatch.setitem(application.__dict__, "brand", brand)
    found = compose("email", "activation")
    message = message_from_bytes(on_the_wire(found, datetime.now(UTC)), policy=default)
    assert message["Bcc"] is None
    assert "\n" not in found.subject + found.sender_name
    assert not re.search(r"<script|<b on|<[^>]*javascript", found.html.partition("</head>")[2])
    assert xml(twiml(compose("voice", "password_reset"), None)) is not None


@pytest.mark.parametrize("evil", [*EVIL, "../../etc/passwd", "de\r\nBcc: x", "__class__", "", "de/../en"])
def test_language(compose, evil: str):
    """It names no file: what is none of the five is the application's."""
    assert compose("email", "activation", evil).language == "en"


@pytest.mark.parametrize(
    "name",
    ["evil.test", "Win a car https://evil.test", "www.evil.test", "call me@evil.test", "x" * 65, "a/b", "evil．com", "evil。com", "ｗｗｗ．evil．com",
     "URGENT your account is locked, call +1 888 555 0123 now. Dear", "call 0800-555"],
)  # fmt: skip
@pytest.mark.parametrize("template", ["activation", "account_exists", "password_reset"])
def test_a_name_that_is_an_advertisement(compose, template: str, name: str):
    """Whoever registers a stranger's address can't have us deliver a link or a text of theirs: the greeting stays without a name."""
    found = compose("email", template, given_name=name)
    assert name not in found.text
    assert "Hello, " in found.text


@pytest.mark.parametrize(
    "name", ["Mira", "J. R.", "Anne-Marie", "D'Arcy", "مِيرا", "李小龍", "Ng", "St. John", "Łukasz 3", "x" * 64]
)
def test_names_are_free(compose, name: str):
    """WEB-17."""
    assert f"Hello {name}, " in " ".join(compose("email", "username_reminder", given_name=name).text.split())


def test_every_template_is_covered():
    """What takes a name or a device takes it through `facts`, which cleans it."""
    assert all({"name"} <= one.variables for one in TEMPLATES.values())
