"""Times as people say them, alike on every page: "today at 14:08", "30 November at 14:02"; another year is named (E28)."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_skeleton

from . import i18n
from .words import N_

_LOCALES = {"en": "en_GB"}  # 30 November, not November 30
_NEAR = {-1: N_("yesterday at %(time)s"), 0: N_("today at %(time)s"), 1: N_("tomorrow at %(time)s")}


def moment(at: datetime, now: datetime, zone: ZoneInfo, language: str, *, inside: bool = False) -> str:
    """`inside`: as in a sentence that says when something happens, "on 30 November at 14:02"; else as after "until"."""
    local, today = at.astimezone(zone), now.astimezone(zone).date()
    far = N_("on %(day)s at %(time)s") if inside else N_("%(day)s at %(time)s")
    said = i18n.catalogue(language).gettext(_NEAR.get((local.date() - today).days, far))
    return said % {"day": _day(local.date(), today, language), "time": f"{local:%H:%M}"}


def clock_time(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%H:%M:%S}"


def day(at: datetime, now: datetime, zone: ZoneInfo, language: str) -> str:
    return _day(at.astimezone(zone).date(), now.astimezone(zone).date(), language)


def _day(one: date, today: date, language: str) -> str:
    locale = _LOCALES.get(language, language)
    return str(
        format_skeleton("MMMMd", one, locale=locale) if one.year == today.year else format_date(one, "long", locale=locale)
    )
