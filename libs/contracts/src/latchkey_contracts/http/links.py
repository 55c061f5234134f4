"""/v1/apps/{app}/links (api.md §2, LNK-*)."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import StringConstraints

from .common import ClientKind, PasswordText, Request, Response, Token

LinkPurpose = Literal[
    "activation", "password_reset", "sign_in", "contact_change", "contact_revert", "freeze", "deletion_cancel", "recovery_cancel"
]
LinkStateName = Literal["valid", "used", "expired", "superseded", "ended", "other_browser", "malformed"]


class InspectRequest(Request):
    token: Token


class RenewRequest(Request):
    token: Token
    client: ClientKind | None = None


class ConfirmRequest(Request):
    token: Token
    match: Annotated[str, StringConstraints(pattern=r"^[0-9]{2}$")] | None = None
    password: PasswordText | None = None


class LinkInfo(Response):
    """What a landing page may say; reading it consumes nothing (LNK-1). `own`: of the account that is signed in here (LNK-4).

    `renewable`: links/renew can send a fresh one when this one is expired or superseded. `over`: how the total-loss recovery ended
    that this link was to stop (REC-12): it took effect at `expires_at`, was stopped, or came to nothing.
    """

    purpose: LinkPurpose | None
    state: LinkStateName
    to: str | None = None
    requested_at: datetime | None = None
    requested_from: str | None = None
    expires_at: datetime | None = None
    used_at: datetime | None = None
    superseded_at: datetime | None = None
    own: bool = False
    renewable: bool = True
    over: Literal["effective", "cancelled", "void"] | None = None


class Frozen(Response):
    """The account is locked until a new password is set (D13)."""

    state: Literal["frozen"] = "frozen"


class Cancelled(Response):
    """What was announced will not happen (REC-12)."""

    state: Literal["cancelled"] = "cancelled"


class ConfirmedElsewhere(Response):
    state: Literal["confirmed_elsewhere"] = "confirmed_elsewhere"
