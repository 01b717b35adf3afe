"""The straight code for ordinary submits and receipts says what the codec and the parser say."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from heliograph.smpp import constants as c
from heliograph.smpp.codec import decode, encode
from heliograph.smpp.errors import PduRejected
from heliograph.smpp.pdus import BindTransceiver, BindTransceiverResp, DeliverSm, SubmitSm
from heliograph.smpp.plain import PlainReceipt, read_receipt, submit_form
from heliograph.smpp.receipts import STATES, is_intermediate, is_receipt, parse_receipt, receipt_text, receipt_tlvs
from heliograph.smpp.session import Session
from heliograph.smpp.states import Role
from tests.smpp import strategies

AT = datetime(2026, 11, 22, 19, 59)
TEXT = receipt_text("A1", "DELIVRD", AT, AT, text=b"hello")
RECEIPT = DeliverSm(source_addr="447700900123", destination_addr="12345", esm_class=4, short_message=TEXT)

ids = st.one_of(st.from_regex(r"[0-9a-fA-F]{1,20}", fullmatch=True), st.text(max_size=8))
ordinary = st.builds(
    lambda pdu, id, stat, text, tlvs: replace(
        pdu,
        esm_class=4,
        schedule_delivery_time="",
        validity_period="",
        short_message=receipt_text(id, stat, AT, AT, text=text),
        tlvs=tlvs,
    ),
    strategies.pdus_of(c.DELIVER_SM),
    ids,
    st.sampled_from(sorted(STATES)),
    st.binary(max_size=20),
    st.one_of(
        st.just({}),
        st.builds(receipt_tlvs, st.text("0123456789abcdef", min_size=1, max_size=20), st.integers(0, 255)),
        strategies.tlvs,
    ),
)


def agrees(frame: bytes) -> bool:
    """Whether there is straight code for this frame; what it says must be what the parser says."""
    plain = read_receipt(frame)
    if plain is None:
        return False
    pdu = decode(frame).pdu
    assert isinstance(pdu, DeliverSm)
    assert is_receipt(pdu)
    assert not is_intermediate(pdu)
    fields = parse_receipt(pdu)
    assert plain == PlainReceipt(fields.message_id, fields.stat, fields.message_state, fields.err, fields.done_date)
    assert fields.network_error_code is None
    return True


@settings(max_examples=300, deadline=None)
@given(ordinary)
def test_a_receipt_is_read_as_the_parser_reads_it(pdu: DeliverSm) -> None:
    agrees(encode(pdu, 7))


@settings(max_examples=500, deadline=None)
@given(ordinary, st.data())
def test_so_are_mutated_octets(pdu: DeliverSm, data: st.DataObject) -> None:
    frame = bytearray(encode(pdu, 1))
    for _ in range(data.draw(st.integers(1, 3))):
        frame[data.draw(st.integers(16, len(frame) - 1))] = data.draw(strategies.octet)
    octets = bytes(frame[: data.draw(st.integers(16, len(frame)))]) + data.draw(st.binary(max_size=3))
    try:
        decode(octets)
    except PduRejected:
        assert read_receipt(octets) is None
    else:
        agrees(octets)


@pytest.mark.parametrize(
    "pdu",
    [
        RECEIPT,
        replace(RECEIPT, tlvs=receipt_tlvs("B8BE19", c.STATE_EXPIRED)),
        replace(RECEIPT, short_message=TEXT.replace(b"text:hello", b"Text:\0@")),
        replace(RECEIPT, service_type="CMT", data_coding=8),
    ],
)
def test_there_is_straight_code_for(pdu: DeliverSm) -> None:
    assert agrees(encode(pdu, 1))


@pytest.mark.parametrize(
    "pdu",
    [
        replace(RECEIPT, esm_class=0),
        replace(RECEIPT, esm_class=0x20),
        replace(RECEIPT, esm_class=0x44, short_message=b"\0" + TEXT),
        replace(RECEIPT, validity_period="000000010000000R"),
        replace(RECEIPT, short_message=TEXT.replace(b"stat:DELIVRD", b"stat:delivrd")),
        replace(RECEIPT, tlvs={c.TAG_NETWORK_ERROR_CODE: b"\3\0\1"}),
        replace(RECEIPT, tlvs={c.TAG_RECEIPTED_MESSAGE_ID: b"A1", c.TAG_MESSAGE_STATE: b"\2"}),
        replace(RECEIPT, tlvs={c.TAG_MESSAGE_PAYLOAD: TEXT}),
    ],
)
def test_there_is_none_for(pdu: DeliverSm) -> None:
    assert read_receipt(encode(pdu, 1)) is None


def test_a_session_tells_receipts_so_where_it_is_asked_to() -> None:
    for reads_receipts, kind in ((True, PlainReceipt), (False, DeliverSm)):
        session = Session(Role.ESME, reads_receipts=reads_receipts)
        session.bind(BindTransceiver(), 0.0)
        session.receive(encode(BindTransceiverResp(), 1), 0.0)
        session.turn()
        session.receive(encode(RECEIPT, 5) + encode(DeliverSm(short_message=b"hi"), 6), 0.0)
        _, requests, _ = session.turn()
        assert [type(one.pdu) for one in requests] == [kind, DeliverSm]
        session.data_to_send()
        assert session.respond_all([(5, 0), (6, 0)], 0.0) == 2


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        strategies.pdus_of(c.SUBMIT_SM).map(lambda pdu: replace(pdu, schedule_delivery_time="", tlvs={})),
        strategies.wild(SubmitSm),
    ),
    strategies.wild(SubmitSm),
)
def test_a_form_says_what_the_codec_says(sample: SubmitSm, other: SubmitSm) -> None:
    form = submit_form(sample)
    if form is None:
        return
    validity = other.validity_period if len(other.validity_period) <= 16 and "\0" not in other.validity_period else ""
    body = form.body(other.destination_addr, validity, other.short_message)
    if body is not None:
        pdu = replace(
            sample,
            destination_addr=other.destination_addr,
            validity_period=validity,
            short_message=other.short_message,
        )
        assert encode(pdu, 9)[c.HEADER_OCTETS :] == body


def test_a_session_sends_bodies_as_it_sends_pdus() -> None:
    pdu = SubmitSm(source_addr="12345", destination_addr="447700900123", short_message=b"hi")
    sent = []
    for one in (pdu, encode(pdu, 1)[c.HEADER_OCTETS :]):
        session = Session(Role.ESME, first_sequence_number=0x7FFFFFFF)
        session.bind(BindTransceiver(), 0.0)
        session.receive(encode(BindTransceiverResp(), 0x7FFFFFFF), 0.0)
        session.data_to_send()
        assert not session.submit_all([(one, "a"), (one, "b")], 0.0)
        assert session.in_flight == 2
        sent.append(session.data_to_send())
    assert sent[0] == sent[1]


def test_forms_are_for_what_they_can_say() -> None:
    form = submit_form(SubmitSm(source_addr="12345"))
    assert form is not None
    assert form.body("4" * 20, "", b"x" * 254) is not None
    assert form.body("4" * 21, "", b"") is None
    assert form.body("4\0", "", b"") is None
    assert form.body("٤", "", b"") is None
    assert form.body("4", "", b"x" * 255) is None
    assert submit_form(SubmitSm(source_addr="x" * 21)) is None
    assert submit_form(SubmitSm(tlvs={c.TAG_MESSAGE_STATE: b"\2"})) is None
