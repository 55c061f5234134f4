"""What happened with an account, from the events that tell of it: nothing of what they are about waits for this (E21).

Whoever adds an event that an owner should see adds a row here and its words in the portal.
"""

from collections.abc import Callable
from typing import Any

from latchkey_contracts.event import AccountEvent
from latchkey_contracts.http.activity import ActivityKind
from latchkey_contracts.identity import (
    AccountFrozen,
    ContactChangeRequested,
    IdentifierChanged,
    IdentityLinked,
    IdentityUnlinked,
    PasswordChanged,
    PasswordGuessed,
    ProfileChanged,
    SessionRevoked,
    SignedIn,
    SignInFailed,
    UserActivated,
)
from latchkey_contracts.mfa import (
    AssistanceGiven,
    ChallengeFailed,
    DeviceForgotten,
    DeviceTrusted,
    FactorEnrolled,
    FactorRemoved,
)
from latchkey_contracts.recovery import ResetRequested
from servicekit.db import Tx
from servicekit.events.inbox import Handlers

from . import rules, store

Kind = ActivityKind | None  # None: another event tells it already


def _revoked(event: SessionRevoked) -> Kind:
    match event.reason:
        case "signed_out":
            return "signed_out"
        case "ended_by_user" | "admin":
            return "sessions_ended" if event.session_id is None else "session_ended"
        case _:
            return None


def _failed(event: SignInFailed) -> Kind:
    return "sign_in_failed" if event.reason == "credentials_wrong" else None


def _password(event: PasswordChanged) -> Kind:
    return "password_reset" if event.reason == "reset" else "password_changed"


def _removed(event: FactorRemoved) -> Kind:
    return None if event.reason == "replaced" else "factor_removed"


def _forgotten(event: DeviceForgotten) -> Kind:
    return "devices_forgotten" if event.trusted_device_id is None else "device_forgotten"


def _requested(event: ContactChangeRequested) -> Kind:
    """One entry for each message, and the first of them is the one to the new address."""
    return "contact_requested" if event.part == "new" else None


def _identifier(event: IdentifierChanged) -> Kind:
    return "contact_undone" if event.undone else "contact_changed"


# The kind of an event, or what tells it.
TOLD: dict[type[AccountEvent], ActivityKind | Callable[[Any], Kind]] = {
    UserActivated: "activated",
    SignedIn: "signed_in",
    SignInFailed: _failed,
    SessionRevoked: _revoked,
    PasswordGuessed: "password_guessed",
    PasswordChanged: _password,
    AccountFrozen: "account_frozen",
    ProfileChanged: "profile_changed",
    ContactChangeRequested: _requested,
    IdentifierChanged: _identifier,
    ResetRequested: "reset_requested",
    FactorEnrolled: "factor_added",
    FactorRemoved: _removed,
    ChallengeFailed: "code_failed",
    DeviceTrusted: "device_trusted",
    DeviceForgotten: _forgotten,
    AssistanceGiven: "help_desk",
    IdentityLinked: "identity_linked",
    IdentityUnlinked: "identity_unlinked",
}


async def note(tx: Tx, event: AccountEvent) -> None:
    told = TOLD[type(event)]
    kind = told(event) if callable(told) else told
    if kind is None:
        return
    application: str | None = getattr(event, "application", None)
    at = event.meta.time
    await store.add(
        tx,
        rules.entry_id(event.meta.id, event.account_id, kind, application, at),
        event.account_id,
        kind,
        at,
        application=application,
        session_id=getattr(event, "session_id", None),
        detail=_detail(event),
    )


def _detail(event: AccountEvent) -> dict[str, Any]:
    match event:
        case FactorEnrolled() | FactorRemoved():
            return {"factor": event.kind}
        case SignedIn():
            return {"methods": event.methods}
        case ProfileChanged():
            return {"changed": event.changed}
        case _:
            return {}


def handlers(publisher: str) -> Handlers:
    """For `consumes[publisher]`."""
    return {cls: note for cls in TOLD if cls.publisher == publisher}
