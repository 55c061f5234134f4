"""Short addresses that somebody says on the phone: which are taken for each other, and how one is spelt out (R31, E31)."""

import re
from types import MappingProxyType

# ICAO Annex 10, volume II, 5.2.1.3: known in every language that we speak.
_SPELT = MappingProxyType(
    dict(
        zip(
            "abcdefghijklmnopqrstuvwxyz",
            [
                "Alfa",
                "Bravo",
                "Charlie",
                "Delta",
                "Echo",
                "Foxtrot",
                "Golf",
                "Hotel",
                "India",
                "Juliett",
                "Kilo",
                "Lima",
                "Mike",
                "November",
                "Oscar",
                "Papa",
                "Quebec",
                "Romeo",
                "Sierra",
                "Tango",
                "Uniform",
                "Victor",
                "Whiskey",
                "X-ray",
                "Yankee",
                "Zulu",
            ],
            strict=True,
        )
    )
)
# What reads or sounds alike becomes one, the longer ones first.
_ALIKE = (
    ("rn", "m"),
    ("vv", "w"),
    ("cl", "d"),
    ("ph", "f"),
    ("th", "t"),
    ("ck", "k"),
    ("qu", "k"),
    ("ie", "i"),
    ("ee", "i"),
    ("c", "k"),
    ("q", "k"),
    ("x", "ks"),
    ("z", "s"),
    ("y", "i"),
    ("j", "i"),
    ("l", "i"),
    ("v", "f"),
    ("w", "f"),
    ("n", "m"),
    ("b", "p"),
    ("d", "t"),
)


def skeleton(text: str) -> str:
    """The same for two that are mistaken for each other when read or heard. Nothing is looked up by it, so it may be coarse."""
    found = text.lower().replace("-", "")
    for seen, stands_for in _ALIKE:
        found = found.replace(seen, stands_for)
    return re.sub(r"(.)\1+", r"\1", found)


def spelt(text: str) -> str:
    """As a helper says it, letter by letter."""
    return ", ".join("dash" if one == "-" else _SPELT.get(one, one) for one in text.lower())
