"""Every PDU there and back, octets that the standard's text gives, and what is forgiven or refused in octets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.smpp import constants as c
from heliograph.smpp import pdus as p
from heliograph.smpp.codec import Decoded, Leniency, decode, decode_by_table, encode, encode_by_table, encode_header
from heliograph.smpp.errors import EncodeError, PduRejected
from heliograph.smpp.frames import FrameReader
from heliograph.smpp.layouts import LAYOUTS
from tests.smpp import strategies

SUBMIT = p.SubmitSm(
    source_addr_ton=5,
    source_addr="Heliograph",
    dest_addr_ton=1,
    dest_addr_npi=1,
    destination_addr="447700900123",
    esm_class=3,
    validity_period="000001000000000R",
    registered_delivery=1,
    short_message=b"a\0b",
    tlvs={c.TAG_USER_MESSAGE_REFERENCE: b"\x01\x02", 0x1400: b"vendor"},
)
SUBMIT_BODY = (
    "00 05 00 48 65 6c 69 6f 67 72 61 70 68 00 01 01 34 34 37 37 30 30 39 30 30 31 32 33 00 03 00 00 00"
    "30 30 30 30 30 31 30 30 30 30 30 30 30 30 30 52 00 01 00 00 00 03 61 00 62 02 04 00 02 01 02 14 00 00 06"
    "76 65 6e 64 6f 72"
)

CASES: list[tuple[p.Pdu, str]] = [
    (p.GenericNack(), ""),
    (p.EnquireLink(), ""),
    (p.EnquireLinkResp(), ""),
    (p.Unbind(), ""),
    (p.UnbindResp(), ""),
    (
        p.BindTransceiver("esme", "secret", "", 0x34, 1, 1, "44"),
        "65 73 6d 65 00 73 65 63 72 65 74 00 00 34 01 01 34 34 00",
    ),
    (p.BindReceiver("a"), "61 00 00 00 34 00 00 00"),
    (p.BindTransmitter("a", interface_version=0x50), "61 00 00 00 50 00 00 00"),
    (p.BindTransceiverResp("smsc", {c.TAG_SC_INTERFACE_VERSION: b"\x34"}), "73 6d 73 63 00 02 10 00 01 34"),
    (p.BindReceiverResp("smsc"), "73 6d 73 63 00"),
    (p.BindTransmitterResp(), "00"),
    (p.Outbind("smsc", "pw"), "73 6d 73 63 00 70 77 00"),
    (SUBMIT, SUBMIT_BODY),
    (p.DeliverSm(short_message=b"@"), "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 01 40"),
    (p.SubmitSmResp("00B8BE19"), "30 30 42 38 42 45 31 39 00"),
    (p.SubmitSmResp("x", {c.TAG_CONGESTION_STATE: b"\x5a"}), "78 00 04 28 00 01 5a"),
    (p.DeliverSmResp(), "00"),
    (
        p.DataSm(destination_addr="447700900123", data_coding=8, tlvs={c.TAG_MESSAGE_PAYLOAD: b"\0a"}),
        "00 00 00 00 00 00 34 34 37 37 30 30 39 30 30 31 32 33 00 00 00 08 04 24 00 02 00 61",
    ),
    (p.DataSmResp("7", {c.TAG_DELIVERY_FAILURE_REASON: b"\x01"}), "37 00 04 25 00 01 01"),
    (
        p.SubmitMulti(
            dest_addresses=(p.Destination(1, 1, 1, "4477"), p.Destination(2, dl_name="team")), short_message=b"hi"
        ),
        "00 00 00 00 02 01 01 01 34 34 37 37 00 02 74 65 61 6d 00 00 00 00 00 00 00 00 00 00 02 68 69",
    ),
    (
        p.SubmitMultiResp("9", (p.UnsuccessfulDestination(1, 1, "4477", c.ESME_RINVDSTADR),)),
        "39 00 01 01 01 34 34 37 37 00 00 00 00 0b",
    ),
    (p.QuerySm("9", 1, 1, "4477"), "39 00 01 01 34 34 37 37 00"),
    (p.QuerySmResp("9", "", c.STATE_ENROUTE, 0), "39 00 00 01 00"),
    (p.CancelSm("CMT", "9", 0, 0, "1", 0, 0, "2"), "43 4d 54 00 39 00 00 00 31 00 00 00 32 00"),
    (p.CancelSmResp(), ""),
    (p.ReplaceSm("9", short_message=b"new"), "39 00 00 00 00 00 00 00 00 03 6e 65 77"),
    (p.ReplaceSmResp(), ""),
    (
        p.AlertNotification(1, 1, "4477", 0, 0, "12345", {c.TAG_MS_AVAILABILITY_STATUS: b"\0"}),
        "01 01 34 34 37 37 00 00 00 31 32 33 34 35 00 04 22 00 01 00",
    ),
    (
        p.BroadcastSm(
            "CBS",
            1,
            1,
            "4477",
            "",
            2,
            replace_if_present_flag=1,
            data_coding=8,
            tlvs={
                c.TAG_BROADCAST_CONTENT_TYPE: b"\x01\0\x22",
                c.TAG_BROADCAST_REP_NUM: b"\0\x03",
                c.TAG_BROADCAST_FREQUENCY_INTERVAL: b"\x09\0\x0a",
            },
            broadcast_area_identifiers=(b"\0North", b"\0South"),
        ),
        "43 42 53 00 01 01 34 34 37 37 00 00 02 00 00 01 08 00 06 01 00 03 01 00 22 06 04 00 02 00 03"
        "06 05 00 03 09 00 0a 06 06 00 06 00 4e 6f 72 74 68 06 06 00 06 00 53 6f 75 74 68",
    ),
    (
        p.BroadcastSmResp("9", {}, (b"\0\0\x01\x0a", b"\0\0\x01\x09"), (b"\0North", b"\0South")),
        "39 00 06 07 00 04 00 00 01 0a 06 06 00 06 00 4e 6f 72 74 68 06 07 00 04 00 00 01 09"
        "06 06 00 06 00 53 6f 75 74 68",
    ),
    (
        p.QueryBroadcastSm("9", 1, 1, "4477", {c.TAG_USER_MESSAGE_REFERENCE: b"\0\7"}),
        "39 00 01 01 34 34 37 37 00 02 04 00 02 00 07",
    ),
    (
        p.QueryBroadcastSmResp("9", {c.TAG_MESSAGE_STATE: b"\1"}, (b"\0North", b"\0South"), (b"\x64", b"\xff")),
        "39 00 04 27 00 01 01 06 06 00 06 00 4e 6f 72 74 68 06 08 00 01 6406 06 00 06 00 53 6f 75 74 68 06 08 00 01 ff",
    ),
    (p.CancelBroadcastSm("CBS", "9", 0, 0, "1"), "43 42 53 00 39 00 00 00 31 00"),
    (p.CancelBroadcastSmResp(), ""),
    (p.EnquireLinkResp({c.TAG_CONGESTION_STATE: b"\x32"}), "04 28 00 01 32"),
]


def frame_of(command_id: int, body: str | bytes = b"", status: int = 0, sequence_number: int = 7) -> bytes:
    octets = bytes.fromhex(body) if isinstance(body, str) else body
    head = (16 + len(octets), command_id, status, sequence_number)
    return b"".join(number.to_bytes(4, "big") for number in head) + octets


def name(case: object) -> str:
    return type(case).__name__ if isinstance(case, p.Pdu) else ""


def names(rows: Sequence[tuple[Any, ...]]) -> list[str]:
    return [row[0] for row in rows]


def test_the_cases_cover_every_pdu() -> None:
    assert {pdu.command_id for pdu, _ in CASES} == set(LAYOUTS) == set(p.PDUS)


def test_the_layouts_name_the_fields_of_the_values() -> None:
    for layout in LAYOUTS.values():
        names = tuple(field.name for field in layout.fields) + (("tlvs",) if layout.tlvs else ())
        names += tuple(name for _, name in layout.repeated)
        assert names == layout.pdu.__struct_fields__, layout.pdu


@pytest.mark.parametrize(("pdu", "body"), CASES, ids=name)
def test_octets_of_each_pdu(pdu: p.Pdu, body: str) -> None:
    frame = frame_of(pdu.command_id, body)
    assert encode(pdu, 7) == encode_by_table(pdu, 7) == frame
    assert decode(frame) == decode_by_table(frame) == Decoded(0, 7, pdu)


@pytest.mark.parametrize(("pdu", "body"), CASES, ids=name)
def test_each_pdu_octet_by_octet_and_with_a_tail(pdu: p.Pdu, body: str) -> None:
    frame = frame_of(pdu.command_id, body)
    reader = FrameReader()
    cut = [one for at in range(len(frame)) for one in reader.feed(frame[at : at + 1])]
    assert cut == [frame]
    assert not reader.partial
    assert reader.feed(frame + frame[:5]) == [frame]
    assert reader.partial
    assert reader.feed(frame[5:]) == [frame]


RESPONSES = sorted(command_id for command_id in LAYOUTS if command_id & c.RESPONSE_BIT)


@pytest.mark.parametrize("command_id", RESPONSES, ids=lambda command_id: p.PDUS[command_id].__name__)
@pytest.mark.parametrize("status", [0, c.ESME_RTHROTTLED])
def test_every_response_may_carry_congestion_state(command_id: int, status: int) -> None:
    frame = encode(p.PDUS[command_id](tlvs={c.TAG_CONGESTION_STATE: b"\x5f"}), 7, status)
    decoded = decode(frame)
    assert decoded.command_status == status
    assert decoded.pdu.tlvs == {c.TAG_CONGESTION_STATE: b"\x5f"}  # type: ignore[attr-defined]
    assert not decoded.leniency


def test_an_error_response_without_its_body_keeps_every_area() -> None:
    body = "06 07 00 04 00 00 01 0a 06 06 00 02 00 4e 06 07 00 04 00 00 01 0a 06 06 00 02 00 53"
    pdu = decode(frame_of(c.BROADCAST_SM_RESP, body, c.ESME_RBCASTFAIL)).pdu
    assert isinstance(pdu, p.BroadcastSmResp)
    assert pdu.broadcast_area_identifiers == (b"\0N", b"\0S")
    assert pdu.broadcast_error_statuses == (b"\0\0\1\x0a", b"\0\0\1\x0a")


def test_an_area_among_the_tlvs_that_come_once_is_refused() -> None:
    with pytest.raises(EncodeError, match="broadcast_area_identifiers"):
        encode(p.BroadcastSm(tlvs={c.TAG_BROADCAST_AREA_IDENTIFIER: b"\0N"}), 1)


@settings(max_examples=300, deadline=None)
@given(strategies.pdus, strategies.sequence_numbers)
def test_decoding_undoes_encoding(pdu: p.Pdu, sequence_number: int) -> None:
    frame = encode(pdu, sequence_number)
    assert decode(frame) == Decoded(0, sequence_number, pdu)
    assert int.from_bytes(frame[:4], "big") == len(frame)


HOT = (c.SUBMIT_SM, c.SUBMIT_SM_RESP, c.DELIVER_SM, c.DELIVER_SM_RESP)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(HOT).flatmap(strategies.pdus_of), strategies.sequence_numbers, st.sampled_from((0, 0, 0x58)))
def test_straight_code_equals_the_table(pdu: p.Pdu, sequence_number: int, status: int) -> None:
    frame = encode_by_table(pdu, sequence_number, status)
    assert encode(pdu, sequence_number, status) == frame
    assert decode(frame) == decode_by_table(frame)


def outcome(act: object, *arguments: object) -> object:
    try:
        return act(*arguments)
    except (EncodeError, PduRejected) as error:
        return type(error), str(error), vars(error)


@settings(max_examples=300, deadline=None)
@given(st.one_of(strategies.wild(p.SubmitSm), strategies.wild(p.DeliverSm)), st.integers(-1, 2**32))
def test_straight_code_refuses_what_the_table_refuses(pdu: p.Pdu, sequence_number: int) -> None:
    assert outcome(encode, pdu, sequence_number) == outcome(encode_by_table, pdu, sequence_number)


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(HOT).flatmap(strategies.pdus_of), st.data())
def test_straight_code_reads_mutated_octets_as_the_table_does(pdu: p.Pdu, data: st.DataObject) -> None:
    frame = bytearray(encode_by_table(pdu, 1, data.draw(st.sampled_from((0, 0, 8)))))
    for _ in range(data.draw(st.integers(1, 3))):
        if len(frame) > 16:
            frame[data.draw(st.integers(16, len(frame) - 1))] = data.draw(strategies.octet)
    cut = data.draw(st.integers(16, len(frame)))
    octets = bytes(frame[:cut]) + data.draw(st.binary(max_size=3))
    assert outcome(decode, octets) == outcome(decode_by_table, octets)


SM = "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 02 68 69"
LENIENT: list[tuple[str, int, int, str, Leniency, dict[str, object]]] = [
    (
        "NUL after short_message",
        c.DELIVER_SM,
        0,
        SM + "00",
        Leniency.TRAILING_NUL,
        {"short_message": b"hi", "tlvs": {}},
    ),
    (
        "NULs after short_message",
        c.SUBMIT_SM,
        0,
        SM + "00 00 00 00 00 00",
        Leniency.TRAILING_NUL,
        {"short_message": b"hi", "tlvs": {}},
    ),
    (
        "NUL between short_message and TLVs",
        c.DELIVER_SM,
        0,
        SM + "00 00 1e 00 02 41 00",
        Leniency.TRAILING_NUL,
        {"tlvs": {0x1E: b"A\0"}},
    ),
    (
        "a TLV that is cut short",
        c.DELIVER_SM,
        0,
        SM + "04 27 00 01 02 00 1e 00 09 41",
        Leniency.BROKEN_TLVS,
        {"tlvs": {0x427: b"\2"}},
    ),
    (
        "an odd octet after the TLVs",
        c.SUBMIT_SM,
        0,
        SM + "04 27 00 01 02 99",
        Leniency.BROKEN_TLVS,
        {"tlvs": {0x427: b"\2"}},
    ),
    ("255 octets of text", c.DELIVER_SM, 0, SM[:-8] + "ff" + "61" * 255, Leniency.NONE, {"short_message": b"a" * 255}),
    (
        "an address longer than 20",
        c.DELIVER_SM,
        0,
        "00 00 00" + "31" * 40 + SM[9:],
        Leniency.LONG_TEXT,
        {"source_addr": "1" * 40},
    ),
    (
        "a password of 16",
        c.BIND_TRANSCEIVER,
        0,
        "61 00" + "70" * 16 + "00 00 34 00 00 00",
        Leniency.LONG_TEXT,
        {"password": "p" * 16},
    ),
    ("interface_version 0", c.BIND_RECEIVER, 0, "61 00 00 00 00 00 00 00", Leniency.NONE, {"interface_version": 0}),
    ("success without a body", c.SUBMIT_SM_RESP, 0, "", Leniency.SHORT_RESPONSE, {"message_id": ""}),
    ("error without a body", c.SUBMIT_SM_RESP, 0x58, "", Leniency.NONE, {"message_id": ""}),
    ("error with an empty id", c.SUBMIT_SM_RESP, 0x58, "00", Leniency.NONE, {"message_id": ""}),
    (
        "error with an empty id and TLVs",
        c.SUBMIT_SM_RESP,
        0x58,
        "00 04 28 00 01 63",
        Leniency.NONE,
        {"message_id": "", "tlvs": {0x428: b"c"}},
    ),
    (
        "error with TLVs alone",
        c.SUBMIT_SM_RESP,
        0x45,
        "00 1d 00 03 6e 6f 00",
        Leniency.NONE,
        {"message_id": "", "tlvs": {0x1D: b"no\0"}},
    ),
    (
        "an id without its NUL",
        c.SUBMIT_SM_RESP,
        0,
        "61 62 63",
        Leniency.UNTERMINATED_TEXT,
        {"message_id": "abc", "tlvs": {}},
    ),
    ("NUL after an id", c.SUBMIT_SM_RESP, 0, "61 00 00", Leniency.TRAILING_NUL, {"message_id": "a", "tlvs": {}}),
    ("an id of 80", c.SUBMIT_SM_RESP, 0, "61" * 80 + "00", Leniency.LONG_TEXT, {"message_id": "a" * 80}),
    ("an endless id", c.SUBMIT_SM_RESP, 0, "61" * 9000 + "00", Leniency.LONG_TEXT, {"message_id": "a" * 255}),
    ("deliver_sm_resp without a body", c.DELIVER_SM_RESP, 0, "", Leniency.SHORT_RESPONSE, {"message_id": ""}),
    ("deliver_sm_resp with an id", c.DELIVER_SM_RESP, 0, "61 00", Leniency.NONE, {"message_id": "a"}),
    ("octets after enquire_link", c.ENQUIRE_LINK, 0, "00 01", Leniency.TRAILING_OCTETS, {}),
    ("bind_resp without a body", c.BIND_TRANSCEIVER_RESP, 0x0E, "", Leniency.NONE, {"system_id": ""}),
    (
        "query_sm_resp cut short",
        c.QUERY_SM_RESP,
        0,
        "39 00",
        Leniency.SHORT_RESPONSE,
        {"message_id": "9", "message_state": 0},
    ),
]


@pytest.mark.parametrize(
    ("command_id", "status", "body", "leniency", "fields"),
    [row[1:] for row in LENIENT],
    ids=[row[0] for row in LENIENT],
)
def test_what_is_forgiven(
    command_id: int, status: int, body: str, leniency: Leniency, fields: dict[str, object]
) -> None:
    got = decode(frame_of(command_id, body, status))
    assert Leniency(got.leniency) == leniency
    assert {field: getattr(got.pdu, field) for field in fields} == fields


REFUSED: list[tuple[str, int, str, int]] = [
    ("unknown command", 0x00000114, "", c.ESME_RINVCMDID),
    ("broadcast_sm without its fields", c.BROADCAST_SM, "00", c.ESME_RINVCMDLEN),
    ("cut in an address", c.SUBMIT_SM, "00 01 01 34 34", c.ESME_RINVCMDLEN),
    ("no body", c.DELIVER_SM, "", c.ESME_RINVCMDLEN),
    ("text shorter than sm_length", c.SUBMIT_SM, SM[:-2], c.ESME_RINVMSGLEN),
    ("source of 65", c.SUBMIT_SM, "00 00 00" + "31" * 65 + SM[9:], c.ESME_RINVSRCADR),
    ("endless password", c.BIND_TRANSMITTER, "61 00" + "70" * 65 + "00 00 34 00 00 00", c.ESME_RINVPASWD),
    ("destinations: none", c.SUBMIT_MULTI, "00 00 00 00 00", c.ESME_RINVNUMDESTS),
    ("destinations: unknown flag", c.SUBMIT_MULTI, "00 00 00 00 01 07", c.ESME_RINVNUMDESTS),
]


@pytest.mark.parametrize(("command_id", "body", "status"), [row[1:] for row in REFUSED], ids=names(REFUSED))
def test_what_is_refused(command_id: int, body: str, status: int) -> None:
    with pytest.raises(PduRejected) as caught:
        decode(frame_of(command_id, body, sequence_number=0xFFFFFFFF))
    assert (caught.value.status, caught.value.command_id) == (status, command_id)
    assert caught.value.sequence_number == 0xFFFFFFFF


UNSAYABLE: list[tuple[str, p.Pdu]] = [
    ("source_addr", p.SubmitSm(source_addr="1" * 21)),
    ("source_addr", p.SubmitSm(source_addr="1\0")),
    ("destination_addr", p.SubmitSm(destination_addr="\u20ac")),
    ("short_message", p.SubmitSm(short_message=b"a" * 255)),
    ("esm_class", p.SubmitSm(esm_class=256)),
    ("data_coding", p.DeliverSm(data_coding=-1)),
    ("system_id", p.BindReceiver("a" * 65)),
    ("dest_flag", p.SubmitMulti(dest_addresses=(p.Destination(3),))),
    ("dest_addresses", p.SubmitMulti()),
    ("message_id", p.SubmitSmResp("a" * 65)),
    ("tlv 0x0424", p.SubmitSm(tlvs={c.TAG_MESSAGE_PAYLOAD: b"a" * 65536})),
    ("body", p.SubmitSm(tlvs={c.TAG_MESSAGE_PAYLOAD: b"a" * 65530})),
]


@pytest.mark.parametrize(("field", "pdu"), UNSAYABLE, ids=[field for field, _ in UNSAYABLE])
def test_what_the_wire_cannot_say_is_refused_by_field(field: str, pdu: p.Pdu) -> None:
    with pytest.raises(EncodeError) as caught:
        encode(pdu, 1)
    assert caught.value.field == field


def test_a_long_password_is_sent_as_it_was_configured() -> None:
    bind = p.BindTransceiver("account-with-a-long-name", "sixteen-letters!", "a-system-type-of-ours")
    assert decode(encode(bind, 1)).pdu == bind


def test_an_error_response_is_its_header_alone_unless_it_carries_something() -> None:
    assert encode(p.SubmitSmResp(), 7, 0x58) == encode_header(c.SUBMIT_SM_RESP, 7, 0x58)
    informed = p.SubmitSmResp(tlvs={c.TAG_ADDITIONAL_STATUS_INFO_TEXT: b"no\0"})
    assert decode(encode(informed, 7, 0x45)) == Decoded(0x45, 7, informed)


@pytest.mark.parametrize("pdu", [p.BindTransceiver("a", "hush"), p.BindReceiver("a", "hush"), p.Outbind("a", "hush")])
def test_a_password_is_not_in_the_repr(pdu: p.Pdu) -> None:
    assert "hush" not in repr(pdu)


def test_values_are_frozen_and_do_not_share_their_tlvs() -> None:
    one, other = p.SubmitSm(), p.SubmitSm()
    assert one.tlvs is not other.tlvs
    with pytest.raises(AttributeError):
        one.source_addr = "1"
    assert msgspec.structs.replace(one, source_addr="1").source_addr == "1"


@settings(max_examples=500, deadline=None)
@given(st.sampled_from([*LAYOUTS, 0x99]), strategies.statuses, st.binary(max_size=120))
def test_any_body_is_decoded_or_refused(command_id: int, status: int, body: bytes) -> None:
    frame = frame_of(command_id, body, status)
    got = outcome(decode, frame)
    if isinstance(got, tuple):
        assert got[0] is PduRejected
        assert not command_id & c.RESPONSE_BIT
    else:
        assert isinstance(got, Decoded)
        assert (got.command_status, got.sequence_number) == (status, 7)
