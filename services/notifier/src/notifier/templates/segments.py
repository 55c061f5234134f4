"""How many segments an SMS is sent in (3GPP TS 23.038)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Segments:
    encoding: str
    units: int
    count: int


def segments(text: str) -> Segments:
    units = len(text.encode("utf-16-le")) // 2
    single, part = (160, 153) if text.isascii() else (70, 67)
    return Segments("GSM-7" if text.isascii() else "UCS-2", units, 1 if units <= single else -(-units // part))
