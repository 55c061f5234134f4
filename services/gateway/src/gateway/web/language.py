"""Which language a caller asks for: Accept-Language (RFC 9110 §12.5.4), read as browsers, apps and scripts really write it."""

from collections.abc import Collection

_MOST = 20  # of a header's entries; browsers send a handful


def best(accept: str | None, offered: Collection[str], default: str) -> str:
    """The best of the offered languages, by their primary subtags; the default where none of them is wanted.

    `de_DE` is German, `q=0` is not wanted, `*` is whatever the header doesn't name.
    """
    weights = _weights(accept)
    named = sorted((-weight, place, tag) for place, (tag, weight) in enumerate(weights.items()) if weight > 0)
    for _, _, tag in named:
        if tag in offered:
            return tag
        if tag == "*":
            rest = [one for one in (default, *offered) if one in offered and one not in weights]
            if rest:
                return rest[0]
    return default


def _weights(accept: str | None) -> dict[str, float]:
    """{primary subtag: its highest weight}, in the header's order; what can't be read is left out."""
    found: dict[str, float] = {}
    for part in (accept or "").split(",")[:_MOST]:
        tag, *parameters = (one.strip() for one in part.split(";"))
        primary = tag.replace("_", "-").split("-")[0].lower()
        weight = _weight(parameters)
        if primary and weight is not None:
            found[primary] = max(weight, found.get(primary, 0.0))
    return found


def _weight(parameters: list[str]) -> float | None:
    for parameter in parameters:
        name, _, value = (part.strip() for part in parameter.partition("="))
        if name.lower() == "q":
            try:
                weight = float(value)
            except ValueError:
                return None
            return weight if 0 <= weight <= 1 else None
    return 1.0
