"""What a fuzzer may call: arbitrary octets in, nothing raised, memory bounded.

Documented verdicts (`PduRejected`, `EncodeError`) are caught here and only those; anything else is a find.
"""

from __future__ import annotations

from collections.abc import Callable

from heliograph.smpp import constants as c
from heliograph.smpp.codec import decode, decode_by_table, encode, encode_by_table
from heliograph.smpp.errors import EncodeError, PduRejected
from heliograph.smpp.frames import FrameReader
from heliograph.smpp.pdus import BindTransceiver, BindTransceiverResp, DataSm, DeliverSm, SubmitSm
from heliograph.smpp.plain import read_receipt
from heliograph.smpp.receipts import is_receipt, parse_receipt, parse_receipt_text
from heliograph.smpp.session import Session, Timers
from heliograph.smpp.states import Role
from heliograph.smpp.times import parse_time

__all__ = ["TARGETS", "codec", "receipts", "session"]


def codec(octets: bytes) -> None:
    """The frame reader on the octets as they are, and each command's codec on them as a body."""
    reader = FrameReader()
    for frame in reader.feed(octets):
        _one_frame(frame)
    assert len(reader._tail) <= c.FRAME_OCTETS_MAX
    if len(octets) >= 5:
        command_id = (octets[0] & 0x80) << 24 | (octets[1] & 1) << 8 | octets[2]
        status = octets[3] if octets[4] & 1 else 0
        body = octets[5 : 5 + c.BODY_OCTETS_MAX]
        head = (16 + len(body), command_id, status, octets[4])
        _one_frame(b"".join(number.to_bytes(4, "big") for number in head) + body)


def _one_frame(frame: bytes) -> None:
    straight, table = _verdict(decode, frame), _verdict(decode_by_table, frame)
    assert straight == table
    if isinstance(straight, tuple):
        return
    pdu, number, status = straight.pdu, straight.sequence_number, straight.command_status
    try:
        again = encode(pdu, number, status)
    except EncodeError:
        return
    assert again == encode_by_table(pdu, number, status)
    assert decode(again).pdu == pdu
    if isinstance(pdu, DeliverSm | DataSm):
        is_receipt(pdu)
        parse_receipt(pdu)


def _verdict(read: Callable[[bytes], object], frame: bytes) -> object:
    try:
        return read(frame)
    except PduRejected as rejected:
        return rejected.status, rejected.sequence_number, rejected.command_id


def receipts(octets: bytes) -> None:
    """Texts of receipts and of times, and TLVs that claim to be a receipt's."""
    parse_receipt_text(octets)
    third = len(octets) // 3
    tlvs = {
        c.TAG_RECEIPTED_MESSAGE_ID: octets[:third],
        c.TAG_MESSAGE_STATE: octets[third : third + 1],
        c.TAG_NETWORK_ERROR_CODE: octets[third : third + 3],
    }
    parse_receipt(DeliverSm(esm_class=octets[0] if octets else 4, short_message=octets[third:], tlvs=tlvs))
    read_receipt(bytes(c.HEADER_OCTETS) + octets)
    parse_time(octets.decode("latin-1"))


def session(octets: bytes) -> None:
    """Both roles, bound and not, with requests in flight; the first octet cuts the rest into reads."""
    size = (octets[0] if octets else 0) % 64 + 1
    for make in (_client, _server, _fresh_client, _fresh_server):
        one = make()
        for turn, at in enumerate(range(1, len(octets), size)):
            now = 1.0 + turn
            one.receive(octets[at : at + size], now)
            one.tick(now)
            for event in one.events():
                repr(event)
        assert one.in_flight <= one.window
        assert one.unanswered <= len(octets) // c.HEADER_OCTETS
        for frame in FrameReader().feed(one.data_to_send()):
            decode(frame)
        one.close()


def _client() -> Session:
    one = Session(Role.ESME, timers=Timers(pdu_read_s=0))
    one.bind(BindTransceiver(), 0.0)
    one.receive(encode(BindTransceiverResp(), 1), 0.0)
    for _ in range(5):
        one.submit(SubmitSm(), 0.0)
    one.data_to_send()
    return one


def _server() -> Session:
    one = Session(Role.SMSC)
    one.receive(encode(BindTransceiver(), 1), 0.0)
    one.respond(1, 0, 0.0)
    for _ in range(5):
        one.submit(DeliverSm(), 0.0)
    one.data_to_send()
    return one


def _fresh_client() -> Session:
    return Session(Role.ESME)


def _fresh_server() -> Session:
    return Session(Role.SMSC)


TARGETS: dict[str, Callable[[bytes], None]] = {"smpp codec": codec, "smpp receipts": receipts, "smpp session": session}
"""Name to target."""
