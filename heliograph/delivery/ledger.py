"""The ledger: news about messages becomes committed rows, and what a carrier's id belongs to is found again.

Everything that changes a message after its acceptance passes here. All news of one turn of the event
loop goes into one :class:`Batch` and leaves in one commit, in the order in which it was applied. A
commit that meets another version of a row reads it again and applies the same news anew: the fold
gives the same in any order.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter

from heliograph.contracts import Changes, Clock, Committed, Store, Update
from heliograph.delivery.errands import Errands
from heliograph.errors import StoreError
from heliograph.model import Live
from heliograph.rules.lifecycle import News, advance, come_due
from heliograph.telemetry.metrics import Metrics

__all__ = ["Batch", "Ledger"]

_log = logging.getLogger("heliograph.delivery")

_RECENT = 20_000
"""Submissions whose receipts are found without a read: what is in flight, not what was ever sent."""

_FIRST_WAIT_S = 0.05
_LONGEST_WAIT_S = 2.0
_PATIENCE_S = 10.0
"""A peer that waits for its answer is told to come back when the store was busy for this long."""

_MOST_REDOS = 8

_state_of = attrgetter("state")


@dataclass(slots=True)
class Batch:
    """Changes of one turn, the news behind them, and who waits for them to be durable."""

    changes: Changes = field(default_factory=Changes)
    news: list[tuple[Live, News]] = field(default_factory=list)
    kept: list[Callable[[], None]] = field(default_factory=list)
    """Called once it is durable, however long that takes."""
    answers: list[Callable[[bool], None]] = field(default_factory=list)
    """Called once: True when durable, False when a peer can't be kept waiting any longer."""


