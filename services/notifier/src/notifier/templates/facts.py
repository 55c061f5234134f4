"""What the words of a message may use: who asked, when, from where, until when. Customers' data is made harmless here (WEB-14)."""

import re
import unicodedata
from datetime import date, datetime, time
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_skeleton
from latchkey_contracts.configuration import Application
from latchkey_contracts.messages import MessageContent
from servicekit.devices import parts

from .words import RIGHT_TO_LEFT, copy_of

LONGEST_GREETING = 64
LONGEST_DEVICE = 80
# Controls, line separators, and what turns the direction of the text after it.
_UNWANTED = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
# Mail programs make links of these, and phones numbers to call, whoever wrote them.
_LINK_LIKE = re.compile(r"[/@]|\w\.\w{2,}|\d\D{0,3}\d\D{0,3}\d")
_DOTS = str.maketrans("。．｡․", "....")
_CALENDARS = {"en": "en_GB"}  # 24 November, as the pages write it


def plain(text: str) -> str:
    """One line of visible text."""
    return " ".join(_UNWANTED.sub(" ", text).split())


def one_line(text: str) -> str:
    """An operator's words: as written, but on one line and without controls."""
    return " ".join(_CONTROLS.sub(" ", text).split())


def greeting(name: str | None) -> str:
    """A given name, or none where it is more than a name: whoever registers a stranger's address writes no mail of their own to it."""
    said = plain(name or "")
    read = unicodedata.normalize("NFKC", said.translate(_DOTS))
    return "" if len(said) > LONGEST_GREETING or _LINK_LIKE.search(read) else said


@lru_cache(maxsize=1000)
def _day(day: date, language: str) -> str:
    return str(format_skeleton("MMMMd", datetime.combine(day, time()), locale=_CALENDARS.get(language, language)))


@lru_cache(maxsize=1000)
def _short_day(day: date, language: str) -> str:
    return str(format_skeleton("MMMd", datetime.combine(day, time()), locale=_CALENDARS.get(language, language)))


@lru_cache(maxsize=1000)
def _full_day(day: date, language: str) -> str:
    return str(format_date(day, "full", locale=_CALENDARS.get(language, language)))


class Times:
    """Moments as a language says them, in the application's time zone, which is named: a mail may be read days later, and elsewhere.
    All five write 14:08, and Arabic with these digits, too.
    """

    def __init__(self, zone: ZoneInfo, language: str) -> None:
        self._zone = zone
        self._language = language
        self._phrases = copy_of("layout", language)["moments"]

    def clock(self, at: datetime) -> str:
        """14:08, for what is read at once or not at all."""
        return f"{at.astimezone(self._zone):%H:%M}"

    def moment(self, at: datetime) -> str:
        """25 November, 14:02 CET."""
        return self._said(at, "moment")

    def full(self, at: datetime) -> str:
        """Monday, 23 November 2026, 13:58 CET: what happened."""
        return self._said(at, "moment", _full_day(at.astimezone(self._zone).date(), self._language))

    def asked(self, at: datetime) -> str:
        """As in: on 24 November at 14:08 CET."""
        return self._said(at, "asked")

    def short(self, at: datetime) -> str:
        """24 Nov 13:00 CET, for texts, which are paid by length. August has no û there: it is in no GSM alphabet (FRD-3)."""
        day = _short_day(at.astimezone(self._zone).date(), self._language).replace("û", "u")
        return f"{day} {self.clock(at)} {self._zone_of(at)}"

    def until(self, at: datetime) -> str:
        """As in: until 25 November, 14:02 CET."""
        return self._said(at, "until")

    def _said(self, at: datetime, kind: str, day: str | None = None) -> str:
        pattern: str = self._phrases[kind]
        said = day or _day(at.astimezone(self._zone).date(), self._language)
        return pattern.format(date=said, time=f"{self.clock(at)} {self._zone_of(at)}")

    def _zone_of(self, at: datetime) -> str:
        """CET; UTC+05:30 where a zone has no name of its own."""
        local = at.astimezone(self._zone)
        name = local.tzname() or ""
        offset = f"{local:%z}"
        return name if name[:1].isalpha() else f"UTC{offset[:3]}:{offset[3:]}"


