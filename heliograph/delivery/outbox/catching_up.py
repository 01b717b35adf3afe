"""Catching up: what a line did not get from memory is read from the outbox, and messages from their rows."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Sequence

from heliograph.delivery.outbox.desk import Desk, log, names
from heliograph.delivery.outbox.line import Item, Line
from heliograph.errors import StoreError
from heliograph.model import Fact
from heliograph.rules.redelivery import MOST_AGE_US

__all__ = ["CatchingUp"]


class CatchingUp:
    """Reads for the lines that are behind and have room. ``kick`` starts workers for a line."""

    def __init__(self, desk: Desk, kick: Callable[[Line], None]) -> None:
        self._desk = desk
        self._kick = kick
        self._reader: asyncio.Task[None] | None = None

    def position_at(self, at_us: int) -> int:
        """The newest position before a time, as far back as is remembered."""
        if not self._desk.recent:
            return self._desk.position
        recent = list(self._desk.recent)
        index = bisect_left(recent, at_us, key=lambda entry: entry[1])
        return recent[index - 1][0] if index else recent[0][0] - 1

    def note_gap(self, previous: int, position: int) -> None:
        """Positions that nobody told (another process, or our own start): who needs them reads them."""
        for line in self._desk.lines.values():
            if not line.behind and max(line.read_to, previous) < position - 1:
                line.behind = True
                line.read_to = max(line.read_to, previous)
        self.read_on()

    def limit(self, line: Line, position: int) -> None:
        """Above the high-water mark a line stops taking from memory; what follows it reads later."""
        bounds = self._desk.bounds
        waiting = line.pressing
        full = waiting >= bounds.waiting or len(self._desk.deliveries) >= bounds.unsaved
        if full or (self._desk.waiting >= bounds.waiting_all and waiting > bounds.connections):
            line.behind = True
            line.read_to = position

    def has_room(self, line: Line) -> bool:
        """Whether a line may be given more from the store."""
        return (
            line.pressing < self._desk.bounds.waiting // 4
            and len(self._desk.deliveries) < self._desk.bounds.unsaved
            and (self._desk.waiting < self._desk.bounds.waiting_all or not line.waiting)
        )

    def read_on(self) -> None:
        """Sees to it that the outbox is read while a line is behind and has room."""
        if self._reader is None and not self._desk.closed and any(self._readers()):
            self._reader = self._desk.spawn(self._read())

    def _readers(self) -> list[Line]:
        return [line for line in self._desk.lines.values() if line.behind and not line.closed and self.has_room(line)]

    async def _read(self) -> None:
        try:
            while lines := self._readers():
                start = min(line.read_to for line in lines)
                told = self._desk.position
                page = await self._desk.store.outbox(start, self._desk.bounds.page_rows)
                if not page.rows:
                    if told <= start:
                        self._caught_up(start)
                    elif told == self._desk.position:  # told of, but not to be read yet: the next tick looks again
                        break
                    continue
                self._take_page(page.rows, [line for line in lines if line.behind and not line.closed])
                await asyncio.sleep(0)
        except StoreError as error:
            log.warning("the outbox cannot be read now: %s", error)
        finally:
            self._reader = None

    def _take_page(self, rows: Sequence[tuple[int, tuple[Fact, ...]]], lines: Sequence[Line]) -> None:
        """Gives a page to the lines that are behind; each skips what it has read before."""
        by_account: dict[int, list[Line]] = {}
        for line in lines:
            by_account.setdefault(line.endpoint.account_id, []).append(line)
        taking = set(lines)
        for position, facts in rows:
            for fact in facts:
                for line in by_account.get(fact.account_id, ()):
                    if line in taking and position > line.read_to and line.offer(position, fact, None):
                        self._desk.waiting += 1
            for line in list(taking):
                line.read_to = max(line.read_to, position)
                if line.pressing >= self._desk.bounds.waiting:
                    taking.discard(line)
        for line in lines:
            line.dirty = True
            self._kick(line)
        if rows[-1][0] >= self._desk.position:
            self._caught_up(rows[-1][0])

    def _caught_up(self, position: int) -> None:
        """Lines that have read so far take from memory again."""
        for line in self._desk.lines.values():
            if (
                line.behind
                and line.read_to >= max(position, self._desk.position)
                and line.pressing < self._desk.bounds.waiting
            ):
                line.behind = False
                line.since_us = 0

    async def warm(self, line: Line) -> None:
        """Reads the messages of facts that came without them, and moves both on."""
        bounds = self._desk.bounds
        try:
            while line.cold and len(line.hot) < bounds.records and not self._desk.closed:
                chunk = [line.cold.popleft() for _ in range(min(len(line.cold), bounds.records))]
                try:
                    await self._fetch(chunk)
                except StoreError as error:
                    if line.closed:
                        self._desk.waiting -= len(chunk)
                    else:
                        line.cold.extendleft(reversed(chunk))
                    log.warning("messages cannot be read now: %s", error)
                    return
                self._move_on(line, chunk)
        finally:
            line.warming = False
        self._kick(line)

    async def _fetch(self, chunk: Sequence[Item]) -> None:
        ids = {(item.fact.account_id, item.fact.message_id) for item in chunk if item.source is None}
        records = await self._desk.store.records(sorted(ids)) if ids else {}
        for item in chunk:
            if item.source is None:
                item.source = records.get(item.fact.message_id)

    def _move_on(self, line: Line, chunk: Sequence[Item]) -> None:
        if line.closed:
            self._desk.waiting -= len(chunk)
            return
        missing = [item for item in chunk if item.source is None]
        if missing:
            log.warning("messages are not kept any more, their events are given up: %s", names(missing))
            self._desk.counts["over"] += len(missing)
            self._desk.waiting -= len(missing)
            line.finish(missing)
        if line.tags is not None:
            foreign = [item for item in chunk if item.source is not None and not line.wants(item.source.message)]
            self._desk.waiting -= len(foreign)
            line.settle(foreign)
            chunk = [item for item in chunk if item not in foreign]
        line.hot.extend(item for item in chunk if item.source is not None)

    def expire(self, line: Line) -> None:
        """An endpoint that takes nothing for days holds up neither memory nor the outbox's end."""
        self._desk.waiting -= line.expire(self._desk.now_us() - MOST_AGE_US)
        if line.expired:
            log.warning("%d events are too old for endpoint %s and given up", line.expired, line.endpoint.id)
            self._desk.counts["over"] += line.expired
            line.expired = 0
