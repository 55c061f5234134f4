"""/v1/apps/{app}/links (LNK-1 to LNK-8)."""

from datetime import datetime
from typing import Literal, TypeAlias

from pydantic import Field

from .common import ClientKind, Language, Match, PasswordText, Request, Response, Token
from .contact_change import ContactChangeFlow, Reverted
from .recovery import ResetFlow
from .registration import RegistrationFlow
from .sign_in import SignInFlow

LinkPurpose = Literal[
    "activation", "password_reset", "sign_in", "contact_change", "contact_revert", "freeze", "deletion_cancel", "recovery_cancel"
]
# What a link's message was about, where its purpose alone doesn't say it.
LinkSubject = Literal[
    "password_changed",
    "account_frozen",
    "signed_in",
    "password_guessed",
    "profile_changed",
    "contact_new",
    "contact_old",
    "contact_asked",
    "contact_changed",
    "identity_linked",
    "identity_unlinked",
]
LinkStateName = Literal["valid", "used", "expired", "superseded", "ended", "other_browser", "malformed"]


class InspectRequest(Request):
    token: Token


class RenewRequest(Request):
    token: Token
    language: Language | None = None
    client: ClientKind | None = None


class ConfirmRequest(Request):
    token: Token
    match: Match | None = None
    password: PasswordText | None = Field(
        default=None,
        description="For activations whose asking window is gone: the password chosen at registration, instead of `match` (REG-3)",
    )


class LinkInfo(Response):
    """What a landing page may say; reading it consumes nothing (LNK-1)."""

    purpose: LinkPurpose | None = Field(description="What the link does; null where it is unknown")
    state: LinkStateName = Field(
        description="`other_browser`: it works, and another window asked for it; `ended`: a wrong number, or something else made it useless"
    )
    to: str | None = Field(default=None, description="Where the message went, masked (ENU-3)")
    requested_at: datetime | None = Field(default=None, description="When it was asked for")
    requested_from: str | None = Field(default=None, description="Browser and system of whoever asked, in words")
    expires_at: datetime | None = Field(default=None, description="Until when it works, or worked")
    used_at: datetime | None = Field(default=None, description="When it did its work")
    superseded_at: datetime | None = Field(default=None, description="When a newer link took its place")
    own: bool = Field(default=False, description="It belongs to the account that is signed in here (LNK-4)")
    renewable: bool = Field(
        default=True,
        description="`renewLink` can send a fresh one where this one is expired or superseded, or works in another browser than this",
    )
    done: LinkSubject | None = Field(
        default=None,
        description="What its message told of; `contact_new`, `contact_old`: a change of address waits for a press at the new one, or at the old one",
    )
    about: str | None = Field(default=None, description="What is to be new where the old address is asked, masked")
    over: Literal["effective", "cancelled", "void"] | None = Field(
        default=None,
        description="How the recovery ended that this link was to stop: it took effect at `expires_at`, was stopped, or came to nothing (REC-12)",
    )


class Frozen(Response):
    """The account is locked until a new password is set (D13)."""

    state: Literal["frozen"] = Field(default="frozen", description="Says which of the answers this is")


class Cancelled(Response):
    """What was announced will not happen (REC-12)."""

    state: Literal["cancelled"] = Field(default="cancelled", description="Says which of the answers this is")


class ConfirmedElsewhere(Response):
    """Done for the window that asked; it goes on there (LNK-3)."""

    state: Literal["confirmed_elsewhere"] = Field(default="confirmed_elsewhere", description="Says which of the answers this is")


# What a press leads to: a flow goes on, or it is done. Services, the API's answer and the pages know no others.
LinkFlow: TypeAlias = RegistrationFlow | ResetFlow | SignInFlow | ContactChangeFlow
LinkDone: TypeAlias = Frozen | Cancelled | Reverted
