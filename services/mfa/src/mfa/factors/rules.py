"""Which factors an application offers, and which methods each proves. Pure functions."""

from datetime import timedelta

from latchkey_contracts.configuration import AccessPolicy
from latchkey_contracts.http.common import Channel
from latchkey_contracts.http.factors import FactorKind, Form
from servicekit.process.configuration import Resolved

# What can be added today; the order is the one in which they are offered.
ADDABLE: tuple[FactorKind, ...] = ("passkey", "totp", "phone", "email", "recovery_codes")
# RFC 8176 `amr`.
METHODS: dict[FactorKind, str] = {"totp": "otp", "recovery_codes": "otp", "email": "otp", "phone": "sms", "passkey": "hwk"}
RISK_NOTICE = 1  # PST-1: counts up when the page's words on the risk of phones change
PENDING_LIFETIME = timedelta(minutes=15)
MOST_OF_A_KIND = 10
# One of them is enough; recovery codes only stand in for another.
ALONE: frozenset[FactorKind] = frozenset({"totp", "email", "phone", "passkey"})
# A right code here proves who it is, best first.
BEST_FIRST: tuple[FactorKind, ...] = ("passkey", "totp", "email", "phone", "recovery_codes")


# What can be sent to, and by which channels, in the order in which they are offered.
CHANNELS: dict[FactorKind, tuple[Channel, ...]] = {"email": ("email",), "phone": ("sms", "voice")}


def channels(app: Resolved, kind: FactorKind) -> list[Channel]:
    """That the policies leave open; a call only where it is switched on for factors, too."""
    notification = app.notification
    is_open = {
        "email": notification.email.enabled,
        "sms": notification.sms.enabled and bool(notification.sms.countries),
        "voice": app.access.phone.voice and notification.voice.enabled and bool(notification.voice.countries),
    }
    return [channel for channel in CHANNELS.get(kind, ()) if is_open[channel]]


def forms(app: Resolved, kind: FactorKind) -> list[Form]:
    setting = {"email": app.access.email, "phone": app.access.phone}.get(kind)
    if setting is None:
        return []
    found: list[Form] = ["code"] if setting.passcode else []
    return [*found, "link"] if setting.link else found


def enabled(policy: AccessPolicy, kind: FactorKind) -> bool:
    """Switched off, what is enrolled is kept and not shown (D30)."""
    return bool(getattr(policy, kind).enabled)


def offered(app: Resolved, has: set[FactorKind]) -> list[FactorKind]:
    """Recovery codes only beside a factor that they can stand in for."""
    return [
        kind
        for kind in ADDABLE
        if enabled(app.access, kind) and (kind in ALONE or has & ALONE) and (kind not in CHANNELS or channels(app, kind))
    ]


def missing(app: Resolved, has: set[FactorKind], *, wanted: bool) -> list[FactorKind]:
    """What must be added before a session begins, one of these: everything mandatory in turn, else any factor where the policy requires
    one (D32). `wanted`: a rule does. What isn't open just now keeps nobody out.
    """
    can = offered(app, has)
    for kind in app.access.mandatory:
        if kind in has:
            continue
        if kind in can:
            return [one for one in can if one in app.access.mandatory and one not in has]
        if not has & ALONE and kind not in ALONE:  # recovery codes stand in for something
            return [one for one in can if one in ALONE]
    if (wanted or app.access.second_factor.required) and not has & ALONE:
        return [one for one in can if one in ALONE]
    return []


def needed(app: Resolved, kind: FactorKind, left: set[FactorKind]) -> bool:
    """Whether the policy refuses that one of this kind goes and these are left (MFA-9)."""
    if kind in app.access.mandatory and kind not in left:
        return True
    return app.access.second_factor.required and kind in ALONE and not left & ALONE
