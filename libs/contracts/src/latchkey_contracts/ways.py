"""By which ways a code or link can be had before anything is proven: by the policies alone, so the same for every name (ENU-1)."""

from latchkey_contracts.configuration import AccessPolicy, Email, NotificationPolicy, configuration_id
from latchkey_contracts.http.common import Channel
from latchkey_contracts.http.factors import FactorChoice, FactorKind, Form

# Not of any account: what stands for "the address of whoever has this name".
EMAIL, PHONE = configuration_id("way", "email"), configuration_id("way", "phone")


def generic(access: AccessPolicy, notification: NotificationPolicy) -> list[FactorChoice]:
    """In the order in which they are offered; without masks."""
    found = []
    if access.email.enabled and notification.email.enabled:
        found.append(FactorChoice(id=EMAIL, kind="email", channels=["email"], forms=_forms(access.email)))
    phone: list[Channel] = []
    if notification.sms.enabled and notification.sms.countries:
        phone.append("sms")
    if access.phone.voice and access.phone.passcode and notification.voice.enabled and notification.voice.countries:
        phone.append("voice")
    if access.phone.enabled and phone:
        found.append(FactorChoice(id=PHONE, kind="phone", channels=phone, forms=_forms(access.phone)))
    return found


def kind_of(channel: Channel) -> FactorKind:
    return "email" if channel == "email" else "phone"


def _forms(setting: Email) -> list[Form]:
    found: list[Form] = ["code"] if setting.passcode else []
    return [*found, "link"] if setting.link else found
