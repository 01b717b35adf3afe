"""What the program and its helper process say to each other: lists of requests, lists of answers.

A frame is four octets of length (big-endian) and msgpack. Everything that is ready in a turn of the loop
goes into one frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Generic, TypeVar

import msgspec
from msgspec import Struct

__all__ = ["ALLOW_PRIVATE", "MOST_FRAME_OCTETS", "Asked", "Frames", "Told", "framed"]

ALLOW_PRIVATE: Final = "--allow-private-addresses"
"""The helper's only argument."""
MOST_FRAME_OCTETS: Final = 64 * 1024 * 1024
"""Beyond this the stream is broken: no turn of the loop makes so much."""
_LENGTH_OCTETS: Final = 4

_encoder: Final = msgspec.msgpack.Encoder()
T = TypeVar("T")


class Asked(Struct, frozen=True, array_like=True, gc=False):
    """A request under a number of the program's."""

    number: int
    url: str
    headers: dict[str, str]
    body: bytes
    timeout_s: float


class Told(Struct, frozen=True, array_like=True, gc=False):
    """What came of it: an answer, or a failure where ``code`` is set."""

    number: int
    status: int = 0
    retry_after_s: float | None = None
    body: bytes = b""
    code: str | None = None
    detail: str = ""


def framed(entries: list[Asked] | list[Told]) -> bytes:
    """One frame of them all."""
    octets = _encoder.encode(entries)
    return len(octets).to_bytes(_LENGTH_OCTETS, "big") + octets


class Frames(Generic[T]):
    """Cuts a stream into frames. ``kind`` is what a frame's list holds."""

    def __init__(self, kind: type[T]) -> None:
        self._decoder = msgspec.msgpack.Decoder(list[kind])  # type: ignore[valid-type]
        self._octets = bytearray()

    def feed(self, octets: bytes) -> Iterator[list[T]]:
        """The frames that are whole now. Raises ``ValueError`` where the stream is broken."""
        kept = self._octets
        kept += octets
        while len(kept) >= _LENGTH_OCTETS:
            length = int.from_bytes(kept[:_LENGTH_OCTETS], "big")
            if length > MOST_FRAME_OCTETS:
                raise ValueError("the frame is too long")
            end = _LENGTH_OCTETS + length
            if len(kept) < end:
                return
            frame = bytes(kept[_LENGTH_OCTETS:end])
            del kept[:end]
            yield self._decoder.decode(frame)
