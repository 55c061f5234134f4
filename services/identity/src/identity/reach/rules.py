"""Which of a person's addresses a message may go to. Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from latchkey_contracts.http.common import Channel
from latchkey_contracts.http.contacts import ContactRequest
from latchkey_contracts.identity import IdentifierKind
from latchkey_contracts.messages import Reach
from servicekit.addresses import canonical_email, canonical_phone
from servicekit.process.configuration import Resolved

from identity.accounts.rules import Account, Held, Identifier, candidates, given_name
from identity.budgets.rules import Named, Room

_KIND: dict[Channel, IdentifierKind] = {"email": "email", "sms": "phone", "voice": "phone"}


@dataclass(frozen=True)
class Way:
    channel: Channel
    to: Identifier


def named(app: Resolved, asked: ContactRequest) -> Named | None:
    """The address or number that was typed, as it is counted; of a username nothing is, and nothing of what nobody typed."""
    if asked.identifier is None or asked.reach == "every_verified":
        return None
    for kind, canonical in candidates(asked.identifier, app.store):
        if kind != "username":
            return Named(app, canonical, texted=kind == "phone" and asked.channel in {None, "sms"})
    return None


def has_room(way: Way, named: Named | None, room: Room) -> bool:
    to_it = named is not None and way.channel == "sms" and way.to.canonical == named.canonical
    return room.any and (room.text or not to_it)


def reset_way(app: Resolved, account: Account, rows: Sequence[Held], wanted: Channel | None) -> Way | None:
    """The way that was asked for, or a verified e-mail address before a verified phone (D10). A pending account's own counts,
    since the message proves it (D5), and so does what an account that has proven nothing was registered with: it belongs to whoever
    reads there. By policy addresses of the profile come last (D7). None: it isn't sent.
    """
    ways: Sequence[Channel] = (wanted,) if wanted is not None else ("email", "sms")
    unproven = provable(account, rows)
    for channel in ways:
        for row in rows:
            if row.kind == _KIND[channel] and (_may(channel, row, account) or (row is unproven and channel != "voice")):
                return Way(channel, row.identifier)
    for channel in ways:
        if channel != "voice" and (found := _of_profile(app, account, _KIND[channel])) is not None:
            return Way(channel, found)
    return None


def provable(account: Account, rows: Sequence[Held]) -> Held | None:
    """Of an account that was opened without activation, the one address whose mailbox may still prove it: the e-mail one, else the
    phone. None where something is proven, and where the account has its own way to that.
    """
    if account.status == "pending" or any(row.verified_at is not None for row in rows):
        return None
    return next((row for kind in ("email", "phone") for row in rows if row.kind == kind), None)


def _may(channel: Channel, row: Held, account: Account) -> bool:
    """A call goes to a verified number only (FRD-7)."""
    return row.verified_at is not None or (account.status == "pending" and channel != "voice")


def _of_profile(app: Resolved, account: Account, kind: IdentifierKind) -> Identifier | None:
    for name in attributes(app, kind):
        value = account.profile.get(name)
        if value and isinstance(value, str):
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


def greeted(account: Account, rows: Sequence[Held], to: Identifier) -> str | None:
    """The name to greet by, where `to` is proven to be this person's. Anywhere else it is a text that somebody may have chosen for a
    stranger to read (WEB-14).
    """
    proven = any(row.canonical == to.canonical and row.kind == to.kind and row.verified_at is not None for row in rows)
    return given_name(account.profile) if proven else None


def proven_at(rows: Sequence[Held], to: Identifier) -> datetime | None:
    """Since when this address is known to be the person's: what has earned it text messages and calls (FRD-6)."""
    return next((row.verified_at for row in rows if (row.kind, row.canonical) == (to.kind, to.canonical)), None)


def others(rows: Sequence[Held], way: Way) -> list[Reach]:
    """The same person's other proven addresses, for the fall-back that the notification policy allows (E15)."""
    found = []
    for row in rows:
        if row.verified_at is None:
            continue
        to = row.identifier.address
        found += [Reach(channel=channel, to=to, proven_at=row.verified_at) for channel, kind in _KIND.items() if kind == row.kind]
    return [one for one in found if one.channel != way.channel]
