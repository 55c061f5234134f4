"""The notifier's providers against the stand-ins of the running product: what is sent, told later, and what each fault means."""

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from devstack import providers as stand_ins
from devstack.inbox import signatures
from jsonschema import Draft202012Validator
from notifier.channels import providers as configured
from notifier.channels import twilio
from notifier.channels.base import Call, Callback, CallStep, Forged, Mail, Provider, Receipt, Refused, Text, Transient, Unknown
from servicekit.clock import Clock
from testkit.inboxes import NOTHING, Answer, Heard, Listener
from testkit.records import alone
from testkit.stack import Person, Product, eventually

from .test_password_reset import start_by_rep

TO = "+493415550141"
DOCUMENT = json.loads(
    (Path(__file__).parents[2] / "libs" / "devstack" / "tests" / "twilio" / "openapi-excerpt.json").read_text(encoding="utf-8")
)


class Pair:
    """One of the notifier's providers, and somebody at its callbacks' address who reads them as the notifier does."""

    def __init__(self, product: Product, name: str, listener: Listener) -> None:
        found = configured.read(product.stack.providers_file, production=False)
        self._make = lambda: next(one for one in found if one.name == name).make(Clock(), "id.example")
        self.provider: Provider = self._make()
        self.product, self.name, self.listener, self.id = product, name, listener, str(uuid4())
        self.told: list[Receipt | CallStep] = []
        listener.answer = self._hear

    def _hear(self, heard: Heard) -> Answer:
        told = self.provider.read(Callback(heard.url, heard.headers, heard.body))
        if isinstance(told, CallStep):
            self.told.append(told)
            key_url = None if told.key_pressed else f"{self._callback}&step=key"
            return 200, "text/xml", twilio.twiml(self.call, key_url)
        self.told += told
        return NOTHING

    @property
    def _callback(self) -> str:
        return f"{self.listener.url}/v1/callbacks/{self.name}?message={self.id}"

    @property
    def text(self) -> Text:
        return Text(self.id, TO, "Elmstead: 482193 is your code.", "en")

    @property
    def call(self) -> Call:
        return Call(self.id, TO, "This is Elmstead. Press 1.", ("Your code is: 4, 8, 2, 1, 9, 3.",), "en")

    def send(self, message: Text | Call | Mail) -> str | None:
        async def once() -> str | None:
            provider = self._make()
            try:
                return await provider.send(message, callback_url=self._callback, expires_in=300)
            finally:
                await provider.close()

        return alone(once)

    def fresh(self) -> "Pair":
        return Pair(self.product, self.name, self.listener)

    def receipts(self) -> list[tuple[str, str | None]]:
        return [(one.state, one.reason) for one in self.told if isinstance(one, Receipt)]

    def items(self) -> list[dict]:
        return [one for one in self.product.texts(TO) + self.product.calls(TO) if one["message_id"] == self.id]


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as found:
        yield found


@pytest.fixture(params=["twilio", "backup"])
def pair(request: pytest.FixtureRequest, product: Product, listener: Listener) -> Iterator[Pair]:
    eventually(product.all_ready, seconds=30)
    yield Pair(product, request.param, listener)
    product.fail(None, "none")


