"""What waits in a lane's memory: fair between accounts, in order for each (sender, recipient).

Of one pair only one message is between permit and outcome; the next waits behind it, also while the
first one is held for another try.
"""

from __future__ import annotations

import heapq
from collections import deque

from heliograph.delivery.lane.work import LaneLimits, Work
from heliograph.rules.fairness import FairQueue

__all__ = ["LaneQueue"]


class LaneQueue:
    """Works by class and account, those that go first, and those held until their time. Bounded by ``limits``."""

    __slots__ = ("_depths", "_front", "_held", "_limits", "_pairs", "_queue", "depth")

    def __init__(self, limits: LaneLimits) -> None:
        self._limits = limits
        self._queue: FairQueue[Work] = FairQueue()
        self._front: deque[Work] = deque()
        self._held: list[tuple[float, int, Work]] = []
        self._pairs: dict[tuple[str, str], deque[Work] | None] = {}
        self._depths: dict[tuple[int, int], int] = {}
        self.depth = 0
        """Segments in memory, those on the wire included."""

    def __bool__(self) -> bool:
        return bool(self._front) or len(self._queue) > 0

    # --- how much ----------------------------------------------------------------------------------

    def room(self, key: tuple[int, int]) -> int:
        """Segments of a (class, account) that still have room."""
        limits = self._limits
        return min(limits.account_segments - self._depths.get(key, 0), limits.lane_segments - self.depth)

    @property
    def free(self) -> int:
        """Segments that the lane has room for."""
        return self._limits.lane_segments - self.depth

    def depth_of(self, key: tuple[int, int]) -> int:
        """Segments of a (class, account) in memory."""
        return self._depths.get(key, 0)

    def is_low(self, key: tuple[int, int]) -> bool:
        """Whether a (class, account) has used no more than half of its room."""
        return self._depths.get(key, 0) <= self._limits.account_segments // 2

    def admit(self, key: tuple[int, int], segments: int) -> bool:
        """:meth:`grow`, where there is room; False where there is none."""
        depth = self._depths.get(key, 0) + segments
        if depth > self._limits.account_segments or self.depth + segments > self._limits.lane_segments:
            return False
        self._depths[key] = depth
        self.depth += segments
        return True

    def grow(self, key: tuple[int, int], segments: int) -> None:
        """So many segments of a (class, account) are in memory from now on."""
        self._depths[key] = self._depths.get(key, 0) + segments
        self.depth += segments

    def shrink(self, key: tuple[int, int], segments: int) -> None:
        """So many segments of a (class, account) have left the lane."""
        left = self._depths.get(key, 0) - segments
        if left > 0:
            self._depths[key] = left
        else:
            self._depths.pop(key, None)
        self.depth -= segments

    # --- in and out --------------------------------------------------------------------------------

    def push(self, work: Work) -> None:
        """Behind the others of its class and account."""
        message = work.live.message
        self._queue.push(message.type, message.account_id, work, len(work.numbers))

    def pop(self) -> Work | None:
        """The next one in fairness whose pair is free; it has the pair from now on. None when nothing can go."""
        while True:
            work = self._front.popleft() if self._front else self._queue.pop()
            if work is None:
                return None
            message = work.live.message
            pair = (message.sender, message.recipient)
            if pair not in self._pairs:
                self._pairs[pair] = None
                return work
            waiting = self._pairs[pair]
            if waiting is None:
                waiting = self._pairs[pair] = deque()
            waiting.append(work)

    def is_busy(self, pair: tuple[str, str]) -> bool:
        """Whether a message of this pair is between permit and outcome."""
        return pair in self._pairs

    def take_pair(self, pair: tuple[str, str]) -> None:
        """A message that did not wait here has the pair."""
        self._pairs[pair] = None

    def free_pair(self, pair: tuple[str, str]) -> None:
        """The message that had the pair is over: the next one goes first."""
        waiting = self._pairs.pop(pair, None)
        if waiting:
            self._front.extend(waiting)

    # --- held --------------------------------------------------------------------------------------

    def hold(self, work: Work, until: float) -> bool:
        """Keeps work, and its pair, until a monotonic instant; False when too much is held already."""
        if len(self._held) >= self._limits.account_segments:
            return False
        heapq.heappush(self._held, (until, id(work), work))
        return True

    def hasten(self, by_s: float) -> None:
        """What is held is held so much shorter."""
        self._held = [(until - by_s, number, work) for until, number, work in self._held]

    def wake(self, now: float) -> float | None:
        """What is held until ``now`` goes first; gives when the next is due."""
        woken: list[Work] = []
        while self._held and self._held[0][0] <= now:
            woken.append(heapq.heappop(self._held)[2])
        for work in reversed(woken):
            waiting = self._pairs.pop(work.pair, None)
            self._front.extendleft(reversed(waiting or ()))
            self._front.appendleft(work)
        return self._held[0][0] if self._held else None

    def empty(self) -> tuple[list[Work], list[Work]]:
        """Takes everything out: (works that had no pair, works that were held and have theirs)."""
        works = list(self._front)
        self._front.clear()
        while (work := self._queue.pop()) is not None:
            works.append(work)
        for waiting in self._pairs.values():
            works.extend(waiting or ())
        self._pairs = dict.fromkeys(self._pairs)
        held = [work for _, _, work in self._held]
        self._held.clear()
        return works, held
