"""Words for codes: field errors and problems, in the page's language. Messages from services are English defaults."""

from collections.abc import Callable, Mapping
from typing import Any

from servicekit.web.http import Translate

from . import i18n

Gettext = Callable[[str], str]


def N_(text: str) -> str:  # noqa: N802 - marks a text for the catalogues
    return text


FIELD_WORDS = {
    "required": N_("Please fill this in."),
    "email_not_valid": N_("That doesn't look like an e-mail address. Is something missing, as in name@example.org?"),
    "username_not_valid": N_("Use 3 to 40 letters, digits, dots, dashes or underscores."),
    "username_taken": N_("This username is taken. Choose another one."),
    "phone_not_valid": N_("Write the number with its country's code, as in +49 341 5550141."),
    "phone_country_closed": N_("We can't send text messages to numbers of this country. Please use another one."),
    "phone_class_closed": N_("We can't send text messages to numbers of this kind. Please use another one."),
    "password_too_short": N_("Use %(min)s characters or more."),
    "password_too_long": N_("Use at most 256 characters."),
    "password_common": N_(
        "This password is among the first that are guessed. A few words that don't belong together are better."
    ),
    "password_contains_context": N_(
        "This password is made of your name or ours. A few words that don't belong together are better."
    ),
    "password_breached": N_("This password is known from a data leak elsewhere. Choose one you use nowhere else."),
    "too_long": N_("This is too long."),
    "postal_code_not_valid": N_("A code of this country looks like %(example)s."),
    "not_this_form": N_("This isn't in the form we can read."),
    "not_editable": N_("This can't be changed here."),
    "not_an_option": N_("Please choose one of the options."),
    "password_same": N_("This is the password you have. Choose another one."),
    "current_password_wrong": N_("That isn't your current password."),
    "one_of_two": N_("Use one of the two, please."),
    "contact_same": N_("This is the one you have. Give another one."),
    "mismatch": N_("The two don't match. Type the same password twice."),
}

LABELS = {"email": N_("E-mail"), "username": N_("Username"), "phone": N_("Phone")}

# What a country calls its fields, by the data's word for it.
ADDRESS_LABELS = {
    "street_address": {"": N_("Street and number")},
    "sorting_code": {"": N_("Sorting code")},
    "postal_code": {"postal": N_("Postcode"), "zip": N_("ZIP code"), "pin": N_("PIN code"), "eircode": N_("Eircode")},
    "city": {"city": N_("Town or city"), "district": N_("District"), "post_town": N_("Post town"), "suburb": N_("Suburb")},
    "city_area": {
        "district": N_("District"), "neighborhood": N_("Neighbourhood"), "suburb": N_("Suburb"), "townland": N_("Townland"),
        "village_township": N_("Village or township"),
    },
    "country_area": {
        "area": N_("Area"), "county": N_("County"), "department": N_("Department"), "district": N_("District"),
        "do_si": N_("Province or city"), "emirate": N_("Emirate"), "island": N_("Island"), "oblast": N_("Oblast"), "parish": N_("Parish"),
        "prefecture": N_("Prefecture"), "province": N_("Province"), "state": N_("State"),
    },
}  # fmt: skip


def field_message(gettext: Gettext, error: dict[str, Any], minimum: int) -> str:
    text = FIELD_WORDS.get(error["code"])
    if text is None:
        return str(gettext(N_("Please check this.")))
    return gettext(text) % {"min": minimum, **error.get("params", {})} if "%(" in text else gettext(text)


def translator(accept: str | None) -> Translate:
    """For problem documents of the API (docs/openapi.json): messages next to fields in the language asked for, else as services say it."""
    gettext = i18n.catalogue(i18n.asked(accept)).gettext

    def translate(code: str, english: str, params: Mapping[str, Any]) -> str:
        text = FIELD_WORDS.get(code)
        if text is None or ("%(min)s" in text and "min" not in params):
            return english
        return gettext(text) % params if "%(" in text else gettext(text)

    return translate
