"""What a sign-in needs beside the password: which factors there are, and when one of them is asked for (docs/configuration.md)."""

from uuid import UUID

from pydantic import Field, model_validator

from .access_rules import Rule
from .parts import Duration, Part, between, configuration_id


class Factor(Part):
    """Switched off it is hidden at once, and what customers have enrolled is kept (D30)."""

    enabled: bool = True
    mandatory: bool = Field(default=False, description="Who has none is asked to add one at the next sign-in (D32)")

    @model_validator(mode="after")
    def _possible(self) -> "Factor":
        if self.mandatory and not self.enabled:
            raise ValueError("mandatory needs enabled")
        return self


class Email(Factor):
    passcode: bool = True
    link: bool = True

    @model_validator(mode="after")
    def _one(self) -> "Email":
        if self.enabled and not (self.passcode or self.link):
            raise ValueError("passcode and link can't both be off")
        return self


class Phone(Email):
    voice: bool = True


class TrustedDevice(Part):
    enabled: bool = True
    days: int = Field(default=30, ge=1, le=365)


class SecondFactor(Part):
    required: bool = Field(default=False, description="Who has no factor at all is asked to add one at the next sign-in (D32)")


class AccessPolicy(Part):
    """What is needed to sign in."""

    name: str = Field(min_length=1, max_length=60)
    email: Email = Email()
    phone: Phone = Phone()
    totp: Factor = Factor()
    recovery_codes: Factor = Factor()
    second_factor: SecondFactor = SecondFactor()
    passcode_length: int = Field(default=6, ge=6, le=8)
    passcode_lifetime: Duration = between("1 min", "10 min", "6 min")
    link_lifetime: Duration = between("1 min", "10 min", "6 min")
    max_failures: int = Field(default=5, ge=2, le=10, description="Wrong codes before the attempt ends")
    trusted_device: TrustedDevice = TrustedDevice()
    rules: list[Rule] = Field(default_factory=list, max_length=100, description="deny beats require beats skip")

    @model_validator(mode="after")
    def _names(self) -> "AccessPolicy":
        names = [rule.name for rule in self.rules]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"two rules are called {twice}")
        return self

    @property
    def asks_always(self) -> bool:
        """Whether a sign-in takes a decision for customers without a factor, too."""
        return bool(self.rules) or self.second_factor.required or bool(self.mandatory)

    @property
    def mandatory(self) -> list[str]:
        """Kinds of factors that everybody must have."""
        kinds = ((name, getattr(self, name)) for name in type(self).model_fields)
        return [name for name, kind in kinds if isinstance(kind, Factor) and kind.mandatory]

    @property
    def id(self) -> UUID:
        return configuration_id("access_policy", self.name)
