"""Events of the identity service: accounts, sign-in, sessions; and the configuration that it publishes in full."""

from datetime import datetime
from typing import Any, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from .contact_changes import ContactChangeAnnounced as ContactChangeAnnounced  # noqa: PLC0414 - as all of identity's, had from here
from .contact_changes import ContactChangeEnded as ContactChangeEnded  # noqa: PLC0414
from .contact_changes import ContactChangeRequested as ContactChangeRequested  # noqa: PLC0414
from .contact_changes import ContactClaimed as ContactClaimed  # noqa: PLC0414
from .contact_changes import IdentifierChanged as IdentifierChanged  # noqa: PLC0414
from .contact_changes import IdentifierKind as IdentifierKind  # noqa: PLC0414
from .event import AccountEvent, CodeGuessing, Event
from .sealed import Sealed


class UserRegistered(AccountEvent):
    """A pending account exists: the first registration attempt with its identifier."""

    event_type = "latchkey.identity.user_registered.v1"
    store_id: UUID
    application: str
    identifier_kinds: list[IdentifierKind]


class ActivationRequested(AccountEvent):
    """A registration attempt asks its owner to activate: the notifier sends link and code."""

    event_type = "latchkey.identity.activation_requested.v1"
    may_expire = True
    flow_id: UUID
    application: str
    channel: Literal["email", "sms"]
    language: str
    message: Sealed
    expires_at: datetime


class RegistrationRepeated(AccountEvent):
    """Somebody registered with an identifier of an active account: its owner is told by mail (REG-1). `resting`: it was that account's
    until recently (STP-4).
    """

    event_type = "latchkey.identity.registration_repeated.v1"
    may_expire = True
    resting: bool = False
    flow_id: UUID
    application: str
    channel: Literal["email", "sms"]
    language: str
    message: Sealed
    expires_at: datetime


class UserActivated(AccountEvent):
    """The identifier is proven and the account can sign in."""

    event_type = "latchkey.identity.user_activated.v1"
    flow_id: UUID
    application: str
    store_id: UUID
    method: Literal["link", "code", "password", "none", "reset"]
    language: str
    welcome: Sealed | None = None


class RegistrationExpired(AccountEvent):
    """A pending account was never activated and is gone; its identifiers are free again (REG-8)."""

    event_type = "latchkey.identity.registration_expired.v1"
    store_id: UUID


class SignedIn(AccountEvent):
    """Authentication succeeded, and this session is its result."""

    event_type = "latchkey.identity.signed_in.v1"
    waited_for = False
    application: str
    session_id: UUID
    methods: list[str]


class IdentityLinked(AccountEvent):
    """An account elsewhere signs in to this one from now on. Its owner is told, unless it came with the account (`notices` empty)."""

    event_type = "latchkey.identity.identity_linked.v1"
    application: str
    identity_id: UUID
    provider: str
    language: str
    notices: list[Sealed] = Field(default_factory=list)


class IdentityUnlinked(AccountEvent):
    """It signs in no more. `reason`: its owner took it away, or the address was proven by somebody else than who linked it (REG-4)."""

    event_type = "latchkey.identity.identity_unlinked.v1"
    application: str
    identity_id: UUID
    provider: str
    reason: Literal["by_owner", "reset"]
    language: str
    notices: list[Sealed] = Field(default_factory=list)


SignInReason = Literal["wrong_passwords", "long_idle", "new_device"]


class SignInSuspicious(AccountEvent):
    """A sign-in that succeeded and looks odd: after many wrong passwords, or in an unknown device after a long time (BRF-4)."""

    event_type = "latchkey.identity.sign_in_suspicious.v1"
    application: str
    session_id: UUID
    reasons: list[SignInReason]


class SignInNoticeRequested(AccountEvent):
    """The owner is told of a sign-in, at every verified e-mail address, each with its own "this wasn't me" link (E9, NOT-2)."""

    event_type = "latchkey.identity.sign_in_notice_requested.v1"
    application: str
    language: str
    reasons: list[SignInReason]
    notices: list[Sealed]


class PasswordGuessed(AccountEvent):
    """A hundred wrong passwords in a row: whoever is new to the account has one try an hour, and its owner is told at every verified e-mail
    address (BRF-1).
    """

    event_type = "latchkey.identity.password_guessed.v1"
    application: str
    language: str
    notices: list[Sealed]


