"""What operators configure: identity stores, self-service and notification policies, applications (docs/configuration.md). Published in full as events.

Every setting has its default here, and its range; `latchkey apply` refuses a value outside with name, range and value.
"""

from pydantic import Field

from .access import AccessPolicy, Email, Factor, Phone, SecondFactor, TrustedDevice
from .access_rules import Conditions, Rule
from .application import LANGUAGES, RESERVED_SLUGS, Application, Consent
from .identity_stores import RESERVED_ATTRIBUTES, Attribute, Identifier, Identifiers, IdentityStore, PasswordPolicy
from .notification import (
    Amount,
    Country,
    EmailChannel,
    Fallback,
    NotificationPolicy,
    PaidChannel,
    Spending,
    Strangers,
    TemplateSetting,
    TemplateText,
)
from .parts import NAMESPACE, Duration, Part, between, configuration_id, parse_duration
from .self_service import (
    AccountDeletion,
    AttributeBasedRecovery,
    ContactChange,
    Freeze,
    Invitation,
    Lockout,
    Passkey,
    PasskeyPromotion,
    PasswordInput,
    PasswordReset,
    Registration,
    Resend,
    SelfServicePolicy,
    SessionPolicy,
    SignIn,
    Switch,
    TotalLossRecovery,
)
from .social import SocialProvider

__all__ = [
    "LANGUAGES",
    "NAMESPACE",
    "RESERVED_ATTRIBUTES",
    "RESERVED_SLUGS",
    "AccessPolicy",
    "AccountDeletion",
    "Amount",
    "Application",
    "Attribute",
    "AttributeBasedRecovery",
    "Conditions",
    "Consent",
    "ContactChange",
    "Country",
    "Document",
    "Duration",
    "Email",
    "EmailChannel",
    "Factor",
    "Fallback",
    "Freeze",
    "Identifier",
    "Identifiers",
    "IdentityStore",
    "Invitation",
    "Lockout",
    "NotificationPolicy",
    "PaidChannel",
    "Part",
    "Passkey",
    "PasskeyPromotion",
    "PasswordInput",
    "PasswordPolicy",
    "PasswordReset",
    "Phone",
    "Registration",
    "Resend",
    "Rule",
    "SecondFactor",
    "SelfServicePolicy",
    "SessionPolicy",
    "SignIn",
    "SocialProvider",
    "Spending",
    "Strangers",
    "Switch",
    "TemplateSetting",
    "TemplateText",
    "TotalLossRecovery",
    "TrustedDevice",
    "between",
    "configuration_id",
    "parse_duration",
]


class Document(Part):
    """A configuration file."""

    identity_stores: list[IdentityStore] = Field(default_factory=list)
    self_service_policies: list[SelfServicePolicy] = Field(default_factory=list)
    notification_policies: list[NotificationPolicy] = Field(default_factory=list)
    access_policies: list[AccessPolicy] = Field(default_factory=list)
    applications: list[Application] = Field(default_factory=list)