class Ledger:
    """Applies news and commits it, and remembers what was submitted lately."""

    def __init__(self, store: Store, clock: Clock, metrics: Metrics) -> None:
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self.recent: dict[tuple[int, str], tuple[Live, int]] = {}
        """(connector_id, canonical) → (message, segment) of what was submitted lately. Whoever hears of an end takes it

        out: later news of it is found in the store.
        """
        self._batch = Batch()
        self._last: Batch | None = None
        self._planned: dict[Callable[[Batch], None], None] = {}
        self._turning = False
        self._errands = Errands()
        self._loop = asyncio.get_running_loop()
        self.wires: Callable[[Collection[int]], dict[int, tuple[str, ...]]] = lambda _: {}
        """What lanes' rows must say now: a commit that is tried again must not say what was true before."""

    # --- turns -------------------------------------------------------------------------------------

    @property
    def batch(self) -> Batch:
        """The batch of this turn of the loop: it is committed at the turn's end."""
        self._plan_turn()
        return self._batch

    def plan(self, work: Callable[[Batch], None]) -> None:
        """``work`` is called once at the end of this turn, before its batch is committed."""
        self._planned[work] = None
        self._plan_turn()

    def _plan_turn(self) -> None:
        if not self._turning:
            self._turning = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        batch = self._batch
        planned, self._planned = self._planned, {}
        for work in planned:
            work(batch)
        self._batch = Batch()
        self._turning = False
        if self._planned:
            self._plan_turn()
        if not batch.changes.empty:
            self._last = batch
            self._begin(batch)
        elif batch.answers:
            # Nothing new was said: the answer waits for the commit that said it first.
            if self._last is not None:
                self._last.answers.extend(batch.answers)
            else:
                _answer(batch, True)

    def _begin(self, batch: Batch) -> None:
        """The store is asked in the very turn in which the batch was worked out: what it says of the wire is true now,
        and intake, which says more of it in a turn to come, must not be written before it.
        """
        self._errands.open()
        try:
            self._store.keep(batch.changes, partial(self._told, batch))
        except StoreError as error:
            self._errands.start(self._keep(batch, error))

    def _told(self, batch: Batch, outcome: Committed | StoreError) -> None:
        if isinstance(outcome, StoreError) or outcome.stale:
            self._errands.start(self._keep(batch, outcome))
            return
        try:
            self._count(batch, outcome)
            self._durable(batch)
        finally:
            self._errands.close()

    async def _keep(self, batch: Batch, outcome: Committed | StoreError) -> None:
        """What the first try did not keep, or not all of it."""
        try:
            await self.commit(batch, outcome)
            self._durable(batch)
        finally:
            self._errands.close()

    def _durable(self, batch: Batch) -> None:
        if self._last is batch:
            self._last = None
        for call in batch.kept:
            call()
        _answer(batch, True)

    async def drain(self, timeout_s: float) -> None:
        """Waits until everything said so far is durable."""
        deadline = self._clock.monotonic() + timeout_s
        while (self._errands.busy or self._turning) and self._clock.monotonic() < deadline:
            await self._errands.drain(max(0.0, deadline - self._clock.monotonic()))
            await asyncio.sleep(0)

    # --- news --------------------------------------------------------------------------------------

    def apply(self, batch: Batch, live: Live, news: News) -> bool:
        """Moves ``live`` and adds its rows to ``batch``; False where the news says nothing new."""
        step = advance(live, news)
        progress = step.progress
        if progress is None:
            return False
        changes, message = batch.changes, live.message
        changes.updates.append(Update(message.id, message.account_id, live.progress.version, progress))
        live.progress = progress
        if step.segment is not None and live.segments is not None:
            live.segments[news.segment - 1] = step.segment
            changes.segments.append((message.id, message.account_id, step.segment))
        fact = step.fact
        if fact is not None:
            changes.facts.append(fact)
            changes.lives.append(live)
        if step.logged:
            changes.logged.extend(step.logged)
        batch.news.append((live, news))
        return True

    def come_due(self, batch: Batch, live: Live, now_us: int) -> None:
        """A scheduled message has entered its lane."""
        step = come_due(live, now_us)
        assert step.progress is not None
        assert step.fact is not None
        changes, message = batch.changes, live.message
        changes.updates.append(Update(message.id, message.account_id, live.progress.version, step.progress))
        live.progress = step.progress
        changes.facts.append(step.fact)
        changes.lives.append(live)
        changes.logged.extend(step.logged)

    def forget_oldest(self) -> None:
        """Bounds ``recent``: whoever adds to it calls this."""
        recent = self.recent
        while len(recent) > _RECENT:
            del recent[next(iter(recent))]

    async def commit(self, batch: Batch, outcome: Committed | StoreError | None = None) -> None:
        """Durable when it returns, however often the store has to be asked. ``outcome`` is that of a first try."""
        wait_s = _FIRST_WAIT_S
        began = self._clock.monotonic()
        redos = 0
        while True:
            if outcome is None:
                outcome = await self._try(batch.changes)
            if isinstance(outcome, StoreError):
                _log.warning("the store did not keep %d updates yet: %s", len(batch.changes.updates), outcome)
                if self._clock.monotonic() - began > _PATIENCE_S:
                    _answer(batch, False)
                await asyncio.sleep(wait_s)
                wait_s = min(_LONGEST_WAIT_S, wait_s * 2)
                batch.changes.wires = self.wires(batch.changes.wires.keys())
                outcome = None
                continue
            self._count(batch, outcome)
            if not outcome.stale or redos >= _MOST_REDOS:
                return
            redos += 1
            batch, outcome = await self._decide_anew(batch, outcome.stale), None

    async def _try(self, changes: Changes) -> Committed | StoreError:
        try:
            return await self._store.commit(changes)
        except StoreError as error:
            return error

    def _count(self, batch: Batch, committed: Committed) -> None:
        facts, stale = batch.changes.facts, committed.stale
        if stale:
            facts = [fact for fact in facts if fact.message_id not in stale]
        self._metrics.reached(map(_state_of, facts))

    async def _decide_anew(self, batch: Batch, stale: set[str]) -> Batch:
        """The part of ``batch`` that met another version, applied to what the store has now."""
        again = [(live, news) for live, news in batch.news if live.message.id in stale]
        await self.refresh([live for live, _ in again])
        fresh = Batch(answers=batch.answers)
        for live, news in again:
            self.apply(fresh, live, news)
        fresh.changes.correlations = [one for one in batch.changes.correlations if one.message_id in stale]
        return fresh

    async def refresh(self, lives: Sequence[Live]) -> None:
        """Puts the store's truth into these messages in memory."""
        rows = await self._store.live([(live.message.account_id, live.message.id) for live in lives])
        for live in lives:
            row = rows.get(live.message.id)
            if row is not None:
                live.progress, live.segments = row.progress, row.segments


def _answer(batch: Batch, durable: bool) -> None:
    answers, batch.answers = batch.answers, []
    for answer in answers:
        answer(durable)
