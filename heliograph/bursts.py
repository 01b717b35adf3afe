"""Writes that leave together.

A peer that has nothing to do sleeps, and whoever writes to it pays for waking it, up to half of what a short
write costs. Writes that come one right after the other find it awake. So what many connections are to be
sent in a turn of the loop is gathered, and written at the turn's end.
"""

from __future__ import annotations

import asyncio

__all__ = ["Burst"]


class Burst:
    """Gathers writes to connections of one loop; those to the same connection keep their order."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: list[tuple[asyncio.Transport, bytes]] = []

    def write(self, transport: asyncio.Transport, octets: bytes) -> None:
        """Writes at the end of this turn of the loop; whoever writes or closes by himself flushes first."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self.flush)
        self._waiting.append((transport, octets))

    def flush(self) -> None:
        """Writes what waits, but to connections that have closed meanwhile."""
        waiting, self._waiting = self._waiting, []
        for transport, octets in waiting:
            if not transport.is_closing():
                transport.write(octets)
