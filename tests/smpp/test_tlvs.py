"""Values of TLVs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.smpp import constants as c
from heliograph.smpp.errors import EncodeError
from heliograph.smpp.layouts import TLVS
from heliograph.smpp.tlvs import read_tlv, tlv_name, write_tlv

CASES: list[tuple[int, int | str | bytes, bytes]] = [
    (c.TAG_MESSAGE_STATE, 2, b"\x02"),
    (c.TAG_SAR_MSG_REF_NUM, 258, b"\x01\x02"),
    (c.TAG_QOS_TIME_TO_LIVE, 60, b"\0\0\0\x3c"),
    (c.TAG_RECEIPTED_MESSAGE_ID, "k7", b"k7\0"),
    (c.TAG_NETWORK_ERROR_CODE, b"\x03\0\x01", b"\x03\0\x01"),
    (0x1400, b"vendor", b"vendor"),
]


@pytest.mark.parametrize(("tag", "value", "octets"), CASES)
def test_values_there_and_back(tag: int, value: int | str | bytes, octets: bytes) -> None:
    assert write_tlv(tag, value) == octets
    assert read_tlv(tag, octets) == value


def test_every_tag_of_the_constants_is_in_the_table() -> None:
    assert {getattr(c, name) for name in c.__all__ if name.startswith("TAG_")} == set(TLVS)
    assert {name[4:].lower() for name in c.__all__ if name.startswith("TAG_")} == {tlv.name for tlv in TLVS.values()}


def test_odd_octets_are_read_as_well_as_they_can_be() -> None:
    assert read_tlv(c.TAG_RECEIPTED_MESSAGE_ID, b"no-nul") == "no-nul"
    assert read_tlv(c.TAG_MESSAGE_STATE, b"\0\0\x02") == b"\0\0\x02"


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        (c.TAG_MESSAGE_STATE, 256),
        (c.TAG_MESSAGE_STATE, b""),
        (c.TAG_RECEIPTED_MESSAGE_ID, "a" * 65),
        (c.TAG_RECEIPTED_MESSAGE_ID, "a\0"),
        (c.TAG_RECEIPTED_MESSAGE_ID, "\u20ac"),
        (0x1400, 7),
    ],
)
def test_what_the_table_forbids_is_not_written(tag: int, value: int | str | bytes) -> None:
    with pytest.raises(EncodeError) as caught:
        write_tlv(tag, value)
    assert caught.value.field == tlv_name(tag)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(TLVS)), st.binary(max_size=30))
def test_no_octets_raise(tag: int, octets: bytes) -> None:
    read_tlv(tag, octets)
