"""Brand tokens: what an operator may set, what follows from it, and the check that people can read it (looks: "Brand rules").

Colours are compared by WCAG 2.2 contrast; derived ones are made in OKLCH, so that a hue stays a hue when it gets lighter.
"""

import math
import re
import unicodedata
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Hex = str
HEX_PATTERN = r"^#[0-9a-fA-F]{6}$"
RADII: dict[str, tuple[int, int, int]] = {"soft": (8, 12, 24), "round": (12, 28, 32), "square": (2, 2, 0)}

# Not the operator's to change (looks: tokens).
FIXED_LIGHT = {
    "paper": "#ffffff", "wash": "#f2f6f5", "sunk": "#e4ebe9", "ink": "#13201f", "ink-2": "#485654", "line": "#d9e1df", "edge": "#7a8785",
    "good": "#1c6b3c", "good-t": "#e8f4ec", "warn": "#7d4d00", "warn-t": "#fdf2dc", "bad": "#a9261d", "bad-t": "#fcefed", "focus": "#1a62c9",
}  # fmt: skip
FIXED_DARK = {
    "paper": "#141a1b", "wash": "#1b2223", "sunk": "#2a3334", "ink": "#e8eeed", "ink-2": "#a9b6b4", "line": "#2c3738", "edge": "#748280",
    "good": "#86d3a0", "good-t": "#14271c", "warn": "#f0c06a", "warn-t": "#2b2313", "bad": "#ff9d92", "bad-t": "#311b19", "focus": "#8fbaff",
}  # fmt: skip


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
    plain = unicodedata.normalize("NFKC", "".join(one.lower() for one in label))
    found = plain if plain.isascii() else f"xn--{plain.encode('punycode').decode()}"
    if len(found) > LONGEST_LABEL or not all(one == "-" or unicodedata.category(one)[0] in "LMN" for one in plain):
        raise ValueError("must have a domain after the @")
    return found


class BrandLinks(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    website: str | None = Field(default=None, max_length=500, pattern=r"^https?://")
    privacy: str | None = Field(default=None, max_length=500, pattern=r"^https?://")
    terms: str | None = Field(default=None, max_length=500, pattern=r"^https?://")
    help: str | None = Field(default=None, max_length=500, pattern=r"^https?://")


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
    support_text: str | None = Field(default=None, max_length=200)
    support_phone: str | None = Field(default=None, max_length=40)
    postal_line: str | None = Field(default=None, max_length=200)
    sender_name: str | None = Field(default=None, max_length=60)
    sender_address: Annotated[str, AfterValidator(mail_sender)] | None = Field(default=None, max_length=LONGEST_ADDRESS)

    @property
    def said(self) -> str:
        return self.short_name or self.name


@dataclass(frozen=True)
class Refused:
    """One pair that people can't read, and the nearest colour of its hue that they can."""

    path: str
    message: str


def _rgb(colour: Hex) -> tuple[float, float, float]:
    red, green, blue = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return red, green, blue


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)


def _gamma(value: float) -> float:
    value = min(max(value, 0.0), 1.0)
    return 12.92 * value if value <= 0.0031308 else 1.055 * float(value ** (1 / 2.4)) - 0.055


