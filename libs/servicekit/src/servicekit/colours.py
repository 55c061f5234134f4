"""Colours: WCAG 2.2 contrast, and derived ones made in OKLCH, so that a hue stays a hue when it gets lighter. Pure functions.

A colour is written #rrggbb.
"""

import math
from typing import TypeAlias

Hex: TypeAlias = str


def _rgb(colour: Hex) -> tuple[float, float, float]:
    red, green, blue = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return red, green, blue


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)


def _gamma(value: float) -> float:
    value = min(max(value, 0.0), 1.0)
    return 12.92 * value if value <= 0.0031308 else 1.055 * float(value ** (1 / 2.4)) - 0.055


def luminance(colour: Hex) -> float:
    red, green, blue = map(_linear, _rgb(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(colour: Hex, other: Hex) -> float:
    """WCAG 2.2 ratio, 1 to 21."""
    lighter, darker = sorted((luminance(colour), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def to_oklch(colour: Hex) -> tuple[float, float, float]:
    red, green, blue = map(_linear, _rgb(colour))
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
    return "#" + "".join(f"{round(_gamma(part) * 255):02x}" for part in (red, green, blue))


def lightness(colour: Hex, light: float, *, chroma_at_most: float | None = None) -> Hex:
    _, chroma, hue = to_oklch(colour)
    return from_oklch(min(max(light, 0.0), 1.0), min(chroma, chroma_at_most) if chroma_at_most is not None else chroma, hue)


def mix(colour: Hex, into: Hex, share: float) -> Hex:
    parts = (round((mine * share + other * (1 - share)) * 255) for mine, other in zip(_rgb(colour), _rgb(into), strict=True))
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


def text_on(colour: Hex) -> Hex:
    """White, or a near-black of the colour's hue, whichever reads better."""
    dark = lightness(colour, 0.2, chroma_at_most=0.05)
    return "#ffffff" if contrast("#ffffff", colour) >= contrast(dark, colour) else dark
