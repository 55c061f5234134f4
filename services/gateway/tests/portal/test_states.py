"""What a waiting page says of its message: every state, both channels, each health, in every language (E33, looks §4)."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from gateway.portal import i18n
from gateway.portal.render import PageContext, render
from latchkey_contracts.brand import Brand
from latchkey_contracts.configuration import Application

NOW = datetime(2026, 11, 26, 14, 2, 7, tzinfo=UTC)
STATES = ("queued", "handed_over", "accepted", "delivered", "failed", "suppressed", "expired")
SAID = {
    ("email", "queued"): "Queued",
    ("email", "handed_over"): "Handed to the mail server",
    ("email", "accepted"): "Your mail server has taken it",
    ("email", "delivered"): "Delivered to your mailbox",
    ("email", "failed"): "Is the address right?",
    ("email", "suppressed"): "Not sent",
    ("email", "expired"): "It could not leave in time. Send it again.",
    ("sms", "queued"): "Queued",
    ("sms", "handed_over"): "Handed to the phone network",
    ("sms", "accepted"): "Your phone’s network has taken it",
    ("sms", "delivered"): "Delivered to your phone",
    ("sms", "failed"): "can it get text messages?",
    ("sms", "suppressed"): "Not sent",
    ("sms", "expired"): "It could not leave in time. Send it again.",
}


def context(language: str = "en") -> PageContext:
    brand = Brand(name="Elmstead", brand="#0b3d45", support_phone="0800 555 0142")
    application = Application(slug="demo", brand=brand, languages=["en", "ar", "de", "es", "fr"])
    return PageContext(application=application, language=language, nonce="n", here="/demo/x", csrf="c", now=NOW, can_reset=True)


def flow(channel: str, state: str = "queued", *, health: str = "ok", ways: tuple[str, ...] | None = None) -> dict[str, Any]:
    return {
        "id": "f",
        "status": "check_your_messages",
        "typed": "mira@posteo.example" if channel == "email" else "+49 341 5550141",
        "next": ["resend", "code"],
        "link_ended": False,
        "match": "41" if channel == "email" else None,
        "channels": dict.fromkeys(("email", "sms", "voice"), health),
        "delivery": {"channel": channel, "state": state, "to": "•••41", "at": NOW - timedelta(seconds=7)},
        "resend": {"available_at": NOW, "retry_after_seconds": 0, "channels": list(ways or (channel,))},
    }


def waiting(channel: str, state: str, *, health: str = "ok", ago: int = 7, language: str = "en") -> str:
    template = "check_mail.html" if channel == "email" else "check_phone.html"
    shown = flow(channel, state, health=health)
    return render(template, context(language), flow=shown, problem=None, sent=False, ago=ago, wait=0, spacing=20, code_minutes=6)


def reset(way: str, ways: tuple[str, ...], *, health: str = "ok", language: str = "en", **more: Any) -> str:
    shown = flow("email", health=health, ways=ways) | more
    going = [one for one in ways if one != "voice"] if way == "any" else [way]
    return render(
        "reset_sent.html", context(language), flow=shown, problem=None, sent=False, way=way, going=going,
        action="/demo/reset?flow=f", wait=0, spacing=20, link_minutes=60, code_minutes=6,
    )  # fmt: skip


def status_of(page: str) -> str:
    found = re.search(r'<div role="status"><ol class="way[^"]*">(.*?)</ol></div>', page, re.DOTALL)
    assert found is not None, "told to screen readers, too"
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", found[1])).replace("&#39;", "'").strip()


@pytest.mark.parametrize("channel", ["email", "sms"])
@pytest.mark.parametrize("state", STATES)
class TestDelivery:
    def test_said_with_its_time_and_a_way_on(self, channel: str, state: str) -> None:
        """E33."""
        page = waiting(channel, state)
        assert SAID[channel, state] in status_of(page)
        assert "7 s ago" in status_of(page)
        assert 'name="resend"' in page
        assert ("Change address" if channel == "email" else "Change number") in page

    @pytest.mark.parametrize("language", i18n.NAMES)
    def test_in_every_language(self, channel: str, state: str, language: str) -> None:
        """WEB-16."""
        said = status_of(waiting(channel, state, language=language))
        assert said
        assert language == "en" or said != status_of(waiting(channel, state))


class TestHealth:
    @pytest.mark.parametrize(("health", "said"), [("ok", "Queued"), ("delayed", "slow just now"), ("down", "as soon as")])
    @pytest.mark.parametrize("channel", ["email", "sms"])
    def test_of_the_waiting_page(self, channel: str, health: str, said: str) -> None:
        """A provider is down: the request succeeds, and another channel is offered (E33)."""
        assert said in status_of(waiting(channel, "queued", health=health))

    def test_an_unconfirmed_text_message(self) -> None:
        """looks §4: after 30 s."""
        assert "Not confirmed yet" not in status_of(waiting("sms", "handed_over", ago=29))
        assert "Not confirmed yet" in status_of(waiting("sms", "handed_over", ago=40))

    def test_a_clock_time_when_it_is_long_ago(self) -> None:
        assert "14:02" in status_of(waiting("email", "handed_over", ago=300))

    @pytest.mark.parametrize(
        ("way", "health", "said"),
        [
            ("email", "ok", "Mail is going out without delay."),
            ("sms", "delayed", "Text messages are slow just now."),
            ("voice", "down", "We can’t reach the phone network for calls just now."),
            ("any", "ok", "Text messages are going out without delay."),
        ],
    )
    def test_of_a_reset(self, way: str, health: str, said: str) -> None:
        """ENU-1: of the channel, never of the message."""
        page = reset(way, ("email", "sms", "voice"), health=health)
        assert said in status_of(page)
        assert ("Slow just now" in page) is (health != "ok"), "each other way says so, too"


class TestWays:
    def test_one_button_for_each(self) -> None:
        """R24-R28: without script; the words of looks."""
        page = reset("any", ("email", "sms", "voice"))
        buttons = re.findall(r'<button class="ask-row" name="resend" value="(\w+)">.*?<strong>(.*?)</strong>', page, re.DOTALL)
        assert buttons == [
            ("email", "Send the mail again"), ("sms", "Text me a code"), ("voice", "Call me and read it out")
        ]  # fmt: skip
        assert "Answer and press 1 to hear it" in page

    def test_mail_alone(self) -> None:
        page = reset("email", ("email",))
        assert "ask-row" not in page
        assert 'name="resend" value="1"' in page

    def test_nothing_left(self) -> None:
        """OTP-5: after five wrong tries where there is no mail."""
        page = reset("sms", ("sms", "voice"), next=[], resend={"available_at": NOW, "retry_after_seconds": 0, "channels": []})
        assert "That was the fifth try" in page
        assert "Begin again" in page

    @pytest.mark.parametrize("language", i18n.NAMES)
    @pytest.mark.parametrize("way", ["email", "sms", "voice", "any"])
    def test_in_every_language(self, language: str, way: str) -> None:
        """WEB-16."""
        page = reset(way, ("email", "sms", "voice"), language=language)
        assert "<strong><bdi" in page
        assert language == "en" or "Text me a code" not in page
