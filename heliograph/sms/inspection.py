"""What a text costs and why: encoding, length, segments, and the characters that made it Unicode."""

import unicodedata

from msgspec import Struct

from heliograph.sms.alphabets import gsm7_decode, not_gsm7
from heliograph.sms.encodings import Encoding, encode
from heliograph.sms.segments import part_octets, split

__all__ = ["ForcedUnicode", "InspectedSegment", "Inspection", "forced_unicode", "inspect"]


class ForcedUnicode(Struct, frozen=True):
    """A character that GSM 7-bit lacks: its name, and where it stands (counted in characters, from 0)."""

    character: str
    code_point: str
    name: str
    positions: tuple[int, ...]


class InspectedSegment(Struct, frozen=True):
    """One segment: its text, and its length in the inspection's unit."""

    text: str
    length: int


class Inspection(Struct, frozen=True):
    """How a text leaves.

    ``length`` and all other counts are in ``unit``: septets, or UTF-16 code units. ``per_segment`` is what each segment
    takes at this number of segments, ``remaining`` what the last one has left.
    """

    encoding: Encoding
    unit: str
    length: int
    per_segment: int
    segments: tuple[InspectedSegment, ...]
    remaining: int
    forced_unicode: tuple[ForcedUnicode, ...]


def inspect(text: str, wish: str = "auto", *, reference_octets: int = 1) -> Inspection:
    """Inspect ``text`` as it would be sent.

    Raises :class:`~heliograph.sms.encodings.CannotEncode`, :class:`~heliograph.sms.segments.TooLong`.
    """
    encoding, octets = encode(text, wish)
    parts = split(octets, encoding, reference_octets=reference_octets)
    gsm7 = encoding == Encoding.GSM7
    unit_octets = 1 if gsm7 else 2
    header = 0 if len(parts) == 1 else 5 + reference_octets
    per_segment = part_octets(encoding, header) // unit_octets
    segments = tuple(
        InspectedSegment(gsm7_decode(part) if gsm7 else part.decode("utf-16-be"), len(part) // unit_octets)
        for part in parts
    )
    return Inspection(
        encoding=encoding,
        unit="septets" if gsm7 else "utf16_units",
        length=len(octets) // unit_octets,
        per_segment=per_segment,
        segments=segments,
        remaining=per_segment - segments[-1].length,
        forced_unicode=() if gsm7 else forced_unicode(text),
    )


def forced_unicode(text: str) -> tuple[ForcedUnicode, ...]:
    """Characters of ``text`` that GSM 7-bit lacks, in the order of the text."""
    positions: dict[str, list[int]] = {c: [] for c in not_gsm7(text)}
    for position, c in enumerate(text):
        if c in positions:
            positions[c].append(position)
    return tuple(
        ForcedUnicode(c, f"U+{ord(c):04X}", unicodedata.name(c, "unnamed"), tuple(at)) for c, at in positions.items()
    )
