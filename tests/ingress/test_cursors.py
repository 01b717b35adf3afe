"""Cursors: a place comes back for the list that it was given for, and for nothing else."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.access.sealing import MasterKeys
from heliograph.delivery.eventlog import Place
from heliograph.errors import RequestRejected
from heliograph.ingress.rest.cursors import CURSOR_KEYS, Cursors

KEY, OTHER = bytes(range(32)), bytes(32)
WHOLE = st.integers(0, (1 << 63) - 1)


def cursors(*keys: bytes) -> Cursors:
    house = MasterKeys(lambda: keys)
    return Cursors(lambda: house.derived(CURSOR_KEYS))


HOUSE = cursors(KEY)


@given(position=WHOLE, index=st.integers(0, 100_000), at_us=st.integers(0, 1 << 55))
@settings(max_examples=100, deadline=None)
def test_reading_undoes_giving_and_all_cursors_of_a_list_are_alike_in_length(
    position: int, index: int, at_us: int
) -> None:
    place = Place(position, index, at_us)
    text = HOUSE.give(place, "events", 7)
    assert HOUSE.read(text, Place, "events", 7) == place
    assert len(text) == len(HOUSE.give(Place(0, 0, 0), "events", 7))
    assert text == HOUSE.give(place, "events", 7)


@given(at=st.integers(0, 47), bit=st.integers(0, 7))
@settings(max_examples=60, deadline=None)
def test_a_changed_cursor_opens_nothing(at: int, bit: int) -> None:
    octets = bytearray(base64.urlsafe_b64decode(HOUSE.give((5, "m" + "0" * 19), "due", 7, None)))
    octets[at] ^= 1 << bit
    with pytest.raises(RequestRejected) as told:
        HOUSE.read(base64.urlsafe_b64encode(octets).decode(), tuple[int, str], "due", 7, None)
    assert (told.value.code, told.value.status, told.value.field) == ("cursor_invalid", 400, "cursor")


@given(text=st.text(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_text_is_a_cursor_of_this_list_or_refused(text: str) -> None:
    with pytest.raises(RequestRejected, match="unchanged"):
        HOUSE.read(text, int, "deliveries", 7, "we_1", "dead", field="cursor")


@pytest.mark.parametrize(
    "about", [("events", 8), ("due", 7), ("events", 7, None), ("events",)], ids=["account", "list", "more", "less"]
)
def test_a_cursor_is_for_one_list_of_one_account(about: tuple[object, ...]) -> None:
    text = HOUSE.give(Place(3, 0, 4), "events", 7)
    with pytest.raises(RequestRejected):
        HOUSE.read(text, Place, *about)


def test_a_cursor_outlives_a_new_master_key_as_long_as_the_old_one_is_known() -> None:
    text = HOUSE.give(5, "deliveries", 7)
    assert cursors(OTHER, KEY).read(text, int, "deliveries", 7) == 5
    assert cursors(OTHER, KEY).give(5, "deliveries", 7) != text
    with pytest.raises(RequestRejected):
        cursors(OTHER).read(text, int, "deliveries", 7)


def test_keys_for_other_purposes_and_the_master_key_differ() -> None:
    house = MasterKeys(lambda: [KEY])
    (key,) = house.derived(CURSOR_KEYS)
    assert len(key) == 64
    assert KEY not in key
    assert house.derived(b"other") != (key,)
