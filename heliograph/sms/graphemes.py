"""Where a text may be cut: between what readers see as characters.

An emoji with joiners, a flag, a letter with its marks, an Indic conjunct or a Hangul syllable is several code points.
Source: UAX #29, extended grapheme clusters; the tables are those of the ``regex`` package.
"""

import re
from typing import Final

import regex

__all__ = ["clusters", "joins"]

_CLUSTER: Final = regex.compile(r"\X")


_ALONE: Final = (
    (0x0A, 0x0A), (0x20, 0x7E), (0xA0, 0xAC), (0xAE, 0x02FF),  # Latin
    (0x0370, 0x0482), (0x048A, 0x058F),  # Greek, Cyrillic, Armenian
    (0x1E00, 0x1FFF), (0x2010, 0x2027), (0x2030, 0x205E), (0x20A0, 0x20CF), (0x2100, 0x2BFF),  # more of these, signs
    (0x3000, 0x3029), (0x3030, 0x3098), (0x309B, 0x9FFF), (0xFF00, 0xFF9D),  # Chinese, kana
    (0x1F300, 0x1F3FA), (0x1F400, 0x1FAFF),  # pictures
)  # fmt: skip
"""Ranges of code points that make a cluster with no neighbour of these ranges."""
_ALL_ALONE: Final = re.compile("[" + "".join(f"{chr(first)}-{chr(last)}" for first, last in _ALONE) + "]*").fullmatch


def joins(text: str) -> bool:
    """Whether a text may have a cluster of more than one code point: most have none, and need no look at each."""
    return _ALL_ALONE(text) is None


def clusters(text: str) -> list[str]:
    """The grapheme clusters of a text in order; together they are the text."""
    found: list[str] = _CLUSTER.findall(text)
    return found
