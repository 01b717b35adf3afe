"""PDUs to octets and back, for every PDU in the table of layouts.

`encode` is strict: what the standard does not allow raises `EncodeError`. `decode` takes one whole frame and forgives
what real peers do; each leniency has a name in `Leniency` and is told with the result. It refuses with `PduRejected`,
which leaves the stream intact. Nothing else is raised, whatever the octets.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntFlag
from itertools import zip_longest
from struct import Struct
from typing import Any, Final, TypeAlias

import msgspec

from heliograph.smpp import constants as c
from heliograph.smpp.errors import EncodeError, PduRejected
from heliograph.smpp.layouts import LAYOUTS, Field, Kind, Layout
from heliograph.smpp.pdus import (
    DeliverSm,
    DeliverSmResp,
    Destination,
    Pdu,
    SubmitSm,
    SubmitSmResp,
    Tlvs,
    UnsuccessfulDestination,
)
from heliograph.smpp.straight import decode_resp, decode_sm, encode_resp, encode_sm

__all__ = [
    "Decoded",
    "Leniency",
    "decode",
    "decode_by_table",
    "encode",
    "encode_by_table",
    "encode_header",
]

_HEADER: Final = Struct(">IIII")
_TLV: Final = Struct(">HH")
_LEADING_NULS_MAX: Final = 4
"""How many stray NULs before TLVs are tried: peers append one, rarely two."""
_PRINTABLE: Final = 0x20
_RESPONSE_TEXT_OCTETS_MAX: Final = 255
"""What is kept of a text in a response: refusing a response would help nobody, so an endless one is cut."""


class Leniency(IntFlag):
    """What was forgiven while decoding."""

    NONE = 0
    TRAILING_NUL = 1
    """NULs after short_message or message_id, which no field counts."""
    BROKEN_TLVS = 2
    """A TLV that runs over the end: it and what follows were ignored."""
    TRAILING_OCTETS = 4
    """Octets after the last field of a PDU that has no TLVs."""
    SHORT_RESPONSE = 8
    """A successful response that ends before its last field: the rest was taken as empty."""
    UNTERMINATED_TEXT = 16
    """The last text of a response had no NUL."""
    LONG_TEXT = 32
    """A text longer than the book allows."""


class Decoded(msgspec.Struct, frozen=True, gc=False):
    """A PDU with what its header said."""

    command_status: int
    sequence_number: int
    pdu: Pdu
    leniency: int = 0


# --- to octets ---------------------------------------------------------------------------------------------------


def encode(pdu: Pdu, sequence_number: int, command_status: int = 0) -> bytes:
    """The frame of a PDU.

    A response that reports an error and carries nothing is written as its header alone, which every client measured
    accepts. Raises `EncodeError`.
    """
    frame: bytes | None = None
    if isinstance(pdu, SubmitSm | DeliverSm):
        frame = encode_sm(pdu, sequence_number, command_status)
    elif isinstance(pdu, SubmitSmResp | DeliverSmResp):
        frame = encode_resp(pdu, sequence_number, command_status)
    return frame if frame is not None else encode_by_table(pdu, sequence_number, command_status)


def encode_header(command_id: int, sequence_number: int, command_status: int = 0) -> bytes:
    """A PDU without a body: enquire_link, unbind, generic_nack, or the header-only form of an error response."""
    return _HEADER.pack(c.HEADER_OCTETS, command_id, command_status, sequence_number)


def encode_by_table(pdu: Pdu, sequence_number: int, command_status: int = 0) -> bytes:
    """`encode` by the table of layouts alone."""
    layout = LAYOUTS[pdu.command_id]
    _check_number("sequence_number", sequence_number, 4)
    _check_number("command_status", command_status, 4)
    if command_status and pdu.command_id & c.RESPONSE_BIT and pdu == layout.pdu():
        return encode_header(pdu.command_id, sequence_number, command_status)
    body = b"".join([_WRITERS[field.kind](field, getattr(pdu, field.name)) for field in layout.fields])
    if layout.tlvs:
        body += _write_tlvs(pdu.tlvs)  # type: ignore[attr-defined]
        if layout.repeated:
            body += _write_repeated(layout, pdu)
    if len(body) > c.BODY_OCTETS_MAX:
        raise EncodeError("body", f"is longer than {c.BODY_OCTETS_MAX} octets")
    return _HEADER.pack(c.HEADER_OCTETS + len(body), pdu.command_id, command_status, sequence_number) + body


def _check_number(name: str, value: object, size: int) -> None:
    if not isinstance(value, int) or not 0 <= value < 1 << (8 * size):
        raise EncodeError(name, f"is not an integer of {size} octet(s)")


def _write_int(field: Field, value: object) -> bytes:
    _check_number(field.name, value, field.size)
    return value.to_bytes(field.size, "big")  # type: ignore[attr-defined,no-any-return]


def _write_text(field: Field, value: object) -> bytes:
    if not isinstance(value, str):
        raise EncodeError(field.name, "is not a text")
    if "\0" in value:
        raise EncodeError(field.name, "contains NUL")
    try:
        octets = value.encode("latin-1")
    except UnicodeEncodeError:
        raise EncodeError(field.name, "contains characters outside Latin-1") from None
    if len(octets) >= field.writable:
        raise EncodeError(field.name, f"is longer than {field.writable - 1} octets")
    return octets + b"\0"


def _write_counted(field: Field, value: object) -> bytes:
    if not isinstance(value, bytes):
        raise EncodeError(field.name, "is not bytes")
    if len(value) > field.size:
        raise EncodeError(field.name, f"is longer than {field.size} octets")
    return bytes((len(value),)) + value


_LIST_NAME: Final = Field("dl_name", Kind.TEXT, 21)
_DESTINATION: Final = (
    Field("dest_addr_ton", Kind.INT, 1),
    Field("dest_addr_npi", Kind.INT, 1),
    Field("destination_addr", Kind.TEXT, 21),
)
_REFUSED: Final = (*_DESTINATION, Field("error_status_code", Kind.INT, 4))


def _write_all(fields: tuple[Field, ...], value: object) -> bytes:
    return b"".join([_WRITERS[field.kind](field, getattr(value, field.name)) for field in fields])


def _write_destination(destination: Destination) -> bytes:
    if destination.dest_flag == c.DEST_FLAG_SME:
        return b"\x01" + _write_all(_DESTINATION, destination)
    if destination.dest_flag == c.DEST_FLAG_LIST:
        return b"\x02" + _write_text(_LIST_NAME, destination.dl_name)
    raise EncodeError("dest_flag", "is neither 1 (address) nor 2 (list)")


def _write_destinations(field: Field, value: Any) -> bytes:
    if not 1 <= len(value) <= field.size:
        raise EncodeError(field.name, f"has not 1 to {field.size} entries")
    return bytes((len(value),)) + b"".join([_write_destination(destination) for destination in value])


def _write_refused(field: Field, value: Any) -> bytes:
    if len(value) > field.size:
        raise EncodeError(field.name, f"has more than {field.size} entries")
    return bytes((len(value),)) + b"".join([_write_all(_REFUSED, refused) for refused in value])


_WRITERS: Final[dict[Kind, Any]] = {
    Kind.INT: _write_int,
    Kind.TEXT: _write_text,
    Kind.COUNTED: _write_counted,
    Kind.DESTINATIONS: _write_destinations,
    Kind.UNSUCCESSFUL: _write_refused,
}


def _write_repeated(layout: Layout, pdu: Pdu) -> bytes:
    """The TLVs that repeat: the first of each tag, then the second of each, since they belong together."""
    for tag, name in layout.repeated:
        if tag in pdu.tlvs:  # type: ignore[attr-defined]
            raise EncodeError(f"tlv 0x{tag:04X}", f"may be repeated and is written from {name}")
    columns = [[(tag, value) for value in getattr(pdu, name)] for tag, name in layout.repeated]
    rows = zip_longest(*columns)
    return _write_tlv_items([item for row in rows for item in row if item is not None])


def _write_tlvs(tlvs: Tlvs) -> bytes:
    return _write_tlv_items(tlvs.items())


def _write_tlv_items(items: Iterable[tuple[int, bytes]]) -> bytes:
    parts = []
    for tag, value in items:
        _check_number("tlv tag", tag, 2)
        if not isinstance(value, bytes) or len(value) > 0xFFFF:
            raise EncodeError(f"tlv 0x{tag:04X}", "is not bytes of at most 65535 octets")
        parts.append(_TLV.pack(tag, len(value)) + value)
    return b"".join(parts)


# --- from octets -------------------------------------------------------------------------------------------------


def decode(frame: bytes) -> Decoded:
    """The PDU in one whole frame, as `FrameReader` cuts them. Raises `PduRejected`."""
    _, command_id, status, sequence_number = _HEADER.unpack_from(frame)
    pdu: Pdu | None = None
    if command_id == c.SUBMIT_SM_RESP:
        pdu = decode_resp(frame, SubmitSmResp) if not status else None
    elif command_id == c.DELIVER_SM:
        pdu = decode_sm(frame, DeliverSm)
    elif command_id == c.SUBMIT_SM:
        pdu = decode_sm(frame, SubmitSm)
    elif command_id == c.DELIVER_SM_RESP:
        pdu = decode_resp(frame, DeliverSmResp) if not status else None
    return Decoded(status, sequence_number, pdu) if pdu is not None else decode_by_table(frame)


class _Short(Exception):
    """The body ended inside a field."""


class _Body:
    """The octets of a body, read from the front."""

    __slots__ = ("at", "frame", "leniency", "response")

    def __init__(self, frame: bytes, *, response: bool) -> None:
        self.frame = frame
        self.at = c.HEADER_OCTETS
        self.response = response
        self.leniency = Leniency.NONE

    def octets(self, size: int) -> bytes:
        end = self.at + size
        if end > len(self.frame):
            raise _Short
        octets, self.at = self.frame[self.at : end], end
        return octets

    def integer(self, size: int) -> int:
        return int.from_bytes(self.octets(size), "big")

    def text(self) -> str:
        end = self.frame.find(0, self.at)
        if end < 0:
            if not self.response or self.at == len(self.frame):
                raise _Short
            self.leniency |= Leniency.UNTERMINATED_TEXT
            end = len(self.frame)
        octets, self.at = self.frame[self.at : end], end + 1
        return octets.decode("latin-1")


def decode_by_table(frame: bytes) -> Decoded:
    """`decode` by the table of layouts alone."""
    _, command_id, status, sequence_number = _HEADER.unpack_from(frame)
    layout = LAYOUTS.get(command_id)
    if layout is None:
        raise PduRejected(c.ESME_RINVCMDID, sequence_number, command_id, "unknown command")
    if command_id & c.RESPONSE_BIT:
        return _decode_response(frame, layout, status, sequence_number)
    body = _Body(frame, response=False)
    values: dict[str, Any] = {}
    for field in layout.fields:
        try:
            values[field.name] = _READERS[field.kind](body, field)
        except _Short:
            status = c.ESME_RINVMSGLEN if field.kind is Kind.COUNTED else c.ESME_RINVCMDLEN
            raise PduRejected(status, sequence_number, command_id, f"cut short in {field.name}") from None
        except _Refused as refused:
            raise PduRejected(field.status, sequence_number, command_id, f"{field.name} {refused}") from None
    _read_rest(body, layout, values)
    return Decoded(status, sequence_number, layout.pdu(**values), body.leniency)


def _decode_response(frame: bytes, layout: Layout, status: int, sequence_number: int) -> Decoded:
    """A response is never refused: somebody waits for it. What is missing is empty."""
    body = _Body(frame, response=True)
    values: dict[str, Any] = {}
    for field in layout.fields:
        start = body.at
        try:
            values[field.name] = _READERS[field.kind](body, field)
        except (_Short, _Refused):
            body.at = start if start == len(frame) else len(frame)
            if not status:
                body.leniency |= Leniency.SHORT_RESPONSE
            break
    _read_rest(body, layout, values)
    if (
        status
        and layout.tlvs
        and len(frame) > c.HEADER_OCTETS
        and (body.leniency or 0 < frame[c.HEADER_OCTETS] < _PRINTABLE)
    ):
        # An error response may leave out the message id and go straight to its TLVs, whose tags begin below letters.
        repeated: _Repeated = {tag: [] for tag, _ in layout.repeated}
        tlvs, clean = _scan_tlvs(frame, c.HEADER_OCTETS, repeated)
        if clean:
            several = {name: tuple(repeated[tag]) for tag, name in layout.repeated}
            return Decoded(status, sequence_number, layout.pdu(tlvs=tlvs, **several))
    return Decoded(status, sequence_number, layout.pdu(**values), body.leniency)


class _Refused(Exception):
    """A field holds what we do not accept."""


def _read_int(body: _Body, field: Field) -> int:
    return body.integer(field.size)


def _read_text(body: _Body, field: Field) -> str:
    text = body.text()
    if len(text) >= field.size:
        body.leniency |= Leniency.LONG_TEXT
        if body.response:
            return text[:_RESPONSE_TEXT_OCTETS_MAX]
        if len(text) > c.READ_TEXT_OCTETS_MAX:
            raise _Refused(f"is longer than {c.READ_TEXT_OCTETS_MAX} octets")
    return text


def _read_counted(body: _Body, field: Field) -> bytes:
    return body.octets(body.integer(1))


def _read_destination(body: _Body) -> Destination:
    flag = body.integer(1)
    if flag == c.DEST_FLAG_SME:
        ton, npi = body.octets(2)
        return Destination(flag, ton, npi, _read_text(body, _DESTINATION[2]))
    if flag == c.DEST_FLAG_LIST:
        return Destination(flag, dl_name=_read_text(body, _LIST_NAME))
    raise _Refused("has an unknown dest_flag")


def _read_destinations(body: _Body, field: Field) -> tuple[Destination, ...]:
    count = body.integer(1)
    if not 1 <= count <= field.size:
        raise _Refused(f"has not 1 to {field.size} entries")
    return tuple([_read_destination(body) for _ in range(count)])


def _read_refused_destination(body: _Body) -> UnsuccessfulDestination:
    ton, npi = body.octets(2)
    return UnsuccessfulDestination(ton, npi, _read_text(body, _DESTINATION[2]), body.integer(4))


def _read_refused(body: _Body, field: Field) -> tuple[UnsuccessfulDestination, ...]:
    return tuple([_read_refused_destination(body) for _ in range(body.integer(1))])


_READERS: Final[dict[Kind, Any]] = {
    Kind.INT: _read_int,
    Kind.TEXT: _read_text,
    Kind.COUNTED: _read_counted,
    Kind.DESTINATIONS: _read_destinations,
    Kind.UNSUCCESSFUL: _read_refused,
}


def _read_rest(body: _Body, layout: Layout, values: dict[str, Any]) -> None:
    if not layout.tlvs:
        if body.at < len(body.frame):
            body.leniency |= Leniency.TRAILING_OCTETS
        return
    repeated: _Repeated = {tag: [] for tag, _ in layout.repeated}
    values["tlvs"], leniency = _read_tlvs(body.frame, body.at, repeated)
    body.leniency |= leniency
    for tag, name in layout.repeated:
        values[name] = tuple(repeated[tag])


_Repeated: TypeAlias = dict[int, list[bytes]]
"""The tags of a PDU that may come many times, and what came."""


def _read_tlvs(frame: bytes, at: int, repeated: _Repeated) -> tuple[Tlvs, Leniency]:
    """The TLVs from ``at`` on; stray NULs before them are skipped where that makes sense of the rest."""
    tlvs, clean = _scan_tlvs(frame, at, repeated)
    if clean:
        return tlvs, Leniency.NONE
    if not frame[at:].strip(b"\0"):
        return {}, Leniency.TRAILING_NUL
    for start in range(at, min(at + _LEADING_NULS_MAX, len(frame))):
        if frame[start]:
            break
        later, clean = _scan_tlvs(frame, start + 1, repeated)
        if clean:
            return later, Leniency.TRAILING_NUL
    return tlvs, Leniency.BROKEN_TLVS


def _scan_tlvs(frame: bytes, at: int, repeated: _Repeated) -> tuple[Tlvs, bool]:
    """The TLVs up to the first broken one, and whether there was none; those that may repeat go to ``repeated``."""
    tlvs: Tlvs = {}
    for values in repeated.values():
        values.clear()
    size = len(frame)
    while at + _TLV.size <= size:
        tag, length = _TLV.unpack_from(frame, at)
        end = at + _TLV.size + length
        if not tag or end > size:
            return tlvs, False
        value = frame[at + _TLV.size : end]
        if tag in repeated:
            repeated[tag].append(value)
        else:
            tlvs[tag] = value
        at = end
    return tlvs, at >= size
