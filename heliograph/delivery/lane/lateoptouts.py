"""Who opts out while messages wait in a lane's memory: these are looked at once more before they are written.

A message is checked when it is accepted, in its commit, and when it is claimed from the store. Nothing more
is asked of it here, but for one comparison, until somebody opts out. Whatever entered the lane before that
is then held against the store's filter as it gets its permit, and those that the filter suspects wait for
one read of the store.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from math import inf
from typing import Protocol

from heliograph.contracts import Clock, SegmentSubmission, Store
from heliograph.errors import StoreError

__all__ = ["LateOptOuts"]

_SETTLE_S = 1.0
"""A message that entered this soon after may have been checked before: its commit's answer took a while."""

_BUSY_S = 1.0
"""How long a store that is busy is left alone."""


class Lane(Protocol):
    """Where a suspect goes once it is known whether its recipient opted out."""

    def cleared(self, submissions: Sequence[SegmentSubmission]) -> None: ...

    def barred(self, submissions: Sequence[SegmentSubmission]) -> None: ...


class LateOptOuts:
    """The submissions of one lane that wait for an answer. They keep their permit and their place in order."""

    def __init__(self, store: Store, clock: Clock, lane: Lane, spawn: Callable[..., None]) -> None:
        self._store = store
        self._clock = clock
        self._lane = lane
        self._spawn = spawn
        self._doubtful: list[SegmentSubmission] = []
        self._looking = False
        self.until = -inf
        """What entered the lane up to this monotonic instant must be shown to :meth:`suspects`."""

    def changed(self) -> None:
        """Somebody opted out."""
        self.until = self._clock.monotonic() + _SETTLE_S

    def suspects(self, submission: SegmentSubmission) -> bool:
        """Whether it waits here now, because its recipient may have opted out."""
        message = submission.live.message
        if not self._store.may_be_opted_out(message.account_id, message.recipient):
            return False
        self._doubtful.append(submission)
        if not self._looking:
            self._looking = True
            self._spawn(self._look())
        return True

    def empty(self) -> list[SegmentSubmission]:
        """Gives up those that wait."""
        doubtful, self._doubtful = self._doubtful, []
        return doubtful

    async def _look(self) -> None:
        try:
            while self._doubtful:
                asked, until = self._doubtful[:], self.until
                messages = [one.live.message for one in asked]
                try:
                    out = await self._store.opted_out([(one.account_id, one.recipient) for one in messages])
                except StoreError:
                    await asyncio.sleep(_BUSY_S)
                    continue
                if until == self.until:  # otherwise somebody opted out while we read
                    self._settle(asked, out)
        finally:
            self._looking = False

    def _settle(self, asked: Sequence[SegmentSubmission], out: set[tuple[int, str]]) -> None:
        waiting = {id(one) for one in self._doubtful}  # the lane may have been emptied meanwhile
        asked = [one for one in asked if id(one) in waiting]
        answered = {id(one) for one in asked}
        self._doubtful = [one for one in self._doubtful if id(one) not in answered]
        barred = [one for one in asked if (one.live.message.account_id, one.live.message.recipient) in out]
        gone = {id(one) for one in barred}
        if barred:
            self._lane.barred(barred)
        self._lane.cleared([one for one in asked if id(one) not in gone])
