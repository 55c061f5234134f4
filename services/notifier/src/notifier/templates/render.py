"""From a template, a language and a sealed content to a mail. Copy is data in files; the engine runs no code of theirs (WEB-14).

A message is a folder, a language a file in it: adding a language means adding one file per message (and the layout's words).
"""

import textwrap
import tomllib
from datetime import datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from babel.dates import format_skeleton, format_time
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from jinja2.sandbox import ImmutableSandboxedEnvironment
from latchkey_contracts import brand as brands
from latchkey_contracts.brand import Brand
from latchkey_contracts.configuration import Application
from latchkey_contracts.messages import MessageContent
from latchkey_contracts.notifier import Channel
from servicekit.configuration import Resolved

from notifier.channels.base import Call, Mail, Message, Text

FOLDER = Path(__file__).parent
RIGHT_TO_LEFT = frozenset({"ar"})
MESSAGES = (
    "activation",
    "account_exists",
    "welcome",
    "username_reminder",
    "password_reset",
    "reset_succeeded",
    "password_changed",
    "account_frozen",
    "total_loss_announced",
)
WIDTH = 72

_COPY = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
_LAYOUT = Environment(
    loader=FileSystemLoader(FOLDER / "layout"),
    undefined=StrictUndefined,
    autoescape=select_autoescape(["html"]),
    trim_blocks=True,
    lstrip_blocks=True,
)


@cache
def copy_of(message: str, language: str) -> dict[str, Any]:
    """The words of one message in one language, never mixed with another's (WEB-16)."""
    return tomllib.loads((FOLDER / message / f"{language}.toml").read_text(encoding="utf-8"))


@cache
def languages(message: str) -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in (FOLDER / message).glob("*.toml")))


@lru_cache(maxsize=256)
def _tokens(brand: Brand) -> dict[str, dict[str, str]]:
    """Light and dark; worked out once for each brand."""
    return brands.tokens(brand)


@cache
def _template(text: str) -> Any:
    return _COPY.from_string(text)


def moment(at: datetime, now: datetime, zone: ZoneInfo, language: str) -> str:
    """14:08 today, else 25 November, 14:02, as the language writes it."""
    local = at.astimezone(zone)
    clock = str(format_time(local, "HH:mm", locale=language))
    if local.date() == now.astimezone(zone).date():
        return clock
    return f"{format_skeleton('MMMMd', local, locale=language)}, {clock}"


def full_moment(at: datetime, zone: ZoneInfo, language: str) -> str:
    """Monday, 23 November 2026, 13:58: what happened, for somebody who may read it days later."""
    local = at.astimezone(zone)
    return f"{format_skeleton('yMMMMEEEEd', local, locale=language)}, {format_time(local, 'HH:mm', locale=language)}"


def spaced(code: str) -> str:
    """482913 reads better as 482 913 and is typed as either."""
    middle = len(code) // 2
    return f"{code[:middle]} {code[middle:]}"


class NotRenderable(Exception):
    """There is no such text, or a variable of it is missing; the reason is for operators."""


