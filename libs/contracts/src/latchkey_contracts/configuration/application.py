"""What customers open: its name and look, its languages, and which store and policies it has."""

from collections.abc import Mapping
from typing import Literal
from uuid import UUID

from pydantic import Field

from latchkey_contracts.brand import Brand

from .parts import Part, configuration_id
from .social import SocialProvider

RESERVED_SLUGS = frozenset({"v1", "go", "static", "inbox", "problems", "healthz", ".well-known", "console"})
LANGUAGES = ("en", "ar", "de", "es", "fr")


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
    access_policy: str = "Default"
    brand: Brand
    languages: list[Literal["en", "ar", "de", "es", "fr"]] = Field(default=["en"], min_length=1)
    default_language: Literal["en", "ar", "de", "es", "fr"] = "en"
    timezone: str = "UTC"
    friendly_urls: list[str] = Field(default_factory=list, max_length=10, description="Short addresses, /go/<friendly url>")
    disabled_urls: list[str] = Field(
        default_factory=list, max_length=50, description="Former ones: they lead nowhere, and nobody else gets them"
    )
    return_urls: list[str] = Field(default_factory=list, max_length=50, description="Exact matches only (WEB-12)")
    social: list[SocialProvider] = Field(default_factory=list, max_length=10, description="docs/flows/social-sign-in.md")
    consents: list[Consent] = Field(default_factory=list, max_length=50)

    @property
    def id(self) -> UUID:
        return configuration_id("application", self.slug)

    def readable(self, language: str, texts: Mapping[str, str]) -> str:
        """A text in the language asked for, else in the application's own, else whatever there is."""
        return texts.get(language) or texts.get(self.default_language) or next(iter(texts.values()))
