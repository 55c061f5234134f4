"""Every message that Latchkey sends: its channels, its lane, and what an operator's own text of it must and may say (docs/flows/notification.md).

How such a text is read and checked is `servicekit.own_texts`.
"""

from dataclasses import dataclass, field
from typing import Literal

from .notifier import Channel

# Which goes first (REL-9, NOT-3).
Lane = Literal["security", "code", "activation", "other", "bulk"]
LANES: tuple[Lane, ...] = ("security", "code", "activation", "other", "bulk")
# The parts of a text, and the channel that each is for.
# What a message is about, for whoever chooses what to get: only the last can be switched off (D27).
Kind = Literal["security", "requested", "account"]
CHOSEN: frozenset[Kind] = frozenset({"account"})
PARTS: dict[str, Channel] = {"subject": "email", "text": "email", "html": "email", "sms": "sms", "voice": "voice"}

_ALWAYS = frozenset({"brand", "short", "name", "support_phone"})
_LINK = frozenset({"link", "link_until", "works_until"})
_CODE = frozenset({"code", "code_until", "code_works_until"})
_ASKED = frozenset({"device", "asked_at", "asked_when", "asked_short"})
_DONE = frozenset({"device", "done_at", "asked_when", "asked_short"})
_FACTOR = frozenset({"factor", "factor_short"})
_CONTACT = frozenset({"contact", "contact_short", "about"})
_ACTION = frozenset({"action", "action_short", "about"})


@dataclass(frozen=True)
class Template:
    lane: Lane
    channels: tuple[Channel, ...]
    variables: frozenset[str]
    required: dict[str, frozenset[str]] = field(default_factory=dict)  # by part; both of text and html

    @property
    def security(self) -> bool:
        """Can't be switched off (NOT-3, D27)."""
        return self.lane == "security"

    @property
    def kind(self) -> Kind:
        """`requested`: codes and links that somebody waits for."""
        return "security" if self.security else "requested" if self.essential else "account"

    @property
    def essential(self) -> bool:
        """A flow can't go on without it."""
        return self.lane in {"security", "code", "activation"}


def _template(lane: Lane, channels: tuple[Channel, ...], variables: frozenset[str], **required: str) -> Template:
    return Template(lane, channels, _ALWAYS | variables, {part: frozenset(names.split()) for part, names in required.items()})


