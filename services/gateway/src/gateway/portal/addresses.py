"""Postal addresses on pages: the form of a country, and how one is written (R33). Names and order of countries follow the page's language."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from babel import Locale
from babel.core import get_global
from servicekit import postal

from . import i18n
from .words import ADDRESS_LABELS

_AUTOCOMPLETE = {
    "street_address": "street-address", "postal_code": "postal-code", "city": "address-level2", "city_area": "address-level3",
    "country_area": "address-level1",
}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One field. `id`: in the form; `value`: as it stands there."""

    id: str
    name: str
    label: str
    required: bool
    choices: tuple[tuple[str, str], ...]
    value: str
    autocomplete: str


@dataclass(frozen=True)
class Form:
    country: str
    countries: list[tuple[str, str]]
    rows: list[list[Line]]


def field_id(name: str, part: str) -> str:
    """Of a part of this attribute; no attribute has a dash in its name."""
    return f"{name}-{part}"


def form(name: str, stored: Any, typed: Mapping[str, str], *, language: str, zone: str) -> Form:
    """With what was typed last, else what is stored, else nothing but the country of the application's time zone."""
    given = typed_in(name, typed) if field_id(name, postal.COUNTRY) in typed else stored if isinstance(stored, dict) else None
    if given is None:
        given = {postal.COUNTRY: get_global("zone_territories").get(zone, "")}
    named = i18n.catalogue(language).gettext
    rows = [
        [
            Line(
                id=field_id(name, one.name),
                name=one.name,
                label=named(ADDRESS_LABELS[one.name][one.kind]),
                required=one.required,
                choices=one.choices,
                value=_value(given.get(one.name, ""), one.choices),
                autocomplete=_AUTOCOMPLETE.get(one.name, ""),
            )
            for one in row
        ]
        for row in postal.rows(given)
    ]
    return Form(given.get(postal.COUNTRY, ""), countries(language), rows)


def typed_in(name: str, fields: Mapping[str, str]) -> dict[str, str]:
    """The parts of this address, as a form has them."""
    parts = {part: fields.get(field_id(name, part), "").strip() for part in postal.LENGTHS}
    return {part: text for part, text in parts.items() if text}


def asks_fields(name: str, fields: Mapping[str, str]) -> bool:
    """Whether the button was pressed that only shows the fields of the country."""
    return field_id(name, "show") in fields


def lines(value: Any, language: str) -> list[str]:
    """As on a letter, the country last and in the page's language."""
    if not isinstance(value, dict) or not postal.fits(value):
        return []
    return [*postal.lines(value), dict(countries(language))[value[postal.COUNTRY]]]


@cache
def countries(language: str) -> list[tuple[str, str]]:
    """(ISO code, name), as a reader of this language looks for them."""
    names = Locale.parse(language).territories
    return sorted(((code, names.get(code, code)) for code in postal.countries()), key=lambda one: _sorted_as(one[1]))


def _sorted_as(name: str) -> str:
    """Without accents: Ägypten stands among those with A."""
    return "".join(one for one in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(one))


def _value(given: str, choices: tuple[tuple[str, str], ...]) -> str:
    """What was typed where the country's list wasn't there yet, as the list has it."""
    if not choices or given in dict(choices):
        return given
    said = given.casefold()
    return next((code for code, named in choices if said in {code.casefold(), *named.casefold().split(" / ")}), given)
