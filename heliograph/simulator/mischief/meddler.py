"""Stands between a session and its connection, and spoils what leaves. A carrier that behaves pays one look a write.

The session itself stays in order: it believes that it answered. So every kind of nonsense can be switched on and off
at any time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, cast

from heliograph.simulator.mischief.frames import delivery_of, frames_of, head_of
from heliograph.simulator.mischief.kinds import Moment
from heliograph.simulator.mischief.mischief import Mischief
from heliograph.smpp import constants as c
from heliograph.smpp.receipts import is_receipt

__all__ = ["Meddler"]

_MOMENTS: Final = {
    c.BIND_RECEIVER_RESP: Moment.BIND,
    c.BIND_TRANSMITTER_RESP: Moment.BIND,
    c.BIND_TRANSCEIVER_RESP: Moment.BIND,
    c.SUBMIT_SM_RESP: Moment.SUBMIT,
    c.DATA_SM_RESP: Moment.SUBMIT,
    c.ENQUIRE_LINK_RESP: Moment.PROBE,
}
_HELD_BACK_MAX: Final = 1_048_576
"""Octets that wait behind a slow one; a client that makes us keep more is cut."""


class Meddler(asyncio.Protocol):
    """A protocol around a protocol, and a transport around its transport. Fulfils ``kinds.Link``."""

    def __init__(self, inner: asyncio.Protocol, mischief: Mischief) -> None:
        self.marks: dict[str, int] = {}
        self.held: list[bytes] = []
        self._inner = inner
        self._mischief = mischief
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._silent = False
        self._deaf = False
        self._slow = bytearray()
        self._slow_gap_s = 0.0

    # --- asyncio's side ------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._inner.connection_made(cast(asyncio.BaseTransport, _Between(self, self._transport)))
        if self._mischief.strikes(Moment.OPEN):
            self._meddle(Moment.OPEN, b"")

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._slow.clear()
        self._inner.connection_lost(exc)

    # --- the session's side --------------------------------------------------------------------------------------

    def write(self, octets: bytes) -> None:
        """What the session wants to say."""
        if self._silent:
            return
        if self._mischief.kind is None:
            self.send(octets)
            return
        for frame in frames_of(octets):
            moment = _moment_of(frame)
            if moment is not None and self._mischief.strikes(moment):
                self._meddle(moment, frame)
            else:
                self.send(frame)

    def _meddle(self, moment: Moment, frame: bytes) -> None:
        kind = self._mischief.kind
        assert kind is not None
        kind.does[moment](self, frame)

    # --- what a misbehaviour may do ------------------------------------------------------------------------------

    def send(self, octets: bytes) -> None:
        if self._slow:
            self._hold(octets)
        elif self._transport is not None and not self._silent:
            self._transport.write(octets)

    def send_later(self, delay_s: float, octets: bytes) -> None:
        self.call_later(delay_s, lambda: self.send(octets))

    def call_later(self, delay_s: float, what: Callable[[], None]) -> None:
        self._loop.call_later(delay_s, lambda: what() if self._transport is not None else None)

    def send_slowly(self, octets: bytes, gap_s: float) -> None:
        starts = not self._slow
        self._slow_gap_s = gap_s
        self._hold(octets)
        if starts:
            self._next_octet()

    def _hold(self, octets: bytes) -> None:
        if len(self._slow) + len(octets) > _HELD_BACK_MAX:
            self.close()
        else:
            self._slow += octets

    def _next_octet(self) -> None:
        if self._transport is None or not self._slow:
            return
        self._transport.write(bytes(self._slow[:1]))
        del self._slow[:1]
        self._loop.call_later(self._slow_gap_s, self._next_octet)

    def silence(self) -> None:
        self._silent = True

    def stop_reading(self) -> None:
        self._deaf = True
        if self._transport is not None:
            self._transport.pause_reading()

    @property
    def deaf(self) -> bool:
        """Whether nothing more is read."""
        return self._deaf

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def chance(self) -> float:
        return self._mischief.random.random()

    def sequence(self) -> int:
        return self._mischief.sequence()


class _Between:
    """The connection, as the session sees it."""

    def __init__(self, meddler: Meddler, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._meddler = meddler
        self.write = meddler.write

    def resume_reading(self) -> None:
        if not self._meddler.deaf:
            self._transport.resume_reading()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def _moment_of(frame: bytes) -> Moment | None:
    command_id = head_of(frame)[1]
    moment = _MOMENTS.get(command_id)
    if moment is not None or command_id != c.DELIVER_SM:
        return moment
    delivery = delivery_of(frame)
    return Moment.RECEIPT if delivery is not None and is_receipt(delivery) else Moment.REPLY
