"""Cutting a message into segments, and dressing the segments for a carrier.

Cutting happens once, when a message is accepted; the reference that holds its parts together is known later, when they
leave for one sender and recipient over one connector. So :func:`split` gives bare payloads, and :class:`Segmented`
dresses them: with a user data header, as values for the ``sar_*`` TLVs, or whole for ``message_payload``.

Source: 3GPP TS 23.040 §9.2.3.24.1 and §9.2.3.24.8
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from msgspec import Struct

from heliograph.sms.alphabets import ESCAPE
from heliograph.sms.encodings import Encoding, encode_as
from heliograph.sms.graphemes import clusters, joins
from heliograph.sms.udh import concat_udh

__all__ = ["MAX_PARTS", "Segmented", "TooLong", "count_segments", "part_octets", "segment", "split", "split_text"]

MAX_PARTS: Final = 255
"""The number of parts is one octet in every way to send them."""

SEGMENT_OCTETS: Final = 140

_GSM7: Final = Encoding.GSM7  # bound once: in Python 3.11 a look-up in the class costs 0.1 µs
_UCS2: Final = Encoding.UCS2

_NATIONAL: Final = Encoding.GSM7_NATIONAL

_SINGLE: Final = {_GSM7: 160, _UCS2: 140, Encoding.BINARY: 140, _NATIONAL: 160}
_CONCAT_OCTETS: Final = {1: 5, 2: 6}


class TooLong(ValueError):
    """The message needs more parts than the 255 that can be counted, or its header leaves no room."""


def part_octets(encoding: Encoding, header_octets: int) -> int:
    """Octets of payload beside a header of so many octets (length octet included; 0: no header).

    For GSM-7 these are septets, one in each octet: 160 alone, 153 and 152 beside a reference of 8 and 16 bits.
    """
    room = SEGMENT_OCTETS - header_octets
    if encoding in (_GSM7, _NATIONAL):
        return room * 8 // 7
    return room & ~1 if encoding == _UCS2 else room


def split(octets: bytes, encoding: Encoding, *, reference_octets: int = 1, extra_octets: int = 0) -> tuple[bytes, ...]:
    """Bare payloads of the segments that ``octets`` (encoded as ``encoding`` says) need: one for a short message.

    An escape pair or a surrogate pair stays in one piece. ``extra_octets`` is the room that further header elements
    take in each segment, without the length octet. Raises :class:`TooLong`.
    """
    if len(octets) <= _SINGLE[encoding] and not extra_octets:
        return (octets,)
    if len(octets) <= part_octets(encoding, extra_octets + 1 if extra_octets else 0):
        return (octets,)
    size = part_octets(encoding, 1 + _CONCAT_OCTETS[reference_octets] + extra_octets)
    if size < 2:
        raise TooLong(f"{extra_octets} octets of header leave no room for a part of the message")
    # Only pairs kept together make more parts than this: a bound before work.
    if len(octets) > size * MAX_PARTS:
        raise TooLong(_too_long(octets, size))
    parts = []
    start = 0
    while start < len(octets):
        end = start + size
        if end < len(octets):
            end -= _overhang(octets, start, end, encoding)
        parts.append(octets[start:end])
        start = end
    if len(parts) > MAX_PARTS:
        raise TooLong(_too_long(octets, size))
    return tuple(parts)


def split_text(
    text: str, octets: bytes, encoding: Encoding, *, reference_octets: int = 1, extra_octets: int = 0
) -> tuple[bytes, ...]:
    """What :func:`split` gives for a text in ``octets``, cut between grapheme clusters where the text leaves room.

    Never more segments than :func:`split` makes: a cluster is cut where keeping it whole would cost one more, or where
    it is longer than a segment. Raises :class:`TooLong`.
    """
    hard = split(octets, encoding, reference_octets=reference_octets, extra_octets=extra_octets)
    if len(hard) == 1 or not joins(text):
        return hard
    borders = _borders(text, octets, encoding)
    if _all_at_borders(hard, borders):
        return hard
    size = part_octets(encoding, 1 + _CONCAT_OCTETS[reference_octets] + extra_octets)
    parts: list[bytes] = []
    start = 0
    for left in range(len(hard) - 1, 0, -1):  # segments that may follow the one at hand
        if start + size >= len(octets):
            break
        end = start + size - _overhang(octets, start, start + size, encoding)
        whole = borders[bisect_right(borders, end) - 1]
        if start < whole < end and _fits(octets, whole, size, left, encoding):
            end = whole
        parts.append(octets[start:end])
        start = end
    return (*parts, octets[start:])


def _borders(text: str, octets: bytes, encoding: Encoding) -> list[int]:
    """Where clusters begin and end, counted in octets."""
    if encoding == _UCS2:
        lengths = [2 * len(one) + 2 * sum(c > "\uffff" for c in one) for one in clusters(text)]
    else:
        escaped = iter(octets)
        sizes = [1 if code != ESCAPE or next(escaped, None) is None else 2 for code in escaped]
        places = iter(sizes)
        lengths = [sum(next(places) for _ in one) for one in clusters(text)]
    return [0, *accumulate(lengths)]


def _all_at_borders(parts: Sequence[bytes], borders: list[int]) -> bool:
    places = set(borders)
    return all(place in places for place in accumulate(map(len, parts)))


def _fits(octets: bytes, start: int, size: int, segments: int, encoding: Encoding) -> bool:
    """Whether so many segments hold what begins at ``start``, with any cluster cut."""
    if len(octets) - start <= segments * (size - 2):
        return True
    if len(octets) - start > segments * size:
        return False
    for _ in range(segments):
        if start + size >= len(octets):
            return True
        start += size - _overhang(octets, start, start + size, encoding)
    return False


def _overhang(octets: bytes, start: int, end: int, encoding: Encoding) -> int:
    """Octets before ``end`` that begin a pair which a cut at ``end`` would break."""
    if encoding in (_GSM7, _NATIONAL):
        escapes = 0
        while end - escapes > start and octets[end - escapes - 1] == ESCAPE:
            escapes += 1
        return escapes & 1
    if encoding == _UCS2 and octets[end - 2] & 0xFC == 0xD8 and octets[end] & 0xFC == 0xDC:
        return 2
    return 0


def _too_long(octets: bytes, size: int) -> str:
    return f"the message has {len(octets)} octets and would need more than {MAX_PARTS} parts of {size}"


def count_segments(text: str | bytes, encoding: Encoding, *, reference_octets: int = 1, extra_octets: int = 0) -> int:
    """How many segments a text, or octets already encoded, need. Raises :class:`TooLong`, and what encoding raises."""
    octets = text if isinstance(text, bytes) else encode_as(text, encoding)
    if len(octets) <= _SINGLE[encoding] and not extra_octets:
        return 1
    return len(split(octets, encoding, reference_octets=reference_octets, extra_octets=extra_octets))


class Segmented(Struct, frozen=True):
    """A message cut into the payloads of its segments.

    ``parts`` hold no header; GSM-7 is unpacked (a septet in each octet). ``extra_udh`` are octets of header elements
    that go into every segment, without a length octet.
    """

    encoding: Encoding
    parts: tuple[bytes, ...]
    reference_octets: int = 1
    extra_udh: bytes = b""

    def with_udh(self, reference: int) -> list[tuple[bytes, bytes]]:
        """(header, payload) of each segment; the header is empty for one segment without further elements."""
        total = len(self.parts)
        if total == 1:
            return [(_lone_header(self.extra_udh), self.parts[0])]
        return [
            (concat_udh(reference, total, number, self.reference_octets, self.extra_udh), part)
            for number, part in enumerate(self.parts, 1)
        ]

    def with_sar(self, reference: int) -> list[tuple[int, int, int, bytes, bytes]]:
        """(sar_msg_ref_num, sar_total_segments, sar_segment_seqnum, header, payload) of each segment.

        The header holds further elements only. One segment has total 1: it needs no such TLVs.
        """
        total, header = len(self.parts), _lone_header(self.extra_udh)
        return [(reference & 0xFFFF, total, number, header, part) for number, part in enumerate(self.parts, 1)]

    def whole(self) -> tuple[bytes, bytes]:
        """(header, payload) for ``message_payload``: the carrier cuts."""
        return _lone_header(self.extra_udh), b"".join(self.parts)


def _lone_header(elements: bytes) -> bytes:
    return bytes((len(elements),)) + elements if elements else b""


def segment(
    content: str | bytes, encoding: Encoding, *, reference_octets: int = 1, extra_udh: bytes = b""
) -> Segmented:
    """Cut a text, or octets already encoded, into segments.

    Raises :class:`TooLong`, and for a text what :func:`heliograph.sms.encodings.encode_as` raises.
    """
    octets = content if isinstance(content, bytes) else encode_as(content, encoding)
    parts = split(octets, encoding, reference_octets=reference_octets, extra_octets=len(extra_udh))
    return Segmented(encoding, parts, reference_octets, extra_udh)
