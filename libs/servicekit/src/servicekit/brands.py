"""What follows from a brand (looks: "Brand rules"): its tokens, its style sheet, and the check that people can read it."""

from dataclasses import dataclass

from latchkey_contracts.brand import Brand

from .colours import Hex, contrast, lightness, mix, readable_on, text_on, to_oklch

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


@dataclass(frozen=True)
class Refused:
    """One pair that people can't read, and the nearest colour of its hue that they can."""

    path: str
    message: str


def tokens(brand: Brand) -> dict[str, dict[str, Hex]]:
    """All colour tokens, light and dark."""
    accent = brand.accent or readable_on("#ffffff", brand.brand)
    light, _, _ = to_oklch(accent)
    day = {
        **FIXED_LIGHT,
        "brand": brand.brand,
        "on-brand": text_on(brand.brand),
        "accent": accent,
        "accent-2": lightness(accent, light - 0.07),
        "on-accent": text_on(accent),
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
    """Every pair below its ratio, light and dark (WEB-6, docs/configuration.md)."""
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
