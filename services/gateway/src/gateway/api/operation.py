"""What one operation of the public API is; all of them are in operations.py."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from latchkey_contracts.http.common import Request, Versioned
from servicekit import errors
from servicekit.errors import ServiceError

from gateway.limits.service import Kind

# Whose the operation is. `link`: of whoever made the link; `gateway`: answered here.
Owner: TypeAlias = Literal["identity", "recovery", "mfa", "notifier", "link", "gateway"]
# Who may call: anybody; whoever started the flow; a live session; a provider, by its signature.
Who: TypeAlias = Literal["anybody", "asker", "session", "provider"]
Problems: TypeAlias = tuple[type[ServiceError], ...]
# What comes of a code, and of a passkey.
BY_CODE: Problems = (errors.CodeWrong, errors.CodeExpired, errors.CodeBurned, errors.FlowEnded)
BY_PASSKEY: Problems = (
    errors.PasskeyWrong,
    errors.MoreProofRequired,
    errors.NotAllowedByPolicy,
    errors.StepMissing,
    errors.FlowEnded,
)


@dataclass(frozen=True)
class Operation:
    """`counts`: what it is for the limits of the caller's network; none: reading is free (THR-1). `problems`: beside the common ones."""

    id: str
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    tag: str
    summary: str
    owner: Owner
    who: Who
    answer: Any = None
    status: int = 200
    request: type[Request] | None = None
    counts: Kind | None = None
    problems: Problems = ()
    description: str = ""
    paged: bool = False  # takes the cursor that its answer names as `next`

    @property
    def writes(self) -> bool:
        return self.method != "GET" and not self.reads_by_post

    @property
    def reads_by_post(self) -> bool:
        """Its body holds a secret that belongs in no address; nothing changes."""
        return self.id == "inspectLink"

    @property
    def begins(self) -> bool:
        """Makes a flow, or may: whoever asks gets the token of it."""
        return self.counts == "start" or self.id in {"confirmLink", "makePrimary"}

    @property
    def tries_password(self) -> bool:
        """Counted for the account, and for a device that it knows by itself (BRF-3)."""
        return self.id in {"startSignIn", "enterPassword", "changePassword", "enterStepUpPassword"}

    @property
    def versioned(self) -> bool:
        """Its answer has an ETag (RFC 9110 §8.8.3)."""
        return isinstance(self.answer, type) and issubclass(self.answer, Versioned)

    def all_problems(self) -> list[type[ServiceError]]:
        """Every error that this operation can answer, and no other."""
        found = {*self.problems, errors.Overloaded, errors.InternalError, errors.MalformedRequest}
        if "{" in self.path:
            found.add(errors.NotFound)
        if self.who == "session":
            found.add(errors.SessionRequired)
        if self.method != "GET" and self.who != "provider":
            found |= {errors.CrossSiteRequest, errors.BodyTooLarge}
        if self.method != "GET" and self.id != "signOut" and self.writes and self.who != "provider":
            found.add(errors.IdempotencyKeyReused)
        if self.request is not None:
            found |= {errors.UnsupportedMediaType, errors.ValidationFailed}
        if self.counts is not None:
            found.add(errors.TooManyRequests)
        return sorted(found, key=lambda one: (one.status, one.code))
