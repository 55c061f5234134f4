"""Languages of the hosted pages: gettext catalogues, negotiation (WEB-16)."""

import gettext
from collections.abc import Collection
from functools import cache
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from latchkey_contracts.configuration import Application

from gateway.web.language import best

FOLDER = Path(__file__).parent / "locale"
NAMES = {"en": "English", "ar": "العربية", "de": "Deutsch", "es": "Español", "fr": "Français"}
RIGHT_TO_LEFT = frozenset({"ar"})


@cache
def available() -> frozenset[str]:
    return frozenset({"en", *(path.stem for path in FOLDER.glob("*.po"))})


class _Typeset(gettext.GNUTranslations):
    """The keyboard's apostrophe stands in the sources, the typographic one on the page."""

    def gettext(self, message: str) -> str:
        return super().gettext(message).replace("'", "\u2019")

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return super().ngettext(msgid1, msgid2, n).replace("'", "\u2019")


@cache
def catalogue(language: str) -> gettext.NullTranslations:
    """English is the source, so its catalogue is empty."""
    path = FOLDER / f"{language}.po"
    compiled = BytesIO()
    if path.exists():
        with path.open("rb") as file:
            write_mo(compiled, read_po(file, locale=language))
    else:
        write_mo(compiled, Catalog(locale="en"))
    compiled.seek(0)
    return _Typeset(compiled)


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
    """The best of these languages, else of all."""
    return best(accept, available() if languages is None else languages, default)
