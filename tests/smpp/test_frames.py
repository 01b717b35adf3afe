"""Cutting the stream: bounds, strangers, and frames before a break."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.smpp import constants as c
from heliograph.smpp.codec import encode_header
from heliograph.smpp.frames import FOREIGN_PROTOCOLS, FrameReader

PING = encode_header(c.ENQUIRE_LINK, 1)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=8), st.data())
def test_frames_do_not_depend_on_where_reads_end(bodies: list[bytes], data: st.DataObject) -> None:
    frames = [(16 + len(body)).to_bytes(4, "big") + bytes(12) + body for body in bodies]
    stream = b"".join(frames)
    reader = FrameReader()
    got: list[bytes] = []
    at = 0
    while at < len(stream):
        size = data.draw(st.integers(1, len(stream) - at))
        got += reader.feed(stream[at : at + size])
        at += size
    assert got == frames
    assert reader.broken is None
    assert not reader.partial


@pytest.mark.parametrize("length", [0, 4, 15, c.FRAME_OCTETS_MAX + 1, 0xFFFFFFFF])
def test_an_impossible_length_breaks_the_stream_after_the_frames_before_it(length: int) -> None:
    reader = FrameReader()
    assert reader.feed(PING + length.to_bytes(4, "big") + PING[4:12] + b"\0\0\0\x2a") == [PING]
    assert reader.broken is not None
    assert (reader.broken.status, reader.broken.sequence_number) == (c.ESME_RINVCMDLEN, 42)
    assert reader.feed(PING) == []


def test_the_longest_frame_is_read() -> None:
    frame = c.FRAME_OCTETS_MAX.to_bytes(4, "big") + bytes(c.FRAME_OCTETS_MAX - 4)
    reader = FrameReader()
    assert reader.feed(frame[:5]) == []
    assert reader.feed(frame[5:]) == [frame]


@pytest.mark.parametrize("start", list(FOREIGN_PROTOCOLS), ids=repr)
def test_another_protocol_is_named_and_gets_no_answer(start: bytes) -> None:
    reader = FrameReader()
    assert reader.feed((start + b" / HTTP/1.1\r\n")[:4]) == []
    assert reader.broken is not None
    assert FOREIGN_PROTOCOLS[start] in reader.broken.reason
    assert reader.broken.status == 0
