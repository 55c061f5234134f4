"""From a template, a language and a sealed content to what one channel carries: a mail, a text message, a call."""

import textwrap
from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from latchkey_contracts.brand import Brand
from latchkey_contracts.configuration import LANGUAGES, Application
from latchkey_contracts.messages import MessageContent
from latchkey_contracts.notifier import Channel
from latchkey_contracts.templates import TEMPLATES
from servicekit import brands
from servicekit.process.configuration import Resolved

from notifier.channels.base import Call, Mail, Message, Picture, Text

from . import own, voice
from .facts import facts, plain
from .words import FOLDER, RIGHT_TO_LEFT, copy_of, filled

WIDTH = 72
# Parts that a mail may lack.
_OPTIONAL = dict.fromkeys(
    ("button", "before_button", "not_you", "code_intro", "life", "closing", "style", "note", "before_undo", "undo_button"), ""
)
# What people write, typed with the signs that a text message has room for: one other sign doubles its price (FRD-3).
_TYPED = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": "...", "\u00a0": " ", "\u202f": " "})
# What must be followed or typed exactly as it is.
_EXACT = frozenset({"link", "undo", "code", "usernames", "names"})
_LAYOUT = Environment(
    loader=FileSystemLoader(FOLDER / "layout"),
    undefined=StrictUndefined,
    autoescape=select_autoescape(["html"]),
    trim_blocks=True,
    lstrip_blocks=True,
)


@lru_cache(maxsize=256)
def _tokens(brand: Brand) -> dict[str, dict[str, str]]:
    """Light and dark; worked out once for each brand."""
    return brands.tokens(brand)


def spaced(code: str) -> str:
    """482913 reads better as 482 913 and is typed as either."""
    middle = len(code) // 2
    return f"{code[:middle]} {code[middle:]}"


class NotRenderable(Exception):
    """There is no such text, or nothing in it is of use any more; the reason is for operators."""


class Renderer:
    """`origin`: where codes may be typed (OTP-9); links come with the content."""

    def __init__(self, sender_address: str, origin: str = "http://localhost") -> None:
        self._sender_address = sender_address
        self._host = urlsplit(origin).hostname or "localhost"

    def compose(
        self,
        channel: Channel,
        message: str,
        language: str,
        resolved: Resolved,
        content: MessageContent,
        message_id: str,
        now: datetime,
        *,
        test: bool = False,
    ) -> Message:
        """What one channel carries, all of it in one language. `test`: says that it is one. Raises NotRenderable."""
        application = resolved.application
        chosen = next(one for one in (language, application.default_language, "en") if one in LANGUAGES)
        template = TEMPLATES.get(message)
        if template is None or channel not in template.channels:
            raise NotRenderable(f"{message} has no text for {channel}")
        known = facts(chosen, application, content, now)
        _check_use(channel, message, known)
        texts = own.texts(resolved.notification, message, chosen, channel, known)
        note = copy_of("layout", chosen)["test_note"] if test else ""
        if channel == "email":
            return self._mail(message, chosen, application, content, message_id, known, texts, note)
        mark = f"{copy_of('layout', chosen)['test_mark']}: " if test else ""
        if channel == "sms":
            return Text(message_id, content.to, mark + self._sms(message, chosen, known, texts.get("sms")), chosen)
        prompt = f"{note} {voice.prompt(message, chosen, known)}".strip()
        return Call(message_id, content.to, prompt, voice.script(message, chosen, known, texts.get("voice")), chosen)

    def _sms(self, message: str, language: str, known: dict[str, Any], text: str | None) -> str:
        """A code stands alone in the last line, bound to our host: phones offer to type it there and nowhere else (OTP-9)."""
        known = {
            name: said.translate(_TYPED) if isinstance(said, str) and name not in _EXACT else said for name, said in known.items()
        }
        said = own.lines(text.translate(_TYPED), known) if text is not None else filled(copy_of(message, language)["sms"], known)
        return f"{said}\n@{self._host} #{known['code']}" if known["code"] else said

    def _mail(
        self,
        message: str,
        language: str,
        application: Application,
        content: MessageContent,
        message_id: str,
        known: dict[str, Any],
        texts: dict[str, str],
        note: str,
    ) -> Mail:
        brand = application.brand
        values = _values(message, language, brand, content.link, known, texts, note)
        return Mail(
            message_id=message_id,
            sender_name=plain(brand.sender_name or brand.name),
            sender_address=brand.sender_address or self._sender_address,
            to=content.to,
            subject=values["subject"],
            text=_plain(values),
            html=_LAYOUT.get_template("mail.html").render(values),
            language=language,
            picture=_picture(brand),
        )


