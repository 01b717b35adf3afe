"""What a text costs and why: encoding, length, segments, what was replaced, and what each other way would cost."""

import unicodedata

from msgspec import Struct
from msgspec.structs import replace

from heliograph.sms.alphabets import gsm7_read, gsm7_try, not_gsm7
from heliograph.sms.encodings import CannotEncode, Encoding
from heliograph.sms.graphemes import clusters
from heliograph.sms.national import LANGUAGES
from heliograph.sms.planning import Plan, TextWishes, plan
from heliograph.sms.segments import TooLong, part_octets
from heliograph.sms.smart import Substitution

__all__ = [
    "ForcedUnicode",
    "InspectedSegment",
    "InspectedTables",
    "Inspection",
    "Variant",
    "forced_unicode",
    "inspect",
]


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


class InspectedTables(Struct, frozen=True):
    """The national tables that a text is written in, and the header octets that they take in each segment."""

    locking: str
    single: str
    header_octets: int


class Variant(Struct, frozen=True):
    """One way to write the text, and its cost. ``segments`` 0: it cannot be written so.

    ``name`` is ``gsm7`` (as given), ``smart`` (GSM-7 with look-alikes replaced), ``gsm7_national`` or ``ucs2``.
    ``blocked_by`` are the characters in the way, each once.
    """

    name: str
    segments: int
    length: int
    blocked_by: str


class Inspection(Struct, frozen=True):
    """How a text leaves.

    ``length`` and all other counts are in ``unit``: septets, or UTF-16 code units. ``per_segment`` is what each segment
    takes at this number of segments, ``remaining`` what the last one has left. ``text`` is what the handset shows,
    where that is not the text as given. ``forced_unicode`` are the characters that GSM 7-bit lacks, of the text as
    given. ``cut_clusters`` counts characters that readers see as one and that had to be cut. ``cheapest`` is the name
    of the variant with the fewest segments.
    """

    encoding: Encoding
    unit: str
    length: int
    per_segment: int
    segments: tuple[InspectedSegment, ...]
    remaining: int
    forced_unicode: tuple[ForcedUnicode, ...]
    text: str | None = None
    substitutions: tuple[Substitution, ...] = ()
    truncated: int = 0
    tables: InspectedTables | None = None
    cut_clusters: int = 0
    variants: tuple[Variant, ...] = ()
    cheapest: str = ""


def inspect(text: str, wishes: TextWishes | None = None) -> Inspection:
    """Inspect ``text`` as it would be sent.

    Raises :class:`~heliograph.sms.encodings.CannotEncode`, :class:`~heliograph.sms.segments.TooLong`.
    """
    wishes = wishes or TextWishes()
    made = plan(text, wishes)
    unicode = made.encoding == Encoding.UCS2
    unit_octets = 2 if unicode else 1
    header = len(made.elements) + (5 + wishes.reference_octets if len(made.parts) > 1 else bool(made.elements))
    per_segment = part_octets(made.encoding, header) // unit_octets
    segments = tuple(InspectedSegment(_said(part, made), len(part) // unit_octets) for part in made.parts)
    variants = _variants(text, wishes)
    return Inspection(
        encoding=made.encoding,
        unit="utf16_units" if unicode else "septets",
        length=len(made.octets) // unit_octets,
        per_segment=per_segment,
        segments=segments,
        remaining=per_segment - segments[-1].length,
        forced_unicode=() if gsm7_try(text) is not None else forced_unicode(text),
        text=None if made.text == text else made.text,
        substitutions=made.substitutions,
        truncated=made.truncated,
        tables=_tables(made),
        cut_clusters=_cut_clusters(made, segments),
        variants=variants,
        cheapest=min((one for one in variants if one.segments), key=lambda one: one.segments).name,
    )


def _said(part: bytes, made: Plan) -> str:
    if made.encoding == Encoding.UCS2:
        return part.decode("utf-16-be")
    return gsm7_read(part, made.locking, made.single)[0]


def _tables(made: Plan) -> InspectedTables | None:
    if not made.elements:
        return None
    return InspectedTables(LANGUAGES[made.locking], LANGUAGES[made.single], len(made.elements))


def _cut_clusters(made: Plan, segments: tuple[InspectedSegment, ...]) -> int:
    """How many borders of segments lie inside a cluster."""
    if len(segments) == 1:
        return 0
    ends, at = set(), 0
    for one in clusters(made.text):
        at += len(one)
        ends.add(at)
    cut, at = 0, 0
    for segment in segments:
        at += len(segment.text)
        cut += at not in ends
    return cut


def _variants(text: str, wishes: TextWishes) -> tuple[Variant, ...]:
    """What the whole text costs in each way, whatever is asked for and allowed."""
    plain = replace(wishes, encoding="gsm7", smart=False, national=False, keep_segments=0)
    ways = {"gsm7": plain}
    if gsm7_try(text) is None:
        ways |= {"smart": replace(plain, smart=True), "gsm7_national": replace(plain, national=True)}
    ways["ucs2"] = replace(plain, encoding="ucs2")
    return tuple(_variant(name, text, way) for name, way in ways.items())


def _variant(name: str, text: str, wishes: TextWishes) -> Variant:
    try:
        made = plan(text, wishes)
    except CannotEncode as error:
        return Variant(name, 0, 0, error.characters)
    except TooLong:
        return Variant(name, 0, 0, "")
    return Variant(name, len(made.parts), len(made.octets) // (2 if made.encoding == Encoding.UCS2 else 1), "")


def forced_unicode(text: str) -> tuple[ForcedUnicode, ...]:
    """Characters of ``text`` that GSM 7-bit lacks, in the order of the text."""
    positions: dict[str, list[int]] = {c: [] for c in not_gsm7(text)}
    for position, c in enumerate(text):
        if c in positions:
            positions[c].append(position)
    return tuple(
        ForcedUnicode(c, f"U+{ord(c):04X}", unicodedata.name(c, "unnamed"), tuple(at)) for c, at in positions.items()
    )
