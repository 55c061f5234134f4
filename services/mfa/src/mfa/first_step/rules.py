"""How a typed name is counted. Pure functions."""

import unicodedata


def folded(typed: str) -> str:
    """The same name in other letters counts as the same."""
    return unicodedata.normalize("NFKC", typed).strip().casefold()
