"""Live tails: readers of the event log that are woken when something happens.

A tail holds one page and reads the next when that one was taken, so a slow reader costs a page of memory and
nobody else's time. How many there may be is bounded, for an account and in all.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence, Set
from typing import Final

from heliograph.delivery.eventlog import EventLog, EventPage, Place
from heliograph.errors import RequestRejected
from heliograph.model import Fact

__all__ = ["Tail", "Tails"]

_PAGE: Final = 100
_LOOK_S: Final = 2.0
"""How often a tail looks unasked: for what other processes wrote."""
_GATHER_S: Final = 0.05
"""What happens in this time after a wake-up is read with it."""
_QUIET_S: Final = 15.0
"""After this long without an event a tail says that it lives."""


class Tails:
    """All tails of the process. ``told`` is called for each commit while ``listening``."""

    def __init__(self, log: EventLog, *, per_account: int = 8, in_all: int = 128) -> None:
        self.log = log
        self._per_account = per_account
        self._in_all = in_all
        self._open: dict[int, set[Tail]] = {}
        self._wide: set[Tail] = set()
        """Those of them that follow other accounts than their reader's own."""
        self.listening = False

    def open(
        self,
        account_id: int,
        after: Place,
        states: frozenset[int] | None,
        followed: Callable[[], Set[int]] | None = None,
        name: Callable[[int], str] | None = None,
    ) -> Tail:
        """A tail behind a place, one of ``account_id``'s. Raises ``RequestRejected`` (429) where there are too many.

        It follows that account, or those that ``followed`` gives at each look; ``name`` as in :meth:`EventLog.page`.
        """
        mine = self._open.get(account_id, set())
        if len(mine) >= self._per_account or sum(map(len, self._open.values())) >= self._in_all:
            raise RequestRejected(
                "too_many_streams",
                f"An account has at most {self._per_account} live streams: close one first, or read GET /v1/events.",
                status=429,
                retry_after_s=5,
            )
        tail = Tail(self, account_id, after, states, followed, name)
        if followed is not None:
            self._wide.add(tail)
        self._open.setdefault(account_id, mine).add(tail)
        self.listening = True
        return tail

    def told(self, facts: Sequence[Fact]) -> None:
        """These happened: wakes who waits for them."""
        whose = {fact.account_id for fact in facts}
        for account_id in self._open.keys() & whose:
            for tail in self._open[account_id]:
                tail.wake()
        for tail in self._wide:
            if not whose.isdisjoint(tail.followed()):
                tail.wake()

    def forget(self, tail: Tail) -> None:
        """A tail ended."""
        self._wide.discard(tail)
        if mine := self._open.get(tail.account_id):
            mine.discard(tail)
            if not mine:
                del self._open[tail.account_id]
        self.listening = bool(self._open)

    def close(self) -> None:
        """Ends them all; their readers come back with the last cursor they had."""
        for tail in [tail for tails in self._open.values() for tail in tails]:
            tail.end()


class Tail:
    """One reader. :meth:`close` gives its place among the account's tails back."""

    def __init__(
        self,
        tails: Tails,
        account_id: int,
        after: Place,
        states: frozenset[int] | None,
        followed: Callable[[], Set[int]] | None = None,
        name: Callable[[int], str] | None = None,
    ) -> None:
        self.account_id = account_id
        own = frozenset((account_id,))
        self.followed: Callable[[], Set[int]] = followed or (lambda: own)
        self._name = name
        self._tails = tails
        self._place = after
        self._states = states
        self._woken = asyncio.Event()
        self._ended = False

    def wake(self) -> None:
        """Something happened."""
        self._woken.set()

    def end(self) -> None:
        """No more pages."""
        self._ended = True
        self._woken.set()

    def close(self) -> None:
        """Gives back what it holds."""
        self.end()
        self._tails.forget(self)

    async def pages(self, allowed: Callable[[], bool]) -> AsyncIterator[EventPage]:
        """Pages as they come; an empty one says that nothing happened for a while. Ends when not ``allowed``."""
        loop = asyncio.get_running_loop()
        told_at = loop.time()
        while not self._ended and allowed():
            self._woken.clear()
            page = await self._tails.log.page(self.followed(), self._place, self._states, _PAGE, self._name)
            self._place = page.place
            if page.events or loop.time() - told_at >= _QUIET_S:
                told_at = loop.time()
                yield page
            if not page.more:
                await self._wait()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(_LOOK_S):
                await self._woken.wait()
        except TimeoutError:
            return
        if not self._ended:
            await asyncio.sleep(_GATHER_S)
