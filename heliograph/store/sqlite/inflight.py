"""Which messages were born claimed by this node and are still with it, so that a crash finds them without an index.

Only the lowest of their keys is kept in the store, and not at every commit: it may be lower than
the truth, never higher. After a crash the rows from there on are looked through.
"""

from __future__ import annotations

from collections.abc import Iterable

from heliograph.contracts import NewMessage, Update
from heliograph.model import Progress, State

__all__ = ["InFlight", "born_claimed"]

_SENT = State.SENT
_STEP = 4_096
"""Messages born claimed between two writes of the mark: as many rows more are looked through after a crash."""


class InFlight:
    """The keys in flight. Lives in the writer's thread."""

    __slots__ = ("_born", "_mark", "_since", "settled")

    def __init__(self) -> None:
        self._born: set[int] = set()
        self._mark = 0
        self._since = 0
        self.settled = False
        """Whether the messages of an earlier life are known; before that the mark may only stay."""

    def adopt(self, kept: Iterable[int], *, gone: Iterable[int], mark: int, all_connectors: bool) -> None:
        """What a release left with this node and what it gave back. After one of all connectors nothing

        of an earlier life is unknown, and ``mark``, the kept one, may move.
        """
        self._born.difference_update(gone)
        self._born.update(kept)
        self._mark = mark
        self.settled = self.settled or all_connectors

    def next_mark(self, born: list[int]) -> int | None:
        """The mark to write in the transaction that inserts these keys, or None where it may stay."""
        if not born or not self.settled:
            return None
        lowest = min(born)
        if self._since + len(born) < _STEP and self._mark <= lowest:
            return None
        return min(lowest, min(self._born, default=lowest))

    def committed(self, born: list[int], mark: int | None) -> None:
        """The transaction that inserted these is durable."""
        self._born.update(born)
        if mark is None:
            self._since += len(born)
        else:
            self._mark, self._since = mark, 0

    def leave(self, updates: Iterable[Update], keys: Iterable[int]) -> None:
        """Takes out what these committed updates took from the node. ``keys`` are their messages'."""
        if self._born:
            self._born.difference_update(
                [key for key, update in zip(keys, updates, strict=True) if _has_left(update.progress)]
            )


def _has_left(progress: Progress) -> bool:
    return progress.owner == 0 or progress.due_us is not None or progress.state >= _SENT


def born_claimed(news: Iterable[NewMessage], keys: Iterable[int], node_id: int) -> list[int]:
    """Keys of the new messages that a lane of this node has from birth."""
    return [
        key
        for key, new in zip(keys, news, strict=True)
        if (progress := new.progress).owner == node_id and progress.due_us is None
    ]
