"""Brand: what an operator may set. What follows from it is `servicekit.brands`."""

import re
import unicodedata
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Hex = str
HEX_PATTERN = r"^#[0-9a-fA-F]{6}$"
LONGEST_ADDRESS, LONGEST_LABEL = 200, 63
_ADDRESS = re.compile(r"([^@\s<>\"]+)@([^@\s<>\"]+)")


def mail_sender(text: str) -> str:
    """As every mail server takes it: plain ASCII, the domain by its A-labels (RFC 5890). Raises ValueError."""
    found = _ADDRESS.fullmatch(text)
    if found is None:
        raise ValueError("must be written as in somebody@elmstead.example")
    mailbox, domain = found.groups()
    if not mailbox.isascii():
        raise ValueError("must be plain ASCII before the @: most mail servers take no mail from any other")
    labels = domain.replace("\u3002", ".").split(".")
    address = f"{mailbox}@{'.'.join(map(_a_label, labels))}"
    if len(address) > LONGEST_ADDRESS:
        raise ValueError(f"must have at most {LONGEST_ADDRESS} characters as mail servers write it")
    return address


def _a_label(label: str) -> str:
    """Letter by letter in small: a word's last sigma stays the letter that was written. ß stays ß (RFC 5894 §7.2)."""
    if label.isascii():
        return label
    plain = unicodedata.normalize("NFKC", "".join(letter.lower() for letter in label))
    found = plain if plain.isascii() else f"xn--{plain.encode('punycode').decode()}"
    if len(found) > LONGEST_LABEL or not all(letter == "-" or unicodedata.category(letter)[0] in "LMN" for letter in plain):
        raise ValueError("must have a domain after the @")
    return found


class BrandLinks(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    website: str | None = Field(default=None, max_length=500, pattern=r"^https?://")
    privacy: str | None = Field(default=None, max_length=500, pattern=r"^https?://")
    terms: str | None = Field(default=None, max_length=500, pattern=r"^https?://")
    help: str | None = Field(default=None, max_length=500, pattern=r"^https?://")


SupportText = Annotated[str, Field(min_length=1, max_length=200)]


class SupportTexts(BaseModel):
    """One for each language of the application."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    en: SupportText | None = None
    ar: SupportText | None = None
    de: SupportText | None = None
    es: SupportText | None = None
    fr: SupportText | None = None


class Brand(BaseModel):
    """Data, never HTML, CSS or scripts (WEB-14)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=60)
    short_name: str | None = Field(default=None, max_length=30, description="As in a mail's subject")
    brand: Hex = Field(pattern=HEX_PATTERN)
    accent: Hex | None = Field(default=None, pattern=HEX_PATTERN)
    radii: Literal["soft", "round", "square"] = "soft"
    logo: Literal["leaf", "none"] = "none"
    links: BrandLinks = BrandLinks()
    support_text: SupportText | SupportTexts | None = Field(
        default=None, description='Shown under "Stuck?": when and how people help. One text, or one for each language'
    )
    support_phone: str | None = Field(default=None, max_length=40)
    postal_line: str | None = Field(default=None, max_length=200)
    sender_name: str | None = Field(default=None, max_length=60)
    sender_address: Annotated[str, AfterValidator(mail_sender)] | None = Field(default=None, max_length=LONGEST_ADDRESS)

    def support(self, language: str, default: str) -> str | None:
        """The support text in this language, else in the application's own."""
        if not isinstance(self.support_text, SupportTexts):
            return self.support_text
        return getattr(self.support_text, language, None) or getattr(self.support_text, default, None)

    @property
    def said(self) -> str:
        return self.short_name or self.name
