"""docs/flows/notification.md through the running product: states, fail-over, other ways, kill switches, what operators see.

The providers are stand-ins behind their own protocols; what they do wrong is set at the inbox.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest
from latchkey_contracts.notifier import MessageFailed, MessageQueued
from testkit import nursery
from testkit.stack import PASSWORD, Product, eventually, new_email

from .invariants import events
from .phones import Phoned, new_number, phoned


@pytest.fixture
def kim(product: Product, http: httpx.Client) -> Iterator[Phoned]:
    """An account of the phone-first application with a confirmed number, and a confirmed address beside it."""
    product.secrets.add(PASSWORD)
    found = phoned(product, http)
    assert found.register().status_code == 202
    code = product.code_of(product.wait_message(found.number, channel="sms"))
    assert found.type_code(str(code)).json()["status"] == "activated"
    found.email = new_email()
    with psycopg.connect(product.stack.postgres["identity"]) as connection:
        connection.execute(
            "INSERT INTO identifier (id, account_id, store_id, kind, value, canonical, verified_at, created_at) "
            "SELECT gen_random_uuid(), account_id, store_id, 'email', %s, %s, verified_at, created_at FROM identifier WHERE canonical = %s",
            (found.email, found.email, found.number),
        )
    product.move_clock(3601)  # beyond spacing and caps of the registration
    yield found
    product.fail(None, "none")
    product.wait_quiet(seconds=60)


def account_of(product: Product, number: str) -> str:
    return str(product.rows("identity", "SELECT account_id FROM identifier WHERE canonical = %s", number)[0][0])


def ways(product: Product, kim: Phoned) -> dict[str, str]:
    """The reset's messages by channel, with their states."""
    sql = "SELECT channel, state FROM delivery WHERE account_id = %s AND template = 'password_reset' ORDER BY created_at"
    return dict(product.rows("notifier", sql, account_of(product, kim.number)))


def ask(kim: Phoned, channel: str) -> None:
    """A reset whose code goes by that channel."""
    kim.ask()
    kim.product.wait_message(kim.email)
    kim.product.move_clock(21)
    answer = kim.resend(channel)
    assert answer.status_code == 202, answer.text


def latchkey(product: Product, *words: str) -> str:
    urls = {f"LATCHKEY_{name.upper()}_URL": product.stack.url(name) for name in ("identity", "notifier")}
    more = {
        "LATCHKEY_KEYS_DIR": str(product.stack.data / "keys"),
        "LATCHKEY_CLOCK_FILE": product.stack.extra["LATCHKEY_CLOCK_FILE"],
    }
    done = nursery.run([sys.executable, "-m", "latchkey_cli", *words], environment={**os.environ, **urls, **more})
    assert done.returncode == 0, done.stderr
    return done.stdout


class TestFailOver:
    def test_within_five_seconds(self, product: Product, kim: Phoned) -> None:
        """E15: the first provider is gone; the text leaves by the second, at once and for everybody who comes after."""
        product.fail("sms", "refuse", "until_cleared", provider="twilio")
        began = time.monotonic()
        ask(kim, "sms")
        message = product.wait_message(kim.number, channel="sms", count=2)
        assert time.monotonic() - began < 5
        assert message["headers"]["provider"] == "backup"

    def test_a_provider_that_says_nothing(self, product: Product, kim: Phoned) -> None:
        """FRD-10: after its time-out a second one has it; at most two copies, and both are counted."""
        product.fail("sms", "time_out", provider="twilio")
        ask(kim, "sms")
        message = product.wait_message(kim.number, channel="sms", count=2, seconds=20)
        assert message["headers"]["provider"] == "backup"
        account = account_of(product, kim.number)
        eventually(lambda: ways(product, kim).get("sms") == "delivered")
        sql = "SELECT attempts, cost FROM delivery WHERE account_id = %s AND channel = 'sms' AND template = 'password_reset'"
        assert product.rows("notifier", sql, account) == [(2, 1600)]


