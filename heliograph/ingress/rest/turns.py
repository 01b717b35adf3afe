"""Large batches take turns: a few are worked on at once, the others wait as the octets that they came as.

So a job of many batches costs its neighbours no more than those few, whatever number of connections it
has; and what waits is small, because nothing has been made of it yet.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from heliograph.errors import StoreBusy

__all__ = ["Turns"]

_OF_ACCOUNT = 4
_IN_ALL = 8
"""Batches at work at once: while one is written the next is decided, and a third waits for room in its lane."""

_SMALL_OCTETS = 8_192
"""A body that is no longer is worked off in a few milliseconds, and takes no turn."""

_WAITING_OCTETS = 128 << 20
_PATIENCE_S = 20.0


class Turns:
    """Who may work on a large batch now: accounts in rotation, the requests of each in order."""

    def __init__(self, *, patience_s: float = _PATIENCE_S, waiting_octets: int = _WAITING_OCTETS) -> None:
        self._patience_s = patience_s
        self._most_octets = waiting_octets
        self._octets = 0
        self._at_work: dict[int, int] = {}
        self._waiting: dict[int, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def of(self, account_id: int, octets: int) -> AsyncIterator[None]:
        """Waits for the turn of a body of so many octets. Raises ``StoreBusy`` when too much waits, or for too long."""
        if octets <= _SMALL_OCTETS:
            yield
            return
        await self._take(account_id, octets)
        try:
            yield
        finally:
            self._leave(account_id)

    async def _take(self, account_id: int, octets: int) -> None:
        if account_id not in self._waiting and self._may_work(account_id):
            self._enter(account_id)
            return
        if self._octets + octets > self._most_octets:
            raise StoreBusy("more large batches wait than this server keeps in memory", retry_after_s=5)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(account_id, deque()).append(turn)
        self._octets += octets
        try:
            await asyncio.wait((turn,), timeout=self._patience_s)
        except asyncio.CancelledError:
            if turn.done():
                self._leave(account_id)
            raise
        finally:
            self._octets -= octets
            if not turn.done():
                self._forget(account_id, turn)
        if not turn.done():
            raise StoreBusy("large batches before this one took too long", retry_after_s=5)

    def _forget(self, account_id: int, turn: asyncio.Future[None]) -> None:
        queue = self._waiting[account_id]
        queue.remove(turn)
        if not queue:
            del self._waiting[account_id]

    def _may_work(self, account_id: int) -> bool:
        return self._at_work.get(account_id, 0) < _OF_ACCOUNT and sum(self._at_work.values()) < _IN_ALL

    def _enter(self, account_id: int) -> None:
        self._at_work[account_id] = self._at_work.get(account_id, 0) + 1

    def _leave(self, account_id: int) -> None:
        left = self._at_work[account_id] - 1
        if left:
            self._at_work[account_id] = left
        else:
            del self._at_work[account_id]
        for one in list(self._waiting):
            if self._may_work(one):
                self._let(one)
                return

    def _let(self, account_id: int) -> None:
        """The next of this account enters; the account goes to the end of the rotation."""
        queue = self._waiting.pop(account_id)
        self._enter(account_id)
        queue.popleft().set_result(None)
        if queue:
            self._waiting[account_id] = queue
