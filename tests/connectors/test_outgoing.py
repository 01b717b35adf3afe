"""Segments as a carrier wants them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph import sms
from heliograph.connectors.smpp.outgoing import Outgoing
from heliograph.errors import Retry, SubmitFailed
from heliograph.model import AddressKind, Live, TrafficType
from heliograph.smpp import constants as c
from heliograph.smpp.codec import decode, encode
from heliograph.smpp.pdus import SubmitSm
from tests.connectors.build import live_data, live_of, smpp_settings, submissions

LONG = "The quick brown fox jumps over the lazy dog. " * 8


def pdus(live: Live, **fields: Any) -> list[SubmitSm]:
    """The submit_sm of each segment; the straight way, where there is one, says the same octets."""
    outgoing = Outgoing(smpp_settings(**fields))
    made = [outgoing.pdu(submission) for submission in submissions(live)]
    for _ in range(2):
        for one, submission in zip(made, submissions(live), strict=True):
            goes = outgoing.submit(submission)
            assert goes == (encode(one, 1)[c.HEADER_OCTETS :] if isinstance(goes, bytes) else one)
    return made


def test_an_ordinary_text_goes_the_straight_way() -> None:
    outgoing = Outgoing(smpp_settings())
    for text, way in (("hello@", bytes), ("привет", bytes), (LONG, SubmitSm)):
        assert {type(outgoing.submit(one)) for one in submissions(live_of(text))} == {way}


def pdu(live: Live, **fields: Any) -> SubmitSm:
    return pdus(live, **fields)[0]


def test_a_short_text() -> None:
    assert pdu(live_of("hello@")) == SubmitSm(
        source_addr_ton=3,
        source_addr_npi=0,
        source_addr="12345",
        dest_addr_ton=1,
        dest_addr_npi=1,
        destination_addr="447700900123",
        validity_period="000000010000000R",
        registered_delivery=1,
        short_message=b"hello\x00",
    )


ADDRESSES = [
    # sender, its kind, settings, TON, NPI, as written
    ("+12025550100", AddressKind.E164, {}, 1, 1, "12025550100"),
    ("+12025550100", AddressKind.E164, {"plus_sign": True}, 1, 1, "+12025550100"),
    ("12345", AddressKind.SHORT_CODE, {}, 3, 0, "12345"),
    ("12345", AddressKind.SHORT_CODE, {"source_ton_npi": {"short_code": (6, 1)}}, 6, 1, "12345"),
    ("ACME", AddressKind.ALPHANUMERIC, {}, 5, 0, "ACME"),
    ("+ACME", AddressKind.ALPHANUMERIC, {}, 5, 0, "+ACME"),
]


@pytest.mark.parametrize(("sender", "kind", "fields", "ton", "npi", "written"), ADDRESSES)
def test_ton_and_npi_follow_the_kind_of_sender(
    sender: str, kind: AddressKind, fields: dict[str, Any], ton: int, npi: int, written: str
) -> None:
    made = pdu(live_of(sender=sender, sender_kind=kind), **fields)
    assert (made.source_addr_ton, made.source_addr_npi, made.source_addr) == (ton, npi, written)


CODINGS = [
    ("hello", False, {}, 0x00),
    ("hello", True, {}, 0x10),
    ("hello", True, {"flash_style": "class"}, 0xF0),
    ("hello", False, {"gsm7_data_coding": 1}, 0x01),
    ("Жжж", False, {}, 0x08),
    ("Жжж", True, {}, 0x18),
    ("Жжж", True, {"flash_style": "class"}, 0x18),
]


@pytest.mark.parametrize(("text", "flash", "fields", "coding"), CODINGS)
def test_the_data_coding_follows_encoding_and_class(
    text: str, flash: bool, fields: dict[str, Any], coding: int
) -> None:
    assert pdu(live_of(text, flash=flash), **fields).data_coding == coding


def test_no_receipt_is_asked_for_when_none_is_wanted() -> None:
    assert pdu(live_of(receipt_wanted=False)).registered_delivery == 0
    assert pdu(live_of(), registered_delivery=17).registered_delivery == 17


def test_constants_of_the_connector_are_in_every_submission() -> None:
    made = pdu(
        live_of(type=TrafficType.PROMOTIONAL),
        service_type="CMT",
        protocol_id=3,
        esm_mode=3,
        priority_flags=(2, 1, 0),
        tlvs={"0x1400": "1101", "5121": "hex:00ff"},
    )
    assert (made.service_type, made.protocol_id, made.esm_class, made.priority_flag) == ("CMT", 3, 3, 0)
    assert made.tlvs == {0x1400: b"1101", 0x1401: b"\x00\xff"}
    assert pdu(live_of(type=TrafficType.OTP), priority_flags=(2, 1, 0)).priority_flag == 2


def test_the_carrier_is_told_what_is_left_of_the_validity() -> None:
    outgoing = Outgoing(smpp_settings())
    (submission,) = submissions(live_of(), validity_left_s=90_061)
    assert outgoing.pdu(submission).validity_period == "000001010101000R"
    assert outgoing.pdu(submission).validity_period == "000001010101000R"
    assert pdu(live_of(), validity_max_s=60).validity_period == "000000000100000R"
    assert pdu(live_of(), send_validity=False).validity_period == ""


def joined(made: list[SubmitSm]) -> str:
    """What a handset shows: the header's own reading, and the parts in order."""
    texts = {}
    references = set()
    for one in made:
        assert one.esm_class & c.ESM_UDHI
        header, body = sms.split_header(one.short_message)
        place = sms.concatenation(header.elements)
        assert place is not None
        assert place.total == len(made)
        references.add((place.reference, place.reference_octets))
        texts[place.number] = body
    assert len(references) == 1
    whole = b"".join(texts[number] for number in sorted(texts))
    text = sms.decode(whole, made[0].data_coding).text
    assert text is not None
    return text


