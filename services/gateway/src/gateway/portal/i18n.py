"""Languages of the hosted pages: gettext catalogues, negotiation, dates and times as people write them (WEB-16, E28)."""

import gettext
from collections.abc import Collection
from datetime import datetime
from functools import cache
from io import BytesIO
from pathlib import Path
from zoneinfo import ZoneInfo

from babel.dates import format_skeleton, format_time
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from latchkey_contracts.configuration import Application

FOLDER = Path(__file__).parent / "locale"
NAMES = {"en": "English", "ar": "العربية", "de": "Deutsch", "es": "Español", "fr": "Français"}
RIGHT_TO_LEFT = frozenset({"ar"})


@cache
def available() -> frozenset[str]:
    return frozenset({"en", *(path.stem for path in FOLDER.glob("*.po"))})


@cache
def catalogue(language: str) -> gettext.NullTranslations:
    """English is the source, so it needs none."""
    path = FOLDER / f"{language}.po"
    if not path.exists():
        return gettext.NullTranslations()
    compiled = BytesIO()
    with path.open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def offered(application: Application) -> list[str]:
    return [language for language in application.languages if language in available()]


def negotiate(application: Application, *, chosen: str | None, accept: str | None) -> str:
    """What the visitor chose, else what the browser asks for, else the application's own."""
    languages = offered(application)
    if chosen in languages and chosen is not None:
        return chosen
    own = application.default_language if application.default_language in languages else "en"
    return asked(accept, languages, own)


def asked(accept: str | None, languages: Collection[str] | None = None, default: str = "en") -> str:
    """The best of these languages (else of all) by Accept-Language (RFC 9110 §12.5.4)."""
    ranked = []
    for position, part in enumerate((accept or "").split(",")[:20]):
        tag, _, weight = part.strip().partition(";q=")
        try:
            ranked.append((-float(weight or 1), position, tag.lower()))
        except ValueError:
            continue
    for _, _, tag in sorted(ranked):
        if (primary := tag.split("-")[0]) in (available() if languages is None else languages):
            return primary
    return default


def moment(at: datetime, now: datetime, zone: ZoneInfo, language: str) -> str:
    """14:08 today; else 25 November, 14:02."""
    local = at.astimezone(zone)
    clock = str(format_time(local, "HH:mm", locale=language))
    if local.date() == now.astimezone(zone).date():
        return clock
    return f"{format_skeleton('MMMMd', local, locale=language)}, {clock}"


def clock_time(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%H:%M:%S}"


def day(at: datetime, now: datetime, zone: ZoneInfo, language: str) -> str:
    local = at.astimezone(zone)
    skeleton = "MMMMd" if local.year == now.astimezone(zone).year else "yMMMMd"
    return str(format_skeleton(skeleton, local, locale=language))
