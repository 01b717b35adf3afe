"""Departures: a message of several segments leaves a lane as a whole, when none of it is there any more.

Whoever takes a message next (another connector's lane, or this one from the store, later) takes every segment
that no carrier has. So a segment that is to go on waits here until the others were taken, have ended, or are to
go on as well; otherwise two lanes would send the same one.
"""

from __future__ import annotations

from collections.abc import Callable

from heliograph.delivery.ledger import Batch
from heliograph.model import AT_ONCE, Live, State

__all__ = ["Departures"]


class _Departure:
    __slots__ = ("connector_id", "due_us", "live", "numbers")

    def __init__(self, live: Live) -> None:
        self.live = live
        self.numbers: set[int] = set()
        self.connector_id: int | None = None
        self.due_us: int | None = None


class Departures:
    """Segments that are to go on, by message, until the message goes."""

    __slots__ = ("_go", "_waiting")

    def __init__(self, go: Callable[[Batch, Live, int | None, int], None]) -> None:
        """``go`` sends a message on: to another connector at once, or (None) back to the store until it is due."""
        self._go = go
        self._waiting: dict[str, _Departure] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def elsewhere(self, batch: Batch, live: Live, number: int, connector_id: int) -> None:
        """A segment is to go on over another connector."""
        if live.segments is None:
            self._go(batch, live, connector_id, AT_ONCE)
        else:
            one = self._departure(live, number)
            one.connector_id = connector_id

    def later(self, batch: Batch, live: Live, number: int, due_us: int) -> None:
        """A segment is to be tried again then, from the store."""
        if live.segments is None:
            self._go(batch, live, None, due_us)
        else:
            one = self._departure(live, number)
            one.due_us = due_us if one.due_us is None else min(one.due_us, due_us)

    def _departure(self, live: Live, number: int) -> _Departure:
        one = self._waiting.get(live.message.id)
        if one is None:
            one = self._waiting[live.message.id] = _Departure(live)
        one.numbers.add(number)
        return one

    def let_go(self, batch: Batch, *, all_of_them: bool = False) -> None:
        """Sends on what has no segment left in the lane; ``all_of_them``: the lane closes."""
        for message_id, one in list(self._waiting.items()):
            left = [segment.number for segment in one.live.segments or () if segment.state < State.SENT]
            if all_of_them or one.numbers.issuperset(left):
                del self._waiting[message_id]
                if left:
                    elsewhere = one.connector_id
                    self._go(batch, one.live, elsewhere, AT_ONCE if elsewhere is not None else one.due_us or AT_ONCE)
