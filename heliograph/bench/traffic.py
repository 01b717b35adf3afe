"""What a run sends: every number valid and new, every text new, by the message's place in the run alone."""

from __future__ import annotations

from typing import Final

__all__ = ["CAPACITY", "number", "text"]

_BASES: Final = ("+491511", "+3361", "+3461", "+44740", "+3161", "+39333", "+491512", "+44771")
"""Beginnings of mobile numbers that any seven digits may follow."""
CAPACITY: Final = len(_BASES) * 10_000_000
"""Different numbers there are."""
_STEP: Final = 7_654_321
"""Prime to 10,000,000: neighbours in a run are strangers in the numbering plan, as in life."""

_UNICODE: Final = frozenset((1, 6, 11, 16))
"""Places of 20 whose text needs UCS-2: one in five."""
_LONG: Final = frozenset((3, 9, 16))
"""Places of 20 with two or three segments: 15 in a hundred."""
_MORE: Final = " Track it at any time in your account, or answer this message with CHANGE for another day." * 2


def number(place: int) -> str:
    """The recipient of the message at this place, E.164 with its plus. Different below ``CAPACITY``."""
    return f"{_BASES[place & 7]}{(place >> 3) * _STEP % 10_000_000:07d}"


def text(place: int, *, mixed: bool = False) -> str:
    """The text of the message at this place: GSM-7 in one segment, unless ``mixed``.

    ``mixed``: 20 % need UCS-2, and 15 % have two or three segments.
    """
    hour = place % 9 + 8
    plain = f"Your parcel {place * 2_654_435_761 % 4_294_967_291:010d} arrives between {hour}:00 and {hour + 2}:00."
    if not mixed:
        return plain
    kind = place % 20
    if kind in _UNICODE:
        return f"{plain} Спасибо!{_MORE[:80] if kind in _LONG else ''}"
    return plain + _MORE if kind in _LONG else plain
