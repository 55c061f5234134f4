"""Which phone numbers may be written to: by their class, and by the countries that a notification policy opens (FRD-1, FRD-2).

One rule for all: whoever takes a number says at its field what the notifier would refuse.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import phonenumbers
from latchkey_contracts.configuration import NotificationPolicy, PaidChannel
from phonenumbers import PhoneNumberType
from prometheus_client import Counter

from .errors import FieldError

CLOSED = Counter(
    "latchkey_closed_numbers",
    "Phones of countries that are not open, by region: what opening one would bring",
    ["channel", "region"],
)
NO_REGION = "none"
# Whoever has such a number earns by every message to it, or reads none.
_NEVER = frozenset(
    {
        PhoneNumberType.PREMIUM_RATE,
        PhoneNumberType.SHARED_COST,
        PhoneNumberType.PERSONAL_NUMBER,
        PhoneNumberType.UAN,
        PhoneNumberType.PAGER,
        PhoneNumberType.VOICEMAIL,
        PhoneNumberType.TOLL_FREE,
    }
)
_NOWHERE = "001"  # satellites and other networks of no country, which the library takes for mobile phones


@dataclass(frozen=True)
class Land:
    """Where a number belongs, by its range: `names` are those under which an operator opens and prices it. `network`: the number
    down to its area or mobile network. `never`: it is of a class that isn't written to, or of no numbering plan.
    """

    code: str
    region: str | None
    names: tuple[str, ...]
    network: str
    never: bool

    @classmethod
    def of(cls, number: str) -> "Land | None":
        """None: no number."""
        try:
            parsed = phonenumbers.parse(number, None)
        except phonenumbers.NumberParseException:
            return None
        dial = parsed.country_code or 0
        code, region = f"+{dial}", phonenumbers.region_code_for_number(parsed)
        main = phonenumbers.region_code_for_country_code(dial)
        # A dial code is its first region's: +1 opens no Jamaica.
        names = (region, code) if region == main else (region,) if region is not None else (code,)
        never = not phonenumbers.is_valid_number(parsed) or phonenumbers.number_type(parsed) in _NEVER or main == _NOWHERE
        digits = phonenumbers.length_of_national_destination_code(parsed) or 3
        return cls(code, region, names, number[: len(code) + digits], never)


def monitored(channel: PaidChannel, land: Land) -> bool:
    """Where an operator wants to see what rules would do before they do it (FRD-1)."""
    return bool(set(land.names) & set(channel.monitored))


def against(channel: PaidChannel, land: Land | None) -> str | None:
    """Why this number isn't written to; None: it may be."""
    if land is None or not set(land.names) & set(channel.countries):
        return "country"
    return "number_class" if land.never and not monitored(channel, land) else None


def first(names: Sequence[str], among: Collection[str]) -> str | None:
    """A region goes before its dial code."""
    return next((name for name in names if name in among), None)


def closed(number: str, policy: NotificationPolicy, field: str) -> list[FieldError]:
    """What is wrong with a number that a text message would have to reach; nothing of what can't be read as one (E.164)."""
    land = Land.of(number)
    reason = None if land is None else against(policy.sms, land) if policy.sms.enabled else "country"
    if reason == "number_class":
        return [FieldError(field, "phone_class_closed", "We can't send text messages to numbers of this kind")]
    if reason is not None:
        CLOSED.labels("sms", (land and land.region) or NO_REGION).inc()
        return [FieldError(field, "phone_country_closed", "We can't send text messages to numbers of this country")]
    return []
