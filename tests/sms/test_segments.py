"""Joining undoes splitting, over every transport; no pair is ever cut."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.sms import (
    Alphabet,
    CannotEncode,
    Concat,
    Encoding,
    TooLong,
    complete,
    concat_info,
    count_segments,
    data_coding,
    decode,
    encode,
    part_octets,
    segment,
    split,
    split_header,
    to_alphabet,
    unpack_body,
)

texts = st.text(
    st.one_of(
        st.sampled_from("aä@£€[]~\r\n"), st.sampled_from("😀ж\u00a0“"), st.characters(exclude_categories=("Cs",))
    ),
    max_size=60,
).flatmap(lambda text: st.integers(1, 12).map(lambda times: text * times))


@pytest.mark.parametrize(
    ("encoding", "header_octets", "octets"),
    [
        (Encoding.GSM7, 0, 160),
        (Encoding.GSM7, 6, 153),
        (Encoding.GSM7, 7, 152),
        (Encoding.UCS2, 0, 140),
        (Encoding.UCS2, 6, 134),
        (Encoding.UCS2, 7, 132),
        (Encoding.BINARY, 0, 140),
        (Encoding.BINARY, 6, 134),
        (Encoding.BINARY, 7, 133),
    ],
)
def test_a_segment_carries_what_the_standard_says(encoding: Encoding, header_octets: int, octets: int) -> None:
    assert part_octets(encoding, header_octets) == octets
    if header_octets:
        parts = split(bytes(octets * 3), encoding, reference_octets=header_octets - 5)
        assert [len(part) for part in parts] == [octets] * 3
    else:
        assert split(bytes(octets), encoding) == (bytes(octets),)
        assert len(split(bytes(octets + 2), encoding)) == 2


@pytest.mark.parametrize(
    ("text", "lengths"),
    [
        ("a" * 160, [160]),
        ("a" * 161, [153, 8]),
        ("@" * 161, [153, 8]),
        ("a" * 158 + "€", [160]),
        ("a" * 159 + "€", [153, 8]),
        ("a" * 152 + "€" + "a" * 20, [152, 22]),
        ("a" * 151 + "€" + "a" * 20, [153, 20]),
        ("a" * 152 + "€" + "a" * 150 + "€", [152, 152, 2]),
        ("€" * 80, [160]),
        ("€" * 81, [152, 10]),
        ("ж" * 70, [140]),
        ("ж" * 71, [134, 8]),
        ("ж" * 66 + "😀" + "ж" * 10, [132, 24]),
        ("ж" * 65 + "😀" + "ж" * 10, [134, 20]),
        ("😀" * 35, [140]),
        ("😀" * 36, [132, 12]),
        ("", [0]),
    ],
)
def test_pairs_at_the_border_stay_together(text: str, lengths: list[int]) -> None:
    encoding, octets = encode(text)
    assert [len(part) for part in split(octets, encoding)] == lengths
    assert count_segments(text, encoding) == len(lengths)


def test_octets_of_a_foreign_escape_run_are_cut_between_pairs() -> None:
    parts = split(b"\x1b" * 320, Encoding.GSM7)
    assert [len(part) for part in parts] == [152, 152, 16]


def test_lone_surrogates_in_octets_do_not_stop_the_cutting() -> None:
    assert [len(part) for part in split(b"\xd8\x3d" * 100, Encoding.UCS2)] == [134, 66]


@settings(max_examples=300, deadline=None)
@given(texts, st.sampled_from([1, 2]), st.sampled_from([b"", b"\x24\x01\x01", b"\x05\x04\x15\x81\x00\x00"]))
def test_joining_undoes_splitting_and_no_pair_is_cut(text: str, reference_octets: int, extra: bytes) -> None:
    encoding, octets = encode(text)
    cut = segment(text, encoding, reference_octets=reference_octets, extra_udh=extra)
    assert b"".join(cut.parts) == octets
    assert count_segments(text, encoding, reference_octets=reference_octets, extra_octets=len(extra)) == len(cut.parts)
    header = (5 + reference_octets) if len(cut.parts) > 1 else int(bool(extra))
    limit = part_octets(encoding, header + len(extra))
    least = limit - (1 if encoding == Encoding.GSM7 else 2)
    for part in cut.parts:
        assert len(part) <= limit
        decoded = decode(part, data_coding(encoding))
        assert not decoded.lossy
        assert len(part) >= least or part is cut.parts[-1]


@settings(max_examples=200, deadline=None)
@given(
    texts.filter(lambda text: text[:1] not in ("\ufeff", "\ufffe")),
    st.sampled_from([1, 2]),
    st.integers(0, 70_000),
)
def test_every_transport_brings_the_text(text: str, reference_octets: int, reference: int) -> None:
    encoding, octets = encode(text)
    cut = segment(text, encoding, reference_octets=reference_octets)
    by_udh: dict[int, bytes] = {}
    for header, payload in cut.with_udh(reference):
        parsed, body = split_header(header + payload) if header else (split_header(b"")[0], payload)
        found = concat_info(parsed.elements) or Concat(0, 1, 1, 1)
        assert found.total == len(cut.parts)
        by_udh[found.number] = body
    by_sar: dict[int, bytes] = {}
    for sar_reference, total, number, header, payload in cut.with_sar(reference):
        assert header == b""
        info = concat_info((), sar_reference, total, number)
        assert info == Concat(reference & 0xFFFF, len(cut.parts), number, 2)
        by_sar[number] = payload
    for whole in (complete(by_udh, len(cut.parts)), complete(by_sar, len(cut.parts)), b"".join(cut.whole())):
        assert whole == octets
        assert decode(whole, data_coding(encoding)).text == text


@settings(max_examples=100, deadline=None)
@given(st.text(st.sampled_from("aä@£€[]~"), max_size=400), st.sampled_from([1, 2]))
def test_packed_parts_are_aligned_behind_their_headers(text: str, reference_octets: int) -> None:
    cut = segment(text, Encoding.GSM7, reference_octets=reference_octets)
    bodies = {}
    for number, (header, payload) in enumerate(cut.with_udh(7), 1):
        sent = header + to_alphabet(payload, Alphabet.GSM7_PACKED, len(header))
        assert len(sent) <= 140
        bodies[number] = unpack_body(sent[len(header) :], len(header))
    assert decode(complete(bodies, len(bodies)) or b"", 0).text == text


def test_nul_octets_are_content() -> None:
    cut = segment(bytes(300), Encoding.BINARY)
    assert [len(part) for part in cut.parts] == [134, 134, 32]
    assert b"".join(payload for _, payload in cut.with_udh(0)) == bytes(300)
    assert [header.hex() for header, _ in cut.with_udh(0x1CC)] == ["050003cc0301", "050003cc0302", "050003cc0303"]


def test_further_elements_stand_in_every_segment() -> None:
    extra = bytes.fromhex("050415810000")
    assert segment(b"a" * 133, Encoding.BINARY, extra_udh=extra).with_udh(9) == [(b"\x06" + extra, b"a" * 133)]
    for header, _ in segment(b"a" * 134, Encoding.BINARY, extra_udh=extra).with_udh(9):
        assert header[0] == 11
        assert header.endswith(extra)


@pytest.mark.parametrize("encoding", list(Encoding))
@pytest.mark.parametrize("reference_octets", [1, 2])
def test_255_parts_are_the_end(encoding: Encoding, reference_octets: int) -> None:
    most = part_octets(encoding, 5 + reference_octets) * 255
    assert len(split(bytes(most), encoding, reference_octets=reference_octets)) == 255
    with pytest.raises(TooLong):
        split(bytes(most + 2), encoding, reference_octets=reference_octets)


def test_pairs_kept_together_can_make_it_too_long() -> None:
    text = "a" * 152 + "€" * (76 * 254 + 1)
    with pytest.raises(TooLong):
        count_segments(text, Encoding.GSM7)


def test_a_header_without_room_beside_it_is_too_long() -> None:
    with pytest.raises(TooLong):
        split(bytes(300), Encoding.BINARY, extra_octets=134)


def test_a_text_that_the_encoding_lacks_is_refused() -> None:
    with pytest.raises(CannotEncode):
        segment("ж", Encoding.GSM7)
