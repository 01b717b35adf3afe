"""PDUs as octets: heads, bodies, and a few that a carrier makes up."""

from __future__ import annotations

from struct import Struct
from typing import Final

from heliograph.smpp import constants as c
from heliograph.smpp.codec import encode
from heliograph.smpp.pdus import DeliverSm
from heliograph.smpp.receipts import is_receipt, parse_receipt, receipt_tlvs
from heliograph.smpp.straight import decode_sm

__all__ = [
    "body_of",
    "delivery_of",
    "frame",
    "frames_of",
    "head_of",
    "receipt_id",
    "receipt_of",
    "reply",
    "submit_resp",
    "with_sequence",
]

_head = Struct(">IIII")
_STRANGER: Final = "1999"


def head_of(octets: bytes) -> tuple[int, int, int, int]:
    """(length, command_id, command_status, sequence_number)."""
    length, command_id, status, sequence = _head.unpack_from(octets)
    return length, command_id, status, sequence


def body_of(octets: bytes) -> bytes:
    """What stands behind the head."""
    return octets[c.HEADER_OCTETS :]


def frame(command_id: int, sequence: int, *, status: int = 0, body: bytes = b"", length: int | None = None) -> bytes:
    """A PDU; ``length`` is what it says of itself where that is not the truth."""
    true_length = c.HEADER_OCTETS + len(body)
    return _head.pack(true_length if length is None else length, command_id, status, sequence) + body


def with_sequence(octets: bytes, sequence: int) -> bytes:
    """The same PDU under another number."""
    length, command_id, status, _ = head_of(octets)
    return _head.pack(length, command_id, status, sequence) + body_of(octets)


def frames_of(octets: bytes) -> list[bytes]:
    """Whole PDUs that stand behind each other."""
    frames = []
    at = 0
    while at + c.HEADER_OCTETS <= len(octets):
        length = head_of(octets[at : at + c.HEADER_OCTETS])[0]
        frames.append(octets[at : at + length])
        at += length
    return frames


def submit_resp(sequence: int, message_id: str) -> bytes:
    """A good answer to a submit, with any id."""
    return frame(c.SUBMIT_SM_RESP, sequence, body=message_id.encode("latin-1") + b"\0")


def delivery_of(octets: bytes) -> DeliverSm | None:
    """The deliver_sm that these octets are; None for everything else."""
    return decode_sm(octets, DeliverSm) if head_of(octets)[1] == c.DELIVER_SM else None


def receipt_id(pdu: DeliverSm) -> str:
    """The id that a receipt is about; empty for what is no receipt."""
    return parse_receipt(pdu).message_id if is_receipt(pdu) else ""


def receipt_of(pdu: DeliverSm, sequence: int, *, text: bytes, id: str = "", state: int = 0) -> bytes:
    """Another receipt between the same numbers, with any text; TLVs only where an id is given."""
    return encode(
        DeliverSm(
            source_addr_ton=pdu.source_addr_ton,
            source_addr_npi=pdu.source_addr_npi,
            source_addr=pdu.source_addr,
            dest_addr_ton=pdu.dest_addr_ton,
            dest_addr_npi=pdu.dest_addr_npi,
            destination_addr=pdu.destination_addr,
            esm_class=c.ESM_TYPE_RECEIPT,
            short_message=text,
            tlvs=receipt_tlvs(id, state) if id else {},
        ),
        sequence,
    )


def reply(sequence: int, text: bytes, *, udh: bytes = b"", source: str = _STRANGER) -> bytes:
    """What a handset that nobody knows writes to a number that nobody owns."""
    return encode(
        DeliverSm(
            source_addr_ton=c.TON_INTERNATIONAL,
            source_addr_npi=c.NPI_ISDN,
            source_addr=source,
            destination_addr=_STRANGER,
            esm_class=c.ESM_UDHI if udh else 0,
            short_message=udh + text,
        ),
        sequence,
    )