class TestSends:
    def test_a_text_and_its_receipts(self, pair: Pair) -> None:
        """REL-8: signed, told twice, about this message."""
        provider_id = pair.send(pair.text)
        eventually(lambda: pair.receipts() == [("accepted", None), ("delivered", None)])
        assert {one.message_id for one in pair.told} == {UUID(pair.id)}
        (found,) = pair.items()
        assert (found["text"], found["headers"]["sid"], found["state"]) == (pair.text.body, provider_id, "delivered")
        assert pair.product.code_of(found) == "482193"
        assert "482193" in pair.product.secrets

    def test_a_call_asks_first(self, pair: Pair) -> None:
        """PST-4: the code after a key, and only then."""
        pair.send(pair.call)
        (found,) = eventually(pair.items)
        prompt, key, rest = found["text"].split("\n", 2)
        assert (prompt, key) == (pair.call.prompt, "[1 pressed]")
        assert pair.product.code_of(found) == "482193"
        assert rest.endswith(pair.call.body)
        if pair.name == "twilio":  # whoever says it asks us for the words at each step
            eventually(lambda: len(pair.told) == 3)
            assert [one.key_pressed for one in pair.told if isinstance(one, CallStep)] == [False, True]

    def test_a_call_that_nobody_hears(self, pair: Pair) -> None:
        """PST-4: an answering machine gets no digit."""
        pair.product.fail("voice", "answering_machine", "until_cleared")
        pair.send(pair.call)
        (found,) = eventually(pair.items)
        assert found["state"] == "answering machine"
        assert pair.product.code_of(found) is None
        eventually(lambda: pair.receipts()[-1:] != [] and pair.receipts()[-1][0] == "failed")

    def test_a_key_makes_one_message(self, product: Product, listener: Listener) -> None:
        """REL-7: sent again after an unknown outcome, it is the same one."""
        pair = Pair(product, "backup", listener)
        product.fail("sms", "cut", provider="backup")
        with pytest.raises(Unknown):
            pair.send(pair.text)
        assert pair.send(pair.text) == pair.items()[0]["headers"]["sid"]
        assert len(pair.items()) == 1

    def test_what_the_notifier_asks_is_as_twilio_s_document_says(self, product: Product) -> None:
        """Every parameter of ours is one of Twilio's, and fits."""
        asked: list[Heard] = []

        def take(heard: Heard) -> Answer:
            asked.append(heard)
            return 201, "application/json", '{"sid": "SM1"}'

        with Listener(take) as api:
            settings = next(one for one in stand_ins.read(product.stack.providers_file) if one["name"] == "twilio")
            provider = configured.Twilio.model_validate({**settings, "url": api.url}).make(Clock(), "id.example")
            url = "http://localhost/v1/callbacks/twilio?message=1"

            async def send() -> None:
                for message in (Text("1", TO, "hello", "en"), Call("1", TO, "Press 1.", ("4, 8",), "en")):
                    await provider.send(message, callback_url=url, expires_in=300)
                await provider.close()

            alone(send)
        for heard, path in zip(asked, ("Messages", "Calls"), strict=True):
            operation = DOCUMENT["paths"][f"/2010-04-01/Accounts/{{AccountSid}}/{path}.json"]["post"]
            schema = operation["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]
            kinds = {name: kind.get("type") for name, kind in schema["properties"].items()}
            form = {
                name: int(value) if kinds.get(name) == "integer" else value
                for name, (value,) in parse_qs(heard.body.decode()).items()
            }
            assert set(form) <= set(kinds)
            Draft202012Validator({**schema, "components": DOCUMENT["components"]}).validate(form)


class TestFaults:
    @pytest.mark.parametrize(
        ("fault", "error", "down", "counted", "kept"),
        [
            ("temporary", Transient, None, False, 0),
            ("permanent", Refused, None, None, 0),
            ("server_error", Transient, True, True, 0),
            ("accepted_500", Transient, True, True, 1),
            ("cut", Unknown, None, None, 1),
            ("time_out", Unknown, None, None, 0),
        ],
    )
    @pytest.mark.parametrize("channel", ["sms", "voice"])
    def test_what_each_means(
        self, pair: Pair, channel: str, fault: str, error: type[Exception], down: bool | None, counted: bool | None, kept: int
    ) -> None:
        """REL-7, FRD-10."""
        pair.product.fail(channel, fault, provider=pair.name)
        with pytest.raises(error) as raised:
            pair.send(pair.text if channel == "sms" else pair.call)
        if down is not None:
            assert raised.value.down is down
        if counted is not None:
            assert raised.value.counted is counted
        if kept:
            eventually(pair.items)
        else:
            assert pair.items() == []

    def test_away(self, pair: Pair) -> None:
        """FRD-10: refused before anything left, so another may have it."""
        pair.product.fail("sms", "refuse", "until_cleared", provider=pair.name)
        for _ in range(2):
            with pytest.raises(Transient) as raised:
                pair.send(pair.text)
            assert (raised.value.down, raised.value.counted) == (True, False)
        pair.product.fail("sms", "none")
        assert pair.send(pair.text)

    @pytest.mark.parametrize("fault", ["undelivered", "no_receipt"])
    def test_what_is_told_later(self, pair: Pair, fault: str) -> None:
        """REL-8: and another's receipts come, so that silence is one."""
        pair.product.fail("sms", fault, provider=pair.name)
        pair.send(pair.text)
        after = pair.fresh()
        after.send(after.text)

        def told() -> list[str]:
            """Of the first one; its receipt may come behind the other's."""
            return [one.state for one in after.told + pair.told if isinstance(one, Receipt) and str(one.message_id) == pair.id]

        eventually(lambda: len(after.receipts()) >= 2 and ("delivered", None) in after.receipts())
        if fault == "undelivered":
            eventually(told)
        assert ("failed" in told()) is (fault == "undelivered")
        assert bool(told()) is (fault == "undelivered")

    @pytest.mark.parametrize("fault", ["busy", "no_answer"])
    def test_nobody_answers(self, pair: Pair, fault: str) -> None:
        pair.product.fail("voice", fault, provider=pair.name)
        pair.send(pair.call)
        eventually(lambda: pair.receipts()[-1:] != [] and pair.receipts()[-1][0] == "failed")
        assert pair.items()[0]["state"] == fault.replace("_", " ")

    def test_who_said_stop(self, product: Product, listener: Listener) -> None:
        pair = Pair(product, "twilio", listener)
        product.fail("sms", "unsubscribed", provider="twilio")
        with pytest.raises(Refused) as raised:
            pair.send(pair.text)
        assert (str(raised.value), raised.value.opted_out) == ("twilio 21610", True)


class TestMail:
    @pytest.mark.parametrize(
        ("fault", "error"),
        [("temporary", Transient), ("permanent", Refused), ("server_error", Transient), ("refuse", Transient), ("cut", Unknown)],
    )
    def test_what_each_means(self, product: Product, listener: Listener, fault: str, error: type[Exception]) -> None:
        """REL-7."""
        pair = Pair(product, "smtp", listener)
        mail = Mail(pair.id, "Elmstead", "a@elmstead.example", f"{pair.id}@posteo.example", "Hello", "Hello\n", "<p>Hello", "en")
        product.fail("email", fault)
        with pytest.raises(error):
            pair.send(mail)
        pair.send(mail)
        assert product.wait_message(mail.to)["message_id"] == f"<{pair.id}@elmstead.example>"


class TestThroughTheProduct:
    """A reset by phone, asked for by a rep, through all services."""

    @pytest.fixture
    def number(self, product: Product, mira: Person) -> Iterator[str]:
        """Of an account that has nothing else."""
        mira.activate()
        found = f"+49341{random.randrange(10**6, 10**7)}"
        account = product.rows("identity", "SELECT account_id FROM identifier WHERE canonical = %s", mira.email)[0][0]
        with psycopg.connect(product.stack.postgres["identity"]) as connection:
            connection.execute(
                "UPDATE identifier SET kind = 'phone', value = %s, canonical = %s WHERE account_id = %s", (found, found, account)
            )
        self.account = account
        yield found
        product.fail(None, "none")

    def states(self, product: Product) -> list[tuple]:
        sql = "SELECT channel, provider, state FROM delivery WHERE account_id = %s AND template = 'password_reset' ORDER BY created_at"
        return product.rows("notifier", sql, self.account)

    def test_delivered(self, product: Product, number: str) -> None:
        """REL-8: the receipt comes back through the public origin."""
        assert start_by_rep(product, self.account).status_code == 202
        assert product.code_of(product.wait_message(number, channel="sms")) is not None
        eventually(lambda: self.states(product) == [("sms", "twilio", "delivered")])

    def test_another_provider_while_one_is_away(self, product: Product, number: str) -> None:
        """FRD-10, E15."""
        product.fail("sms", "refuse", "until_cleared", provider="twilio")
        assert start_by_rep(product, self.account).status_code == 202
        assert product.wait_message(number, channel="sms")["headers"]["provider"] == "backup"
        eventually(lambda: self.states(product) == [("sms", "backup", "delivered")])

    def test_a_bounce(self, product: Product, mira: Person) -> None:
        """REL-8: told by the mail server's side, heard by the notifier."""
        product.fail("email", "undelivered")
        mira.register()
        sql = "SELECT state, reason FROM delivery WHERE id = %s::uuid"
        message = product.wait_message(mira.email)
        assert message["state"] == "undelivered"
        name = message["message_id"].strip("<>").partition("@")[0]
        eventually(lambda: product.rows("notifier", sql, name)[0][0] == "failed")

    def test_with_the_clock_moved(self, product: Product, number: str) -> None:
        """Signatures have a time of day: the provider's, whatever time a test has made of ours."""
        product.move_clock(1800)
        product.fail("sms", "refuse", "until_cleared", provider="twilio")
        assert start_by_rep(product, self.account).status_code == 202
        eventually(lambda: self.states(product) == [("sms", "backup", "delivered")])


class TestForged:
    def test_only_its_provider_may_tell(self, pair: Pair) -> None:
        """REL-8: a callback with another's signature is none."""
        pair.send(pair.text)
        heard = eventually(lambda: list(pair.listener.heard))[0]
        with pytest.raises(Forged):
            pair.provider.read(Callback(heard.url + "&more=1", {**heard.headers, "webhook-signature": "v1,x"}, heard.body))

    def test_through_the_public_origin(self, product: Product) -> None:
        """REL-8: signed it is taken, also about a message that nobody knows; unsigned it is not."""
        settings = {one["name"]: one for one in stand_ins.read(product.stack.providers_file)}
        message = str(uuid4())
        url = f"{product.origin}/v1/callbacks/twilio?message={message}"
        form = {"MessageSid": "SM1", "MessageStatus": "delivered", "To": TO}
        signed = {"x-twilio-signature": signatures.twilio(settings["twilio"]["auth_token"], url, form)}
        assert httpx.post(url, data=form, headers=signed, trust_env=False).status_code == 204
        assert httpx.post(url, data={**form, "To": "+1"}, headers=signed, trust_env=False).status_code == 403
        for name in ("backup", "smtp"):
            url = f"{product.origin}/v1/callbacks/{name}?message={message}"
            body = json.dumps({"message_id": message, "state": "delivered"}).encode()
            key = stand_ins.key_of(settings[name])
            signed = signatures.webhook(key, "msg_1", int(time.time()), body)
            signed["content-type"] = "application/json"
            assert httpx.post(url, content=body, headers=signed, trust_env=False).status_code == 204
            assert httpx.post(url, content=body + b" ", headers=signed, trust_env=False).status_code == 403
        assert (
            httpx.post(f"{product.origin}/v1/callbacks/nobody?message={message}", data=form, trust_env=False).status_code == 404
        )

    def test_the_file_is_the_owner_s_alone(self, product: Product) -> None:
        """Credentials: mode 0600, random, and the same after a restart."""
        path = product.stack.providers_file
        assert path.stat().st_mode & 0o777 == 0o600
        before = path.read_text()
        stand_ins.write(path, {name: product.stack.ports[name] for name in ("smtp", "twilio", "backup")})
        assert path.read_text() == before
