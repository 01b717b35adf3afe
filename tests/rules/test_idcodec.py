"""A receipt's id finds its response's, whatever the carrier makes of it on the way."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.rules.idcodec import ID_CODECS, IdCodec

UUID = "0F8FAD5B-D9CB-469F-A165-70867728950E"

ROWS = [
    # codec, id in the response, id in the receipt
    ("auto", "1234567890", "1234567890"),
    ("auto", "00B8BE19", "B8BE19"),
    ("auto", "00B8BE19", "b8be19"),
    ("auto", "b8be19", "00B8BE19"),
    ("auto", "00B8BE19", "12107289"),
    ("auto", "12107289", "00B8BE19"),
    ("auto", "0012107289", "12107289"),
    ("auto", UUID, UUID.lower()),
    ("auto", "m8k2-1", "M8K2-1"),
    ("auto", "0000", "0"),
    ("auto", " 77 ", "77"),
    ("raw", "00aB", "00aB"),
    ("case", "00aB", "00Ab"),
    ("zeros", "00aB", "ab"),
    ("decimal_receipts", "00B8BE19", "12107289"),
    ("decimal_receipts", "99999999", "2576980377"),
    ("decimal_receipts", "m-1", "m-1"),
    ("hex_receipts", "12107289", "B8BE19"),
    ("hex_receipts", "2576980377", "99999999"),
    ("hex_receipts", UUID, UUID),
]


@pytest.mark.parametrize(("codec", "response", "receipt"), ROWS)
def test_a_receipt_finds_its_response(codec: str, response: str, receipt: str) -> None:
    ids = IdCodec(codec)
    assert ids.for_response(response) in ids.for_receipt(receipt)


@pytest.mark.parametrize(
    ("codec", "response", "receipt"),
    [
        ("raw", "00AB", "00ab"),
        ("case", "00AB", "ab"),
        ("zeros", "00B8BE19", "12107289"),
        ("auto", "0b-12", "b-12"),
        ("auto", "00xyz", "xyz"),
    ],
)
def test_what_is_no_number_or_not_allowed_to_be_one_stays_apart(codec: str, response: str, receipt: str) -> None:
    ids = IdCodec(codec)
    assert ids.for_response(response) not in ids.for_receipt(receipt)


def test_the_surest_form_is_first() -> None:
    assert IdCodec("auto").for_receipt("12107289")[0] == "12107289"
    assert IdCodec("decimal_receipts").for_receipt("12107289") == ("b8be19", "12107289")
    assert IdCodec("zeros").for_receipt("12107289") == ("12107289",)


@pytest.mark.parametrize("name", ["zeros", "decimal_receipts", "hex_receipts"])
def test_the_relation_is_learned_from_the_first_pairs(name: str) -> None:
    ids = IdCodec("auto")
    for number in range(3_000_000_000, 3_000_000_020):
        response = f"{number:X}" if name == "decimal_receipts" else str(number)
        receipt = f"{number:X}" if name == "hex_receipts" else str(number)
        ids.paired(response, receipt)
    assert ids.relation == name


def test_pairs_that_contradict_each_other_settle_nothing() -> None:
    ids = IdCodec("auto")
    for number in range(1000, 1100):
        ids.paired(f"{number:x}" if number % 2 else str(number), str(number))
    assert ids.relation == "auto"


def test_a_dense_counter_is_told_by_its_letters_before_wrong_pairs_teach_anything() -> None:
    """A decimal 16 is the hexadecimal response 16 as well: only the letters of the responses give it away."""
    ids = IdCodec("auto")
    keys = {ids.for_response(f"{number:x}"): number for number in range(1, 200)}
    for number in range(1, 40):
        ids.for_receipt(str(number))
    assert ids.relation == "decimal_receipts"
    for number in range(40, 200):
        assert keys[ids.for_receipt(str(number))[0]] == number


def test_hexadecimal_receipts_are_told_by_their_letters() -> None:
    ids = IdCodec("auto")
    for number in range(1, 100):
        ids.for_response(str(number))
        ids.for_receipt(f"{number:X}")
    assert ids.relation == "hex_receipts"
    assert ids.for_receipt("1f")[0] == "31"


def test_what_was_kept_before_the_relation_is_settled_is_found_after() -> None:
    ids = IdCodec("auto")
    kept = ids.for_response("00C0FFEE")
    for number in range(0xB0000000, 0xB0000020):
        ids.paired(f"{number:x}", str(number))
    assert ids.relation == "decimal_receipts"
    assert ids.for_receipt(str(0xC0FFEE))[0] == kept


@given(st.sampled_from(sorted(ID_CODECS)), st.text(max_size=70))
@settings(max_examples=200, deadline=None)
def test_the_same_id_is_always_found_whatever_it_is(codec: str, raw: str) -> None:
    ids = IdCodec(codec)
    candidates = ids.for_receipt(raw)
    assert ids.for_response(raw) in candidates
    assert 1 <= len(candidates) <= 3


@given(st.integers(0, 2**64 - 1), st.integers(0, 4), st.integers(0, 4))
@settings(max_examples=100, deadline=None)
def test_hex_decimal_case_and_zeros_make_no_difference(number: int, zeros: int, more: int) -> None:
    decimal, upper = "0" * zeros + str(number), "0" * more + f"{number:X}"
    for response, receipt in ((decimal, upper), (upper, decimal), (upper.lower(), upper), (decimal, str(number))):
        if max(len(response), len(receipt)) <= 20:
            ids = IdCodec("auto")
            assert ids.for_response(response) in ids.for_receipt(receipt)


@pytest.mark.parametrize("name", ["zeros", "decimal_receipts", "hex_receipts"])
def test_receipts_of_recent_responses_teach_the_relation(name: str) -> None:
    ids = IdCodec("auto")
    for number in range(3_100_000_001, 3_100_000_041, 2):
        response = f"{number:08x}" if name == "decimal_receipts" else str(number)
        ids.for_response(response)
        ids.for_receipt(f"{number:X}" if name == "hex_receipts" else str(number))
    assert ids.relation == name
