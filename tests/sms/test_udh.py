"""User data headers: built ones are parsed, broken ones are values."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.sms import Concat, Element, Header, build, concat_udh, concatenation, parse, ports, shifts, split_header

elements = st.lists(st.builds(Element, st.integers(0, 255), st.binary(max_size=12)), max_size=8)

CASES = [
    ("050003cc0201", (Element(0x00, b"\xcc\x02\x01"),)),
    ("06080412340301", (Element(0x08, b"\x12\x34\x03\x01"),)),
    ("0b0504158100000003cc0201", (Element(0x05, b"\x15\x81\x00\x00"), Element(0x00, b"\xcc\x02\x01"))),
    (
        "0b0003cc0201050415810000",
        (Element(0x00, b"\xcc\x02\x01"), Element(0x05, b"\x15\x81\x00\x00")),
    ),
    ("04ee00ef00", (Element(0xEE, b""), Element(0xEF, b""))),
]


@pytest.mark.parametrize(("octets", "parsed"), CASES)
def test_elements_are_read_in_any_order_and_built(octets: str, parsed: tuple[Element, ...]) -> None:
    header = bytes.fromhex(octets)
    assert parse(header) == Header(parsed, len(header))
    assert build(parsed) == header
    for tail in (b"\x00", b"text", b"\x1b\x00\x05"):
        assert split_header(header + tail) == (Header(parsed, len(header)), tail)


@pytest.mark.parametrize("octets", [octets for octets, _ in CASES])
def test_a_header_longer_than_its_message_is_none(octets: str) -> None:
    header = bytes.fromhex(octets)
    for end in range(1, len(header)):
        assert split_header(header[:end]) == (Header((), 0, True), header[:end])


@pytest.mark.parametrize(
    ("octets", "header"),
    [
        ("", Header()),
        ("00", Header((), 1)),
        ("0041", Header((), 1)),
        ("0100", Header((), 2, True)),
        ("050004cc0201", Header((), 6, True)),
        ("060003cc020108", Header((Element(0x00, b"\xcc\x02\x01"),), 7, True)),
        ("ff41", Header((), 0, True)),
    ],
)
def test_broken_headers_are_values(octets: str, header: Header) -> None:
    assert parse(bytes.fromhex(octets)) == header


@settings(max_examples=200, deadline=None)
@given(elements, st.binary(max_size=30))
def test_parsing_undoes_building(made: list[Element], body: bytes) -> None:
    header = build(made)
    if made:
        assert split_header(header + body) == (Header(tuple(made), len(header)), body)
    else:
        assert header == b""


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=160))
def test_any_octets_have_a_header_or_none(octets: bytes) -> None:
    header, body = split_header(octets)
    assert octets == octets[: header.size_octets] + body
    concatenation(header.elements)
    shifts(header.elements)
    ports(header.elements)


def test_a_header_that_fills_the_segment_is_refused() -> None:
    with pytest.raises(ValueError, match="140"):
        build([Element(0, bytes(100)), Element(1, bytes(40))])


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**9), st.integers(1, 255), st.data(), st.sampled_from([1, 2]))
def test_a_part_is_found_where_it_was_placed(reference: int, total: int, data: st.DataObject, size: int) -> None:
    number = data.draw(st.integers(1, total))
    header = parse(concat_udh(reference, total, number, size, build([Element(0x24, b"\x01")])[1:]))
    assert concatenation(header.elements) == Concat(reference % 256**size, total, number, size)
    assert shifts(header.elements) == (0, 1)


@pytest.mark.parametrize(("total", "number"), [(0, 0), (2, 0), (2, 3), (256, 1)])
def test_no_part_is_placed_beyond_its_total(total: int, number: int) -> None:
    with pytest.raises(ValueError, match="parts 1 to 255"):
        concat_udh(0, total, number)


@pytest.mark.parametrize(
    ("octets", "concat"),
    [
        ("050003cc0201", Concat(0xCC, 2, 1, 1)),
        ("06080400cc0201", Concat(0xCC, 2, 1, 2)),
        ("050003cc0200", None),
        ("050003cc0203", None),
        ("050003cc0000", None),
        ("040002cc02", None),
        ("0a0003cc02010003cd0302", Concat(0xCD, 3, 2, 1)),
        ("0a0003cc02010003cd0303", Concat(0xCD, 3, 3, 1)),
        ("0a0003cc02010003cd0304", Concat(0xCC, 2, 1, 1)),
    ],
)
def test_the_last_good_concatenation_counts(octets: str, concat: Concat | None) -> None:
    assert concatenation(parse(bytes.fromhex(octets)).elements) == concat


def test_ports_are_destination_and_originator() -> None:
    assert ports(parse(bytes.fromhex("060504158123f0")).elements) == (5505, 9200)
    assert ports(parse(bytes.fromhex("040402f5f6")).elements) == (0xF5, 0xF6)
    assert ports(parse(bytes.fromhex("03040115")).elements) is None
