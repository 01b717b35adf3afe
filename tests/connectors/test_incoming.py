"""Receipts and short messages as carriers say them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph import sms
from heliograph.connectors.smpp.incoming import Incoming
from heliograph.contracts import InboundShort, ReceiptNews
from heliograph.model import State
from heliograph.rules.errorcodes import ERROR_CODES
from heliograph.rules.idcodec import IdCodec
from heliograph.smpp import constants as c
from heliograph.smpp.codec import encode
from heliograph.smpp.pdus import DataSm, DeliverSm
from heliograph.smpp.plain import read_receipt
from tests.connectors.build import smpp_settings

TEXT = "id:{id} sub:001 dlvrd:001 submit date:2601020304 done date:2601020305 stat:{stat} err:{err} text:hello"


def read(pdu: DeliverSm | DataSm, **fields: Any) -> ReceiptNews | InboundShort:
    """What is made of it; of an ordinary receipt the same is made on the straight way."""
    made = smpp_settings(**fields)
    found = Incoming(made, IdCodec(made.id_codec)).read("handle", pdu)
    plain = read_receipt(encode(pdu, 1)) if isinstance(pdu, DeliverSm) else None
    if plain is not None:
        incoming = Incoming(made, IdCodec(made.id_codec))
        assert [incoming.plain("handle", plain) for _ in range(2)] == [found, found]
    return found


def receipt(stat: str = "DELIVRD", err: str = "000", id: str = "1234567890", **fields: Any) -> DeliverSm:
    text = TEXT.format(id=id, stat=stat, err=err).encode()
    return DeliverSm(esm_class=c.ESM_TYPE_RECEIPT, short_message=text, **fields)


def news(pdu: DeliverSm | DataSm, **fields: Any) -> ReceiptNews:
    found = read(pdu, **fields)
    assert isinstance(found, ReceiptNews)
    return found


def short(pdu: DeliverSm | DataSm, **fields: Any) -> InboundShort:
    found = read(pdu, **fields)
    assert isinstance(found, InboundShort)
    return found


def test_a_receipt() -> None:
    assert news(receipt(), id_codec="zeros") == ReceiptNews(
        "handle",
        ("1234567890",),
        State.DELIVERED,
        "1234567890",
        "DELIVRD",
        None,
        "000",
        "2026-01-02T03:05:00",
    )


STATS = [
    # stat, settings, state, error
    ("DELIVRD", {}, State.DELIVERED, None),
    ("UNDELIV", {}, State.UNDELIVERED, "undelivered"),
    ("EXPIRED", {}, State.EXPIRED, "expired"),
    ("DELETED", {}, State.CANCELED, "canceled"),
    ("REJECTD", {}, State.REJECTED, "carrier_refused"),
    ("ACCEPTD", {}, State.SENT, None),
    ("ACCEPTD", {"receipt_accepted": "delivered"}, State.DELIVERED, None),
    ("UNKNOWN", {}, State.SENT, None),
    ("UNKNOWN", {"receipt_unknown": "undelivered"}, State.UNDELIVERED, "undelivered"),
    ("UNKNOWN", {"receipt_unknown": "unknown"}, State.UNKNOWN, "outcome_unknown"),
    ("ENROUTE", {}, State.SENT, None),
    ("BLOCKED", {}, State.UNDELIVERED, "recipient_blocked"),
    ("ABSENT", {}, State.SENT, None),
    ("ABSENT", {"receipt_stats": {"absent": "undelivered"}}, State.UNDELIVERED, "undelivered"),
]


@pytest.mark.parametrize(("stat", "fields", "state", "error"), STATS)
def test_what_a_receipt_reports(stat: str, fields: dict[str, Any], state: State, error: str | None) -> None:
    found = news(receipt(stat), **fields)
    assert (found.state, found.error, found.stat) == (state, error, stat)
    assert error is None or error in ERROR_CODES


def test_causes_have_words_where_the_operator_says_so() -> None:
    assert news(receipt("UNDELIV", "001")).error == "undelivered"
    assert news(receipt("UNDELIV", "001"), receipt_errors="gsm_map").error == "recipient_invalid"
    own = news(receipt("UNDELIV", "069"), receipt_error_codes={"69": "recipient_blocked"})
    assert (own.error, own.status) == ("recipient_blocked", "069")
    assert news(receipt("DELIVRD", "001"), receipt_errors="gsm_map").error is None


def test_the_tlvs_beat_the_text() -> None:
    tlvs = {
        c.TAG_RECEIPTED_MESSAGE_ID: b"00B8BE19\0",
        c.TAG_MESSAGE_STATE: bytes((c.STATE_UNDELIVERABLE,)),
        c.TAG_NETWORK_ERROR_CODE: b"\x03\x00\x01",
    }
    found = news(receipt("DELIVRD", "", id="77", tlvs=tlvs), receipt_errors="gsm_map")
    assert (found.raw_id, found.state, found.error) == ("00B8BE19", State.UNDELIVERED, "recipient_invalid")
    assert found.canonical[0] == "b8be19"


def test_a_vendor_s_own_word_says_more_than_the_state_beside_it() -> None:
    tlvs = {c.TAG_MESSAGE_STATE: bytes((c.STATE_UNDELIVERABLE,))}
    assert news(receipt("BLOCKED", tlvs=tlvs)).error == "recipient_blocked"
    assert news(receipt("LOST", tlvs=tlvs)).state == State.UNDELIVERED


def test_an_intermediate_notification_is_never_an_end() -> None:
    text = TEXT.format(id="1", stat="UNDELIV", err="001").encode()
    found = news(DeliverSm(esm_class=c.ESM_TYPE_INTERMEDIATE, short_message=text))
    assert (found.state, found.error) == (State.SENT, None)


def test_a_receipt_that_only_its_tlv_shows() -> None:
    pdu = DeliverSm(tlvs={c.TAG_RECEIPTED_MESSAGE_ID: b"7\0", c.TAG_MESSAGE_STATE: b"\x02"})
    assert news(pdu).state == State.DELIVERED
    assert isinstance(read(pdu, receipt_by_tlv=False), InboundShort)


@pytest.mark.parametrize(
    ("source", "destination"),
    [
        ("447700900123", "12345"),
        ("12345", "447700900123"),
        ("+447700900123", "12345"),
        ("00447700900123", ""),
        ("", ""),
    ],
)
def test_the_addresses_of_a_receipt_say_nothing(source: str, destination: str) -> None:
    pdu = receipt(source_addr_ton=1, source_addr=source, destination_addr=destination)
    assert news(pdu) == news(receipt())


def test_a_receipt_in_data_sm() -> None:
    pdu = DataSm(
        esm_class=c.ESM_TYPE_RECEIPT,
        tlvs={c.TAG_RECEIPTED_MESSAGE_ID: b"7\0", c.TAG_MESSAGE_STATE: b"\x02"},
    )
    assert (news(pdu).state, news(pdu).raw_id) == (State.DELIVERED, "7")


def test_a_receipt_without_an_id_finds_nothing_but_is_one() -> None:
    found = news(DeliverSm(esm_class=c.ESM_TYPE_RECEIPT, short_message=b"stat:DELIVRD"))
    assert (found.canonical, found.state) == ((), State.DELIVERED)
    assert news(DeliverSm(esm_class=c.ESM_TYPE_RECEIPT, short_message=b"garbage")).canonical == ()


def test_a_handset_s_own_acknowledgement_is_a_message() -> None:
    found = short(DeliverSm(esm_class=c.ESM_TYPE_MANUAL_ACK, source_addr="447700900123", short_message=b"yes"))
    assert found.text == "yes"


def test_an_unreadable_date_never_costs_the_state() -> None:
    text = b"id:7 sub:001 dlvrd:001 submit date:never done date:99999999 stat:DELIVRD err:null text:"
    found = news(DeliverSm(esm_class=c.ESM_TYPE_RECEIPT, short_message=text))
    assert (found.state, found.done_at) == (State.DELIVERED, None)


def test_the_carrier_s_zone_is_said_where_it_is_known() -> None:
    assert news(receipt(), time_zone="Europe/Berlin").done_at == "2026-01-02T03:05:00+01:00"


def mo(octets: bytes = b"hi", **fields: Any) -> DeliverSm:
    values: dict[str, Any] = {
        "source_addr_ton": 1,
        "source_addr_npi": 1,
        "source_addr": "447700900123",
        "destination_addr": "12345",
        "short_message": octets,
    }
    return DeliverSm(**(values | fields))


def test_a_short_message() -> None:
    assert short(mo(b"hi\x00")) == InboundShort("handle", "+447700900123", "12345", 0, b"hi\x00", "hi@")


@pytest.mark.parametrize(
    ("coding", "octets", "text"),
    [
        (0, b"hi", "hi"),
        (8, "Ж".encode("utf-16-be"), "Ж"),
        (0x18, "Ж".encode("utf-16-be"), "Ж"),
        (3, b"\xe9", "é"),
        (4, b"\x00\x01", None),
        (0xF5, b"\x00\x01", None),
    ],
)
def test_what_a_short_message_says(coding: int, octets: bytes, text: str | None) -> None:
    assert short(mo(octets, data_coding=coding)).text == text


def test_the_default_alphabet_holds_for_what_comes_in_too() -> None:
    assert short(mo(b"\xe9"), default_alphabet="latin1").text == "é"


def test_parts_by_header_and_by_tlvs() -> None:
    udh = sms.concat_udh(7, 3, 2)
    part = short(mo(udh + b"hi", esm_class=c.ESM_UDHI))
    assert (part.concat, part.udh, part.octets, part.text) == ((7, 1, 3, 2), udh, b"hi", "hi")
    wide = short(mo(sms.concat_udh(7, 3, 2, 2) + b"hi", esm_class=0x43))
    assert wide.concat == (7, 2, 3, 2)
    sar = {
        c.TAG_SAR_MSG_REF_NUM: b"\x01\x02",
        c.TAG_SAR_TOTAL_SEGMENTS: b"\x02",
        c.TAG_SAR_SEGMENT_SEQNUM: b"\x01",
    }
    assert short(mo(tlvs=sar)).concat == (0x0102, 2, 2, 1)
    lone = {**sar, c.TAG_SAR_TOTAL_SEGMENTS: b"\x01"}
    assert short(mo(tlvs=lone)).concat is None


def test_a_message_in_message_payload() -> None:
    assert short(mo(b"", tlvs={c.TAG_MESSAGE_PAYLOAD: b"long text"})).text == "long text"
    data = DataSm(source_addr="447700900123", destination_addr="1", tlvs={c.TAG_MESSAGE_PAYLOAD: b"long text"})
    assert short(data).text == "long text"


@given(
    octets=st.binary(max_size=180),
    esm_class=st.integers(0, 255),
    coding=st.integers(0, 255),
    source=st.text(st.characters(max_codepoint=255, exclude_characters="\0"), max_size=20),
    tlvs=st.dictionaries(
        st.sampled_from([0x001E, 0x0427, 0x0423, 0x0424, 0x020C, 0x020E, 0x020F]), st.binary(max_size=6), max_size=4
    ),
)
@settings(max_examples=300, deadline=None)
def test_any_octets_give_a_receipt_or_a_message(
    octets: bytes, esm_class: int, coding: int, source: str, tlvs: dict[int, bytes]
) -> None:
    pdu = DeliverSm(short_message=octets, esm_class=esm_class, data_coding=coding, source_addr=source, tlvs=tlvs)
    assert isinstance(read(pdu), ReceiptNews | InboundShort)
