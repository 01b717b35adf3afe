"""Counting: a reader of the outbox that rolls up what happened, by the hour of acceptance and what people ask for.

Counts and the reader's place move in one transaction, so every fact is counted once, also across a crash. Facts
of our own commits are counted as they are told, without a read; where another process wrote in between, or
memory would not hold them, they are read from the outbox. What is counted when: docs/explanation/counts.md
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from heliograph.contracts import ACCEPTED, Store, Tally
from heliograph.errors import StoreError
from heliograph.model import END, Direction, Fact, State, id_from_number, id_time_us
from heliograph.model.ids import EPOCH_US

__all__ = ["Counting", "tallies_of"]

_log = logging.getLogger("heliograph.delivery")

_HOUR_US = 3_600_000_000
_EVERY_S = 1.0
_LONGEST_S = 5.0
_KEYS_A_S = 1_000
"""For each thousand keys the next writing waits a second more: many keys cost the writer the most."""
_PAGE_ROWS = 500
_MOST_KEYS = 20_000
_MOST_MISSED = 2_000

_Key = tuple[Any, ...]
_Counts = dict[int, Counter[_Key]]

_dimensions = attrgetter(
    "account_id", "direction", "country", "network", "sender", "connector_id", "type", "state", "sequence",
    "segments", "was", "error", "waited",
)  # fmt: skip
_message_id = attrgetter("message_id")


class Counting:
    """Counts facts, keeps the counts once a second or so, and catches up where it could not."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._counts: _Counts = {}
        self._hour = _Hour(EPOCH_US)
        self._position = 0
        self._commits = 0
        """Commits that were counted since the last keeping."""
        self._newest = 0
        self._kept = 0
        self._live = False
        self._missed: deque[tuple[int, Sequence[Fact]]] = deque(maxlen=_MOST_MISSED)
        """What was told since the outbox was read last, while catching up."""
        self._task: asyncio.Task[None] | None = None

    def told(self, position: int, facts: Sequence[Fact]) -> None:
        """The facts of one commit, in order of positions."""
        self._newest = position
        if not self._live:
            self._missed.append((position, facts))
        elif position > self._position:
            self._add(position, facts)
            if self._keys() > _MOST_KEYS:  # what is not kept is read again from the outbox
                self._live = False
                self._counts = {}

    @property
    def lag(self) -> int:
        """How many positions are not counted durably yet."""
        return max(0, self._newest - self._kept)

    def _keys(self) -> int:
        return sum(map(len, self._counts.values()))

    def _add(self, position: int, facts: Sequence[Fact]) -> None:
        counts, hour = self._counts, self._hour
        ids = list(map(_message_id, facts))
        if not hour.first <= min(ids) <= max(ids) < hour.end:
            hour = self._hour = _Hour(id_time_us(max(ids)))
        if hour.first <= min(ids):  # nearly always: the loop is in C
            counts.setdefault(hour.at_us, Counter()).update(map(_dimensions, facts))
        else:
            for fact in facts:
                at_us = id_time_us(fact.message_id)
                counts.setdefault(at_us - at_us % _HOUR_US, Counter())[_dimensions(fact)] += 1
        self._position = position
        self._commits += 1

    async def start(self) -> None:
        """Counts what the last run left, then goes on with what is told."""
        await self._catch_up()
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _catch_up(self) -> None:
        self._counts, self._commits = {}, 0
        self._position = self._kept = await self._store.counts_position()
        while True:
            self._missed.clear()
            rows = (await self._store.outbox(self._position, _PAGE_ROWS)).rows
            for position, facts in rows:
                self._add(position, facts)
            if not rows:
                break
            if not await self._keep():
                return  # another process counts as well: its turn
        for place, told in self._missed:
            if place > self._position:
                self._add(place, told)
        self._missed.clear()
        self._live = True

    async def keep(self) -> None:
        """Writes what was counted since the last time."""
        if self._commits and not await self._keep():
            self._live = False

    async def _keep(self) -> bool:
        counts, self._counts = self._counts, {}
        commits, self._commits = self._commits, 0
        after, position = self._kept, self._position
        try:
            kept = await self._store.add_tallies(after, position, commits, tallies_of(counts))
        except StoreError:
            self._live = False  # the outbox still has it
            raise
        if kept:
            self._kept = position
        return kept

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(min(_LONGEST_S, _EVERY_S + self._keys() / _KEYS_A_S))
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


class _Hour:
    """An hour, and the ids that are made in it (``end`` is exclusive)."""

    __slots__ = ("at_us", "end", "first")

    def __init__(self, within_us: int) -> None:
        self.at_us = within_us - within_us % _HOUR_US
        self.first, self.end = (
            id_from_number((at_us - EPOCH_US) >> 1 << 45) for at_us in (self.at_us, self.at_us + _HOUR_US)
        )


def tallies_of(counts: _Counts) -> dict[Tally, tuple[int, int]]:
    """Counts as the store keeps them: (messages, segments). An inbound message's sender is nobody's figure."""
    found: dict[Tally, tuple[int, int]] = {}
    for hour_us, counted in counts.items():
        for key, count in counted.items():
            account, direction, country, network, sender, connector, kind, state, sequence, segments, *end = key
            ours = "" if direction == Direction.IN else sender
            dimensions = (hour_us, account, direction, country or "", network or "", ours, connector, kind)
            for event, was, error, waited in _events(direction, state, sequence, *end):
                tally = (*dimensions, event, was, error, waited)
                messages, before = found.get(tally, (0, 0))
                found[tally] = (messages + count, before + count * segments)
    return found


def _events(
    direction: int, state: int, sequence: int, was: int, error: str | None, waited: int
) -> list[tuple[int, int, str, int]]:
    """What one fact counts as: its message's acceptance, where it is the first; being sent; an end; a reply."""
    if direction == Direction.IN:
        return [(state, 0, "", -1)]
    found = [(ACCEPTED, 0, "", -1)] if sequence == 1 else []
    if state == State.SENT or state >= END:
        found.append((state, was, error or "", waited))
    return found
