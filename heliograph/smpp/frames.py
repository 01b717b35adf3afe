"""Cutting a stream of octets into frames: the first four octets of each say how long it is, themselves included."""

from __future__ import annotations

from struct import Struct
from typing import Final

from heliograph.smpp import constants as c
from heliograph.smpp.errors import StreamBroken

__all__ = ["FOREIGN_PROTOCOLS", "FrameReader"]

_length_at: Final = Struct(">I").unpack_from
_sequence_at: Final = Struct(">I").unpack_from
_LENGTHS: Final = range(c.HEADER_OCTETS, c.FRAME_OCTETS_MAX + 1)

FOREIGN_PROTOCOLS: Final[dict[bytes, str]] = {
    b"GET ": "HTTP",
    b"POST": "HTTP",
    b"PUT ": "HTTP",
    b"HEAD": "HTTP",
    b"DELE": "HTTP",
    b"PATC": "HTTP",
    b"OPTI": "HTTP",
    b"CONN": "HTTP",
    b"TRAC": "HTTP",
    b"PRI ": "HTTP",
    b"HTTP": "HTTP",
    b"AMQP": "AMQP",
    b"SSH-": "SSH",
    b"\x16\x03\x00": "TLS",
    b"\x16\x03\x01": "TLS",
    b"\x16\x03\x02": "TLS",
    b"\x16\x03\x03": "TLS",
    b"\x15\x03\x01": "TLS",
    b"\x15\x03\x03": "TLS",
    b"PROX": "PROXY",
    b"\r\n\r\n": "PROXY",
}
"""First octets that are no SMPP: scanners, and clients or servers on the wrong port. All would be absurd lengths."""


class FrameReader:
    """Keeps what is incomplete between reads; never more than one frame."""

    __slots__ = ("_needed", "_started", "_tail", "broken")

    def __init__(self) -> None:
        self._tail = bytearray()
        self._needed = 0
        self._started = False
        self.broken: StreamBroken | None = None
        """Why nothing more can be read, or None. Frames that came before are given all the same."""

    @property
    def partial(self) -> bool:
        """Whether a frame has begun and not ended."""
        return bool(self._tail)

    def feed(self, octets: bytes) -> list[bytes]:
        """The frames that these octets complete, header included; an empty list when more is needed."""
        tail = self._tail
        if tail:
            tail += octets
            if len(tail) < self._needed:
                return []
            octets = bytes(tail)
            tail.clear()
        elif self.broken is not None:
            return []
        frames: list[bytes] = []
        at, size = 0, len(octets)
        last, length_at, lengths = size - 4, _length_at, _LENGTHS
        while at <= last:
            (length,) = length_at(octets, at)
            if length not in lengths:
                self._break(octets, at, length)
                return frames
            end = at + length
            if end > size:
                self._needed = length
                break
            frames.append(octets[at:end])
            at = end
        else:
            self._needed = 4
        if at < size:
            tail += octets[at:] if at else octets
        if frames:
            self._started = True
        return frames

    def _break(self, octets: bytes, at: int, length: int) -> None:
        foreign = None if self._started or at else _foreign(octets)
        if foreign is not None:
            self.broken = StreamBroken(f"the peer speaks {foreign}, not SMPP")
            return
        whole_header = len(octets) - at >= c.HEADER_OCTETS
        sequence_number = _sequence_at(octets, at + 12)[0] if whole_header else 0
        why = "shorter than a header" if length < c.HEADER_OCTETS else f"longer than {c.FRAME_OCTETS_MAX} octets"
        self.broken = StreamBroken(f"a PDU of {length} octets, {why}", c.ESME_RINVCMDLEN, sequence_number)


def _foreign(octets: bytes) -> str | None:
    return FOREIGN_PROTOCOLS.get(octets[:4]) or FOREIGN_PROTOCOLS.get(octets[:3])
