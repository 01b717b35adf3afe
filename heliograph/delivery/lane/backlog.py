"""A lane's backlog: what waits unclaimed in the store, and taking it when memory has room."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from heliograph.contracts import Clock, Store
from heliograph.delivery.lane.queue import LaneQueue
from heliograph.errors import StoreError
from heliograph.model import Content, Live

__all__ = ["Backlog"]

_LOOK_AGAIN_S = 0.02
"""After this long a message that was being written when we looked is durable, or will be seen by the sweep."""

_STEP = 250
"""Messages that one claim takes: some milliseconds, in which no commit passes and the loop hears nobody."""

_BUSY_S = 1.0
"""How long a store that is busy is left alone."""


class Backlog:
    """Which (class, account) wait in the store: new messages of these are born behind them.

    ``marks`` (read only, outside) count what was seen or written of each since the start: one is forgotten only when a
    look found nothing more and nothing was written meanwhile.
    """

    def __init__(
        self,
        connector_id: int,
        store: Store,
        clock: Clock,
        queue: LaneQueue,
        take: Callable[[list[tuple[Live, Content | None]]], Awaitable[None]],
        plan_turn: Callable[[], None],
    ) -> None:
        self._connector_id = connector_id
        self._store = store
        self._clock = clock
        self._queue = queue
        self._take = take
        self._plan_turn = plan_turn
        self.marks: dict[tuple[int, int], int] = {}
        self._due = False
        self._refilling = False
        self._loop = asyncio.get_running_loop()

    def __contains__(self, key: tuple[int, int]) -> bool:
        return key in self.marks

    @property
    def taking(self) -> bool:
        """Whether messages are on their way from the store into memory."""
        return self._refilling

    @property
    def wants_refill(self) -> bool:
        """Whether there is something to take and room for it, and nobody is at it."""
        return self._due and not self._refilling

    def mark(self, key: tuple[int, int]) -> None:
        """Something of this (class, account) waits in the store, or is about to."""
        self.marks[key] = self.marks.get(key, 0) + 1
        self.left(key)

    def left(self, key: tuple[int, int]) -> None:
        """Memory of this (class, account) has become less."""
        if key in self.marks and self._queue.is_low(key):
            self._due = True

    def look(self) -> None:
        """There may be something to take."""
        if self.marks:
            self._due = True
            self._plan_turn()

    async def sweep(self) -> None:
        """Finds due work that nobody told of."""
        for one in await self._store.backlog(self._connector_id, self._clock.now_us()):
            self.marks.setdefault((one.type, one.account_id), 0)
        self.look()

    async def refill(self) -> None:
        """Takes what memory has room for, for every (class, account) in turn."""
        self._due, self._refilling = False, True
        try:
            keys = sorted(self.marks, key=self._queue.depth_of)  # what room there is goes to who has least in memory
            while keys:
                step = max(1, min(_STEP, self._queue.free // len(keys)))
                keys = [key for key in keys if await self._refill(key, step)]
        except StoreError:
            self._loop.call_later(_BUSY_S, self.look)
        finally:
            self._refilling = False

    async def _refill(self, key: tuple[int, int], step: int) -> bool:
        """Takes up to ``step`` messages; whether there may be more, and room for it."""
        want = min(self._queue.room(key), step)
        if want < 1:
            return False
        marks = self.marks.get(key, 0)
        claimed = await self._store.claim(self._connector_id, *key, now_us=self._clock.now_us(), limit=want)
        await self._take(claimed)
        if len(claimed) < want:
            if self.marks.get(key) == marks:
                self.marks.pop(key, None)
            else:  # more was written meanwhile: it may not have been durable yet when we looked
                self._loop.call_later(_LOOK_AGAIN_S, self.look)
        self._plan_turn()
        return len(claimed) == want
