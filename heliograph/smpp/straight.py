"""Straight code for the four PDUs of the hot path: submit_sm, deliver_sm and their responses.

It covers the ordinary case only. Whatever is odd (a bad value, a field that is too long, a TLV that is cut short) gives
None, and the table interpreter in `codec` decides; so there is one place that says what is refused or forgiven. A
property test holds both equal.
"""

from __future__ import annotations

from struct import Struct
from struct import error as struct_error
from typing import Final, TypeVar

from heliograph.smpp.pdus import DeliverSm, DeliverSmResp, SubmitSm, SubmitSmResp, Tlvs

__all__ = ["decode_message_id", "decode_resp", "decode_sm", "encode_resp", "encode_sm"]

Sm = TypeVar("Sm", SubmitSm, DeliverSm)
Resp = TypeVar("Resp", SubmitSmResp, DeliverSmResp)

_header: Final = Struct(">IIII").pack
_tlv: Final = Struct(">HH")
_pack_tlv: Final = _tlv.pack
_unpack_tlv: Final = _tlv.unpack_from

# A dict refuses what is no octet (KeyError); chr() would take 256 and a list -1.
_CHAR: Final = {octet: chr(octet) for octet in range(256)}


def _tlvs_octets(tlvs: Tlvs) -> bytes:
    return b"".join([_pack_tlv(tag, len(value)) + value for tag, value in tlvs.items()])


def encode_sm(pdu: SubmitSm | DeliverSm, sequence_number: int, command_status: int = 0) -> bytes | None:
    """The frame of a submit_sm or deliver_sm, or None when the table must look at it."""
    service_type = pdu.service_type
    source_addr = pdu.source_addr
    destination_addr = pdu.destination_addr
    schedule = pdu.schedule_delivery_time
    validity = pdu.validity_period
    text = pdu.short_message
    tlvs = pdu.tlvs
    char = _CHAR
    try:
        if len(source_addr) > 20 or len(destination_addr) > 20 or len(text) > 254:
            return None
        if "\0" in source_addr or "\0" in destination_addr:
            return None
        if service_type and (len(service_type) > 5 or "\0" in service_type):
            return None
        if schedule and (len(schedule) > 16 or "\0" in schedule):
            return None
        if validity and (len(validity) > 16 or "\0" in validity):
            return None
        head = (
            f"{service_type}\0{char[pdu.source_addr_ton]}{char[pdu.source_addr_npi]}{source_addr}\0"
            f"{char[pdu.dest_addr_ton]}{char[pdu.dest_addr_npi]}{destination_addr}\0"
            f"{char[pdu.esm_class]}{char[pdu.protocol_id]}{char[pdu.priority_flag]}{schedule}\0{validity}\0"
            f"{char[pdu.registered_delivery]}{char[pdu.replace_if_present_flag]}{char[pdu.data_coding]}"
            f"{char[pdu.sm_default_msg_id]}{char[len(text)]}"
        ).encode("latin-1")
        if not tlvs:
            length = 16 + len(head) + len(text)
            return _header(length, pdu.command_id, command_status, sequence_number) + head + text
        tail = _tlvs_octets(tlvs)
        length = 16 + len(head) + len(text) + len(tail)
        if length > 65552:
            return None
        return _header(length, pdu.command_id, command_status, sequence_number) + head + text + tail
    except (KeyError, TypeError, UnicodeEncodeError, struct_error):
        return None


def encode_resp(pdu: SubmitSmResp | DeliverSmResp, sequence_number: int, command_status: int = 0) -> bytes | None:
    """The frame of a response with a message id, or None when the table must look at it."""
    message_id = pdu.message_id
    if command_status or pdu.tlvs or len(message_id) > 64 or "\0" in message_id:
        return None
    try:
        return _header(17 + len(message_id), pdu.command_id, 0, sequence_number) + f"{message_id}\0".encode("latin-1")
    except (UnicodeEncodeError, struct_error):
        return None


def decode_sm(frame: bytes, kind: type[Sm]) -> Sm | None:
    """The submit_sm or deliver_sm in a whole frame, or None when the table must look at it."""
    size = len(frame)
    try:
        find = frame.index
        at = 16
        service_type = ""
        if frame[16]:
            at = find(0, 17)
            service_type = frame[16:at].decode("latin-1")
        source_at = at + 3
        source_end = find(0, source_at)
        dest_at = source_end + 3
        dest_end = find(0, dest_at)
        if at > 21 or source_end - source_at > 20 or dest_end - dest_at > 20:
            return None
        text_at = dest_end + 11
        # Ten octets at once, on the bet that both times are empty.
        (
            esm_class,
            protocol_id,
            priority_flag,
            has_schedule,
            has_validity,
            receipt,
            replace,
            data_coding,
            default_id,
            text_octets,
        ) = frame[dest_end + 1 : text_at]
        schedule = validity = ""
        if has_schedule or has_validity:
            schedule_at = dest_end + 4
            schedule_end = find(0, schedule_at)
            validity_end = find(0, schedule_end + 1)
            if schedule_end - schedule_at > 16 or validity_end - schedule_end > 17:
                return None
            schedule = frame[schedule_at:schedule_end].decode("latin-1")
            validity = frame[schedule_end + 1 : validity_end].decode("latin-1")
            text_at = validity_end + 6
            receipt, replace, data_coding, default_id, text_octets = frame[validity_end + 1 : text_at]
        text_end = text_at + text_octets
        tlvs: Tlvs = {}
        if text_end != size:
            tlv_at = text_end
            while tlv_at < size:
                tag, length = _unpack_tlv(frame, tlv_at)
                if not tag:
                    return None
                end = tlv_at + 4 + length
                tlvs[tag] = frame[tlv_at + 4 : end]
                tlv_at = end
            if tlv_at != size:
                return None
        return kind(
            service_type,
            frame[at + 1],
            frame[at + 2],
            frame[source_at:source_end].decode("latin-1"),
            frame[source_end + 1],
            frame[source_end + 2],
            frame[dest_at:dest_end].decode("latin-1"),
            esm_class,
            protocol_id,
            priority_flag,
            schedule,
            validity,
            receipt,
            replace,
            data_coding,
            default_id,
            frame[text_at:text_end],
            tlvs,
        )
    except (ValueError, IndexError, struct_error):
        return None


def decode_message_id(frame: bytes) -> str | None:
    """The message_id of an ordinary submit_sm_resp or deliver_sm_resp without TLVs; None: ask the table."""
    size = len(frame)
    if 16 < size <= 81 and frame.find(0, 16) == size - 1:
        return frame[16:-1].decode("latin-1")
    return None


def decode_resp(frame: bytes, kind: type[Resp]) -> Resp | None:
    """The submit_sm_resp or deliver_sm_resp in a whole frame, or None when the table must look at it."""
    size = len(frame)
    id_end = frame.find(0, 16)
    if id_end < 0 or id_end > 80:
        return None
    tlvs: Tlvs = {}
    at = id_end + 1
    try:
        while at < size:
            tag, length = _unpack_tlv(frame, at)
            if not tag:
                return None
            end = at + 4 + length
            tlvs[tag] = frame[at + 4 : end]
            at = end
    except struct_error:
        return None
    return kind(frame[16:id_end].decode("latin-1"), tlvs) if at == size else None
