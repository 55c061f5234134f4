"""Every error a caller may see, one class per code (docs/openapi.json). The class is data: HTTP renders it, rules may raise it.

Titles are English; the gateway translates them by code (catalogues). A detail never repeats what the caller sent.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar


class Permanent(Exception):
    """Raised by an event handler: no retry can help, park the record with this reason (no personal data in it)."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field. `field` is a JSON pointer (RFC 6901) into the body; `params` fill the translated message."""

    field: str
    code: str
    message: str
    params: dict[str, Any] = dataclasses.field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """`params` go along, so that the gateway can say it in another language."""
        shown = {"field": self.field, "code": self.code, "message": self.message}
        return {**shown, "params": self.params} if self.params else shown


class ServiceError(Exception):
    """Base of all errors with a stable code. `extra` goes into the problem document as it is."""

    code: ClassVar[str]
    status: ClassVar[int]
    title: ClassVar[str]
    registry: ClassVar[dict[str, type["ServiceError"]]] = {}

    def __init__(self, detail: str | None = None, **extra: Any) -> None:
        super().__init__(detail or type(self).title)
        self.detail = detail
        self.extra = extra

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "code" in cls.__dict__:
            if cls.code in ServiceError.registry:
                raise TypeError(f"two classes for error code {cls.code}")
            ServiceError.registry[cls.code] = cls


class MalformedRequest(ServiceError):
    code, status, title = "malformed_request", 400, "The request can't be read"


class MethodNotAllowed(ServiceError):
    code, status, title = "method_not_allowed", 405, "This method isn't offered here"


class BodyTooLarge(ServiceError):
    code, status, title = "body_too_large", 413, "The body is larger than 64 KiB"


class UnsupportedMediaType(ServiceError):
    code, status, title = "unsupported_media_type", 415, "Send application/json"


class SessionRequired(ServiceError):
    code, status, title = "session_required", 401, "Sign in first"


class CredentialsWrong(ServiceError):
    code, status, title = "credentials_wrong", 403, "The name or the password isn't right"


class CodeWrong(ServiceError):
    code, status, title = "code_wrong", 403, "That code isn't right"


class PasskeyWrong(ServiceError):
    code, status, title = "passkey_wrong", 403, "That passkey couldn't confirm that it's you"


class MatchWrong(ServiceError):
    code, status, title = "match_wrong", 403, "That wasn't the number; the link no longer works"


class StepUpRequired(ServiceError):
    code, status, title = "step_up_required", 403, "Please confirm that it's you"


class MoreProofRequired(ServiceError):
    code, status, title = "more_proof_required", 403, "One more proof is needed"


class SocialDenied(ServiceError):
    code, status, title = "social_denied", 403, "Nothing was confirmed there"


class SocialRefused(ServiceError):
    code, status, title = "social_refused", 403, "What the provider answered opens nothing here"


class NotAllowedByPolicy(ServiceError):
    code, status, title = "not_allowed_by_policy", 403, "The policy of this application doesn't allow it"


class FeatureDisabled(ServiceError):
    code, status, title = "feature_disabled", 403, "This application doesn't offer it"


class CrossSiteRequest(ServiceError):
    code, status, title = "cross_site_request", 403, "The request came from another site"


class CallerNotAllowed(ServiceError):
    code, status, title = "caller_not_allowed", 403, "This service may not call here"


class NotFound(ServiceError):
    code, status, title = "not_found", 404, "There is nothing here"


class LinkMalformed(ServiceError):
    code, status, title = "link_malformed", 404, "This link is incomplete"


class LinkOtherBrowser(ServiceError):
    code, status, title = "link_other_browser", 409, "This link was asked for in another window"


class StepMissing(ServiceError):
    code, status, title = "step_missing", 409, "An earlier step comes first"


class IdentityTaken(ServiceError):
    code, status, title = "identity_taken", 409, "It signs in to another account already"


class LastWayIn(ServiceError):
    code, status, title = "last_way_in", 409, "Without it nobody could sign in to the account"


class IdempotencyKeyReused(ServiceError):
    code, status, title = "idempotency_key_reused", 409, "This Idempotency-Key was used for another request"


class VersionConflict(ServiceError):
    code, status, title = "version_conflict", 409, "It was changed meanwhile"


class PreconditionFailed(VersionConflict):
    """The same, told by If-Match (RFC 9110 §13.1.1)."""

    status = 412


class PreconditionRequired(ServiceError):
    """RFC 6585 §3."""

    code, status, title = "precondition_required", 428, "Say with If-Match which version you have seen"


class LinkExpired(ServiceError):
    code, status, title = "link_expired", 410, "This link is too old"


class LinkUsed(ServiceError):
    code, status, title = "link_used", 410, "This link has done its work"


class LinkSuperseded(ServiceError):
    code, status, title = "link_superseded", 410, "There is a newer link"


class LinkEnded(ServiceError):
    code, status, title = "link_ended", 410, "This link no longer works"


class CodeExpired(ServiceError):
    code, status, title = "code_expired", 410, "That code is too old"


class CodeBurned(ServiceError):
    code, status, title = "code_burned", 410, "That was the fifth try, so this code no longer works"


class FlowEnded(ServiceError):
    code, status, title = "flow_ended", 410, "This has ended; start again"


class ValidationFailed(ServiceError):
    code, status, title = "validation_failed", 422, "Something needs correcting"

    def __init__(self, errors: list[FieldError], detail: str | None = None) -> None:
        super().__init__(detail, errors=[error.as_dict() for error in errors])
        self.errors = errors


class UsernameTaken(ServiceError):
    code, status, title = "username_taken", 422, "This username is taken"


class TooManyRequests(ServiceError):
    code, status, title = "too_many_requests", 429, "Please wait a moment"

    def __init__(self, retry_after_seconds: float = 1, detail: str | None = None, **extra: Any) -> None:
        super().__init__(detail, retry_after_seconds=retry_after_seconds, **extra)


class Overloaded(ServiceError):
    code, status, title = "overloaded", 503, "Busy right now"

    def __init__(self, retry_after_seconds: float = 2, detail: str | None = None, **extra: Any) -> None:
        super().__init__(detail, retry_after_seconds=retry_after_seconds, **extra)


class ProviderUnavailable(ServiceError):
    code, status, title = "provider_unavailable", 503, "The provider doesn't answer right now"


class InternalError(ServiceError):
    code, status, title = "internal_error", 500, "Something went wrong on our side"
