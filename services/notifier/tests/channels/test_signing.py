"""Signatures of requests and callbacks (Standard Webhooks), and of Twilio; forgeries are refused (REL-8)."""

import base64
import json
from uuid import uuid4

import pytest
from notifier.channels import signing
from notifier.channels.base import Callback, CallStep, Forged, Receipt
from notifier.channels.twilio import TwilioProvider, signature

KEY = signing.key_of("whsec_" + base64.b64encode(b"k" * 32).decode())
NOW = 1_790_000_000
MESSAGE = uuid4()
TOKEN = "12345"  # of Twilio's documentation


def callback(body: object, *, at: int = NOW, key: bytes = KEY) -> Callback:
    content = json.dumps(body).encode()
    return Callback("https://id.example/v1/callbacks/x", signing.sign(key, "m-1", at, content), content)


class TestStandardWebhooks:
    def test_the_published_example(self):
        """Of the specification: secret, id, timestamp and payload with their signature."""
        key = signing.key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        made = signing.sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
        assert made["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

    def test_receipts(self):
        found = signing.receipts(KEY, callback([{"message_id": str(MESSAGE), "state": "delivered"}]), NOW)
        assert found == [Receipt(MESSAGE, "delivered")]
        one = callback({"message_id": str(MESSAGE), "state": "failed", "reason": "x" * 999, "other": 1})
        assert signing.receipts(KEY, one, NOW) == [Receipt(MESSAGE, "failed", "x" * 200)]

    @pytest.mark.parametrize("seconds", [-301, 301])
    def test_an_old_or_early_one(self, seconds: int):
        with pytest.raises(Forged):
            signing.receipts(KEY, callback({"message_id": str(MESSAGE), "state": "delivered"}, at=NOW + seconds), NOW)

    @pytest.mark.parametrize("body", [b"", b"[", b'{"message_id": "x", "state": "delivered"}', b'{"state": "burnt"}', b"\xff"])
    def test_what_no_callback_says(self, body: bytes):
        signed = Callback("", signing.sign(KEY, "m", NOW, body), body)
        with pytest.raises(Forged):
            signing.receipts(KEY, signed, NOW)

    @pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
    def test_unsigned(self, missing: str):
        good = callback({"message_id": str(MESSAGE), "state": "delivered"})
        headers = {name: value for name, value in good.headers.items() if name != missing}
        with pytest.raises(Forged):
            signing.receipts(KEY, Callback(good.url, headers, good.body), NOW)

    @pytest.mark.parametrize(
        "said", ["9" * 400, "9" * 5000, "1" * 13, "", "-1", "+1790000000", " 1790000000", "1_790_000_000", "١٧٩٠٠٠٠٠٠٠"]
    )
    def test_a_time_that_is_none(self, said: str):
        """REL-8: refused like any other forgery, whatever stands there."""
        good = callback({"message_id": str(MESSAGE), "state": "delivered"})
        with pytest.raises(Forged, match="not signed"):
            signing.receipts(KEY, Callback(good.url, {**good.headers, "webhook-timestamp": said}, good.body), float(NOW))

    def test_another_key_body_or_no_key_at_all(self):
        good = callback({"message_id": str(MESSAGE), "state": "delivered"})
        for key, body in ((b"o" * 32, good.body), (KEY, good.body + b" "), (None, good.body)):
            with pytest.raises(Forged):
                signing.receipts(key, Callback(good.url, good.headers, body), NOW)

    @pytest.mark.parametrize("secret", ["whsec_short", "whsec_" + base64.b64encode(b"k" * 23).decode(), "***"])
    def test_a_key_that_is_none(self, secret: str):
        with pytest.raises(ValueError, match="is "):
            signing.key_of(secret)


class TestTwilio:
    URL = f"https://id.example/v1/callbacks/twilio?message={MESSAGE}"

    @pytest.fixture
    def twilio(self) -> TwilioProvider:
        return TwilioProvider(account_sid="AC" + "0" * 32, auth_token=TOKEN, sender="+15005550006")

    def signed(self, url: str, form: dict[str, str], token: str = TOKEN) -> Callback:
        body = "&".join(f"{name}={value}" for name, value in form.items()).encode()
        return Callback(url, {"x-twilio-signature": signature(token, url, form.items())}, body)

    def test_the_published_example(self):
        """Of Twilio's own documentation on webhook security."""
        form = {
            "CallSid": "CA1234567890ABCDE", "Caller": "+14158675309", "Digits": "1234", "From": "+14158675309", "To": "+18005551212",
        }  # fmt: skip
        made = signature("12345", "https://mycompany.com/myapp.php?foo=1&bar=2", form.items())
        assert made == "RSOYDt4T1cUTdK1PDd93/VVr8B8="

    @pytest.mark.parametrize(
        ("form", "receipt"),
        [
            ({"MessageStatus": "sent"}, Receipt(MESSAGE, "accepted")),
            ({"MessageStatus": "delivered"}, Receipt(MESSAGE, "delivered")),
            ({"MessageStatus": "undelivered", "ErrorCode": "30003"}, Receipt(MESSAGE, "failed", "twilio 30003")),
            ({"CallStatus": "busy"}, Receipt(MESSAGE, "failed", "busy")),
            ({"CallStatus": "completed"}, Receipt(MESSAGE, "failed", "no key was pressed")),
        ],
    )
    def test_receipts(self, twilio: TwilioProvider, form: dict[str, str], receipt: Receipt):
        assert twilio.read(self.signed(self.URL, form)) == [receipt]

    @pytest.mark.parametrize("status", ["queued", "sending", "accepted", "ringing", "in-progress", "something-new"])
    def test_what_says_nothing_yet(self, twilio: TwilioProvider, status: str):
        assert twilio.read(self.signed(self.URL, {"MessageStatus": status})) == []

    def test_steps_of_a_call(self, twilio: TwilioProvider):
        assert twilio.read(self.signed(f"{self.URL}&step=answer", {"CallSid": "CA1"})) == CallStep(MESSAGE, key_pressed=False)
        assert twilio.read(self.signed(f"{self.URL}&step=key", {"Digits": "1"})) == CallStep(MESSAGE, key_pressed=True)
        assert twilio.read(self.signed(f"{self.URL}&step=key", {"Digits": ""})) == CallStep(MESSAGE, key_pressed=False)

    def test_forged(self, twilio: TwilioProvider):
        """Another token, another body, another address, none at all, no message."""
        good = self.signed(self.URL, {"MessageStatus": "delivered"})
        forged = [
            self.signed(self.URL, {"MessageStatus": "delivered"}, token="other"),
            Callback(good.url, good.headers, good.body + b"&x=1"),
            Callback(good.url + "&step=key", good.headers, good.body),
            Callback(good.url, {}, good.body),
            Callback(good.url, good.headers, b"\xff\xfe"),
            self.signed("https://id.example/v1/callbacks/twilio", {"MessageStatus": "delivered"}),
        ]
        for one in forged:
            with pytest.raises(Forged):
                twilio.read(one)
