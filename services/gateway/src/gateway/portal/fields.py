"""Forms: their fields in, and what is wrong with them in words."""

import unicodedata
from collections.abc import Mapping
from typing import Any

import orjson
from latchkey_contracts import typed
from servicekit import errors
from starlette.requests import Request

from . import i18n
from .words import field_message

MOST_FIELDS = 200  # a store has up to 100 attributes, an application up to 50 consents


async def read_form(request: Request) -> dict[str, str]:
    """Raises MalformedRequest for what no form of ours would send."""
    form = await request.form(max_fields=MOST_FIELDS, max_files=0)
    fields: dict[str, str] = {}
    for name, value in form.multi_items():
        if name in fields or not isinstance(value, str):
            raise errors.MalformedRequest("A field is given twice")
        if "\x00" in value or any(0xD800 <= ord(one) < 0xE000 for one in value):
            raise errors.MalformedRequest("A field can't be read")
        fields[name] = value
    return fields


def required(fields: Mapping[str, str], name: str) -> str:
    """Without blanks around it; raises ValidationFailed."""
    found = str(typed.line(fields.get(name, "")))
    if not found:
        raise errors.ValidationFailed([errors.FieldError(f"/{name}", "required", "")])
    return found


def credential_of(fields: Mapping[str, str]) -> Any:
    """What a browser made or proved by a passkey. Raises MalformedRequest for what our script never sends."""
    try:
        return orjson.loads(fields.get("credential", ""))
    except orjson.JSONDecodeError:
        raise errors.MalformedRequest from None


def twice(fields: Mapping[str, str], minimum: int, *, current: bool = False) -> str:
    """The new password, typed twice alike. Raises ValidationFailed with everything that can be told before anybody is asked.

    `minimum`: characters, as they are counted when it is saved; `current`: the one of now is asked for as well.
    """
    found = []
    if current and not fields.get("current_password"):
        found.append(errors.FieldError("/current_password", "required", ""))
    password = fields.get("password", "")
    if not password:
        found.append(errors.FieldError("/password", "required", ""))
    elif password != fields.get("password_again", ""):
        if len(unicodedata.normalize("NFKC", password)) < minimum:
            found.append(errors.FieldError("/password", "password_too_short", ""))
        found.append(errors.FieldError("/password_again", "mismatch", ""))
    if found:
        raise errors.ValidationFailed(found)
    return password


def messages(problem: errors.ValidationFailed, language: str, minimum: int) -> dict[str, str]:
    """{form field: message}."""
    gettext = i18n.catalogue(language).gettext
    found: dict[str, str] = {}
    for one in problem.extra["errors"]:
        _, first, *rest = one["field"].split("/")
        # A field of an address is called after both.
        name = first if first == "consents" or not rest else "-".join(rest) if first == "profile" else rest[-1]
        found.setdefault(name, field_message(gettext, one, minimum))
    return found
