"""What operators configure: identity stores, self-service and notification policies, applications (product.md §3). Published in full as events.

Every setting has its default here, and its range; `latchkey apply` refuses a value outside with name, range and value.
"""

import re
from datetime import timedelta
from typing import Annotated, Any, Literal
from uuid import UUID, uuid5

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from .brand import Brand
from .identity import IdentifierKind

NAMESPACE = UUID("5b7f6c1e-2f0b-4b52-9d0e-6a1c3f0d9e77")
RESERVED_SLUGS = frozenset({"v1", "go", "static", "inbox", "problems", "healthz", ".well-known", "console"})
LANGUAGES = ("en", "ar", "de", "es", "fr")
_UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"^\s*([0-9]{1,9})\s*(s|min|h|d)\s*$")


def configuration_id(kind: str, name: str) -> UUID:
    """Stable over instances and re-applies: the name decides."""
    return uuid5(NAMESPACE, f"{kind}/{name}")


def parse_duration(value: Any) -> Any:
    """As an operator writes it: 24 h, 6 min, 20 s, 30 d, or a whole number of seconds."""
    if isinstance(value, str) and (match := _DURATION.match(value)):
        return timedelta(seconds=int(match[1]) * _UNITS[match[2]])
    if isinstance(value, bool | str | float):
        raise ValueError("a duration is written as 24 h, 6 min, 20 s, 30 d or whole seconds")  # noqa: TRY004 - for Pydantic
    return value


Duration = Annotated[
    timedelta, BeforeValidator(parse_duration), PlainSerializer(lambda value: int(value.total_seconds()), return_type=int)
]


def between(least: str, most: str, default: str) -> Any:
    return Field(default=parse_duration(default), ge=parse_duration(least), le=parse_duration(most))


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Identifier(Part):
    use: Literal["required", "optional", "hidden"] = "hidden"
    editable: bool = Field(default=True, description="May be changed in the portal (D21)")


class Identifiers(Part):
    username: Identifier = Identifier(use="optional")
    email: Identifier = Identifier(use="required")
    phone: Identifier = Identifier(use="hidden")


class Attribute(Part):
    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    type: Literal["text", "email", "phone", "date", "checkbox", "select", "list"] = "text"
    label: dict[str, str] = Field(min_length=1)
    required: bool = False
    options: list[str] | None = None
    max_length: int = Field(default=200, ge=1, le=2000)
    at_registration: Literal["hidden", "shown"] = "hidden"
    in_portal: Literal["hidden", "shown", "editable"] = "editable"
    searchable: bool = False


class PasswordPolicy(Part):
    """PWD-1: 15 where the password is the only factor, 8 where a second one is always asked. No composition rules (PWD-3)."""

    min_length: int = Field(default=15, ge=8, le=64)
    min_length_with_second_factor: int = Field(default=8, ge=8, le=64)
    max_length: int = Field(default=256, ge=64, le=256)


class IdentityStore(Part):
    name: str = Field(min_length=1, max_length=60)
    identifiers: Identifiers = Identifiers()
    attributes: list[Attribute] = Field(default_factory=list, max_length=100)
    password: PasswordPolicy = PasswordPolicy()

    @property
    def id(self) -> UUID:
        return configuration_id("store", self.name)

    def used(self) -> dict[IdentifierKind, Identifier]:
        every: dict[IdentifierKind, Identifier] = {
            "email": self.identifiers.email,
            "username": self.identifiers.username,
            "phone": self.identifiers.phone,
        }
        return {kind: one for kind, one in every.items() if one.use != "hidden"}

    @property
    def verifiable(self) -> bool:
        """Has an identifier that can be proven: e-mail or phone (R8)."""
        return bool({"email", "phone"} & set(self.used()))


class Registration(Part):
    enabled: bool = True
    activation: bool = True
    verification: Literal["link", "passcode"] = "link"
    link_lifetime: Duration = between("1 h", "120 h", "24 h")
    passcode_lifetime: Duration = between("1 min", "10 min", "6 min")
    account_linking: bool = True


class Switch(Part):
    enabled: bool = True


class PasswordReset(Part):
    enabled: bool = True
    link_lifetime: Duration = between("5 min", "1440 min", "60 min")
    passcode_length: int = Field(default=6, ge=6, le=8)
    passcode_lifetime: Duration = between("1 min", "10 min", "6 min")


class Resend(Part):
    spacing: Duration = between("5 s", "300 s", "20 s")
    per_hour: int = Field(default=5, ge=1, le=50)
    per_day: int = Field(default=10, ge=1, le=200)


class AttributeBasedRecovery(Part):
    """D7: reminders and resets also go to unconfirmed addresses of the profile. Off unless the operator knows them to be right."""

    email: bool = False
    phone: bool = False


class TotalLossRecovery(Part):
    """REC-12: for who has lost the mailbox, too. Nothing happens before the delay is over, and a press in any notice ends it."""

    enabled: bool = False
    delay: Duration = between("24 h", "72 h", "72 h")


class PasswordInput(Part):
    defer: bool = False


class Lockout(Part):
    self_unlock: bool = False


class AccountDeletion(Part):
    enabled: bool = True
    grace: Duration = between("0 d", "30 d", "7 d")


class PasskeyPromotion(Part):
    login: bool = True
    registration: bool = True
    password_change: bool = True


class Passkey(Part):
    promote_at: PasskeyPromotion = PasskeyPromotion()


class SessionPolicy(Part):
    lifetime: Duration = between("5 min", "24 h", "12 h")
    idle: Duration = between("1 min", "24 h", "30 min")
    remember_me: Duration = between("1 d", "30 d", "30 d")


