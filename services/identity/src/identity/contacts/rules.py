"""Which of a person's addresses a message may go to. Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass

from latchkey_contracts.http.common import Channel
from latchkey_contracts.identity import IdentifierKind
from latchkey_contracts.messages import Reach
from servicekit.configuration import Resolved
from servicekit.db import Record

from identity.accounts.rules import Identifier, canonical_email, canonical_phone

_KIND: dict[Channel, IdentifierKind] = {"email": "email", "sms": "phone", "voice": "phone"}


@dataclass(frozen=True)
class Way:
    channel: Channel
    to: Identifier


def reset_way(app: Resolved, account: Record, rows: Sequence[Record], wanted: Channel | None) -> Way | None:
    """The way that was asked for, or a verified e-mail address before a verified phone (D10). A pending account's own counts,
    since the message proves it (D5). By policy addresses of the profile come last (D7). None: it isn't sent.
    """
    ways: Sequence[Channel] = (wanted,) if wanted is not None else ("email", "sms")
    for channel in ways:
        for row in rows:
            if row["kind"] == _KIND[channel] and _may(channel, row, account):
                return Way(channel, Identifier(row["kind"], row["value"], row["canonical"]))
    for channel in ways:
        if channel != "voice" and (found := _of_profile(app, account, _KIND[channel])) is not None:
            return Way(channel, found)
    return None


def _may(channel: Channel, row: Record, account: Record) -> bool:
    """A call goes to a verified number only (FRD-7)."""
    return row["verified_at"] is not None or (account["status"] == "pending" and channel != "voice")


def _of_profile(app: Resolved, account: Record, kind: IdentifierKind) -> Identifier | None:
    for name in attributes(app, kind):
        if value := account["profile"].get(name):
            try:
                return Identifier(kind, value, canonical_email(value) if kind == "email" else canonical_phone(value))
            except ValueError:
                continue  # from before the attribute had its type
    return None


def attributes(app: Resolved, kind: IdentifierKind) -> list[str]:
    """Of the profile, where the policy lets recovery use them (D7)."""
    allowed = app.policy.attribute_based_recovery
    if not (allowed.email if kind == "email" else allowed.phone):
        return []
    return [one.name for one in app.store.attributes if one.type == kind]


def others(rows: Sequence[Record], way: Way) -> list[Reach]:
    """The same person's other proven addresses, for the fall-back that the notification policy allows (E15)."""
    found = []
    for row in rows:
        if row["verified_at"] is None:
            continue
        to = Identifier(row["kind"], row["value"], row["canonical"]).address
        found += [Reach(channel=channel, to=to) for channel, kind in _KIND.items() if kind == row["kind"]]
    return [one for one in found if one.channel != way.channel]
