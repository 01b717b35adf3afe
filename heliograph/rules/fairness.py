"""Who is next in a lane: classes by share, accounts in turn, cost in segments.

Classes share by weight (one-time codes 16, transactional 4, promotional 1), so that none starves;
inside a class every account gets its turn (deficit round-robin over segments). A class or account
with nothing waiting takes no share from others.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

__all__ = ["SHARES", "FairQueue"]

T = TypeVar("T")

SHARES = (16, 4, 1)
"""Segments that a class may send in its turn while others wait, by ``TrafficType``."""

_QUANTUM = 8
"""Segments that an account may send in its turn: a long message waits for no more than a turn or two."""


class _Class(Generic[T]):
    """The accounts of one class, in turn."""

    __slots__ = ("deficit", "queues", "turn")

    def __init__(self) -> None:
        self.queues: dict[int, deque[tuple[T, int]]] = {}
        self.turn: deque[int] = deque()
        self.deficit = 0

    def open(self, account: int) -> deque[tuple[T, int]]:
        """The queue of an account that had nothing waiting: behind the others' turns."""
        self.turn.append(account)
        queue = self.queues[account] = deque()
        return queue

    def pop(self) -> tuple[T, int]:
        turn = self.turn
        account = turn[0]
        queue = self.queues[account]
        entry = queue.popleft()
        if not queue:
            del self.queues[account]
            turn.popleft()
            self.deficit = 0
        elif len(turn) > 1:  # who is alone takes no turns
            self.deficit += entry[1]
            if self.deficit >= _QUANTUM:
                turn.rotate(-1)
                self.deficit = 0
        return entry


class FairQueue(Generic[T]):
    """A queue of items by (class, account). ``len`` counts items."""

    __slots__ = ("_classes", "_credit", "_length", "_waiting")

    def __init__(self) -> None:
        self._classes: tuple[_Class[T], ...] = tuple(_Class() for _ in SHARES)
        self._credit = list(SHARES)
        self._length = 0
        self._waiting: list[int] = []
        """The classes that have something waiting, most urgent first."""

    def __len__(self) -> int:
        return self._length

    def push(self, kind: int, account: int, item: T, cost: int = 1) -> None:
        """Puts ``item`` behind the others of its class and account. ``cost`` is in segments, at least 1."""
        accounts = self._classes[kind]
        queue = accounts.queues.get(account)
        if queue is None:
            queue = accounts.open(account)
            self._look()
        queue.append((item, cost))
        self._length += 1

    def _look(self) -> None:
        self._waiting = [kind for kind, accounts in enumerate(self._classes) if accounts.turn]

    def _take(self, kind: int) -> tuple[T, int]:
        accounts = self._classes[kind]
        entry = accounts.pop()
        if not accounts.turn:
            self._look()
        return entry

    def pop(self) -> T | None:
        """The next one in fairness, or None when nothing waits."""
        if not self._length:
            return None
        self._length -= 1
        waiting = self._waiting
        if len(waiting) == 1:
            return self._take(waiting[0])[0]
        for _ in range(2):
            for kind in waiting:
                if self._credit[kind] > 0:
                    item, cost = self._take(kind)
                    self._credit[kind] -= cost
                    return item
            # Everybody who waits has used a share: a new round. A debt of a long message stays.
            for kind, share in enumerate(SHARES):
                self._credit[kind] = min(share, self._credit[kind] + share)
        return self._pop_in_debt(waiting)

    def _pop_in_debt(self, waiting: list[int]) -> T:
        """All are deep in debt after long messages: the smallest debt goes first."""
        kind = max(waiting, key=lambda one: self._credit[one] / SHARES[one])
        item, cost = self._take(kind)
        self._credit[kind] -= cost
        return item