def facts(language: str, application: Application, content: MessageContent, now: datetime) -> dict[str, Any]:
    """Texts, empty where nothing is known; `sessions_ended` is a number. A code whose time is over is none (EVT-9, OTP-2)."""
    times = Times(ZoneInfo(application.timezone), language)
    asked = content.asked
    alive = content.code_expires_at is not None and content.code_expires_at > now
    phone = application.brand.support_phone or ""
    words = copy_of("layout", language)
    usernames = [plain(name) for name in content.usernames or []]
    return {
        "brand": plain(application.brand.name),
        "short": plain(application.brand.said),
        # Groups of digits keep their order only where they are isolated from text that runs the other way.
        "support_phone": f"\u2066{phone}\u2069" if phone and language in RIGHT_TO_LEFT else phone,
        "name": greeting(content.given_name),
        "device": _device(content, language),
        "asked_at": times.moment(asked.at) if asked else "",
        "asked_when": times.asked(asked.at) if asked else "",
        "asked_short": times.short(asked.at) if asked else "",
        "done_at": times.full(asked.at) if asked else "",
        "link": content.link or "",
        "link_until": times.moment(content.link_expires_at) if content.link_expires_at else "",
        "works_until": times.until(content.link_expires_at) if content.link_expires_at else "",
        "code": content.code if content.code and alive else "",
        # For who reads it at once, as texts are: minutes away, so its clock time is enough, even over midnight.
        "code_until": times.clock(content.code_expires_at) if content.code_expires_at else "",
        "code_works_until": times.until(content.code_expires_at) if content.code_expires_at else "",
        "names": usernames,
        "usernames": ("، " if language in RIGHT_TO_LEFT else ", ").join(usernames),
        "sessions_ended": content.sessions_ended or 0,
        "takes_effect_at": times.full(content.takes_effect_at) if content.takes_effect_at else "",
        "factor": words["factors"][content.factor] if content.factor else "",
        # For texts, which are paid by length, in signs that they have.
        "factor_short": words["factors_short"][content.factor] if content.factor else "",
        "provider": plain(content.provider or "")[:LONGEST_GREETING],
        **_what_for(words, content, language),
    }


def _what_for(words: dict[str, Any], content: MessageContent, language: str) -> dict[str, str]:
    """Empty for what a later release means by a name that this one doesn't know."""
    action = words["actions"].get(content.action, "")
    about = plain(content.about or "")[:LONGEST_DEVICE]
    done, done_short = (words[name].get(content.assistance, "") for name in ("assistances", "assistances_short"))
    whys = [words["whys"][one] for one in content.reasons if one in words["whys"]]
    return {
        "action": action,
        "action_short": action,
        "contact": words["contacts"].get(content.contact, ""),
        "contact_short": words["contacts_short"].get(content.contact, ""),
        "undo": content.undo or "",
        "about": f"\u2066{about}\u2069" if about and language in RIGHT_TO_LEFT else about,
        "assistance": done,
        "assistance_short": done_short,
        "why": ("، " if language in RIGHT_TO_LEFT else ", ").join(whys),
    }


def _device(content: MessageContent, language: str) -> str:
    """It was noted in English when the request came in; a mail says all in one language (WEB-16)."""
    if content.asked is None or not content.asked.device:
        return ""
    phrases: dict[str, str] = copy_of("layout", language)["moments"]
    device = plain(content.asked.device)[:LONGEST_DEVICE]
    if (known := parts(device)) is not None:
        device = phrases["device"].format(browser=known[0], system=known[1])
    if not content.asked.place:
        return device
    return phrases["near"].format(device=device, place=plain(content.asked.place)[:LONGEST_DEVICE])
