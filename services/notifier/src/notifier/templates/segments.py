"""How many segments an SMS is sent in, and so what it costs (3GPP TS 23.038, WEB-18)."""

from collections.abc import Iterator
from dataclasses import dataclass

# The default alphabet and its extension table; of the latter each character takes two septets.
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("\f^{}\\[~]|€")
_GSM = (160, 153)
_UCS = (70, 67)


@dataclass(frozen=True)
class Segments:
    """`units`: septets of GSM-7, 16-bit units of UCS-2."""

    encoding: str
    units: int
    count: int


def segments(text: str) -> Segments:
    gsm = all(one in _BASIC or one in _EXTENDED for one in text)
    single, part = _GSM if gsm else _UCS
    sizes = list(_sizes(text, gsm=gsm))
    units = sum(sizes)
    return Segments("GSM-7" if gsm else "UCS-2", units, 1 if units <= single else _parts(sizes, part))


def _sizes(text: str, *, gsm: bool) -> Iterator[int]:
    """Of each character; none is ever split over two parts: neither an escape from its character, nor a surrogate pair."""
    for one in text:
        yield 2 if (one in _EXTENDED if gsm else ord(one) > 0xFFFF) else 1


def _parts(sizes: list[int], room: int) -> int:
    count, used = 1, 0
    for size in sizes:
        if used + size > room:
            count, used = count + 1, 0
        used += size
    return count
