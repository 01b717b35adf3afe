"""The words between the program and its helper."""

from __future__ import annotations

import pytest

from heliograph.outbound.frames import MOST_FRAME_OCTETS, Asked, Frames, Told, framed

ASKED = [Asked(1, "https://a.example/", {"x": "1"}, b"\x00body", 15.0), Asked(2, "https://b.example/", {}, b"", 0.5)]
TOLD = [Told(1, 200, 1.5, b"ok"), Told(2, code="timeout", detail="no answer in time")]


@pytest.mark.parametrize(("kind", "entries"), [(Asked, ASKED), (Told, TOLD)])
@pytest.mark.parametrize("piece", [1, 3, 1 << 20])
def test_frames_come_out_as_they_went_in(kind: type, entries: list[Asked] | list[Told], piece: int) -> None:
    octets = framed(entries) + framed(entries[:1]) + framed(entries)[:5]
    frames: Frames[object] = Frames(kind)
    got = [frame for at in range(0, len(octets), piece) for frame in frames.feed(octets[at : at + piece])]
    assert got == [entries, entries[:1]]


@pytest.mark.parametrize("octets", [(MOST_FRAME_OCTETS + 1).to_bytes(4, "big"), b"\x00\x00\x00\x01\xc1"])
def test_a_broken_stream_is_an_error(octets: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        list(Frames(Told).feed(octets))
