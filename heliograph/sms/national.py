"""Texts in the national language tables: which tables, their septets, and the header elements that name them.

A locking shift replaces the whole default table, a single shift the characters behind an escape. Each takes three
octets of header in every segment, so a text is tried in every combination and the one with the fewest segments wins.

Source: 3GPP TS 23.038 §6.2.1.2 and Annex A, TS 23.040 §9.2.3.24.15 and §9.2.3.24.16
"""

from collections import Counter
from functools import cache
from typing import Final

from msgspec import Struct

from heliograph.sms.alphabets import ESCAPE, language_tables
from heliograph.sms.encodings import Encoding
from heliograph.sms.segments import TooLong, part_octets, split_text
from heliograph.sms.udh import LOCKING_SHIFT, SINGLE_SHIFT

__all__ = ["LANGUAGES", "National", "national", "national_characters"]

_TABLES: Final = language_tables()

LANGUAGES: Final = {identifier: str(table["name"]) for identifier, table in _TABLES.items()}
"""Language identifier (the octet of a shift element) → its name; 0 is the default alphabet."""

_LOCKING: Final = {
    identifier: {c: int(code, 16) for code, c in reversed(table["locking"].items()) if int(code, 16) != ESCAPE}
    for identifier, table in _TABLES.items()
    if table.get("locking")
}
_SINGLE: Final = {
    identifier: {c: int(code, 16) for code, c in reversed(table["single"].items()) if int(code, 16) != ESCAPE}
    for identifier, table in _TABLES.items()
}
_ALL: Final = frozenset(c for tables in (_LOCKING, _SINGLE) for table in tables.values() for c in table)


class National(Struct, frozen=True):
    """A text in national tables.

    ``locking`` and ``single`` are language identifiers (0: the default table); ``septets`` stand one in an octet;
    ``elements`` are the octets of the header elements that go into every segment; ``parts`` hold no header.
    """

    locking: int
    single: int
    septets: bytes
    elements: bytes
    parts: tuple[bytes, ...]


def national_characters(text: str) -> bool:
    """Whether each character is in some table: a text where one is in none needs no further look."""
    return _ALL.issuperset(text)


@cache
def _codes(locking: int, single: int) -> dict[int, str]:
    """Code point → its septets as characters; a character of both tables is written the short way."""
    pairs = {ord(c): chr(ESCAPE) + chr(code) for c, code in _SINGLE[single].items()}
    return pairs | {ord(c): chr(code) for c, code in _LOCKING[locking].items()}


def national(text: str, *, reference_octets: int = 1) -> National | None:
    """The text in the combination of tables with the fewest segments; None where none can say it all.

    Of equals the one with the smaller header, then with fewer septets, then of one language, then of the smaller
    identifiers: the same text always gets the same tables. Raises :class:`~heliograph.sms.segments.TooLong` where even
    the shortest has more than 255 parts.
    """
    if not national_characters(text):
        return None
    best: tuple[tuple[int, int, int, bool, int, int], National] | None = None
    too_long: TooLong | None = None
    for least, header, length, mixed, locking, single in sorted(_candidates(Counter(text), reference_octets)):
        if best is not None and least > best[0][0]:
            break
        septets = text.translate(_codes(locking, single)).encode("latin-1")
        elements = _elements(locking, single)
        try:
            parts = split_text(
                text, septets, Encoding.GSM7, reference_octets=reference_octets, extra_octets=len(elements)
            )
        except TooLong as error:
            too_long = error
            continue
        rank = (len(parts), header, length, mixed, locking, single)
        if best is None or rank < best[0]:
            best = rank, National(locking, single, septets, elements, parts)
    if best is None and too_long is not None:
        raise too_long
    return None if best is None else best[1]


def _candidates(characters: Counter[str], reference_octets: int) -> list[tuple[int, int, int, bool, int, int]]:
    """(segments at least, octets of elements, septets, two languages, locking, single) of what has all characters."""
    found = []
    for locking, base in _LOCKING.items():
        rest = {c: times for c, times in characters.items() if c not in base}
        short = characters.total() - sum(rest.values())
        for single, extension in _SINGLE.items():
            if (locking or single) and all(c in extension for c in rest):
                length = short + 2 * sum(rest.values())
                header = 3 * bool(locking) + 3 * bool(single)
                mixed = single not in (0, locking) and locking != 0
                found.append((_least(length, header, reference_octets), header, length, mixed, locking, single))
    return found


def _least(length: int, header: int, reference_octets: int) -> int:
    if length <= part_octets(Encoding.GSM7, header + 1):
        return 1
    return max(2, -(-length // part_octets(Encoding.GSM7, header + 5 + reference_octets)))


def _elements(locking: int, single: int) -> bytes:
    return (bytes((SINGLE_SHIFT, 1, single)) if single else b"") + (
        bytes((LOCKING_SHIFT, 1, locking)) if locking else b""
    )
