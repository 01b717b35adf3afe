"""What is to be done later: entries in the order in which they are due, and one alarm on the loop for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush
from math import ceil
from typing import Any, Final

__all__ = ["Timetable"]

_GRID: Final = 1000
"""Times are rounded up to so many parts of a second, so that what is due about the same time is done together."""


class Timetable:
    """Calls with a time of the loop's clock. ``after`` is called once behind all that was due in one turn."""

    def __init__(self, loop: asyncio.AbstractEventLoop, after: Callable[[], None]) -> None:
        self._loop = loop
        self._after = after
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._added = 0
        self._alarm: asyncio.Handle | None = None
        self._alarm_at = 0.0

    def __len__(self) -> int:
        return len(self._heap)

    def now(self) -> float:
        """The loop's clock."""
        return self._loop.time()

    def do_at(self, due: float, what: Callable[..., None], *arguments: Any) -> None:
        """Call ``what`` at ``due``; entries of one time keep the order in which they came."""
        due = ceil(due * _GRID) / _GRID
        self._added += 1
        heappush(self._heap, (due, self._added, what, arguments))
        if self._alarm is None or due < self._alarm_at:
            self._set(due)

    def hasten(self, by_s: float) -> None:
        """Everything is due so much sooner; what is due by now is done in a turn of its own."""
        self._heap = [(due - by_s, number, what, arguments) for due, number, what, arguments in self._heap]
        if self._heap:
            self._set(max(self._heap[0][0], self.now()))

    def stop(self) -> None:
        """Forget everything."""
        self._heap.clear()
        if self._alarm is not None:
            self._alarm.cancel()

    def _set(self, due: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm, self._alarm_at = self._loop.call_at(due, self._ring), due

    def _ring(self) -> None:
        self._alarm = None
        heap, now = self._heap, self._loop.time()
        while heap and heap[0][0] <= now:
            _, _, what, arguments = heappop(heap)
            what(*arguments)
        if heap and self._alarm is None:
            self._set(heap[0][0])
        self._after()