class SignIn(Part):
    attempt_lifetime: Duration = between("5 min", "30 min", "10 min")
    max_failures: int = Field(default=3, ge=2, le=10)


class Freeze(Part):
    link_lifetime: Duration = between("1 d", "30 d", "7 d")


class ContactChange(Part):
    revert_lifetime: Duration = between("72 h", "720 h", "72 h")


class Invitation(Part):
    enabled: bool = True
    lifetime: Duration = between("1 h", "720 h", "72 h")


class SelfServicePolicy(Part):
    """product.md §3.1."""

    name: str = Field(min_length=1, max_length=60)
    registration: Registration = Registration()
    username_reminder: Switch = Switch()
    password_reset: PasswordReset = PasswordReset()
    resend: Resend = Resend()
    attribute_based_recovery: AttributeBasedRecovery = AttributeBasedRecovery()
    total_loss_recovery: TotalLossRecovery = TotalLossRecovery()
    password_input: PasswordInput = PasswordInput()
    password_change: Switch = Switch()
    lockout: Lockout = Lockout()
    personal_information: Switch = Switch()
    consents: Switch = Switch()
    notification_preferences: Switch = Switch()
    data_copy: Switch = Switch()
    account_deletion: AccountDeletion = AccountDeletion()
    passkey: Passkey = Passkey()
    session: SessionPolicy = SessionPolicy()
    sign_in: SignIn = SignIn()
    freeze: Freeze = Freeze()
    contact_change: ContactChange = ContactChange()
    invitation: Invitation = Invitation()

    @property
    def id(self) -> UUID:
        return configuration_id("self_service_policy", self.name)


class EmailChannel(Part):
    enabled: bool = True
    providers: list[str] = Field(default_factory=list, max_length=5, description="Names in order; none: all there are")


class PaidChannel(EmailChannel):
    """SMS or voice: closed but for the countries named, so that nobody pumps money into strange networks (FRD-1).

    A country is a dial code (`+1`: all that share it) or a region by ISO 3166 (`US`: its own numbers alone).
    """

    countries: list[Annotated[str, Field(pattern=r"^(\+[1-9][0-9]{0,3}|[A-Z]{2})$")]] = Field(
        default_factory=list, max_length=300
    )
    price: float = Field(default=0.25, ge=0, le=100, description="Of a segment or a call, where no country's is named")
    prices: dict[str, Annotated[float, Field(ge=0, le=100)]] = Field(
        default_factory=dict, description="By country; a region goes before its dial code"
    )


class Fallback(Part):
    """E15: where a message was not delivered, or nothing is known of it for `after`, it goes another way while its code lives.

    Of an e-mail nothing more is known than that it was taken: it goes another way only where it is refused.
    """

    email: list[Literal["sms", "voice"]] = Field(default_factory=list)
    sms: list[Literal["voice", "email"]] = Field(default_factory=list)
    voice: list[Literal["sms", "email"]] = Field(default_factory=list)
    after: Duration = between("10 s", "300 s", "30 s")


class Spending(Part):
    """What SMS and voice of an application may cost, in the currency of the prices (FRD-3, INV-12)."""

    per_hour: float = Field(default=20, ge=0, le=1_000_000)
    per_day: float = Field(default=100, ge=0, le=1_000_000)


class TemplateText(Part):
    """An operator's own words in one language. text and html go together; html stands inside of the layout, scripts and styles removed."""

    subject: str | None = Field(default=None, min_length=1, max_length=200)
    text: str | None = Field(default=None, min_length=1, max_length=10_000)
    html: str | None = Field(default=None, min_length=1, max_length=20_000)
    sms: str | None = Field(default=None, min_length=1, max_length=600)
    voice: str | None = Field(default=None, min_length=1, max_length=300, description="Said in less than a minute (PST-4)")


class TemplateSetting(Part):
    enabled: bool = True
    texts: dict[Literal["en", "ar", "de", "es", "fr"], TemplateText] = Field(default_factory=dict)


class NotificationPolicy(Part):
    """product.md §3.3. The channels' credentials are the notifier's settings, not here."""

    name: str = Field(min_length=1, max_length=60)
    email: EmailChannel = EmailChannel()
    sms: PaidChannel = PaidChannel()
    voice: PaidChannel = PaidChannel()
    fallback: Fallback = Fallback()
    spending: Spending = Spending()
    templates: dict[str, TemplateSetting] = Field(default_factory=dict)

    @property
    def id(self) -> UUID:
        return configuration_id("notification_policy", self.name)


class Consent(Part):
    id: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")
    version: str = Field(pattern=r"^\d{1,4}\.\d{1,4}$")
    mandatory: bool = False
    title: dict[str, str] = Field(min_length=1)
    text: dict[str, str] = Field(min_length=1)


class Application(Part):
    slug: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    store: str = "Default"
    self_service_policy: str = "Default"
    notification_policy: str = "Default"
    brand: Brand
    languages: list[Literal["en", "ar", "de", "es", "fr"]] = Field(default=["en"], min_length=1)
    default_language: Literal["en", "ar", "de", "es", "fr"] = "en"
    timezone: str = "UTC"
    friendly_urls: list[str] = Field(default_factory=list, max_length=10)
    return_urls: list[str] = Field(default_factory=list, max_length=50, description="Exact matches only (WEB-12)")
    consents: list[Consent] = Field(default_factory=list, max_length=50)

    @property
    def id(self) -> UUID:
        return configuration_id("application", self.slug)


class Document(Part):
    """A configuration file."""

    identity_stores: list[IdentityStore] = Field(default_factory=list)
    self_service_policies: list[SelfServicePolicy] = Field(default_factory=list)
    notification_policies: list[NotificationPolicy] = Field(default_factory=list)
    applications: list[Application] = Field(default_factory=list)
