"""How a text leaves at the least cost: look-alikes replaced, national tables, Unicode; and cut off where it must be.

Plain GSM-7 comes first and is never touched. For the rest, in this order: look-alikes give way where the whole text
then is plain GSM-7; national tables, where they make fewer segments than Unicode, with look-alikes replaced if that
is what it takes; Unicode.
"""

from collections.abc import Callable
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from heliograph.sms.alphabets import NotGsm7, gsm7_try, not_gsm7
from heliograph.sms.encodings import CannotEncode, Encoding, encode_as
from heliograph.sms.graphemes import clusters
from heliograph.sms.national import National, national
from heliograph.sms.segments import TooLong, split, split_text
from heliograph.sms.smart import Substitution, is_beyond, replace_lookalikes, substitutions

__all__ = ["Plan", "TextWishes", "plan"]

_GSM7: Final = Encoding.GSM7
_UCS2: Final = Encoding.UCS2
_CHARACTERS_LOOKED_AT: Final = 1000
"""Per segment that is kept: a bound before work. A segment has 160 characters, joined or marked ones some more."""
_ELLIPSES: Final = {_GSM7: "...", Encoding.GSM7_NATIONAL: "...", _UCS2: "\u2026"}


class TextWishes(Struct, frozen=True):
    """What may be done with a text.

    ``encoding`` is ``auto``, ``gsm7`` or ``ucs2``; ``smart``: look-alikes may be replaced; ``national``: account and
    connector take national tables; ``reference_octets`` is the size of concatenation references; ``keep_segments``
    is how many segments are kept of a longer text (0: all).
    """

    encoding: str = "auto"
    smart: bool = True
    national: bool = False
    reference_octets: int = 1
    keep_segments: int = 0


class Plan(Struct, frozen=True):
    """A text ready for the air.

    ``text`` is what the handset shows; ``parts`` hold no header; ``elements`` are the octets of header elements that
    go into each segment. ``truncated`` counts the characters of the text as given that were cut off.
    """

    encoding: Encoding
    text: str
    octets: bytes
    parts: tuple[bytes, ...]
    elements: bytes = b""
    locking: int = 0
    single: int = 0
    substitutions: tuple[Substitution, ...] = ()
    truncated: int = 0


def plan(text: str, wishes: TextWishes) -> Plan:
    """Raises :class:`CannotEncode`, and :class:`TooLong` where the text may not be truncated or nothing is left."""
    keep = wishes.keep_segments
    if not keep:
        return _planned(text, wishes)
    whole = _try(text, wishes, keep)
    return whole if whole is not None else _truncated(text, wishes, keep)


def _try(text: str, wishes: TextWishes, keep: int) -> Plan | None:
    """The plan of a text that fits into so many segments."""
    try:
        found = _planned(text, wishes)
    except TooLong:
        return None
    return found if len(found.parts) <= keep else None


def _planned(text: str, wishes: TextWishes) -> Plan:
    if wishes.encoding == "ucs2":
        return _unicode(text, text, wishes)
    if (septets := gsm7_try(text)) is not None:
        return Plan(_GSM7, text, septets, split(septets, _GSM7, reference_octets=wishes.reference_octets))
    if wishes.encoding == "auto" and not wishes.national and (not wishes.smart or is_beyond(text)):
        return _unicode(text, text, wishes)
    replaced = replace_lookalikes(text) if wishes.smart else text
    found: list[Plan] = []
    too_long: TooLong | None = None
    for way in _FORCED if wishes.encoding == "gsm7" else _WAYS:
        try:
            one = way(text, replaced, wishes)
        except TooLong as error:
            too_long = error
            continue
        if one is not None:
            found.append(one)
            if len(one.parts) == 1:
                break
    if found:
        return min(found, key=lambda one: len(one.parts))  # the first of equals
    if too_long is not None:
        raise too_long
    lacking = not_gsm7(text)
    raise CannotEncode(_GSM7, lacking, str(NotGsm7(lacking)))


def _smart(text: str, replaced: str, wishes: TextWishes) -> Plan | None:
    if replaced == text or (septets := gsm7_try(replaced)) is None:
        return None
    parts = split(septets, _GSM7, reference_octets=wishes.reference_octets)
    return Plan(_GSM7, replaced, septets, parts, substitutions=substitutions(text))


def _unicode(text: str, replaced: str, wishes: TextWishes) -> Plan:
    octets = encode_as(text, _UCS2)
    return Plan(_UCS2, text, octets, split_text(text, octets, _UCS2, reference_octets=wishes.reference_octets))


def _national(text: str, replaced: str, wishes: TextWishes) -> Plan | None:
    """As given where tables say it all, otherwise with its look-alikes replaced."""
    if not wishes.national:
        return None
    if (found := national(text, reference_octets=wishes.reference_octets)) is not None:
        return _in_tables(text, found)
    if replaced == text or (found := national(replaced, reference_octets=wishes.reference_octets)) is None:
        return None
    return replace(_in_tables(replaced, found), substitutions=substitutions(text))


def _in_tables(text: str, found: National) -> Plan:
    return Plan(Encoding.GSM7_NATIONAL, text, found.septets, found.parts, found.elements, found.locking, found.single)


_FORCED: Final[tuple[Callable[[str, str, TextWishes], Plan | None], ...]] = (_smart, _national)
_WAYS: Final[tuple[Callable[[str, str, TextWishes], Plan | None], ...]] = (_smart, _unicode, _national)
"""Ways to write a text that is not plain GSM-7; of equals the first: tables are for what they save."""


def _truncated(text: str, wishes: TextWishes, keep: int) -> Plan:
    """The longest beginning, of whole clusters, that fits with an ellipsis behind it."""
    pieces = clusters(text[: keep * _CHARACTERS_LOOKED_AT])
    best: Plan | None = None
    fits, too_many = 0, len(pieces) + 1
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        found = _ended("".join(pieces[:middle]), wishes, keep, len(text))
        if found is None:
            too_many = middle
        else:
            fits, best = middle, found
    if best is None:
        raise TooLong(f"no character of the message fits into {keep} segments with an ellipsis behind it")
    return best


def _ended(beginning: str, wishes: TextWishes, keep: int, length: int) -> Plan | None:
    """A beginning with the ellipsis of its own encoding, if that fits; ``length`` is that of the whole text."""
    body = beginning.rstrip() or beginning
    without = _try(body, wishes, keep)
    found = None if without is None else _try(body + _ELLIPSES[without.encoding], wishes, keep)
    if found is None:
        return None
    made = tuple(one for one in found.substitutions if one.position < len(body))
    return replace(found, substitutions=made, truncated=length - len(body))