class SignInFailed(AccountEvent):
    """A sign-in to an existing account failed."""

    event_type = "latchkey.identity.sign_in_failed.v1"
    waited_for = False
    application: str
    reason: Literal["credentials_wrong", "not_active", "code_wrong"]


class SessionStarted(AccountEvent):
    event_type = "latchkey.identity.session_started.v1"
    waited_for = False
    session_id: UUID
    application: str
    expires_at: datetime


class SessionRevoked(AccountEvent):
    """A session, or with session_id null every session of the account, is over from now on (CAEP session-revoked)."""

    event_type = "latchkey.identity.session_revoked.v1"
    session_id: UUID | None
    reason: Literal[
        "signed_out",
        "ended_by_user",
        "password_changed",
        "account_disabled",
        "account_frozen",
        "account_erased",
        "admin",
        "limit",
        "contact_reverted",
    ]


class AccountDisabled(AccountEvent):
    """Nobody can sign in to it until it is enabled again."""

    event_type = "latchkey.identity.account_disabled.v1"


class ProfileChanged(AccountEvent):
    """Its owner, or a rep, has changed personal information; what it is now stays in identity. `changed`: names of attributes, and
    `language`.
    """

    event_type = "latchkey.identity.profile_changed.v1"
    application: str
    changed: list[str]
    language: str = "en"
    notices: list[Sealed] = Field(default_factory=list, description="By e-mail")


class PasswordChanged(AccountEvent):
    """By its owner or by a reset; `notices`: one for every verified address (NOT-1), each with its own "this wasn't me" link."""

    event_type = "latchkey.identity.password_changed.v1"
    reason: Literal["change", "reset", "forced", "admin"]
    application: str | None = None
    flow_id: UUID | None = Field(default=None, description="The reset that led to it")
    language: str = "en"
    sessions_ended: int = 0
    notices: list[Sealed] = Field(default_factory=list, description="By e-mail")
    sms_notices: list[Sealed] = Field(default_factory=list)


class CredentialCompromised(AccountEvent):
    """A right password stood in the breach corpus at sign-in; a new one is asked before any session (RISC credential-compromise)."""

    event_type = "latchkey.identity.credential_compromised.v1"
    application: str


class AccountFrozen(AccountEvent):
    """Its owner said "this wasn't me": no session lives on, and nobody signs in until a new password is set (D13)."""

    event_type = "latchkey.identity.account_frozen.v1"
    application: str
    language: str
    notices: list[Sealed] = Field(default_factory=list, description="By e-mail")
    sms_notices: list[Sealed] = Field(default_factory=list)


class CodeGuessingSuspected(CodeGuessing):
    """Of activations."""

    event_type = "latchkey.identity.code_guessing_suspected.v1"


class ConfigurationEvent(Event):
    """Published in full, so that every service keeps its own copy (docs/architecture.md)."""

    name: str
    revision: int
    content: dict[str, Any]


class IdentityStorePublished(ConfigurationEvent):
    event_type = "latchkey.identity.identity_store_published.v1"
    subject_field: ClassVar[str] = "store_id"
    store_id: UUID


class ApplicationPublished(ConfigurationEvent):
    """An application with its brand, store and the names of its policies."""

    event_type = "latchkey.identity.application_published.v1"
    subject_field: ClassVar[str] = "application_id"
    application_id: UUID


class SelfServicePolicyPublished(ConfigurationEvent):
    """The self-service policy (docs/configuration.md)."""

    event_type = "latchkey.identity.self_service_policy_published.v1"
    subject_field: ClassVar[str] = "policy_id"
    policy_id: UUID


class NotificationPolicyPublished(ConfigurationEvent):
    """The notification policy (docs/configuration.md): channels, texts, spending."""

    event_type = "latchkey.identity.notification_policy_published.v1"
    subject_field: ClassVar[str] = "policy_id"
    policy_id: UUID


class AccessPolicyPublished(ConfigurationEvent):
    """The adaptive access policy (docs/configuration.md): which factors there are, and when one is needed."""

    event_type = "latchkey.identity.access_policy_published.v1"
    subject_field: ClassVar[str] = "policy_id"
    policy_id: UUID