def luminance(colour: Hex) -> float:
    red, green, blue = (_linear(one) for one in _rgb(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Hex, other: Hex) -> float:
    """WCAG 2.2 ratio, 1 to 21."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def to_oklch(colour: Hex) -> tuple[float, float, float]:
    red, green, blue = (_linear(one) for one in _rgb(colour))
    long = math.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue)
    medium = math.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue)
    short = math.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue)
    light = 0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short
    a = 1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short
    b = 0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short
    return light, math.hypot(a, b), math.atan2(b, a)


def from_oklch(light: float, chroma: float, hue: float) -> Hex:
    a, b = chroma * math.cos(hue), chroma * math.sin(hue)
    long = (light + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (light - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (light - 0.0894841775 * a - 1.2914855480 * b) ** 3
    red = 4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short
    green = -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short
    blue = -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short
    return "#" + "".join(f"{round(_gamma(one) * 255):02x}" for one in (red, green, blue))


def lightness(colour: Hex, light: float, *, chroma_at_most: float | None = None) -> Hex:
    _, chroma, hue = to_oklch(colour)
    return from_oklch(min(max(light, 0.0), 1.0), min(chroma, chroma_at_most) if chroma_at_most is not None else chroma, hue)


def mix(colour: Hex, into: Hex, share: float) -> Hex:
    parts = (round((one * share + other * (1 - share)) * 255) for one, other in zip(_rgb(colour), _rgb(into), strict=True))
    return "#" + "".join(f"{part:02x}" for part in parts)


def readable_on(background: Hex, wanted: Hex, ratio: float = 4.5) -> Hex:
    """The colour of `wanted`'s hue, darker or lighter as needed, nearest to it that reaches the ratio."""
    if contrast(wanted, background) >= ratio:
        return wanted
    light, _, _ = to_oklch(wanted)
    darker = luminance(background) > 0.18
    for step in range(1, 101):
        found = lightness(wanted, light - step / 100 if darker else light + step / 100)
        if contrast(found, background) >= ratio:
            return found
    return "#000000" if darker else "#ffffff"


def _text_on(colour: Hex) -> Hex:
    """White, or a near-black of the colour's hue, whichever reads better."""
    dark = lightness(colour, 0.2, chroma_at_most=0.05)
    return "#ffffff" if contrast("#ffffff", colour) >= contrast(dark, colour) else dark


def tokens(brand: Brand) -> dict[str, dict[str, Hex]]:
    """All colour tokens, light and dark."""
    accent = brand.accent or readable_on("#ffffff", brand.brand)
    light, _, _ = to_oklch(accent)
    day = {
        **FIXED_LIGHT,
        "brand": brand.brand,
        "on-brand": _text_on(brand.brand),
        "accent": accent,
        "accent-2": lightness(accent, light - 0.07),
        "on-accent": _text_on(accent),
        "tint": mix(accent, FIXED_LIGHT["paper"], 0.1),
    }
    bright = lightness(accent, 0.80, chroma_at_most=0.13)
    deep = lightness(brand.brand, 0.27, chroma_at_most=0.045)
    night = {
        **FIXED_DARK,
        "brand": deep,
        "on-brand": lightness(brand.brand, 0.96, chroma_at_most=0.02),
        "accent": bright,
        "accent-2": lightness(accent, 0.87, chroma_at_most=0.10),
        "on-accent": lightness(accent, 0.25, chroma_at_most=0.06),
        "tint": mix(bright, FIXED_DARK["paper"], 0.1),
    }
    return {"light": day, "dark": night}


# (text, background, least ratio, what the operator set)
_PAIRS = (
    ("on-brand", "brand", 4.5, "brand"),
    ("accent", "paper", 4.5, "accent"),
    ("accent", "wash", 4.5, "accent"),
    ("accent", "tint", 4.5, "accent"),
    ("on-accent", "accent", 4.5, "accent"),
    ("on-accent", "accent-2", 4.5, "accent"),
)


def check(brand: Brand) -> list[Refused]:
    """Every pair below its ratio, light and dark (WEB-6, product.md §3.3)."""
    refused: dict[str, Refused] = {}
    for mode, found in tokens(brand).items():
        for text, background, least, field in _PAIRS:
            ratio = contrast(found[text], found[background])
            if ratio < least and field not in refused:
                nearest = readable_on(found[background], found[text], least)
                refused[field] = Refused(
                    f"/{field}",
                    f"{text} on {background} ({mode}) has a contrast of {ratio:.2f}; {least} is the least. The nearest that passes: {nearest}",
                )
    return list(refused.values())


def stylesheet(brand: Brand) -> str:
    """One style sheet per brand: custom properties only."""
    found = tokens(brand)
    r1, r2, r3 = RADII[brand.radii]

    def block(values: dict[str, Hex]) -> str:
        return "".join(f"--{name}:{value};" for name, value in values.items())

    radii = f"--r1:{r1 / 16}rem;--r2:{r2 / 16}rem;--r3:{r3 / 16}rem;--r-notice:{min(r3, 16) / 16}rem;"
    return f":root{{{radii}{block(found['light'])}}}@media (prefers-color-scheme:dark){{:root{{{block(found['dark'])}}}}}\n"
