"""Counting: a reader of the outbox that rolls up what happened, by hour and by what people ask for.

Counts and the reader's place move in one transaction, so every fact is counted once, also across a crash.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from heliograph.contracts import Store
from heliograph.errors import StoreError
from heliograph.model import Direction, Fact

__all__ = ["Counting"]

_log = logging.getLogger("heliograph.delivery")

_HOUR_US = 3_600_000_000
_EVERY_S = 1.0
_PAGE_ROWS = 500
_MOST_KEYS = 20_000

_Row = tuple[int, int, int, str, str, str, int, int, int]

_dimensions = attrgetter("account_id", "direction", "country", "network", "sender", "connector_id", "type", "state")


class Counting:
    """Counts facts by (hour, account, direction, country, network, sender, connector, type, state)."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._counts: dict[int, Counter[Any]] = {}
        self._position = 0
        self._newest = 0
        self._kept = 0
        self._live = False
        self._task: asyncio.Task[None] | None = None

    def told(self, position: int, facts: Sequence[Fact]) -> None:
        """The facts of one commit, in order of positions."""
        self._newest = position
        if self._live and position > self._position:
            self._add(facts)
            self._position = position

    @property
    def lag(self) -> int:
        """How many positions are not counted durably yet."""
        return max(0, self._newest - self._kept)

    def _add(self, facts: Sequence[Fact]) -> None:
        counts = self._counts
        first = facts[0].at_us // _HOUR_US
        times = [fact.at_us for fact in facts]
        if min(times) // _HOUR_US == first == max(times) // _HOUR_US:  # nearly always: the loop is in C
            counts.setdefault(first, Counter()).update(map(_dimensions, facts))
        else:
            for fact in facts:
                counts.setdefault(fact.at_us // _HOUR_US, Counter())[_dimensions(fact)] += 1
        if sum(map(len, counts.values())) > _MOST_KEYS:  # what is not kept is read again from the outbox
            self._live = False
            self._counts = {}

    async def start(self) -> None:
        """Counts what the last run left, then goes on with what is told."""
        await self._catch_up()
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _catch_up(self) -> None:
        self._counts = {}
        self._position = self._kept = await self._store.counts_position()
        while rows := (await self._store.outbox(self._position, _PAGE_ROWS)).rows:
            for position, facts in rows:
                self._add(facts)
                self._position = position
            await self.keep()
        self._live = True

    async def keep(self) -> None:
        """Writes what was counted since the last time."""
        counts, self._counts = self._counts, {}
        if not counts:
            return
        position = self._position
        try:
            await self._store.add_counts(position, _rows(counts))
        except StoreError:
            self._live = False  # the outbox still has it
            raise
        self._kept = position

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_S)
            try:
                if self._live:
                    await self.keep()
                else:
                    await self._catch_up()
            except StoreError as error:
                _log.warning("counts will be caught up: %s", error)

    async def stop(self) -> None:
        """Keeps what was counted."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        try:
            if self._live:
                await self.keep()
        except StoreError as error:
            _log.warning("counts will be caught up at the next start: %s", error)


def _rows(counts: dict[int, Counter[Any]]) -> dict[_Row, int]:
    """Counts as the store keeps them: the hour in microseconds; an inbound message's sender is nobody's figure."""
    rows: dict[_Row, int] = {}
    for hour, counted in counts.items():
        for (account, direction, country, network, sender, connector, kind, state), count in counted.items():
            ours = "" if direction == Direction.IN else sender
            row = (hour * _HOUR_US, account, direction, country or "", network or "", ours, connector, kind, state)
            rows[row] = rows.get(row, 0) + count
    return rows
