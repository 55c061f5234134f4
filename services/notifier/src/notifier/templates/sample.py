"""A message's content as it could be, for previews, test messages and tests. Its link and code open nothing."""

from datetime import datetime, timedelta
from typing import Any

from latchkey_contracts.messages import MessageContent, Origin
from latchkey_contracts.notifier import Channel
from latchkey_contracts.templates import TEMPLATES

ADDRESSES: dict[Channel, str] = {"email": "mira.okafor@example.org", "sms": "+4915550100", "voice": "+4915550100"}
# As long as a real one, so that a text message is counted as it will be.
TOKEN = "test-link-that-opens-nothing-00000000000000"  # noqa: S105 - it is none
# Their link is no token's: it leads to the portal's security page.
TO_SECURITY = frozenset(
    {
        "factor_added",
        "factor_removed",
        "recovery_code_used",
        "factor_failed",
        "device_trusted",
        "factor_guessed",
        "password_guessed",
        "account_updated",
        "assisted",
        "passkey_copied",
    }
)


def sample(template: str, channel: Channel, *, to: str | None = None, origin: str, slug: str, now: datetime) -> MessageContent:
    """Exactly what the template may use."""
    page = "account/security" if template in TO_SECURITY else f"l/{TOKEN}"
    ways: dict[str, dict[str, Any]] = {
        "link": {"link": f"{origin}/{slug}/{page}", "link_expires_at": now + timedelta(hours=24)},
        "code": {"code": "482913", "code_expires_at": now + timedelta(minutes=6)},
        "usernames": {"usernames": ["mira.okafor"]},
        "sessions_ended": {"sessions_ended": 2},
        "takes_effect_at": {"takes_effect_at": now + timedelta(hours=72)},
        "factor": {"factor": "totp"},
        "action": {"action": "factor.add", "about": "•••78"},
        "contact": {"contact": "email.replace", "about": "m•••@p•••"},
        "undo": {"undo": f"{origin}/{slug}/l/{TOKEN[::-1]}"},
        "provider": {"provider": "Google"},
        "why": {"reasons": ["wrong_passwords"]},
        "assistance": {"assistance": "factor_removed"},
    }
    known = TEMPLATES[template].variables
    values = {key: value for name, fields in ways.items() if name in known for key, value in fields.items()}
    asked = Origin(at=now, device="Firefox on Android", place="Leipzig")
    # Nobody is greeted by name at an address that nobody has proven.
    name = None if template in {"activation", "factor_code", "contact_confirm"} else "Mira"
    return MessageContent(channel=channel, to=to or ADDRESSES[channel], given_name=name, asked=asked, **values)
