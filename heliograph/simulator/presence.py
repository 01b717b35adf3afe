"""Whether a carrier is there: its operator and its weather must both want it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

__all__ = ["Presence"]


class Presence:
    """Opens and closes in the order in which it was asked, one thing at a time."""

    def __init__(self, open: Callable[[], Awaitable[None]], close: Callable[[], Awaitable[None]]) -> None:
        self._open = open
        self._close = close
        self._by_hand = False
        self._by_weather = True
        self._is_open = False
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def by_hand(self, wanted: bool) -> None:
        """What the operator wants. Raises what opening raises."""
        self._by_hand = wanted
        await self._settle()

    def by_weather(self, wanted: bool) -> None:
        """What the weather wants; it follows soon."""
        self._by_weather = wanted
        task = asyncio.get_running_loop().create_task(self._settle())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _settle(self) -> None:
        async with self._lock:
            wanted = self._by_hand and self._by_weather
            if wanted == self._is_open:
                return
            await (self._open() if wanted else self._close())
            self._is_open = wanted
