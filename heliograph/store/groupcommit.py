"""The group commit that both stores share: what waits becomes one transaction, then every waiter is answered.

While one transaction runs, arriving :class:`Changes` queue; the next takes all that wait. It begins as soon as
a turn of the event loop brings nothing more to do, or after a few milliseconds: what writes and what works in the
loop take turns instead of taking the interpreter from each other at every statement.
No task and no future stands between a transaction and those who wait for it: the turn of the loop that hears
of its end answers them.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import count
from time import perf_counter, time_ns

from msgspec import Struct

from heliograph.contracts import Changes, Committed, Told, settle
from heliograph.errors import StoreBusy, StoreError
from heliograph.model import Fact, Live
from heliograph.store.batch import Batch
from heliograph.store.bulk import Bulk, is_plain

__all__ = ["Begin", "Ended", "GroupCommit", "awaiting"]

Ended = Callable[[BaseException | None], None]
"""Hears of the end of a transaction: None when it is durable, or what went wrong, and then nothing of it was kept."""

Begin = Callable[[Batch, Ended], None]
"""Begins to make a batch durable. ``Ended`` is called once, in the event loop, not before this returns."""

MAX_ROWS = 2_500
"""Rows of one transaction: about 15 ms of writing, so that nobody waits much longer behind it. A call is never cut."""

_SLOW_S = 5.0
"""A transaction that is under way for longer has met a disk or a database that does not answer."""

_QUIET_S = 0.000_05
"""A turn of the loop that was shorter did nothing: an empty one takes some 10 µs, one request 60."""

_PATIENCE_S = 0.006
"""So long a busy loop is let work on before a transaction begins beside it."""

_BULK_ROWS = 250
"""New messages of one call above which it is bulk: it lets everything else go first."""

_HURRY_S = 60.0
"""So long after a small acceptance others are in a hurry: the next of theirs is not to meet a large transaction."""

_BUSY_S = 0.2
"""How long a large call that is staged waits for a store that was busy."""

_log = logging.getLogger("heliograph.store")


class _Call(Struct, frozen=True, gc=False):
    """Changes, their weight in rows, and who hears what became of them. ``bulk`` is what they are a step of."""

    changes: Changes
    weight: int
    told: Told
    bulk: Bulk | None = None


def _weight(changes: Changes) -> int:
    """Rows that a call brings: what the bounds count."""
    rows = (
        len(changes.updates)
        + len(changes.segments)
        + len(changes.correlations)
        + len(changes.deliveries)
        + len(changes.orphans)
        + len(changes.parts)
    )
    for acceptance in changes.acceptances:
        rows += len(acceptance.messages) + len(acceptance.deliveries) + len(acceptance.usage)
    return rows + 1


_Said = tuple[Told, Committed | StoreError]


class GroupCommit:
    """Collects what waits, writes it as one transaction, answers every waiter.

    ``begin`` makes a :class:`Batch` durable.
    :class:`StoreBusy` is nobody's fault and is told to every waiter. Any other error may be the
    fault of one caller's rows: the batch is halved and tried again, until the guilty call stands
    alone and has its error, and everybody else's rows are kept.

    ``max_waiting`` bounds the rows that wait. New messages are refused (:class:`StoreBusy`) above
    it; what belongs to messages under way is refused above twice as many.
    Bulk (very many new messages in one call, which give no permits) lets all others go first: one call
    in every second transaction while others wait; where the store ``stages`` a slice of it, in several steps.
    ``observe`` hears of each transaction: rows, and seconds it took. ``on_facts`` hears of each that
    had facts, before its waiters are answered: position, facts, lives (see ``Store.on_facts``).
    ``failing`` says why the last transaction could not be kept; None since one was.
    """

    __slots__ = (
        "_began",
        "_begin",
        "_bulk",
        "_bulk_turn",
        "_bulk_waits_until",
        "_closed",
        "_due",
        "_hurried_at",
        "_idle",
        "_looked",
        "_max_rows",
        "_max_waiting",
        "_numbers",
        "_pieces",
        "_queue",
        "_rows",
        "_running",
        "_small",
        "_stages",
        "failing",
        "observe",
        "on_bulk",
        "on_facts",
    )

    def __init__(
        self,
        begin: Begin,
        *,
        stages: bool = False,
        max_waiting: int = 50_000,
        max_rows: int = MAX_ROWS,
        observe: Callable[[int, float], None] | None = None,
    ) -> None:
        self._begin = begin
        self._stages = stages
        self._numbers = count(time_ns() // 1_000)
        self._hurried_at = -_HURRY_S
        self._max_waiting = max_waiting
        self._max_rows = max_rows
        self.observe = observe
        self.on_bulk: Callable[[bool], None] | None = None
        """Hears when the first large call comes, and when none is left."""
        self.on_facts: Callable[[int, Sequence[Fact], Sequence[Live]], None] | None = None
        self._queue: deque[_Call] = deque()
        self._small: deque[_Call] = deque()
        self._bulk: deque[tuple[Bulk, Told]] = deque()
        self._bulk_turn = False
        self._bulk_waits_until = 0.0
        self._pieces: list[list[_Call]] = []
        """What was taken and is not written yet: more than one piece where a fault is looked for."""
        self._rows = 0
        self._running = False
        self._idle: asyncio.Future[None] | None = None
        self._due = 0.0
        self._looked = 0.0
        self._closed = False
        self._began: float | None = None
        self.failing: str | None = None

    @property
    def trouble(self) -> str | None:
        """Why the next transaction will most likely fail, or wait: see ``Store.trouble``."""
        if self.failing is None and self._began is not None and (took_s := perf_counter() - self._began) > _SLOW_S:
            return f"a transaction has been waiting for the disk or the database for {took_s:.0f} s"
        return self.failing

    async def probe(self) -> None:
        """Writes one row that means nothing (what lane 0, which there is none of, has on the wire)."""
        await self.commit(Changes(wires={0: ()}))

    @property
    def waiting_rows(self) -> int:
        """Rows that wait or are being written."""
        return self._rows

    @property
    def hurried(self) -> bool:
        """Whether somebody waits who asked for a little, or did a moment ago: let there be nothing long in between."""
        return perf_counter() - self._hurried_at < _HURRY_S

    @property
    def crowded(self) -> bool:
        """Whether large calls are on their way besides: then everything else that is long goes in pieces, too."""
        return bool(self._bulk) and self.hurried

    def commit(self, changes: Changes) -> asyncio.Future[Committed]:
        """Queues the changes; the future is done when they are durable. Raises :class:`StoreBusy` when full."""
        future: asyncio.Future[Committed] = asyncio.get_running_loop().create_future()
        self.keep(changes, partial(settle, future))
        return future

    def keep(self, changes: Changes, told: Told) -> None:
        """Queues the changes. Raises :class:`StoreBusy` when full; then ``told`` hears nothing."""
        weight = _weight(changes)
        bound = self._max_waiting if changes.acceptances else 2 * self._max_waiting
        if self._closed:
            raise StoreBusy("the store is closed")
        if self._rows and self._rows + weight > bound:
            raise StoreBusy(f"{self._rows} rows wait to be written already; try again")
        # Only what brings nothing but new messages may be written before, or behind, what was asked for earlier.
        plain = bool(changes.acceptances) and is_plain(changes)
        if plain and weight > _BULK_ROWS and len(changes.acceptances) == 1:
            self._keep_bulk(Bulk(changes, weight, next(self._numbers)), changes, told)
        else:
            (self._small if plain and not changes.references else self._queue).append(_Call(changes, weight, told))
            if changes.acceptances and changes.acceptances[0].messages:
                self._hurried_at = perf_counter()
        self._rows += weight
        self._wake()

    def _keep_bulk(self, bulk: Bulk, changes: Changes, told: Told) -> None:
        self._bulk.append((bulk, told))
        if len(self._bulk) == 1 and self.on_bulk is not None:
            self.on_bulk(True)
        if changes.references:
            bulk.ready = False
            self._queue.append(_Call(Changes(references=changes.references), 0, partial(self._let, bulk)))
            changes.references = {}

    def _let(self, bulk: Bulk, outcome: Committed | StoreError) -> None:
        """The references of a large call are kept, or it is refused."""
        bulk.ready = True
        if isinstance(outcome, StoreError):
            bulk.refuse(outcome)
        self._wake()

    async def close(self) -> None:
        """Takes nothing new, finishes what is queued."""
        self._closed = True
        if self._running or self._bulk:
            self._idle = asyncio.get_running_loop().create_future()
            self._wake()
            await self._idle

    def _wake(self) -> None:
        if not self._running:
            self._running = True
            self._soon()

    def _soon(self) -> None:
        """The next transaction begins when the loop has nothing else to do; at once where large calls crowd it."""
        self._looked = perf_counter()
        self._due = self._looked + _PATIENCE_S
        asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        now = perf_counter()
        if now - self._looked < _QUIET_S or now >= self._due or self.crowded:
            self._go_on()
        else:
            self._looked = now
            asyncio.get_running_loop().call_soon(self._look)

    def _go_on(self) -> None:
        """Begins the next transaction, where anything waits."""
        if not self._pieces:
            taken = self._take()
            if not taken:
                self._rest()
                return
            self._pieces.append(taken)
        piece = self._pieces.pop()
        self._began = perf_counter()
        try:
            batch = Batch([call.changes for call in piece])
            self._begin(batch, partial(self._ended, piece, batch))
        except Exception as fault:
            self._failed(piece, fault)

    def _rest(self) -> None:
        """Nothing can be written now."""
        self._running = False
        if self._bulk:
            asyncio.get_running_loop().call_later(_BUSY_S, self._wake)
        elif self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def _take(self) -> list[_Call]:
        """All that wait, or as many as fit one transaction (one at least), those first whose rows need not keep their
        place; bulk one call at a time, and only in every second transaction while others wait."""
        taken: list[_Call] = []
        rows = 0
        for queue in (self._small, self._queue):
            while queue and (not taken or rows + queue[0].weight <= self._max_rows):
                taken.append(queue.popleft())
                rows += taken[-1].weight
        self._bulk_turn = bool(self._bulk) and (not taken or not self._bulk_turn)
        if self._bulk_turn and (step := self._step()) is not None:
            taken.append(step)
        return taken

    def _step(self) -> _Call | None:
        """What a transaction takes of the first large call; None while that waits for a store that was busy."""
        now = perf_counter()
        while self._bulk:
            bulk, told = self._bulk[0]
            if (over := bulk.over(closing=self._closed)) is not None:
                self._drop_bulk()
                _say(told, over)
                continue
            if not bulk.ready or (bulk.busy and now < self._bulk_waits_until):
                return None
            changes = bulk.next(hurry=self._stages and self.hurried)
            return _Call(changes, _weight(changes), told, bulk)
        return None

    def _drop_bulk(self) -> None:
        bulk, _ = self._bulk.popleft()
        self._rows -= bulk.weight
        if not self._bulk and self.on_bulk is not None:
            self.on_bulk(False)

    def _ended(self, piece: list[_Call], batch: Batch, error: BaseException | None) -> None:
        """A transaction is over: those who waited for it are told, and the next one comes."""
        took_s = perf_counter() - (self._began or 0.0)
        self._began = None
        if error is not None:
            self._failed(piece, error)
            return
        self.failing = None
        position = batch.position
        for answer in batch.answers:
            answer.position = position
        told = self._leave(piece, tuple(batch.answers))
        self._soon()
        self._tell(batch, sum([call.weight for call in piece]), took_s)
        for hear, outcome in told:
            _say(hear, outcome)

    def _failed(self, piece: list[_Call], error: BaseException) -> None:
        if isinstance(error, StoreBusy):
            self.failing = str(error)
            self._refuse(piece, lambda: StoreBusy(str(error), retry_after_s=error.retry_after_s))
        elif not isinstance(error, Exception):
            self._stop(piece)
        elif len(piece) > 1:
            middle = len(piece) // 2
            self._pieces += [piece[middle:], piece[:middle]]
            self._go_on()
        else:
            _log.error("the rows of one call cannot be kept, and it was told so", exc_info=error)
            self._refuse(piece, partial(_blame, error))

    def _refuse(self, piece: Sequence[_Call], error: Callable[[], StoreError]) -> None:
        """Tells each an error of its own: a shared one would collect all their tracebacks."""
        told = self._leave(piece, [error() for _ in piece])
        self._go_on()
        for hear, outcome in told:
            _say(hear, outcome)

    def _leave(self, piece: Sequence[_Call], outcomes: Sequence[Committed | StoreError]) -> list[_Said]:
        """These steps are over; gives who is to hear what of it. Of a large call more may follow."""
        told: list[_Said] = []
        for call, outcome in zip(piece, outcomes, strict=True):
            if call.bulk is None:
                self._rows -= call.weight
                told.append((call.told, outcome))
            elif (final := call.bulk.moved(outcome)) is not None:
                self._drop_bulk()
                told.append((call.told, final))
            elif call.bulk.busy:
                self._bulk_waits_until = perf_counter() + _BUSY_S
        return told

    def _stop(self, piece: Sequence[_Call]) -> None:
        """What writes was cancelled: nobody waits for nothing."""
        left = [*piece, *(call for one in self._pieces for call in one), *self._small, *self._queue]
        told = [call.told for call in left if call.bulk is None] + [hear for _, hear in self._bulk]
        for waiting in (self._pieces, self._small, self._queue, self._bulk):
            waiting.clear()
        self._rows = 0
        self._rest()
        for hear in told:
            _say(hear, StoreBusy("the store was stopped"))

    def _tell(self, batch: Batch, rows: int, took_s: float) -> None:
        try:
            if self.observe is not None:
                self.observe(rows, took_s)
            if self.on_facts is not None and batch.facts:
                self.on_facts(batch.position, batch.facts, batch.lives)
        except Exception:  # what was committed stays committed: its waiters must be answered
            _log.exception("a listener to commits failed")


def awaiting(write: Callable[[Batch], Awaitable[None]]) -> Begin:
    """A coroutine function that makes a batch durable, or raises, as one that begins it."""
    tasks: set[asyncio.Task[None]] = set()

    async def run(batch: Batch, ended: Ended) -> None:
        try:
            await write(batch)
        except asyncio.CancelledError as error:
            ended(error)
            raise
        except Exception as error:
            ended(error)
        else:
            ended(None)

    def begin(batch: Batch, ended: Ended) -> None:
        task = asyncio.get_running_loop().create_task(run(batch, ended), name="store-group-commit")
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    return begin


def _say(hear: Told, what: Committed | StoreError) -> None:
    try:
        hear(what)
    except Exception:  # its own fault must not leave others waiting
        _log.exception("a waiter for a commit failed")


def _blame(fault: Exception) -> StoreError:
    error = StoreError(f"these rows cannot be kept: {fault}")
    error.__cause__ = fault
    return error
