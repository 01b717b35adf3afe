"""Independent libraries read what we write, and we read what they write."""

from __future__ import annotations

import io
from typing import Any

import pytest
import smpplib.client
import smpplib.smpp
from smpp.pdu.pdu_encoding import PDUEncoder

from heliograph.smpp import constants as c
from heliograph.smpp import pdus as p
from heliograph.smpp.codec import decode, encode
from heliograph.smpp.receipts import parse_receipt, receipt_text, receipt_tlvs
from tests.smpp.test_codec import frame_of
from tests.smpp.test_receipts import AT, DONE

SUBMIT = p.SubmitSm(
    "",
    5,
    0,
    "Heliograph",
    1,
    1,
    "447700900123",
    0x40,
    validity_period="000001000000000R",
    registered_delivery=1,
    data_coding=8,
    short_message=b"\x05\0\x03\x07\x02\x01\0h\0i",
    tlvs={c.TAG_USER_MESSAGE_REFERENCE: b"\0\x07"},
)
RECEIPT = p.DeliverSm(
    "",
    1,
    1,
    "447700900123",
    5,
    0,
    "Heliograph",
    c.ESM_TYPE_RECEIPT,
    short_message=receipt_text("k1", "DELIVRD", AT, DONE),
    tlvs=receipt_tlvs("k1", c.STATE_DELIVERED, (3, 0)),
)


def by_pdu3(frame: bytes) -> Any:
    return PDUEncoder().decode(io.BytesIO(frame))


def test_pdu3_reads_our_submit_sm() -> None:
    params = by_pdu3(encode(SUBMIT, 9)).params
    assert params["source_addr"] == b"Heliograph"
    assert params["destination_addr"] == b"447700900123"
    assert params["short_message"] == SUBMIT.short_message
    assert params["user_message_reference"] == 7


def test_pdu3_reads_our_receipt() -> None:
    pdu = by_pdu3(encode(RECEIPT, 9))
    assert pdu.seqNum == 9
    assert pdu.params["short_message"] == RECEIPT.short_message
    assert pdu.params["receipted_message_id"] == b"k1"
    assert pdu.params["message_state"].name == "DELIVERED"


@pytest.mark.parametrize(
    "pdu",
    [
        p.BindTransceiver("esme", "secret", "", 0x34, 1, 1, ""),
        p.BindTransmitter("esme", "secret"),
        p.BindReceiver("esme", "secret"),
        p.BindTransceiverResp("smsc", {c.TAG_SC_INTERFACE_VERSION: b"\x34"}),
        p.SubmitSmResp("k1"),
        p.DeliverSmResp(),
        p.DataSm(source_addr="1", destination_addr="2", tlvs={c.TAG_MESSAGE_PAYLOAD: b"hi"}),
        p.DataSmResp("k1"),
        p.QuerySm("k1", 1, 1, "12345"),
        p.QuerySmResp("k1", "", 1, 0),
        p.CancelSm("", "k1", 1, 1, "12345", 1, 1, "447700900123"),
        p.EnquireLink(),
        p.EnquireLinkResp(),
        p.Unbind(),
        p.UnbindResp(),
        p.GenericNack(),
    ],
    ids=lambda pdu: type(pdu).__name__,
)
def test_pdu3_reads_our_other_pdus_and_writes_them_alike(pdu: p.Pdu) -> None:
    frame = encode(pdu, 3)
    theirs = by_pdu3(frame)
    assert theirs.seqNum == 3
    assert PDUEncoder().encode(theirs) == frame


def test_smpplib_writes_what_we_read() -> None:
    theirs = smpplib.smpp.make_pdu(
        "submit_sm",
        source_addr_ton=5,
        source_addr_npi=0,
        source_addr="Heliograph",
        dest_addr_ton=1,
        dest_addr_npi=1,
        destination_addr="447700900123",
        short_message=b"hi\0there",
        registered_delivery=1,
        user_message_reference=7,
        sequence=4,
    )
    pdu = decode(theirs.generate()).pdu
    assert isinstance(pdu, p.SubmitSm)
    assert (pdu.source_addr, pdu.destination_addr, pdu.short_message) == ("Heliograph", "447700900123", b"hi\0there")
    assert pdu.tlvs == {c.TAG_USER_MESSAGE_REFERENCE: b"\0\x07"}


def test_smpplib_reads_our_receipt() -> None:
    client = smpplib.client.Client("127.0.0.1", 0, allow_unknown_opt_params=True)
    theirs = smpplib.smpp.parse_pdu(encode(RECEIPT, 9), client=client, allow_unknown_opt_params=True)
    assert theirs.short_message == RECEIPT.short_message
    assert theirs.receipted_message_id == b"k1"
    assert theirs.message_state == c.STATE_DELIVERED


REAL: list[tuple[str, int, str, dict[str, object]]] = [
    (
        "a receipt with esm_class 0 that only its TLV betrays, and a NUL after its text",
        c.DELIVER_SM,
        "00 01 01 34 34 00 00 00 31 00 00 00 00 00 00 00 00 00 00 10"
        + b"id:1 stat:UNDELI".hex()
        + "00 00 1e 00 02 37 00",
        {"tlvs": {c.TAG_RECEIPTED_MESSAGE_ID: b"7\0"}},
    ),
]


@pytest.mark.parametrize(("command_id", "body", "fields"), [row[1:] for row in REAL], ids=[row[0] for row in REAL])
def test_octets_of_real_peers(command_id: int, body: str, fields: dict[str, object]) -> None:
    pdu = decode(frame_of(command_id, body)).pdu
    assert {name: getattr(pdu, name) for name in fields} == fields
    assert isinstance(pdu, p.DeliverSm)
    assert parse_receipt(pdu).message_id == "7"