@lru_cache(maxsize=256)
def _picture(brand: Brand) -> Picture | None:
    """Its logo, white, or where the brand's strip is light dark on white: so it can be seen on the dark strip of a dark mail, too."""
    if brand.logo == "none":
        return None
    tone = "light" if _tokens(brand)["light"]["on-brand"] == "#ffffff" else "dark"
    return Picture(brand.logo, (FOLDER / "layout" / f"{brand.logo}-{tone}.png").read_bytes())


def _values(
    message: str, language: str, brand: Brand, link: str | None, known: dict[str, Any], texts: dict[str, str], note: str
) -> dict[str, Any]:
    """What the layout of a mail is filled with, in both of its forms."""
    code = known["code"]
    shown = {**known, "code": spaced(code) if code else ""}
    words = _words(message, language, shown, brand)
    picture = _picture(brand)
    subject = own.line(texts["subject"], shown) if "subject" in texts else words["subject"]
    return {
        **_OPTIONAL,
        **words,
        "note": note,
        "own_text": own.lines(texts["text"], shown) if "text" in texts else "",
        "own_html": own.html(texts["html"], shown, brand) if "html" in texts else "",
        "subject": f"[{copy_of('layout', language)['test_mark']}] {subject}" if note else subject,
        "language": language,
        "direction": "rtl" if language in RIGHT_TO_LEFT else "ltr",
        "notice": TEMPLATES[message].security,
        "brand": brand,
        "picture": picture.name if picture is not None else "",
        **_tokens(brand),
        "radius": min(brands.RADII[brand.radii][1], 14),
        "link": link,
        "undo": known["undo"],
        "code": shown["code"],
        # Groups of digits would change places where the text around them runs the other way.
        "typed_code": code if language in RIGHT_TO_LEFT else shown["code"],
        "usernames": known["names"],
    }


def _check_use(channel: Channel, message: str, known: dict[str, Any]) -> None:
    """A message about a code or a link that has neither any more is not sent (EVT-9)."""
    required = TEMPLATES[message].required.get({"email": "text", "sms": "sms", "voice": "voice"}[channel], frozenset())
    if channel == "email":
        dead = "code" in required and not known["code"] and not known["link"]
    else:
        dead = bool(required & {"code", "digits"}) and not known["code"]
    if dead:
        raise NotRenderable("its code is no longer good")


def _words(message: str, language: str, known: dict[str, Any], brand: Brand) -> dict[str, Any]:
    """Our words of a mail, filled in."""
    copy = copy_of(message, language)
    layout = copy_of("layout", language)
    places = [one for one in (brand.links.help, known["support_phone"]) if one]
    rows = [(filled(label, known), filled(value, known)) for label, value in copy.get("facts", [])]
    words = {name: filled(text, known) for name, text in copy.items() if name not in {"sms", "voice", "facts"}}
    return {
        "never_ask": layout["never_ask"],  # but by the one code that is read out
        **words,
        "facts": [(label, value) for label, value in rows if value],
        "colon": layout["colon"],
        "help": layout["help"],
        "reach": filled(layout["reach"], {"places": ", ".join(places)}) if places else "",
    }


def _plain(values: dict[str, Any]) -> str:
    """The same words in the same order; link and code each on a line of its own, the rest in lines of 72."""
    text = _LAYOUT.get_template("mail.txt").render(values)
    lines: list[str] = []
    for line in text.splitlines():
        alone = line.startswith(("http://", "https://")) or len(line) <= WIDTH
        lines += [line] if alone else textwrap.wrap(line, WIDTH, break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines).strip() + "\n"
