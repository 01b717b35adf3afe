"""Where a text may be cut: between what readers see as characters.

An emoji with joiners, a flag, a letter with its marks, an Indic conjunct or a Hangul syllable is several code points.
Source: UAX #29, extended grapheme clusters; the tables are those of the ``regex`` package.
"""

from typing import Final

import regex

__all__ = ["clusters"]

_CLUSTER: Final = regex.compile(r"\X")


def clusters(text: str) -> list[str]:
    """The grapheme clusters of a text in order; together they are the text."""
    found: list[str] = _CLUSTER.findall(text)
    return found
