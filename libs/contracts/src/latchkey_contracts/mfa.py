"""Events of the mfa service: factors, challenges, decisions (R21-R29, R39)."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from .event import AccountEvent, CodeGuessing
from .sealed import Sealed

FactorKind = Literal["email", "phone", "totp", "passkey", "recovery_codes"]


class FactorEnrolled(AccountEvent):
    """The factor is confirmed and counts from now on."""

    event_type = "latchkey.mfa.factor_enrolled.v1"
    factor_id: UUID
    kind: FactorKind
    application: str


class FactorRemoved(AccountEvent):
    """The factor counts no more. `replaced`: a newer one of its kind took its place."""

    event_type = "latchkey.mfa.factor_removed.v1"
    factor_id: UUID
    kind: FactorKind
    application: str
    reason: Literal["by_owner", "replaced", "admin"]


class AccessDecided(AccountEvent):
    """What a sign-in or a step-up needed, and why."""

    event_type = "latchkey.mfa.access_decided.v1"
    waited_for = False
    flow_id: UUID
    application: str
    decision: Literal["allow", "challenge", "deny"]
    reasons: list[str]


class ChallengeIssued(AccountEvent):
    """The notifier sends a code or a link, to the factor's own address or number; what was sent before in this flow is dead (D16).
    `flow_id`: the sign-in or step-up, or with `enrolment` the factor that is to be confirmed, with `caller` the help desk's check of who calls. `factor_id` null: an address or number of the
    account that is no factor, where the application asks for a factor first or somebody calls.
    """

    event_type = "latchkey.mfa.challenge_issued.v1"
    may_expire = True
    flow_id: UUID
    factor_id: UUID | None
    purpose: Literal["sign_in", "step_up", "enrolment", "caller"]
    form: Literal["code", "link"]
    application: str
    channel: Literal["email", "sms", "voice"]
    language: str
    contact: Sealed
    message: Sealed
    expires_at: datetime


class ChallengeSucceeded(AccountEvent):
    """A factor was proven in this flow; with `factor_id` null an address or number of the account."""

    event_type = "latchkey.mfa.challenge_succeeded.v1"
    waited_for = False
    flow_id: UUID
    factor_id: UUID | None
    kind: FactorKind
    application: str
    methods: list[str] = Field(description="RFC 8176 `amr`")


class ChallengeFailed(AccountEvent):
    """A wrong try of a factor, after the right password. `ended`: it was the last one of its flow."""

    event_type = "latchkey.mfa.challenge_failed.v1"
    waited_for = False
    flow_id: UUID
    application: str
    reason: Literal["code_wrong", "code_expired", "assertion_wrong"]
    ended: bool = False


class DeviceTrusted(AccountEvent):
    """Sign-ins in this browser or client aren't asked for a factor until then."""

    event_type = "latchkey.mfa.device_trusted.v1"
    trusted_device_id: UUID
    application: str
    until: datetime


class DeviceForgotten(AccountEvent):
    """It is asked again. With trusted_device_id null: every one of the account."""

    event_type = "latchkey.mfa.device_forgotten.v1"
    trusted_device_id: UUID | None
    reason: Literal["by_owner", "factor_removed", "secured"]


Assistance = Literal[
    "factor_added",
    "code_sent",
    "factor_removed",
    "limit_lifted",
    "bypass_requested",
    "bypass_granted",
    "bypass_ended",
    "caller_code_sent",
    "caller_verified",
    "caller_refused",
    "notice_sent",
]


class AssistanceGiven(AccountEvent):
    """The help desk has helped with the account's factors (R23, E23). `actor`: who, by the operator's own id; why is kept in mfa."""

    event_type = "latchkey.mfa.assistance_given.v1"
    application: str
    action: Assistance
    actor: str


class SecurityNoticeRequested(AccountEvent):
    """The owner is told of something about the account's factors, at every verified address (MFA-8, MFA-10, NOT-1)."""

    event_type = "latchkey.mfa.security_notice_requested.v1"
    what: Literal[
        "factor_added",
        "factor_removed",
        "recovery_code_used",
        "factor_failed",
        "factor_guessed",
        "device_trusted",
        "passkey_copied",
        "assisted",
    ]
    application: str
    language: str
    contacts: list[Sealed] = Field(description="By e-mail")
    sms_contacts: list[Sealed] = Field(default_factory=list)
    message: Sealed
    at: datetime


class CodeGuessingSuspected(CodeGuessing):
    """Of sign-in codes."""

    event_type = "latchkey.mfa.code_guessing_suspected.v1"
