"""The user data header: elements in front of a short message's text.

    length octet | (identifier | element length | element data) …

Peers put elements in any order and send ones that we do not know; all are kept. A header that a peer broke is a value
with ``truncated`` set, never an exception.

Source: 3GPP TS 23.040 §9.2.3.24
"""

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

__all__ = [
    "CONCAT_8",
    "CONCAT_16",
    "LOCKING_SHIFT",
    "SINGLE_SHIFT",
    "Concat",
    "Element",
    "Header",
    "build",
    "concat_udh",
    "concatenation",
    "parse",
    "ports",
    "shifts",
    "split_header",
]

CONCAT_8: Final = 0x00
PORTS_8: Final = 0x04
PORTS_16: Final = 0x05
CONCAT_16: Final = 0x08
SINGLE_SHIFT: Final = 0x24
LOCKING_SHIFT: Final = 0x25

MAX_HEADER_OCTETS: Final = 140
"""What one segment carries; a longer header leaves no room for itself."""


class Element(Struct, frozen=True):
    """One information element: its identifier (0..255) and its data (0..255 octets)."""

    identifier: int
    data: bytes


class Header(Struct, frozen=True):
    """A parsed header.

    ``size_octets`` counts what it takes of the message, length octet included (0: there is no header).
    ``truncated``: an element, or the header itself, ended before its length did; ``elements`` are the whole ones.
    """

    elements: tuple[Element, ...] = ()
    size_octets: int = 0
    truncated: bool = False


class Concat(Struct, frozen=True):
    """Where a part belongs: ``number`` of ``total`` (1..255) under a ``reference`` of ``reference_octets`` (1 or 2)."""

    reference: int
    total: int
    number: int
    reference_octets: int


def parse(octets: bytes) -> Header:
    """Read the header at the front of ``octets``, whatever they are.

    A length octet that says more than there is means that there is no header to cut off: ``size_octets`` is 0, so
    that the text of a peer who set the indicator by mistake is kept.
    """
    if not octets or octets[0] >= len(octets):
        return Header(truncated=bool(octets) and octets != b"\x00", size_octets=int(octets == b"\x00"))
    end = octets[0] + 1
    elements = []
    at = 1
    while at + 2 <= end and (after := at + 2 + octets[at + 1]) <= end:
        elements.append(Element(octets[at], octets[at + 2 : after]))
        at = after
    return Header(tuple(elements), end, at != end)


def split_header(octets: bytes) -> tuple[Header, bytes]:
    """The header at the front of a message's octets, and what follows it."""
    header = parse(octets)
    return header, octets[header.size_octets :]


def build(elements: Iterable[Element]) -> bytes:
    """Octets of a header with these elements, length octet included; nothing for no elements.

    Raises ``ValueError`` if an element has over 255 octets, or the header over 140.
    """
    body = b"".join(bytes((e.identifier, len(e.data))) + e.data for e in elements)
    if len(body) >= MAX_HEADER_OCTETS:
        raise ValueError(f"a user data header has at most {MAX_HEADER_OCTETS} octets, this one {len(body) + 1}")
    return bytes((len(body),)) + body if body else b""


def concat_udh(reference: int, total: int, number: int, reference_octets: int = 1, extra: bytes = b"") -> bytes:
    """Octets of a header that places a part; ``extra`` are octets of further elements behind it.

    The reference is taken modulo 256 or 65,536, so that a running counter can be handed in as it is.
    Raises ``ValueError`` unless 1 <= number <= total <= 255.
    """
    if not 1 <= number <= total <= 255:
        raise ValueError(f"part {number} of {total}: a long message has parts 1 to 255")
    if reference_octets == 1:
        return bytes((5 + len(extra), CONCAT_8, 3, reference & 0xFF, total, number)) + extra
    return bytes((6 + len(extra), CONCAT_16, 4, reference >> 8 & 0xFF, reference & 0xFF, total, number)) + extra


def concatenation(elements: Sequence[Element]) -> Concat | None:
    """Where a part belongs by its header; None for a whole message.

    Of several such elements the last good one counts; one with a number of 0 or beyond its total does not.
    Source: 3GPP TS 23.040 §9.2.3.24, §9.2.3.24.1, §9.2.3.24.8
    """
    for element in reversed(elements):
        if element.identifier == CONCAT_8 and len(element.data) == 3:
            size = 1
        elif element.identifier == CONCAT_16 and len(element.data) == 4:
            size = 2
        else:
            continue
        total, number = element.data[size:]
        if 1 <= number <= total:
            return Concat(int.from_bytes(element.data[:size], "big"), total, number, size)
    return None


def shifts(elements: Sequence[Element]) -> tuple[int, int]:
    """Language identifiers (locking, single) of the national tables that a part is written in; 0 is the default."""
    found = {e.identifier: e.data[0] for e in elements if len(e.data) == 1}
    return found.get(LOCKING_SHIFT, 0), found.get(SINGLE_SHIFT, 0)


def ports(elements: Sequence[Element]) -> tuple[int, int] | None:
    """Application ports (destination, originator) that a message is for; None for one to a person."""
    for element in reversed(elements):
        size = {PORTS_8: 1, PORTS_16: 2}.get(element.identifier)
        if size and len(element.data) == 2 * size:
            return int.from_bytes(element.data[:size], "big"), int.from_bytes(element.data[size:], "big")
    return None