class TestOtherWays:
    def test_a_text_that_does_not_arrive_is_read_out(self, product: Product, kim: Phoned) -> None:
        """E15, PST-4: the receipt says undelivered, so the phone rings; the code is said after the key, and works."""
        product.fail("sms", "undelivered")
        ask(kim, "sms")
        call = product.wait_message(kim.number, channel="voice", seconds=20)
        prompt, _, said = call["text"].partition("[1 pressed]")
        code = str(product.code_of(call))
        assert not any(digit in prompt.replace("1", "") for digit in "023456789")
        assert said
        assert kim.type_code(code, "password-resets").json()["next"] == ["password"]
        eventually(lambda: ways(product, kim) == {"email": "handed_over", "sms": "failed", "voice": "delivered"})

    def test_an_answering_machine_learns_nothing_and_the_mailbox_has_it(self, product: Product, kim: Phoned) -> None:
        """PST-4: what it records has no digit of a code; the code goes by mail instead."""
        product.fail("voice", "answering_machine", "until_cleared")
        before = len(product.mails(kim.email))
        ask(kim, "voice")
        call = product.wait_message(kim.number, channel="voice", seconds=20)
        assert product.code_of(call) is None
        product.fail("sms", "permanent", "until_cleared")  # neither is the phone reached by text
        mails = eventually(lambda: (found := product.mails(kim.email)) and len(found) >= before + 1 and found, seconds=30)
        assert mails

    def test_a_used_code_never_rings(self, product: Product, kim: Phoned) -> None:
        """E15: no receipt comes, but the code was typed meanwhile; nothing goes another way."""
        product.fail("sms", "no_receipt")
        ask(kim, "sms")
        code = str(product.code_of(product.wait_message(kim.number, channel="sms", count=2)))
        assert kim.type_code(code, "password-resets").json()["next"] == ["password"]
        sql = "SELECT watch_at FROM delivery WHERE account_id = %s AND channel = 'sms' AND template = 'password_reset'"
        eventually(lambda: product.rows("notifier", sql, account_of(product, kim.number)) == [(None,)])
        product.move_clock(120)
        time.sleep(1)
        assert product.calls(kim.number) == []

    def test_a_mailbox_that_bounces(self, product: Product, kim: Phoned, infrastructure: Any) -> None:
        """REL-8: the next reset offers the other address by itself; every step is an event."""
        product.fail("email", "undelivered")
        kim.ask()
        account = account_of(product, kim.number)
        eventually(lambda: ways(product, kim).get("email") == "failed", seconds=20)
        assert product.rows("notifier", "SELECT channel, reason FROM suppression WHERE reason = 'bounced' AND channel = 'email'")
        product.move_clock(3601)
        product.wait_quiet(seconds=30)
        before = len(product.texts(kim.number))
        later = Phoned(product, kim.http, kim.email, number=kim.number)
        later.ask()
        code = str(product.code_of(product.wait_message(kim.number, channel="sms", count=before + 1, seconds=20)))
        assert later.type_code(code, "password-resets").json()["next"] == ["password"]
        told = [one for one in events(product, infrastructure.kafka_bootstrap, "notifier") if str(one.meta.subject) == account]
        assert any(isinstance(one, MessageFailed) and one.channel == "email" for one in told)
        assert any(isinstance(one, MessageQueued) and one.channel == "sms" for one in told)
        latchkey(product, "suppression", "remove", "email", kim.email)


class TestProviderDown:
    def test_accepted_told_and_kept(self, product: Product, http: httpx.Client) -> None:
        """Provider down: 202, queued, the channel is said to be down, another way is offered; then it arrives, once."""
        product.fail("sms", "refuse", "until_cleared")
        try:
            new = phoned(product, http, new_number())
            assert new.register().status_code == 202
            path = new.url(f"/registrations/{new.flow['id']}")

            def told() -> Any:
                flow = http.get(path, headers=new.headers).json()
                return flow["channels"]["sms"] in {"down", "delayed"} and flow["delivery"]["state"] == "queued" and flow

            eventually(told, seconds=20)
        finally:
            product.fail("sms", "none")
        message = product.wait_message(new.number, channel="sms", seconds=30)
        assert new.type_code(str(product.code_of(message))).json()["status"] == "activated"
        assert len(product.texts(new.number)) == 1


