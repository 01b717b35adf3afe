"""Virtual handsets: one for every number that is written to. They join long messages and remember the newest."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Final, TypeAlias

import msgspec

from heliograph.smpp import constants as c
from heliograph.smpp.pdus import DataSm, SubmitSm
from heliograph.sms import Encoding, Header, complete, concat_info, decode, from_wire, split_header

__all__ = ["HandsetMessage", "Handsets", "Part", "address", "read_part"]

Submit: TypeAlias = SubmitSm | DataSm

_OPEN_SETS_MAX: Final = 10_000
"""Long messages that wait for parts, over all handsets; the oldest is given up beyond it."""
_NO_HEADER: Final = Header()


class HandsetMessage(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A whole message on a handset, as its owner reads it."""

    to: str
    """The handset's number, E.164 with its plus."""
    sender: str
    text: str | None
    """None for binary messages."""
    octets: bytes
    """The content, joined, without headers."""
    encoding: str
    data_coding: int
    segments: int
    ids: tuple[str, ...]
    """Message ids that the carrier gave, one a segment, as responses write them."""
    at: float
    """When its last part came, seconds since 1970 UTC."""
    flash: bool = False
    udh: bytes = b""
    """The header of the first part, with what joined the parts."""


class Part(msgspec.Struct, frozen=True, gc=False):
    """A segment as it came: content without header, and its place (reference, reference_octets, total, number)."""

    octets: bytes
    header: Header
    udh: bytes
    place: tuple[int, int, int, int] | None


def address(ton: int, npi: int, value: str) -> str:
    """An address as people write it: E.164 with its plus, anything else as it came."""
    if ton == 1 and value.isdigit() and 7 <= len(value) <= 15 and value[0] != "0":
        return "+" + value
    return from_wire(ton, npi, value).value


def read_part(pdu: Submit) -> Part:
    """What a submit carries, whichever way it says it: short_message, message_payload, UDH, ``sar_*`` TLVs."""
    octets = pdu.short_message if isinstance(pdu, SubmitSm) else b""
    tlvs = pdu.tlvs
    if tlvs:
        octets = tlvs.get(c.TAG_MESSAGE_PAYLOAD, octets)
    if not pdu.esm_class & c.ESM_UDHI:
        return Part(octets, _NO_HEADER, b"", _place(_NO_HEADER, tlvs) if tlvs else None)
    header, content = split_header(octets)
    return Part(content, header, octets[: header.size_octets], _place(header, tlvs))


def _place(header: Header, tlvs: Mapping[int, bytes]) -> tuple[int, int, int, int] | None:
    numbers = [
        int.from_bytes(value, "big") if (value := tlvs.get(tag)) is not None else None
        for tag in (c.TAG_SAR_MSG_REF_NUM, c.TAG_SAR_TOTAL_SEGMENTS, c.TAG_SAR_SEGMENT_SEQNUM)
    ]
    concat = concat_info(header.elements, *numbers)
    if concat is None or concat.total == 1:
        return None
    return concat.reference, concat.reference_octets, concat.total, concat.number


_SetKey: TypeAlias = tuple[str, str, int, int, int]


class _Set:
    """The parts of one message so far."""

    __slots__ = ("first", "ids", "parts")

    def __init__(self, first: Part) -> None:
        self.first = first
        self.parts: dict[int, bytes] = {}
        self.ids: dict[int, str] = {}


class Handsets:
    """All handsets of a carrier; memory is bounded over all of them."""

    def __init__(self, keep: int) -> None:
        self.messages: deque[HandsetMessage] = deque(maxlen=keep)
        """The newest whole messages of all handsets, oldest first."""
        self.count = 0
        """How many whole messages there were."""
        self._sets: dict[_SetKey, _Set] = {}

    def of(self, number: str) -> list[HandsetMessage]:
        """What the handset of this number remembers, oldest first."""
        wanted = address(1, 1, number.removeprefix("+"))
        return [message for message in self.messages if message.to == wanted]

    def take(self, part: Part, data_coding: int, to: str, sender: str, id: str, at: float) -> HandsetMessage | None:
        """A segment arrives; the message that it completes."""
        if part.place is None:
            return self._keep(part, part.octets, data_coding, to, sender, (id,), at)
        reference, reference_octets, total, number = part.place
        key = (to, sender, reference, reference_octets, total)
        held = self._sets.get(key)
        if held is None or held.parts.get(number, part.octets) != part.octets:
            # The first part, or a new message under a reference that an unfinished one used.
            self._sets.pop(key, None)
            if len(self._sets) >= _OPEN_SETS_MAX:
                del self._sets[next(iter(self._sets))]
            held = self._sets[key] = _Set(part)
        held.parts[number] = part.octets
        held.ids[number] = id
        if number == 1:
            held.first = part
        whole = complete(held.parts, total)
        if whole is None:
            return None
        del self._sets[key]
        ids = tuple(held.ids[number] for number in sorted(held.ids))
        return self._keep(held.first, whole, data_coding, to, sender, ids, at)

    def _keep(
        self, first: Part, octets: bytes, data_coding: int, to: str, sender: str, ids: tuple[str, ...], at: float
    ) -> HandsetMessage:
        decoded = decode(octets, data_coding, first.header)
        message = HandsetMessage(
            to=to,
            sender=sender,
            text=decoded.text if decoded.encoding != Encoding.BINARY else None,
            octets=octets,
            encoding=decoded.encoding.value,
            data_coding=data_coding,
            segments=len(ids),
            ids=ids,
            at=at,
            flash=decoded.message_class == 0,
            udh=first.udh,
        )
        self.messages.append(message)
        self.count += 1
        return message
