"""E-mail addresses and phone numbers in the one form in which they are compared (REG-6). Pure functions."""

import unicodedata

import idna
import phonenumbers
from email_validator import EmailNotValidError, validate_email
from latchkey_contracts import typed


def canonical_email(value: str) -> str:
    """Lower-cased NFC local part, lower-cased punycode domain, no provider's own folding. Raises ValueError."""
    try:
        found = validate_email(typed.line(value), check_deliverability=False, allow_smtputf8=True, test_environment=True)
    except EmailNotValidError as error:
        raise ValueError(str(error)) from None
    local = unicodedata.normalize("NFC", found.local_part).lower()
    domain = found.ascii_domain or idna.encode(found.domain, uts46=True).decode()
    return f"{local}@{domain.lower()}"


def canonical_phone(value: str) -> str:
    """E.164. Raises ValueError."""
    try:
        number = phonenumbers.parse(typed.line(value), None)
    except phonenumbers.NumberParseException:
        raise ValueError("Write it with the country's code, as in +49 341 5550141") from None
    if not phonenumbers.is_possible_number(number):
        raise ValueError("This doesn't look like a phone number")
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