TEMPLATES: dict[str, Template] = {
    "activation": _template(
        "activation", ("email", "sms"), _LINK | _CODE | _ASKED, text="link code", html="link code", sms="code"
    ),
    # Like an activation in all that its asker can see of it (REG-1).
    "account_exists": _template("activation", ("email", "sms"), _LINK | _ASKED, text="link", html="link"),
    "welcome": _template("other", ("email",), _LINK, text="link", html="link"),
    "username_reminder": _template(
        "code", ("email", "sms"), _LINK | _ASKED | {"usernames"}, text="usernames", html="usernames", sms="usernames"
    ),
    "password_reset": _template(
        "code",
        ("email", "sms", "voice"),
        _LINK | _CODE | _ASKED | {"digits"},
        text="link code",
        html="link code",
        sms="code",
        voice="digits",
    ),
    "reset_succeeded": _template(
        "security", ("email", "sms"), _LINK | _DONE | {"sessions_ended"}, text="link", html="link", sms="link"
    ),
    "password_changed": _template(
        "security", ("email", "sms"), _LINK | _DONE | {"sessions_ended"}, text="link", html="link", sms="link"
    ),
    "account_frozen": _template("security", ("email", "sms"), _LINK | _DONE, text="link", html="link", sms="link"),
    "total_loss_announced": _template(
        "security", ("email", "sms"), _LINK | _ASKED | _DONE | {"takes_effect_at"}, text="link", html="link", sms="link"
    ),
    "sign_in_code": _template(
        "code", ("email", "sms", "voice"), _CODE | _ASKED | {"digits"}, text="code", html="code", sms="code", voice="digits"
    ),
    "sign_in_link": _template("code", ("email", "sms"), _LINK | _ASKED, text="link", html="link", sms="link"),
    # Of somebody who is signed in already: for one thing, which it names (OTP-10).
    "step_up_code": _template(
        "code",
        ("email", "sms", "voice"),
        _CODE | _ASKED | _ACTION | {"digits"},
        text="code",
        html="code",
        sms="code",
        voice="digits",
    ),
    # To an address or number that is to become a factor, and that nobody has proven yet.
    "factor_code": _template(
        "code", ("email", "sms", "voice"), _CODE | _ASKED | {"digits"}, text="code", html="code", sms="code", voice="digits"
    ),
    # To whoever calls the help desk, who reads it out there (E24).
    "caller_code": _template("code", ("email", "sms"), _CODE | _ASKED, text="code", html="code", sms="code"),
    # To an address or number that an account is to have.
    "contact_confirm": _template(
        "code", ("email", "sms"), _LINK | _CODE | _ASKED, text="link code", html="link code", sms="code"
    ),
    # Like it in all that its asker can see of it (ENU-1): the address is somebody's.
    "contact_taken": _template("code", ("email", "sms"), _ASKED),
    # To one that the account has: it must say yes, or stops it by `undo` (STP-3).
    "contact_approve": _template(
        "code",
        ("email", "sms"),
        _LINK | _CODE | _ASKED | _CONTACT | {"undo"},
        text="link code undo",
        html="link code undo",
        sms="code",
    ),
    "contact_asked": _template(
        "security", ("email", "sms"), _LINK | _ASKED | _DONE | _CONTACT, text="link", html="link", sms="link"
    ),
    "contact_changed": _template("security", ("email", "sms"), _LINK | _DONE | _CONTACT, text="link", html="link", sms="link"),
    "contact_undone": _template("security", ("email", "sms"), _LINK | _DONE | _CONTACT, text="link", html="link", sms="link"),
    "factor_added": _template("security", ("email", "sms"), _LINK | _DONE | _FACTOR, text="link", html="link", sms="link"),
    "factor_removed": _template("security", ("email", "sms"), _LINK | _DONE | _FACTOR, text="link", html="link", sms="link"),
    "recovery_code_used": _template("security", ("email", "sms"), _LINK | _DONE, text="link", html="link", sms="link"),
    "factor_failed": _template("security", ("email", "sms"), _LINK | _DONE, text="link", html="link", sms="link"),
    "device_trusted": _template("security", ("email", "sms"), _LINK | _DONE, text="link", html="link", sms="link"),
    "passkey_copied": _template("security", ("email", "sms"), _LINK | _DONE, text="link", html="link", sms="link"),
    # A hundred wrong codes in a row, after the right password (OTP-5).
    "factor_guessed": _template("security", ("email", "sms"), _LINK | _DONE, text="link", html="link", sms="link"),
    # A hundred wrong passwords in a row (BRF-1).
    "password_guessed": _template("security", ("email",), _LINK | _DONE, text="link", html="link"),
    # What signs in from elsewhere (E27).
    "identity_linked": _template("security", ("email",), _LINK | _DONE | {"provider"}, text="link", html="link"),
    "identity_unlinked": _template("security", ("email",), _LINK | _DONE | {"provider"}, text="link", html="link"),
    # What the help desk has done (R23, E23).
    "assisted": _template(
        "security", ("email", "sms"), _LINK | _DONE | {"assistance", "assistance_short"}, text="link", html="link", sms="link"
    ),
    # Personal information was changed; what it is now isn't said.
    "account_updated": _template("other", ("email",), _LINK | _DONE, text="link", html="link"),
    # From a new device, or a success that looks odd (E9, BRF-4).
    "new_sign_in": _template("security", ("email",), _LINK | _DONE | {"why"}, text="link", html="link"),
}
# Sent in turn within one flow: a newer one of any of these is the end of the older ones (D16).
_IN_TURN = ({"sign_in_code", "sign_in_link"},)


def in_turn(template: str) -> list[str]:
    """Those whose messages stand for one another in a flow; itself among them."""
    return sorted(next((names for names in _IN_TURN if template in names), {template}))
