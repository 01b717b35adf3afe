"""Long work in slices: one slice a turn of the event loop, whoever it belongs to.

``asyncio.sleep(0)`` between slices lets others in, but with eight batches at work every turn of the loop holds
eight slices, and whoever waits for seven turns (a request does) waits for them all.
"""

from __future__ import annotations

import asyncio
from collections import deque

__all__ = ["Slices"]


class Slices:
    """Lets long works go on by turns."""

    __slots__ = ("_loop", "_planned", "_waiting")

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._planned = False
        self._loop = asyncio.get_running_loop()

    async def next(self) -> None:
        """Returns in a turn of the loop that no other slice has."""
        turn: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append(turn)
        if not self._planned:
            self._planned = True
            self._loop.call_soon(self._let)
        await turn

    def _let(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():  # who was cancelled wants no turn
                turn.set_result(None)
                break
        self._planned = bool(self._waiting)
        if self._planned:
            self._loop.call_soon(self._let)