@pytest.mark.parametrize(("concatenation", "octets"), [("udh8", 1), ("udh16", 2)])
@pytest.mark.parametrize("text", [LONG, "Ж" * 100, "€" * 100])
def test_a_long_message_by_header(concatenation: str, octets: int, text: str) -> None:
    made = pdus(live_of(text, reference_octets=octets), concatenation=concatenation)
    assert len(made) > 1
    assert joined(made) == text
    assert all(len(one.short_message) <= 160 for one in made)


def test_a_long_message_by_tlvs() -> None:
    made = pdus(live_of(LONG, reference_octets=2, reference=0x1234), concatenation="sar")
    assert [one.tlvs[c.TAG_SAR_SEGMENT_SEQNUM] for one in made] == [b"\x01", b"\x02", b"\x03"]
    assert {one.tlvs[c.TAG_SAR_MSG_REF_NUM] for one in made} == {b"\x12\x34"}
    assert {one.tlvs[c.TAG_SAR_TOTAL_SEGMENTS] for one in made} == {b"\x03"}
    assert not any(one.esm_class & c.ESM_UDHI for one in made)
    assert b"".join(one.short_message for one in made).decode() == LONG


def test_a_long_message_whole() -> None:
    live = live_of(LONG, reference_octets=2)
    made = Outgoing(smpp_settings(concatenation="payload", tlvs={"0x1400": "x"})).whole(submissions(live)[0])
    assert made.short_message == b""
    assert made.esm_class == 0
    assert made.tlvs == {0x1400: b"x", c.TAG_MESSAGE_PAYLOAD: LONG.encode()}


def test_data_with_a_header_of_its_own() -> None:
    ports = bytes((6, 5, 4, 0x0B, 0x84, 0x23, 0xF0))
    short = pdu(live_data(b"\x01\x02", ports))
    assert (short.esm_class, short.data_coding, short.short_message) == (c.ESM_UDHI, 4, ports + b"\x01\x02")
    assert pdu(live_data(b"\x01\x02")).esm_class == 0
    data = bytes(range(256))
    made = pdus(live_data(data, ports))
    bodies = []
    for number, one in enumerate(made, 1):
        header, body = sms.split_header(one.short_message)
        assert sms.ports(header.elements) == (0x0B84, 0x23F0)
        place = sms.concatenation(header.elements)
        assert place is not None
        assert place.number == number
        bodies.append(body)
        assert len(one.short_message) <= 140
    assert b"".join(bodies) == data


def test_data_with_a_header_whole() -> None:
    ports = bytes((6, 5, 4, 0x0B, 0x84, 0x23, 0xF0))
    data = bytes(range(256))
    live = live_data(data, ports, reference_octets=2)
    made = Outgoing(smpp_settings(concatenation="payload")).whole(submissions(live)[0])
    assert made.esm_class == c.ESM_UDHI
    assert made.tlvs[c.TAG_MESSAGE_PAYLOAD] == ports + data


@pytest.mark.parametrize(
    ("alphabet", "expected"),
    [("latin1", "é£@".encode("latin-1")), ("utf8", "é£@".encode()), ("gsm7", bytes((5, 1, 0)))],
)
def test_the_default_alphabet_is_what_the_carrier_takes_it_for(alphabet: str, expected: bytes) -> None:
    assert pdu(live_of("é£@"), default_alphabet=alphabet).short_message == expected


def test_packed_septets_stand_behind_the_header() -> None:
    for one in pdus(live_of(LONG), default_alphabet="gsm7_packed"):
        header, body = sms.split_header(one.short_message)
        assert header.size_octets == 6
        assert len(one.short_message) <= 140
        decoded = sms.decode(body, 0, header, sms.Alphabet.GSM7_PACKED)
        assert decoded.text in LONG * 2


def test_a_text_that_the_carrier_s_alphabet_lacks_goes_elsewhere() -> None:
    with pytest.raises(SubmitFailed) as caught:
        pdu(live_of("Δ"), default_alphabet="latin1")
    assert (caught.value.code, caught.value.retry) == ("content_unsupported", Retry.ELSEWHERE)


def test_more_octets_than_a_short_message_holds_travel_as_payload() -> None:
    made = pdu(live_of("é" * 150), default_alphabet="utf8")
    assert made.short_message == b""
    assert made.tlvs[c.TAG_MESSAGE_PAYLOAD] == ("é" * 150).encode()


@given(text=st.text(st.sampled_from("aЖ€ é@\U0001f600"), min_size=1, max_size=400), two=st.booleans())
@settings(max_examples=60, deadline=None)
def test_every_text_comes_out_of_its_pdus_as_it_went_in(text: str, two: bool) -> None:
    live = live_of(text, reference_octets=2 if two else 1)
    made = pdus(live, concatenation="udh16" if two else "udh8")
    for number, one in enumerate(made, 1):
        assert decode(encode(one, number)).pdu == one
    if len(made) == 1:
        assert sms.decode(made[0].short_message, made[0].data_coding).text == text
    else:
        assert joined(made) == text
