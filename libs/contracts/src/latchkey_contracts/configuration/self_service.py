"""What customers may do by themselves, and how long links, codes and sessions live."""

from typing import Literal
from uuid import UUID

from pydantic import Field

from .parts import Duration, Part, between, configuration_id


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
    """STP-3, STP-4: a change of e-mail, phone or username. What it frees rests for `quarantine`, and as long as it can be undone."""

    link_lifetime: Duration = between("1 h", "72 h", "24 h")
    quarantine: Duration = between("3 d", "365 d", "30 d")
    revert_lifetime: Duration = between("72 h", "720 h", "72 h")


class Invitation(Part):
    enabled: bool = True
    lifetime: Duration = between("1 h", "720 h", "72 h")


class SelfServicePolicy(Part):
    """What customers may do by themselves."""

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

    @property
    def password_last(self) -> bool:
        """Whether it is chosen once the address is proven (D33); without an activation there is no such moment."""
        return self.password_input.defer and self.registration.activation