class TestOperator:
    def test_kill_switch(self, product: Product, http: httpx.Client) -> None:
        """FRD-11: off within 5 s in every process, nothing is lost, on again it goes."""
        try:
            assert "sms" in latchkey(product, "channels", "off", "sms")
            time.sleep(1)
            new = phoned(product, http, new_number())
            assert new.register().status_code == 202
            held = "SELECT 1 FROM delivery WHERE flow_id = %s AND state = 'queued'"
            eventually(lambda: product.rows("notifier", held, new.flow["id"]))
            time.sleep(1)
            assert product.texts(new.number) == []
            flow = http.get(new.url(f"/registrations/{new.flow['id']}"), headers=new.headers).json()
            assert flow["delivery"]["state"] == "queued"
        finally:
            assert latchkey(product, "channels", "on", "sms") == "nothing is off\n"
        product.move_clock(6)
        assert product.wait_message(new.number, channel="sms", seconds=20)

    def test_messages_are_seen_without_their_secrets(self, product: Product, kim: Phoned) -> None:
        """E16: states, reasons and redacted words; no address, name, link or code."""
        ask(kim, "sms")
        code = str(product.code_of(product.wait_message(kim.number, channel="sms", count=2)))
        listed = json.loads(latchkey(product, "messages", "list", "--account", account_of(product, kim.number), "--json"))
        (sms,) = [one for one in listed if one["channel"] == "sms" and one["template"] == "password_reset"]
        assert sms["to"] == f"{kim.number[:3]}•••{kim.number[-2:]}"
        shown = latchkey(product, "messages", "show", sms["id"])
        assert "Harbour" in shown
        assert "••••••" in shown
        for secret in (code, kim.number, kim.email):
            assert secret not in shown
            assert secret not in json.dumps(listed)

    def test_what_is_wrong_is_said(self, product: Product) -> None:
        done = nursery.run(
            [sys.executable, "-m", "latchkey_cli", "channels", "on", "voice", "--country", "+49",
             "--notifier-url", product.stack.url("notifier"), "--keys-dir", str(product.stack.data / "keys")],
            environment={**os.environ, "LATCHKEY_CLOCK_FILE": product.stack.extra["LATCHKEY_CLOCK_FILE"]},
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (1, "latchkey: there is nothing like that\n")


class TestBadInput:
    def test_an_address_that_cannot_be(self, product: Product, kim: Phoned) -> None:
        """Recorded with its reason; no crash, nothing is parked, others go on."""
        account = account_of(product, kim.number)
        with psycopg.connect(product.stack.postgres["identity"]) as connection:
            broken = new_number()
            connection.execute("DELETE FROM identifier WHERE account_id = %s AND kind = 'email'", (account,))
            connection.execute("UPDATE identifier SET value = '+490', canonical = %s WHERE account_id = %s", (broken, account))
        other = Phoned(product, kim.http, "", number=broken)
        product.fail("sms", "permanent")
        other.ask()
        sql = "SELECT state, reason FROM delivery WHERE account_id = %s AND template = 'password_reset' AND channel = 'sms'"
        state, reason = eventually(
            lambda: [one for one in product.rows("notifier", sql, account) if one[0] not in {"queued", "sending", "submitting"}],
            seconds=20,
        )[0]
        assert (state, bool(reason)) in {("failed", True), ("suppressed", True)}
        assert product.rows("notifier", "SELECT event_type, reason FROM parked") == []

    @pytest.mark.parametrize("body", [b"", b"{", b"x" * 40_000, b"a=1&a=2", b"\xff\xfe"])
    def test_forged_callbacks(self, product: Product, body: bytes) -> None:
        """4xx, whatever comes; never a 5xx."""
        for kind in ("application/json", "application/x-www-form-urlencoded", "text/plain"):
            for name in ("twilio", "backup", "smtp"):
                url = f"{product.origin}/v1/callbacks/{name}?message=x"
                answer = httpx.post(url, content=body, headers={"content-type": kind}, trust_env=False)
                assert 400 <= answer.status_code < 500, (kind, name, answer.status_code)
