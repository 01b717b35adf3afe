"""Receipts as peers write them."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.smpp import constants as c
from heliograph.smpp.pdus import DataSm, DeliverSm
from heliograph.smpp.receipts import (
    ReceiptFields,
    is_intermediate,
    is_receipt,
    message_octets,
    parse_receipt,
    parse_receipt_text,
    receipt_text,
    receipt_tlvs,
)
from tests.smpp import strategies

AT = datetime(2026, 11, 22, 19, 59)
DONE = datetime(2026, 11, 22, 20, 1)
WHOLE = ReceiptFields("A1", "DELIVRD", c.STATE_DELIVERED, "000", None, "2611221959", "2611222001", "hello")
STANDARD = b"id:A1 sub:001 dlvrd:001 submit date:2611221959 done date:2611222001 stat:DELIVRD err:000 text:hello"

CASES: list[tuple[str, bytes, ReceiptFields]] = [
    ("the standard's form", STANDARD, WHOLE),
    ("capital Text", STANDARD.replace(b"text:", b"Text:"), WHOLE),
    (
        "all capitals",
        STANDARD.upper(),
        ReceiptFields("A1", "DELIVRD", 2, "000", None, "2611221959", "2611222001", "HELLO"),
    ),
    ("no space in submitdate", STANDARD.replace(b"submit ", b"submit").replace(b"done ", b"done"), WHOLE),
    (
        "twelve digits",
        STANDARD.replace(b"1959", b"195907").replace(b"2001", b"200108"),
        ReceiptFields("A1", "DELIVRD", 2, "000", None, "261122195907", "261122200108", "hello"),
    ),
    (
        "dates with the century",
        STANDARD.replace(b":26", b":2026"),
        ReceiptFields("A1", "DELIVRD", 2, "000", None, "202611221959", "202611222001", "hello"),
    ),
    ("other order", b"stat:DELIVRD id:A1 err:000 done date:2611222001 submit date:2611221959 text:hello", WHOLE),
    ("UTF-16BE under data_coding 8", STANDARD.decode().encode("utf-16-be"), WHOLE),
    ("UTF-16LE with its mark", b"\xff\xfe" + STANDARD.decode().encode("utf-16-le"), WHOLE),
    ("a trailing NUL", STANDARD + b"\0", WHOLE),
    ("only id and stat", b"id:00B8BE19 stat:UNDELIV", ReceiptFields("00B8BE19", "UNDELIV", c.STATE_UNDELIVERABLE)),
    (
        "err:null and bad dates",
        b"id:1 submit date:null done date:9999999999 stat:EXPIRED err:null",
        ReceiptFields("1", "EXPIRED", 3, "null", None, "null", "9999999999"),
    ),
    ("alphanumeric err", b"id:1 stat:REJECTD err:0x1F", ReceiptFields("1", "REJECTD", 8, "0x1F")),
    ("lower case stat", b"id:1 stat:delivrd", ReceiptFields("1", "DELIVRD", 2)),
    ("a vendor's word", b"id:1 stat:FAILED err:7", ReceiptFields("1", "FAILED", None, "7")),
    ("spaces after colons", b"id: 1 sub: 001 stat: DELIVRD err: 000", ReceiptFields("1", "DELIVRD", 2, "000")),
    ("status and error", b"id:1 status:DELIVERED error:5", ReceiptFields("1", "DELIVERED", 2, "5")),
    ("empty values", b"id: sub: dlvrd: submit date: done date: stat: err: text:", ReceiptFields()),
    (
        "keys inside text",
        b"id:1 stat:DELIVRD text:my id:2 stat:EXPIRED",
        ReceiptFields("1", "DELIVRD", 2, text="my id:2 stat:EXPIRED"),
    ),
    ("no receipt at all", b"see you at 8", ReceiptFields()),
    ("nothing", b"", ReceiptFields()),
]


@pytest.mark.parametrize(("octets", "fields"), [row[1:] for row in CASES], ids=[row[0] for row in CASES])
def test_what_a_text_says(octets: bytes, fields: ReceiptFields) -> None:
    assert parse_receipt_text(octets) == fields
    assert parse_receipt(DeliverSm(esm_class=4, short_message=octets)) == fields
    assert parse_receipt(DataSm(esm_class=4, tlvs={c.TAG_MESSAGE_PAYLOAD: octets})) == fields


@pytest.mark.parametrize(
    ("written", "at"),
    [
        ("2611221959", AT),
        ("261122195907", AT.replace(second=7)),
        ("202611221959", AT),
        ("20261122195907", AT.replace(second=7)),
        ("", None),
        ("null", None),
        ("9999999999", None),
        ("26112219590", None),
        ("2611", None),
        ("２６１１２２１９５９", None),
    ],
)
def test_dates_of_ten_twelve_or_more_digits(written: str, at: datetime | None) -> None:
    fields = ReceiptFields(submit_date=written, done_date=written)
    assert (fields.submitted_at, fields.done_at) == (at, at)


def test_tlvs_win_over_text() -> None:
    tlvs = receipt_tlvs("B2", c.STATE_EXPIRED, (3, 0x0102))
    fields = parse_receipt(DeliverSm(esm_class=4, short_message=STANDARD, tlvs=tlvs))
    assert (fields.message_id, fields.message_state, fields.network_error_code) == ("B2", 3, (3, 0x0102))
    assert (fields.stat, fields.err, fields.done_at) == ("DELIVRD", "000", DONE)


def test_tlvs_alone_are_a_receipt() -> None:
    fields = parse_receipt(DeliverSm(tlvs=receipt_tlvs("B2", c.STATE_DELIVERED)))
    assert fields == ReceiptFields("B2", "DELIVRD", c.STATE_DELIVERED)


def test_broken_tlvs_leave_the_text() -> None:
    tlvs = {c.TAG_RECEIPTED_MESSAGE_ID: b"\0", c.TAG_MESSAGE_STATE: b"", c.TAG_NETWORK_ERROR_CODE: b"\1"}
    assert parse_receipt(DeliverSm(short_message=STANDARD, tlvs=tlvs)) == WHOLE


@pytest.mark.parametrize(
    ("esm_class", "tlvs", "receipt", "intermediate"),
    [
        (0x00, {}, False, False),
        (0x04, {}, True, False),
        (0x44, {}, True, False),
        (0x07, {}, True, False),
        (0x08, {}, True, False),
        (0x20, {}, True, True),
        (0x40, {}, False, False),
        (0xC3, {}, False, False),
        (0x00, {c.TAG_RECEIPTED_MESSAGE_ID: b"1\0"}, True, False),
    ],
)
def test_what_is_a_receipt(esm_class: int, tlvs: dict[int, bytes], receipt: bool, intermediate: bool) -> None:
    pdu = DeliverSm(esm_class=esm_class, tlvs=tlvs)
    assert (is_receipt(pdu), is_intermediate(pdu)) == (receipt, intermediate)
    assert is_receipt(pdu, by_tlv=False) == bool(esm_class & 0x3C)


def test_a_user_data_header_is_skipped() -> None:
    pdu = DeliverSm(esm_class=0x44, short_message=b"\x05\0\3\1\1\1" + STANDARD)
    assert parse_receipt(pdu) == WHOLE


def test_our_own_text_is_the_ten_digit_form() -> None:
    written = receipt_text("A1", "DELIVRD", AT, DONE, text=b"hello")
    assert written == STANDARD
    assert receipt_text("A1", "UNDELIV", AT, DONE, err="001", text=b"x" * 40) == (
        b"id:A1 sub:001 dlvrd:000 submit date:2611221959 done date:2611222001 stat:UNDELIV err:001 text:" + b"x" * 20
    )


def test_message_payload_is_content() -> None:
    assert message_octets(DeliverSm(short_message=b"a")) == b"a"
    assert message_octets(DeliverSm(short_message=b"a", tlvs={c.TAG_MESSAGE_PAYLOAD: b"b"})) == b"b"
    assert message_octets(DataSm()) == b""


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=80), st.text("id:stat err\0date0123456789", max_size=60).map(str.encode)))
def test_no_octets_raise(octets: bytes) -> None:
    parse_receipt_text(octets)


@settings(max_examples=100, deadline=None)
@given(st.one_of(strategies.pdus_of(c.DELIVER_SM), strategies.pdus_of(c.DATA_SM)))
def test_no_pdu_raises(pdu: DeliverSm | DataSm) -> None:
    parse_receipt(pdu)
