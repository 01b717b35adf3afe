"""Permits: which messages may be on the wire. What a lane's row in the store names, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

__all__ = ["Permits"]

_PACED_AHEAD_S = 0.02
"""A paced lane permits this much ahead: what is permitted can't be overtaken by a one-time code."""

_LEAST_AHEAD = 64
"""Segments that are permitted ahead of a window that has as many, however slow the carrier is."""

_MOST_AHEAD = 1024
"""Segments that are permitted ahead at most, however fast the carrier is."""

_KEPT = 3
"""Quarters of what was permitted ahead that stay so at least until the next measure: loads come in waves."""

_INTERVALS = 2
"""A permit is asked for during one commit and given by the next: the wire needs enough for both."""


class Permits:
    """Counts of segments that may be on the wire, by message; and how many more may be permitted."""

    __slots__ = ("_ahead", "_ids", "_least", "_leaving", "_most", "_telling", "_window", "changed", "open", "unwritten")

    def __init__(self, window: int) -> None:
        self._window = window
        self._least = min(window, _LEAST_AHEAD)
        self._most = max(window, _MOST_AHEAD)
        self._ahead = self._least
        self._ids: dict[str, int] = {}
        self._leaving: set[str] = set()
        self._telling: list[set[str]] = []
        self.open = 0
        """Segments permitted and not answered yet."""
        self.unwritten = 0
        """Of these, not handed to the connector yet."""
        self.changed = False
        """Whether the row in the store says more than is true."""

    def __contains__(self, message_id: str) -> bool:
        return message_id in self._ids

    def may_be_on_wire(self, message_id: str) -> bool:
        """Whether it has a permit, or had one and the commit that tells its outcome is not yet durable."""
        if message_id in self._ids or message_id in self._leaving:
            return True
        return any(message_id in leaving for leaving in self._telling)

    @property
    def ids(self) -> tuple[str, ...]:
        """Messages that may be on the wire: what the row must say.

        One that was answered stays until the batch that says so is committed: a row written before that
        (with a new message's insert) must still name it, or a crash between the two would repeat it unmarked.
        """
        return (*self._ids, *self._leaving) if self._leaving else tuple(self._ids)

    def leave(self) -> Callable[[], None] | None:
        """What was released is told by the batch that is committed now: its row need not name it any more.

        Gives what is to be called once that commit is durable.
        """
        if not self._leaving:
            return None
        leaving, self._leaving = self._leaving, set()
        self._telling.append(leaving)
        return partial(self._told, leaving)

    def _told(self, leaving: set[str]) -> None:
        self._telling = [one for one in self._telling if one is not leaving]

    def room(self, segments_per_second: float) -> int:
        """Segments that may be permitted now: the window, and a little ahead so that it stays full."""
        ahead = self._ahead
        if segments_per_second:
            ahead = min(self._window, max(1, int(segments_per_second * _PACED_AHEAD_S)))
        return min(self._window + ahead - self.open, ahead - self.unwritten)

    def adapt(self, segments_per_second: float, commit_s: float) -> None:
        """How fast the wire takes segments, and how long a commit takes.

        As much is permitted ahead as the wire takes during two commits: it does not wait for the disk. What is more
        than that shrinks by a quarter with each measure.
        """
        covered = int(_INTERVALS * segments_per_second * commit_s)
        self._ahead = min(max(covered, self._least, self._ahead * _KEPT // 4), self._most)

    def hungry(self) -> None:
        """The wire took all that was permitted before the commit with more came: twice as much is what two cover."""
        self._ahead = min(2 * self._ahead, self._most)

    def reserve(self, message_id: str, segments: int) -> None:
        """These segments are about to be permitted by a commit."""
        self._ids[message_id] = self._ids.get(message_id, 0) + segments
        if self._leaving:
            self._leaving.discard(message_id)
        self.open += segments
        self.unwritten += segments

    def written(self, segments: int) -> None:
        """So many were handed over, or are not going to be."""
        self.unwritten -= segments

    def release(self, message_id: str, segments: int) -> bool:
        """Takes segments off the wire; True when nothing of the message is left there."""
        had = self._ids.pop(message_id, 0)
        self.open -= segments
        self.changed = True
        if had > segments:
            self._ids[message_id] = had - segments
            return False
        if had:
            self._leaving.add(message_id)
        return True
