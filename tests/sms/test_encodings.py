"""Choice of encoding; and inbound octets by data_coding."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.sms import (
    Alphabet,
    CannotEncode,
    Encoding,
    Waiting,
    choose,
    data_coding,
    decode,
    encode,
    encode_as,
    gsm7_encode,
    parse,
    to_alphabet,
    unpack_body,
)
from tests.sms.test_alphabets import gsm7_texts

characters = st.characters(exclude_categories=("Cs",))


@pytest.mark.parametrize(
    ("text", "wish", "encoding", "octets"),
    [
        ("a@£ü€", "auto", Encoding.GSM7, "6100017e1b65"),
        ("a@£ü€", "gsm7", Encoding.GSM7, "6100017e1b65"),
        ("a@£ü€", "ucs2", Encoding.UCS2, "0061004000a300fc20ac"),
        ("@ж", "auto", Encoding.UCS2, "00400436"),
        ("😀", "auto", Encoding.UCS2, "d83dde00"),
        ("", "auto", Encoding.GSM7, ""),
    ],
)
def test_a_text_has_one_encoding_by_its_wish(text: str, wish: str, encoding: Encoding, octets: str) -> None:
    assert encode(text, wish) == (encoding, bytes.fromhex(octets))
    assert choose(text, wish) == encoding
    assert encode_as(text, encoding).hex() == octets
    assert decode(bytes.fromhex(octets), data_coding(encoding)).text == text


def test_a_forced_gsm7_names_the_characters_in_the_way() -> None:
    with pytest.raises(CannotEncode, match=r"U\+0436") as caught:
        choose("aжбж", "gsm7")
    assert caught.value.characters == "жб"
    assert caught.value.encoding == Encoding.GSM7


@pytest.mark.parametrize("wish", ["auto", "ucs2"])
@pytest.mark.parametrize("text", ["a\ud800", "\udc00\ud800", "\ud83d 😀"])
def test_half_a_surrogate_pair_is_refused_with_a_sentence(text: str, wish: str) -> None:
    with pytest.raises(CannotEncode, match="half of a surrogate pair"):
        encode(text, wish)


def test_a_text_is_never_binary() -> None:
    with pytest.raises(CannotEncode):
        encode_as("a", Encoding.BINARY)


@settings(max_examples=300, deadline=None)
@given(st.text(characters, max_size=100), st.sampled_from(["auto", "ucs2"]), st.booleans())
def test_decoding_undoes_encoding(text: str, wish: str, flash: bool) -> None:
    if text[:1] in ("\ufeff", "\ufffe"):  # reads as a byte-order mark
        return
    encoding, octets = encode(text, wish)
    decoded = decode(octets, data_coding(encoding, flash=flash))
    assert (decoded.text, decoded.lossy, decoded.encoding) == (text, False, encoding)
    assert decoded.message_class == (0 if flash else None)


@settings(max_examples=200, deadline=None)
@given(gsm7_texts.filter(lambda text: not text.endswith("\r")), st.integers(0, 20), st.sampled_from(list(Alphabet)))
def test_every_alphabet_of_a_connector_carries_the_text(text: str, header_octets: int, alphabet: Alphabet) -> None:
    try:
        octets = to_alphabet(gsm7_encode(text), alphabet, header_octets)
    except CannotEncode:
        assert alphabet in (Alphabet.LATIN1, Alphabet.ASCII)
        return
    if alphabet == Alphabet.GSM7_PACKED:
        assert unpack_body(octets, header_octets) == gsm7_encode(text)
        header_octets = 0
        octets = to_alphabet(gsm7_encode(text), alphabet)
    decoded = decode(octets, 0, default_alphabet=alphabet)
    assert (decoded.text, decoded.lossy) == (text, False)


def test_the_carriers_alphabet_names_what_it_lacks() -> None:
    with pytest.raises(CannotEncode, match="latin1 has no '€'"):
        to_alphabet(gsm7_encode("5 €"), Alphabet.LATIN1)


@pytest.mark.parametrize("text", ["1234567", "123456789012345", "a@", "@@@@@@@", "@@@@@@@@", "abcdefg@"])
def test_an_at_sign_at_the_end_of_a_packed_text_is_kept_and_none_is_added(text: str) -> None:
    octets = to_alphabet(gsm7_encode(text), Alphabet.GSM7_PACKED)
    assert decode(octets, 0, default_alphabet=Alphabet.GSM7_PACKED).text == text


@pytest.mark.parametrize(
    ("octets", "coding", "alphabet", "text"),
    [
        ("00017e", 0x00, Alphabet.GSM7, "@£ü"),
        ("40a3fc", 0x00, Alphabet.LATIN1, "@£ü"),
        ("4041", 0x00, Alphabet.ASCII, "@A"),
        ("40c2a3c3bc", 0x00, Alphabet.UTF8, "@£ü"),
        ("c834888e2ecb01", 0x00, Alphabet.GSM7_PACKED, "Hi \x10ere"),
        ("4041", 0x01, Alphabet.GSM7, "@A"),
        ("40a3fc", 0x03, Alphabet.GSM7, "@£ü"),
        ("b4b5", 0x06, Alphabet.GSM7, "ДЕ"),
        ("e0e1", 0x07, Alphabet.GSM7, "אב"),
        ("004000a3", 0x08, Alphabet.GSM7, "@£"),
        ("feff004000a3", 0x08, Alphabet.GSM7, "@£"),
        ("fffe4000a300", 0x08, Alphabet.GSM7, "@£"),
        ("d83dde00", 0x08, Alphabet.GSM7, "😀"),
        ("0001", 0x0F, Alphabet.GSM7, "@£"),
        ("0001", 0x40, Alphabet.GSM7, "@£"),
        ("0001", 0x80, Alphabet.GSM7, "@£"),
        ("", 0x00, Alphabet.GSM7, ""),
        ("", 0x08, Alphabet.GSM7, ""),
    ],
)
def test_octets_have_a_text_by_data_coding(octets: str, coding: int, alphabet: Alphabet, text: str) -> None:
    decoded = decode(bytes.fromhex(octets), coding, default_alphabet=alphabet)
    if alphabet == Alphabet.GSM7_PACKED:
        assert decoded.text is not None
        assert to_alphabet(gsm7_encode(decoded.text), alphabet).hex() == octets
    else:
        assert decoded.text == text
    assert not decoded.lossy


@pytest.mark.parametrize(
    ("coding", "encoding", "message_class"),
    [
        (0x10, Encoding.GSM7, 0),
        (0x11, Encoding.GSM7, 1),
        (0x14, Encoding.BINARY, 0),
        (0x18, Encoding.UCS2, 0),
        (0x13, Encoding.GSM7, 3),
        (0x02, Encoding.BINARY, None),
        (0x04, Encoding.BINARY, None),
        (0x50, Encoding.GSM7, 0),
        (0xF0, Encoding.GSM7, 0),
        (0xF1, Encoding.GSM7, 1),
        (0xF4, Encoding.BINARY, 0),
        (0xF6, Encoding.BINARY, 2),
    ],
)
def test_message_class_stands_beside_the_encoding(coding: int, encoding: Encoding, message_class: int | None) -> None:
    decoded = decode(b"\x00A", coding)
    assert (decoded.encoding, decoded.message_class) == (encoding, message_class)
    assert (decoded.text is None) == (encoding == Encoding.BINARY)
    assert decoded.data == b"\x00A"


@pytest.mark.parametrize(
    ("coding", "encoding", "waiting"),
    [
        (0xC0, Encoding.GSM7, Waiting(0, False, False)),
        (0xC8, Encoding.GSM7, Waiting(0, True, False)),
        (0xDA, Encoding.GSM7, Waiting(2, True, True)),
        (0xE9, Encoding.UCS2, Waiting(1, True, True)),
    ],
)
def test_waiting_indications_are_read(coding: int, encoding: Encoding, waiting: Waiting) -> None:
    decoded = decode(b"\x00A", coding)
    assert (decoded.encoding, decoded.waiting) == (encoding, waiting)


def test_a_compressed_message_is_kept_as_octets() -> None:
    decoded = decode(b"\x12\x34", 0x20)
    assert (decoded.compressed, decoded.text, decoded.data) == (True, None, b"\x12\x34")


@pytest.mark.parametrize(
    ("octets", "coding", "alphabet"),
    [
        (b"A\x80", 0, Alphabet.GSM7),
        (b"A\xff", 0, Alphabet.ASCII),
        (b"A\xff", 0, Alphabet.UTF8),
        (b"A\xff", 1, Alphabet.GSM7),
        (b"\x00A\x00", 8, Alphabet.GSM7),
        (b"\x00A\xd8\x3d", 8, Alphabet.GSM7),
        (b"\xff\xfeA", 8, Alphabet.GSM7),
    ],
)
def test_broken_octets_are_marked_as_lossy(octets: bytes, coding: int, alphabet: Alphabet) -> None:
    decoded = decode(octets, coding, default_alphabet=alphabet)
    assert decoded.lossy
    assert decoded.text is not None
    assert "\ufffd" in decoded.text


def test_the_header_chooses_national_tables() -> None:
    turkish = parse(bytes.fromhex("06250101240101"))
    assert decode(b"\x07\x1bS", 0, turkish).text == "ıŞ"
    packed = to_alphabet(b"\x07\x1bS", Alphabet.GSM7_PACKED, turkish.size_octets)
    assert decode(packed, 0, turkish, Alphabet.GSM7_PACKED).text == "ıŞ"


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=100), st.integers(-1, 300), st.binary(max_size=20), st.sampled_from(list(Alphabet)))
def test_any_octets_are_decoded_under_any_data_coding(
    octets: bytes, coding: int, udh: bytes, alphabet: Alphabet
) -> None:
    decoded = decode(octets, coding, parse(udh), alphabet)
    assert decoded.data == octets
    if decoded.text is not None:
        decoded.text.encode("utf-8")
