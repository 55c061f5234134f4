"""What a sign-in needs beside the password: which factors there are, and when one of them is asked for (docs/configuration.md)."""

from typing import Literal
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
    workflow: Literal["password_then_factor", "factor_then_password", "factor_only", "password_only"] = Field(
        default="password_then_factor",
        description="After the name: what is asked for, in this order; factor_only is passwordless",
    )
    email: Email = Email()
    phone: Phone = Phone()
    totp: Factor = Factor()
    passkey: Factor = Factor()
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
        wants = self.second_factor.required or bool(self.mandatory) or any(rule.effect == "require" for rule in self.rules)
        if self.workflow == "password_only" and wants:
            raise ValueError("workflow password_only asks for no factor, so none can be required")
        return self

    @property
    def asks_always(self) -> bool:
        """Whether a sign-in takes a decision for customers without a factor, too."""
        return self.factor_first or bool(self.rules) or self.second_factor.required or bool(self.mandatory)

    @property
    def asks_never(self) -> bool:
        """Whether no sign-in takes one, whoever has a factor."""
        return self.workflow == "password_only" and not self.rules

    @property
    def factor_first(self) -> bool:
        return self.workflow in {"factor_then_password", "factor_only"}

    @property
    def passwordless(self) -> bool:
        """Nobody signs in by a password, so none is changed or reset (R43)."""
        return self.workflow == "factor_only"

    @property
    def mandatory(self) -> list[str]:
        """Kinds of factors that everybody must have."""
        kinds = ((name, getattr(self, name)) for name in type(self).model_fields)
        return [name for name, kind in kinds if isinstance(kind, Factor) and kind.mandatory]

    @property
    def id(self) -> UUID:
        return configuration_id("access_policy", self.name)
