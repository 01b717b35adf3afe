"""Inflow: a large request waits a moment for room in memory, where that is quicker than the way through the store.

A message that memory cannot take is written as waiting, claimed later, and read again: that costs about
as much as all the rest of its way. A lane that empties fast has room for a whole batch in milliseconds,
so a batch waits for it; behind a lane that is slow, held or full of others' work it goes to the store at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from heliograph.contracts import Clock

__all__ = ["Inflow"]

_LONGEST_S = 1.5
"""Who would have to wait longer goes to the store at once."""

_GIVE_UP = 3.0
"""How many times the expected time is waited at most, before the store is the surer way."""

_LEAST_RATE = 1_000.0
"""Segments a second. What leaves more slowly has no use of a way that saves microseconds."""

_MEASURED_S = 0.1
_STALE_S = 2.0

_Key = tuple[int, int]


class Inflow:
    """Who waits for room in a lane, by (class, account), each in order of arrival."""

    __slots__ = (
        "_blocked",
        "_clock",
        "_counted_from",
        "_loop",
        "_promised",
        "_room",
        "_since",
        "_waiting",
        "left",
        "rate",
    )

    def __init__(self, clock: Clock, room: Callable[[_Key], int], blocked: Callable[[_Key], bool]) -> None:
        """``room`` gives how many segments of a (class, account) memory can take now, ``blocked`` whether others of it

        wait in the store: then nobody may go past them.
        """
        self._blocked = blocked
        self._clock = clock
        self._room = room
        self._waiting: dict[_Key, deque[tuple[int, asyncio.Future[None]]]] = {}
        self._promised: dict[_Key, int] = {}
        self.left = 0
        """Segments that have left the lane, since its start."""
        self._since = clock.monotonic()
        self._counted_from = 0
        self.rate = 0.0
        """Segments a second that leave the lane, by the last measures."""
        self._loop = asyncio.get_running_loop()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def _free(self, key: _Key) -> int:
        return self._room(key) - self._promised.get(key, 0)

    async def reserve(self, key: _Key, segments: int) -> int:
        """Returns when there is room for so many segments, or when waiting for it makes no sense.

        Gives how many are promised, all or none: :meth:`placed` must follow with as many.
        """
        missing = segments - self._free(key) + sum(many for many, _ in self._waiting.get(key, ()))
        if missing <= 0 and not self._blocked(key):
            self._promise(key, segments)
            return segments
        wait_s = self._wait_s(key, missing)
        return segments if wait_s and await self._let(key, segments, wait_s) else 0

    def _promise(self, key: _Key, segments: int) -> None:
        self._promised[key] = self._promised.get(key, 0) + segments

    def placed(self, key: _Key, segments: int) -> None:
        """What was promised has its place, or will not come."""
        left = self._promised.get(key, 0) - segments
        if left > 0:
            self._promised[key] = left
        else:
            self._promised.pop(key, None)

    def _wait_s(self, key: _Key, missing: int) -> float:
        """How long is waited at most; 0: the store is the better way."""
        self.measure()
        if self.rate < _LEAST_RATE:
            return 0.0
        if self._blocked(key):  # nobody knows how much waits there: what comes slower lets it be worked off
            return _LONGEST_S
        expected_s = missing / self.rate
        return max(_MEASURED_S, expected_s * _GIVE_UP) if expected_s <= _LONGEST_S else 0.0

    async def _let(self, key: _Key, segments: int, wait_s: float) -> bool:
        """Waits in turn; True when :meth:`let_in` promised the room."""
        turn: asyncio.Future[None] = self._loop.create_future()
        queue = self._waiting.setdefault(key, deque())
        queue.append((segments, turn))
        done, _ = await asyncio.wait((turn,), timeout=wait_s)
        if done:
            return True
        queue.remove((segments, turn))
        if not queue and self._waiting.get(key) is queue:
            del self._waiting[key]
        return False

    def measure(self) -> bool:
        """Notes how fast the lane empties, ten times a second; says whether it did. To be called once a turn."""
        now = self._clock.monotonic()
        passed = now - self._since
        if passed < _MEASURED_S:
            return False
        rate = (self.left - self._counted_from) / passed if passed < _STALE_S else 0.0
        # One slow tenth of a second says little, a standstill says all.
        self.rate = self.rate * 0.7 + rate * 0.3 if rate and self.rate else rate
        self._since, self._counted_from = now, self.left
        return True

    def let_in(self) -> None:
        """Memory has become emptier: those in front go on, as many as have room."""
        for key, queue in list(self._waiting.items()):
            while queue and queue[0][0] <= self._free(key) and not self._blocked(key):
                segments, turn = queue.popleft()
                self._promise(key, segments)
                turn.set_result(None)
            if not queue:
                del self._waiting[key]
