"""The parts of the feature, put together."""

from dataclasses import dataclass

from .applying import Applying
from .going_on import ContactsInChange
from .proving import ContactProofs
from .reverting import ContactReverts
from .sending import Messages
from .service import ContactChanging
from .showing import Showing
from .telling import Telling
from .tools import Tools


@dataclass(frozen=True)
class ContactParts:
    tools: Tools
    changing: ContactChanging
    in_change: ContactsInChange
    proofs: ContactProofs
    reverts: ContactReverts
    messages: Messages


def build(tools: Tools) -> ContactParts:
    telling, showing = Telling(tools), Showing(tools)
    applying, messages = Applying(tools, telling), Messages(tools, telling)
    proofs = ContactProofs(tools, applying, showing)
    return ContactParts(
        tools=tools,
        changing=ContactChanging(tools, applying, telling, messages, showing),
        in_change=ContactsInChange(tools, applying, proofs, showing),
        proofs=proofs,
        reverts=ContactReverts(tools, applying, telling),
        messages=messages,
    )
