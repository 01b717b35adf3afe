"""Smart encoding: characters that look like ones of the GSM 7-bit alphabet, and say the same, give way to them.

A typographic quote makes a text of 160 characters one of three segments. The replacement is all or nothing: it is made
where afterwards the whole text fits, so that no text is changed for no gain. A letter never becomes another letter:
accents, scripts and case stay. Marks that show nothing (zero-width spaces, soft hyphens) are left out.

Source: Unicode Character Database 16, compatibility decompositions, where a character has one; the rest by its name.
"""

import re
import unicodedata
from typing import Final

from msgspec import Struct

from heliograph.sms.alphabets import gsm7_try

__all__ = ["LOOKALIKES", "Substitution", "compact", "is_beyond", "replace_lookalikes", "substitutions"]

_BY_HAND: Final = {
    "'": "`\xb4\u02b9\u02bb\u02bc\u02bd\u02c8\u2018\u2019\u201a\u201b\u2032\u2035\u2039\u203a\uff07",
    '"': "\u201c\u201d\u201e\u201f\u2033\u2036\xab\xbb\u301d\u301e\u02ba\u02dd",
    "-": "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2043\u2022\ufe58\ufe63",
    "/": "\u2044\u2215",
    "<": "\u2329\u3008",
    ">": "\u232a\u3009",
    "*": "\u2217",
    "~": "\u223c\u02dc",
    "|": "\u2223\xa6",
    ":": "\u2236",
    "x": "\xd7",
    "...": "\u2026",
    "..": "\u2025",
    "!!": "\u203c",
    "?!": "\u2048",
    "!?": "\u2049",
    "??": "\u2047",
    " ": "\t\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000",
    "\n": "\x85\u2028\u2029",
    "": "\xad\u200b\u200c\u200d\u200e\u200f\u2060\u2066\u2067\u2068\u2069\ufe0e\ufe0f\ufeff",
    "OE": "\u0152",
    "oe": "\u0153",
    "No": "\u2116",
    "(C)": "\xa9",
    "(R)": "\xae",
    "TM": "\u2122",
    "\u03a9": "\u2126",
    "\u00c5": "\u212b",
    "K": "\u212a",
}
"""What takes their place → characters that look like it, by code point (most have no glyph to tell them apart by)."""

_COMPATIBLE: Final = (
    *range(0x0132, 0x0134),  # IJ, ij
    0x017F,  # long s
    *range(0x01C7, 0x01CD),  # LJ to nj
    *range(0x2160, 0x2180),  # Roman numerals
    *range(0x2474, 0x2488),  # (1) to (20)
    *range(0x249C, 0x24B6),  # (a) to (z)
    *range(0xFB00, 0xFB07),  # ligatures
    *range(0xFE50, 0xFE6C),  # small forms
    *range(0xFF01, 0xFF5F),  # full-width forms
    *range(0xFFE0, 0xFFE7),
    *range(0x1D400, 0x1D6A6),  # letters of mathematics
    *range(0x1D7CE, 0x1D800),  # its digits
)
"""Characters whose compatibility decomposition is the same thing in other clothes. Superscripts and fractions are not
among them: 1½ is not 11/2."""


def _lookalikes() -> dict[str, str]:
    table = {chr(code): unicodedata.normalize("NFKC", chr(code)) for code in _COMPATIBLE}
    for replacement, characters in _BY_HAND.items():
        table.update(dict.fromkeys(characters, replacement))
    return {c: to for c, to in table.items() if c != to and gsm7_try(c) is None and gsm7_try(to) is not None}


LOOKALIKES: Final = _lookalikes()
"""Character → what takes its place: GSM 7-bit characters, or nothing."""

_TRANSLATION: Final = str.maketrans(LOOKALIKES)
_MARKED: Final = re.compile("[^\u0300-\u036f][\u0300-\u036f]+")
"""A character with marks behind it, which may be one character of the alphabet in another spelling (é)."""
_PLACES: Final = re.compile(f"{_MARKED.pattern}|[{re.escape(''.join(LOOKALIKES))}]", re.DOTALL)


_PLAIN: Final = [c for c in map(chr, (*range(0x100), *range(0x370, 0x400), 0x20AC)) if gsm7_try(c) is not None]
"""Latin, Greek capitals and the euro sign: all 137 characters of the alphabet and its extension."""
_BEYOND: Final = re.compile(f"[^\u0300-\u036f{re.escape(''.join([*_PLAIN, *LOOKALIKES]))}]").search
"""A character that is none of GSM 7-bit's, looks like none, and is no mark that makes one."""


def is_beyond(text: str) -> bool:
    """Whether no replacement can make GSM 7-bit of a text: the quick answer for Cyrillic, Chinese or an emoji."""
    return _BEYOND(text) is not None


class Substitution(Struct, frozen=True, rename={"from_": "from"}):
    """One replacement: where in the text as given (characters from 0), what, by what, and the name of what it was."""

    position: int
    from_: str
    to: str
    name: str


def replace_lookalikes(text: str) -> str:
    """The text with every look-alike replaced, whether or not it then fits. Zero-width characters alone stay."""
    if not text.isascii():
        text = _MARKED.sub(_composed, text)
    return text.translate(_TRANSLATION) or text


def _composed(match: re.Match[str]) -> str:
    one = unicodedata.normalize("NFC", match[0])
    return one if len(one) == 1 and gsm7_try(one) is not None else match[0]


def substitutions(text: str) -> tuple[Substitution, ...]:
    """What :func:`replace_lookalikes` does to a text, in its order."""
    found = []
    for match in _PLACES.finditer(text):
        given = match[0]
        to = LOOKALIKES.get(given) if len(given) == 1 else _composed(match)
        if to is not None and to != given:
            found.append(Substitution(match.start(), given, to, _name(given)))
    return tuple(found)


def _name(given: str) -> str:
    return " + ".join(unicodedata.name(c, f"U+{ord(c):04X}") for c in given)


def compact(made: tuple[Substitution, ...]) -> list[tuple[str, str, int]]:
    """(from, to, times) of each kind of replacement once, in the order of the text."""
    times: dict[tuple[str, str], int] = {}
    for one in made:
        times[one.from_, one.to] = times.get((one.from_, one.to), 0) + 1
    return [(given, to, count) for (given, to), count in times.items()]