class Renderer:
    def __init__(self, sender_address: str, origin: str = "http://localhost") -> None:
        self._sender_address = sender_address
        self._origin = origin

    def compose(
        self,
        channel: Channel,
        message: str,
        language: str,
        resolved: Resolved,
        content: MessageContent,
        message_id: str,
        now: datetime,
    ) -> Message:
        """What one channel carries. Raises NotRenderable."""
        if channel == "email":
            return self.render(message, language, resolved.application, content, message_id, now)
        try:
            body = self.spoken(channel, message, language, resolved.application, content, now)
        except KeyError:
            raise NotRenderable(f"{message} has no text for {channel}") from None
        if channel == "sms":
            return Text(message_id, content.to, body, language)
        return Call(message_id, content.to, "Press 1.", body, language)

    def render(
        self, message: str, language: str, application: Application, content: MessageContent, message_id: str, now: datetime
    ) -> Mail:
        """A code whose time is over is left out; the link in the same mail may live on (EVT-9, OTP-2)."""
        chosen = language if language in languages(message) else application.default_language
        if chosen not in languages(message):
            chosen = "en"
        words = self._words(message, chosen, application, content, now)
        brand = application.brand
        values = {
            **words,
            "language": chosen,
            "direction": "rtl" if chosen in RIGHT_TO_LEFT else "ltr",
            "brand": brand,
            **_tokens(brand),
            "radius": min(brands.RADII[brand.radii][1], 14),
            "link": content.link,
        }
        return Mail(
            message_id=message_id,
            sender_name=brand.sender_name or brand.name,
            sender_address=brand.sender_address or self._sender_address,
            to=content.to,
            subject=words["subject"],
            text=_plain(values),
            html=_LAYOUT.get_template("mail.html").render(values),
            language=chosen,
        )

    def spoken(
        self,
        channel: Literal["sms", "voice"],
        message: str,
        language: str,
        application: Application,
        content: MessageContent,
        now: datetime,
    ) -> str:
        """The text of an SMS, or what a call says: code digit by digit. KeyError where the message has no such form."""
        chosen = language if language in languages(message) else "en"
        facts = self._facts(chosen, application, content, now)
        facts["code"] = facts["code"] or ""
        facts["digits"] = ", ".join(facts["code"])
        return " ".join(_template(copy_of(message, chosen)[channel]).render(facts).split())

    def _words(
        self, message: str, language: str, application: Application, content: MessageContent, now: datetime
    ) -> dict[str, Any]:
        facts = self._facts(language, application, content, now)

        def filled(text: str) -> str:
            return " ".join(_template(text).render(facts).split())

        words = {name: text for name, text in copy_of(message, language).items() if name not in {"sms", "voice"}}
        rows = [(filled(label), filled(value)) for label, value in words.pop("facts", [])]
        copy = {name: filled(text) for name, text in words.items()}
        footer = {name: _template(text).render(facts) for name, text in copy_of("layout", language).items()}
        return {
            "code_intro": "",
            "life": "",
            "button": "",
            "before_button": "",
            "closing": "",
            "style": "",
            **copy,
            **footer,
            "facts": [(label, value) for label, value in rows if value],
            "usernames": facts["usernames"],
            "code": spaced(facts["code"]) if facts["code"] else None,
        }

    @staticmethod
    def _facts(language: str, application: Application, content: MessageContent, now: datetime) -> dict[str, Any]:
        """What the words may use. A code whose time is over is none."""
        zone = ZoneInfo(application.timezone)

        def said(at: datetime | None) -> str:
            return moment(at, now, zone, language) if at is not None else ""

        return {
            "brand": application.brand.name,
            "short": application.brand.said,
            "name": content.given_name,
            "device": content.asked.device if content.asked else None,
            "asked_at": said(content.asked.at if content.asked else None),
            "link_until": said(content.link_expires_at),
            "code_until": said(content.code_expires_at),
            "code": content.code if content.code_expires_at is not None and content.code_expires_at > now else None,
            "usernames": content.usernames or [],
            "done_at": full_moment(content.asked.at, zone, language) if content.asked else "",
            "takes_effect_at": full_moment(content.takes_effect_at, zone, language) if content.takes_effect_at else "",
            "sessions_ended": content.sessions_ended or 0,
        }


def _plain(values: dict[str, Any]) -> str:
    """The same words in the same order; link and code each on a line of its own, the rest in lines of 72."""
    text = _LAYOUT.get_template("mail.txt").render(values)
    lines: list[str] = []
    for line in text.splitlines():
        alone = line.startswith(("http://", "https://")) or len(line) <= WIDTH
        lines += [line] if alone else textwrap.wrap(line, WIDTH, break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines).strip() + "\n"
