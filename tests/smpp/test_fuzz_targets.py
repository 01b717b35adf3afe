"""A short run of each fuzz target, with octets near to what is meant."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.smpp.codec import encode
from tests.smpp import strategies
from tests.smpp.fuzz_targets import TARGETS


@st.composite
def near_pdus(draw: st.DrawFn) -> bytes:
    """A few PDUs with some octets changed and an end cut off or grown."""
    octets = bytearray(draw(st.binary(max_size=2)))
    for pdu in draw(st.lists(strategies.pdus, min_size=1, max_size=3)):
        octets += encode(pdu, draw(st.integers(0, 9)), draw(st.sampled_from((0, 0, 0x58))))
    for _ in range(draw(st.integers(0, 3))):
        octets[draw(st.integers(0, len(octets) - 1))] = draw(strategies.octet)
    return bytes(octets[: draw(st.integers(1, len(octets)))]) + draw(st.binary(max_size=4))


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=150, deadline=None)
@given(st.one_of(st.binary(max_size=200), near_pdus()))
def test_no_octets_raise(name: str, octets: bytes) -> None:
    TARGETS[name](octets)
