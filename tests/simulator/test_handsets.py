"""Handsets join what belongs together, and only that."""

from __future__ import annotations

import itertools

from heliograph.simulator.handsets import HandsetMessage, Handsets, read_part
from heliograph.smpp import constants as c
from heliograph.smpp.pdus import DataSm, SubmitSm
from heliograph.sms import Encoding, segment

TEXT = "Grüße aus Köln, der Wind weht 🌬 und die Segel sind gesetzt. " * 3
TO, SENDER = "+491701234567", "Shop"


def take(handsets: Handsets, pdu: SubmitSm | DataSm, id: str = "1", to: str = TO) -> HandsetMessage | None:
    return handsets.take(read_part(pdu), pdu.data_coding, to, SENDER, id, 0.0)


def by_udh(reference: int, text: str = TEXT) -> list[SubmitSm]:
    parts = segment(text, Encoding.UCS2).with_udh(reference)
    return [SubmitSm(esm_class=c.ESM_UDHI, data_coding=8, short_message=udh + part) for udh, part in parts]


def by_sar(reference: int) -> list[SubmitSm]:
    return [
        SubmitSm(
            data_coding=8,
            short_message=part,
            tlvs={
                c.TAG_SAR_MSG_REF_NUM: number.to_bytes(2, "big"),
                c.TAG_SAR_TOTAL_SEGMENTS: bytes((total,)),
                c.TAG_SAR_SEGMENT_SEQNUM: bytes((seqnum,)),
            },
        )
        for number, total, seqnum, _, part in segment(TEXT, Encoding.UCS2).with_sar(reference)
    ]


def test_parts_are_joined_in_every_order() -> None:
    for make in (by_udh, by_sar):
        for order in itertools.permutations(make(7)):
            handsets = Handsets(10)
            *before, whole = [take(handsets, part) for part in order]
            assert before == [None] * len(before)
            assert whole is not None
            assert (whole.text, whole.encoding, whole.segments) == (TEXT, "ucs2", len(order))


def test_ids_of_a_long_message_are_in_the_order_of_its_parts() -> None:
    handsets = Handsets(10)
    parts = list(enumerate(by_udh(1), 1))
    for number, part in reversed(parts):
        take(handsets, part, id=str(number))
    assert handsets.messages[0].ids == tuple(str(number) for number, _ in parts)


def test_a_payload_is_whole_in_submit_and_data() -> None:
    tlvs = {c.TAG_MESSAGE_PAYLOAD: TEXT.encode("utf-16-be")}
    for pdu in (SubmitSm(data_coding=8, tlvs=tlvs), DataSm(data_coding=8, tlvs=tlvs)):
        message = take(Handsets(10), pdu)
        assert message is not None
        assert (message.text, message.segments) == (TEXT, 1)


def test_the_same_reference_for_another_handset_or_another_text_is_another_message() -> None:
    handsets = Handsets(10)
    first, *rest = by_udh(7)
    take(handsets, first)
    for part in by_udh(7, "A different text that also has two parts, each of them new. " * 2):
        take(handsets, part, to="+491700000000")
    assert [message.to for message in handsets.messages] == ["+491700000000"]
    others = by_udh(7, TEXT.upper())
    for part in others:
        take(handsets, part)
    for part in rest:
        assert take(handsets, part) is None
    assert handsets.messages[-1].text == TEXT.upper()


def test_a_part_that_comes_twice_counts_once() -> None:
    handsets = Handsets(10)
    first, *rest = by_udh(7)
    assert [take(handsets, part) is not None for part in (first, first, *rest)][-1]
    assert handsets.count == 1


def test_data_and_flash_are_told() -> None:
    message = take(Handsets(1), SubmitSm(data_coding=4, short_message=b"\x00\xff"))
    assert message is not None
    assert (message.text, message.octets, message.encoding) == (None, b"\x00\xff", "binary")
    flash = take(Handsets(1), SubmitSm(data_coding=0x10, short_message=b"now"))
    assert flash is not None
    assert flash.flash


def test_a_handset_remembers_its_own_messages() -> None:
    handsets = Handsets(3)
    for number in range(5):
        take(handsets, SubmitSm(short_message=b"%d" % number), to=TO if number % 2 else "+491700000000")
    assert [message.text for message in handsets.of(TO)] == ["3"]
    assert [message.text for message in handsets.of("491700000000")] == ["2", "4"]
