"""GSM 7-bit: one table of texts serves both directions; packing undoes unpacking."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.sms import NotGsm7, gsm7_decode, gsm7_encode, not_gsm7, pack, unpack
from heliograph.sms.alphabets import _CODES, gsm7_read

GSM7 = "".join(_CODES)
gsm7_texts = st.text(st.sampled_from(GSM7), max_size=400)

CASES = [
    ("", ""),
    ("@", "00"),
    ("a@b", "610062"),
    ("@€", "001b65"),
    ("£$¥", "010203"),
    ("äöüÄÖÜß", "7b7c7e5b5c5e1e"),
    ("àèéùìòÇØøÅåÆæÉÑñ", "7f0405060708090b0c0e0f1c1d1f5d7d"),
    ("ΔΦΓΛΩΠΨΣΘΞ", "1012131415161718191a"),
    ("€[]{}\\^~|\f", "1b651b3c1b3e1b281b291b2f1b141b3d1b401b0a"),
    ("_ \n\r§¤¡¿", "11200a0d5f244060"),
    ("Hello 123", "48656c6c6f20313233"),
]


@pytest.mark.parametrize(("text", "octets"), CASES)
def test_text_and_septets_are_each_others(text: str, octets: str) -> None:
    assert gsm7_encode(text).hex() == octets
    assert gsm7_decode(bytes.fromhex(octets)) == text


def test_the_alphabet_has_its_137_characters() -> None:
    assert len(GSM7) == len(set(GSM7)) == 127 + 10
    assert gsm7_decode(gsm7_encode(GSM7)) == GSM7
    assert set(string.ascii_letters + string.digits) < set(GSM7)


@pytest.mark.parametrize(
    ("text", "characters"),
    [
        ("`", "`"),
        ("\0", "\0"),
        ("\0€", "\0"),
        ("\x1b", "\x1b"),
        ("€\x1b", "\x1b"),
        ("\x7f\x80\xff", "\x7f\x80\xff"),
        ("ÿ€", "ÿ"),
        ("ç is not Ç", "ç"),
        ("“quoted” – “again”", "“”–"),
        ("a😀b😀", "😀"),
        ("\ud800", "\ud800"),
        ("\ufffe\uffff", "\ufffe\uffff"),
    ],
)
def test_what_the_alphabet_lacks_is_named_once_and_in_order(text: str, characters: str) -> None:
    with pytest.raises(NotGsm7) as caught:
        gsm7_encode(text)
    assert caught.value.characters == characters == not_gsm7(text)
    assert f"U+{ord(characters[0]):04X}" in str(caught.value)


def test_a_long_list_of_characters_is_named_in_part() -> None:
    with pytest.raises(NotGsm7, match="and 3 more"):
        gsm7_encode("абвгдежз")


@settings(max_examples=300, deadline=None)
@given(gsm7_texts)
def test_decoding_undoes_encoding(text: str) -> None:
    assert gsm7_decode(gsm7_encode(text)) == text


@settings(max_examples=500, deadline=None)
@given(st.text(st.one_of(st.sampled_from(GSM7), st.characters()), max_size=40))
def test_exactly_texts_with_a_foreign_character_are_refused(text: str) -> None:
    codes = [_CODES[c] for c in text if c in _CODES]
    by_table = b"".join(bytes((0x1B, code & 0x7F) if code > 0x7F else (code,)) for code in codes)
    if not_gsm7(text):
        with pytest.raises(NotGsm7):
            gsm7_encode(text)
    else:
        assert gsm7_encode(text) == by_table


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        ("1b", " "),
        ("411b", "A "),
        ("1b1b", " "),
        ("1b1b65", " e"),
        ("1b1b1b65", " €"),
        ("1b4142", " B"),
        ("1b00", " "),
        ("80ff", "\ufffd\ufffd"),
        ("1b80", " "),
    ],
)
def test_what_has_no_character_is_marked(octets: str, text: str) -> None:
    assert gsm7_read(bytes.fromhex(octets)) == (text, True)


@pytest.mark.parametrize(
    ("octets", "locking", "single", "text"),
    [
        ("0407", 1, 0, "€ı"),  # Turkish
        ("1b53", 0, 1, "Ş"),
        ("1b09", 0, 2, "ç"),  # Spanish has a single table only
        ("00", 2, 2, "@"),
        ("1b7f", 0, 3, "â"),  # Portuguese
        ("0a", 13, 13, "\n"),  # Urdu
        ("00", 99, 99, "@"),
        ("1b65", 99, 99, "€"),
    ],
)
def test_national_tables_are_read(octets: str, locking: int, single: int, text: str) -> None:
    assert gsm7_decode(bytes.fromhex(octets), locking, single) == text


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 255), st.integers(0, 255))
def test_any_octets_have_a_text(octets: bytes, locking: int, single: int) -> None:
    assert len(gsm7_decode(octets, locking, single)) <= len(octets)


@pytest.mark.parametrize(
    ("text", "fill_bits", "octets"),
    [
        ("hellohello", 0, "e8329bfd4697d9ec37"),
        ("@", 0, "00"),
        ("@@", 1, "0000"),
        ("a", 1, "c2"),
        ("", 3, "00"),
        ("", 0, ""),
    ],
)
def test_septets_are_packed_low_bits_first(text: str, fill_bits: int, octets: str) -> None:
    septets = gsm7_encode(text)
    assert pack(septets, fill_bits).hex() == octets
    assert unpack(bytes.fromhex(octets), len(septets), fill_bits) == septets


def test_160_septets_fill_140_octets() -> None:
    assert len(pack(bytes(160))) == 140
    assert len(pack(bytes(153), fill_bits=1)) == 134


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200).map(lambda b: bytes(octet & 0x7F for octet in b)), st.integers(0, 6))
def test_unpacking_undoes_packing(septets: bytes, fill_bits: int) -> None:
    packed = pack(septets, fill_bits)
    assert len(packed) == -(-(len(septets) * 7 + fill_bits) // 8)
    assert unpack(packed, len(septets), fill_bits) == septets
    assert unpack(packed, len(septets) + 100, fill_bits)[: len(septets)] == septets
