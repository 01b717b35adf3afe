"""The group commit that both stores share: what waits becomes one transaction, then every waiter is answered.

While one transaction runs, arriving :class:`Changes` queue; the next takes all that wait. When
nothing runs it begins at the end of the present turn of the event loop, so there is no timer.

A :class:`Batch` is one transaction. The store's ``write`` goes through it in this order, inside the
transaction, and tells it what it learns on the way:

1. ``batch.recipients()`` where opt-outs changed lately → ``batch.refuse_opted_out(pairs)``
2. ``batch.claims()`` inserted, those taken → ``batch.refuse_taken(taken)``
3. ``batch.news()`` inserted: the new messages that nothing refused
4. ``batch.updates`` applied, one a message → ``batch.refuse_stale(ids)``
5. ``batch.rows()``: everything else, merged, less what belongs to a refused or stale message
6. ``batch.position`` set to the outbox row of ``rows.facts``

Step 5 comes once, after all refusals.

It may be run again with a smaller batch, never with the same one.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter

from heliograph.contracts import (
    Acceptance,
    Changes,
    Claim,
    Committed,
    Correlation,
    InboundPart,
    NewMessage,
    Orphan,
    ReferenceKey,
    Update,
)
from heliograph.errors import StoreBusy, StoreError
from heliograph.model import (
    END,
    Attempt,
    AuditEntry,
    Direction,
    Endpoint,
    Fact,
    Live,
    LoggedEvent,
    PendingDelivery,
    Schedule,
    SegmentProgress,
    Usage,
)

__all__ = ["Batch", "ClaimKey", "GroupCommit", "Rows"]

ClaimKey = tuple[int, str, str]
"""(account_id, scope, key)."""

MAX_ROWS = 2_500
"""Rows of one transaction: about 15 ms of writing, so that nobody waits much longer behind it. A call is never cut."""

_SLOW_S = 5.0
"""A transaction that is under way for longer has met a disk or a database that does not answer."""

_BULK_ROWS = 500
"""New messages of one call above which it is bulk: it lets everything else go first."""

_log = logging.getLogger("heliograph.store")

_Call = tuple[Changes, int, asyncio.Future[Committed]]
"""(changes, their weight in rows, the answer)."""

_SetKey = tuple[int, str, str, int, int, int]


@dataclass(slots=True)
class Rows:
    """What a transaction writes beside new messages and updates; each key stands in it once.

    Deletions (``deliveries_done``, ``parts_done``, ``orphans_matched``) come before insertions.
    """

    endpoints: list[Endpoint] = field(default_factory=list)
    deleted_endpoints: list[tuple[int, str, int]] = field(default_factory=list)
    audit: list[AuditEntry] = field(default_factory=list)
    segments: dict[tuple[str, int], tuple[str, int, SegmentProgress]] = field(default_factory=dict)
    """(message id, number) → (message id, account_id, progress)."""
    attempts: dict[tuple[str, int, int], Attempt] = field(default_factory=dict)
    """(message id, segment, number) → attempt."""
    logged: dict[tuple[str, int], LoggedEvent] = field(default_factory=dict)
    """(message id, sequence) → event."""
    correlations: dict[tuple[int, str], Correlation] = field(default_factory=dict)
    """(connector_id, canonical) → correlation: the last one holds."""
    orphans: list[Orphan] = field(default_factory=list)
    orphans_matched: list[int] = field(default_factory=list)
    wires: dict[int, tuple[str, ...]] = field(default_factory=dict)
    facts: list[Fact] = field(default_factory=list)
    lives: list[Live] = field(default_factory=list)
    """The messages in memory of the first of ``facts``, one for one. Not written."""
    positions: dict[str, int] = field(default_factory=dict)
    deliveries: dict[str, PendingDelivery] = field(default_factory=dict)
    deliveries_done: list[str] = field(default_factory=list)
    parts: dict[_SetKey, list[InboundPart]] = field(default_factory=dict)
    parts_done: list[_SetKey] = field(default_factory=list)
    references: dict[ReferenceKey, int] = field(default_factory=dict)
    schedules: list[Schedule] = field(default_factory=list)
    usage: dict[tuple[str, str], Usage] = field(default_factory=dict)
    """(subject, period) → all that is used of it: of the newest period, where there are several."""

    def add_usage(self, added: Iterable[Usage]) -> None:
        """These are used, too. What is used of a period that another has followed counts no more."""
        for one in added:
            key = (one.subject, one.period)
            before = self.usage.get(key)
            if before is None or before.start_us < one.start_us:
                self.usage[key] = one
            elif before.start_us == one.start_us:
                self.usage[key] = Usage(
                    one.subject,
                    one.period,
                    one.start_us,
                    before.requests + one.requests,
                    before.segments + one.segments,
                    before.spend + one.spend,
                )

    def put_deliveries(self, deliveries: Iterable[PendingDelivery], done: Iterable[str]) -> None:
        """These are owed, those are over: the later word on an id holds."""
        for delivery in deliveries:
            self.deliveries[delivery.id] = delivery
        for delivery_id in done:
            self.deliveries.pop(delivery_id, None)
            self.deliveries_done.append(delivery_id)


class Batch:
    """The changes of many callers as one transaction, and what became of each caller's."""

    __slots__ = ("_acceptances", "_calls", "_dropped", "_refused", "answers", "facts", "lives", "position", "updates")

    def __init__(self, calls: Sequence[Changes]) -> None:
        self._calls = calls
        self.answers = [Committed() for _ in calls]
        """One for each call, in order."""
        self.position = 0
        """The outbox position of this transaction's facts; the store sets it."""
        self.facts: list[Fact] = []
        self.lives: list[Live] = []
        self._acceptances: list[tuple[int, int, Acceptance]] = [
            (at, index, acceptance)
            for at, call in enumerate(calls)
            if call.acceptances
            for index, acceptance in enumerate(call.acceptances)
        ]
        self._refused: set[tuple[int, int]] = set()
        self._dropped: dict[int, set[str]] = {}
        self.updates: dict[str, Update] = {}
        """Message id → its one update: the first's base version with the last's progress."""
        self._merge_updates()

    def _merge_updates(self) -> None:
        updates = self.updates
        for at, call in enumerate(self._calls):
            for update in call.updates:
                before = updates.setdefault(update.message_id, update)
                if before is update:
                    continue
                if before.progress.version == update.base_version and before.account_id == update.account_id:
                    updates[update.message_id] = Update(
                        update.message_id, update.account_id, before.base_version, update.progress
                    )
                else:
                    self._drop_stale(at, update.message_id)

    def _drop_stale(self, at: int, message_id: str) -> None:
        self.answers[at].stale.add(message_id)
        self._dropped.setdefault(at, set()).add(message_id)
        for whose, index, acceptance in self._acceptances:
            if whose == at and not acceptance.messages:
                self._refused.add((at, index))

    @property
    def accepts(self) -> bool:
        """Whether anything is to be accepted at all."""
        return bool(self._acceptances)

    # --- acceptances --------------------------------------------------------------------------
    def recipients(self) -> set[tuple[int, str]]:
        """The (account_id, recipient) that are about to be written to."""
        return {pair for _, _, acceptance in self._acceptances for pair in _guarded(acceptance)}

    def refuse_opted_out(self, pairs: set[tuple[int, str]]) -> None:
        """Takes the acceptances out that write to one of these."""
        for at, index, acceptance in self._acceptances:
            met = pairs.intersection(_guarded(acceptance))
            if met:
                self._refuse(at, index, acceptance)
                self.answers[at].opted_out[index] = frozenset(recipient for _, recipient in met)

    def claims(self) -> list[Claim]:
        """The claims to insert, each key once: the first that asks."""
        first: dict[ClaimKey, Claim] = {}
        for at, index, acceptance in self._acceptances:
            claim = acceptance.claim
            if claim is not None and (at, index) not in self._refused:
                first.setdefault((claim.account_id, claim.scope, claim.key), claim)
        return list(first.values())

    def held(self, claims: Sequence[Claim]) -> list[Claim]:
        """Those of these claims whose acceptance nothing has refused since."""
        left = {id(claim) for claim in self.claims()}
        return [claim for claim in claims if id(claim) in left]

    def refuse_taken(self, taken: Mapping[ClaimKey, Claim]) -> None:
        """Takes the acceptances out whose key is taken: in the store, or by an earlier one of this batch."""
        holders: dict[ClaimKey, Claim] = dict(taken)
        for at, index, acceptance in self._acceptances:
            claim = acceptance.claim
            if claim is None or (at, index) in self._refused:
                continue
            holder = holders.setdefault((claim.account_id, claim.scope, claim.key), claim)
            if holder is not claim:
                self._refuse(at, index, acceptance)
                self.answers[at].lost[index] = holder

    def _refuse(self, at: int, index: int, acceptance: Acceptance) -> None:
        self._refused.add((at, index))
        dropped = self._dropped.setdefault(at, set())
        dropped.update(new.message.id for new in acceptance.messages)
        if not acceptance.messages:
            for update in self._calls[at].updates:
                dropped.add(update.message_id)
                if self.updates.get(update.message_id) is update:
                    del self.updates[update.message_id]

    def news(self) -> list[NewMessage]:
        """The new messages of every acceptance that nothing refused, in the order of the calls."""
        return [new for acceptance in self._accepted() for new in acceptance.messages]

    def _accepted(self) -> list[Acceptance]:
        if not self._refused:
            return [acceptance for _, _, acceptance in self._acceptances]
        return [acceptance for at, index, acceptance in self._acceptances if (at, index) not in self._refused]

    # --- the rest -----------------------------------------------------------------------------
    def refuse_stale(self, message_ids: Iterable[str]) -> None:
        """Tells every call that updates one of these messages, and drops that call's rows of it."""
        stale = set(message_ids)
        for at, call in enumerate(self._calls):
            for update in call.updates:
                if update.message_id in stale:
                    self._drop_stale(at, update.message_id)

    def rows(self) -> Rows:
        """Everything else, merged in the order of the calls."""
        rows = Rows()
        untold: list[Fact] = []
        for at, call in enumerate(self._calls):
            dropped = self._dropped.get(at)
            if dropped is not None:
                call = _without(call, dropped)
            if call.facts:
                if len(call.lives) == len(call.facts):
                    rows.facts.extend(call.facts)
                    rows.lives.extend(call.lives)
                else:
                    untold.extend(call.facts)
            _merge(rows, call)
        for acceptance in self._accepted():
            if acceptance.endpoints:
                rows.endpoints.extend(acceptance.endpoints)
            if acceptance.deleted_endpoints:
                rows.deleted_endpoints.extend(acceptance.deleted_endpoints)
            if acceptance.schedules:
                rows.schedules.extend(acceptance.schedules)
            if acceptance.deliveries or acceptance.deliveries_done:
                rows.put_deliveries(acceptance.deliveries, acceptance.deliveries_done)
            if acceptance.audit:
                rows.audit.extend(acceptance.audit)
            if acceptance.usage:
                rows.add_usage(acceptance.usage)
        rows.facts.extend(untold)  # behind those whose lives are at hand, so that these stay one for one
        self.facts, self.lives = rows.facts, rows.lives
        return rows


def _guarded(acceptance: Acceptance) -> list[tuple[int, str]]:
    """Whom an acceptance would write to: not whom it hears from, nor messages that are over already."""
    return [
        (new.message.account_id, new.message.recipient)
        for new in acceptance.messages
        if new.message.direction == Direction.OUT and new.progress.state < END
    ]


def _without(call: Changes, dropped: set[str]) -> Changes:
    """The call less its rows of these messages."""
    kept = [at for at, fact in enumerate(call.facts) if fact.message_id not in dropped]
    told = len(call.lives) == len(call.facts)
    return Changes(
        segments=[row for row in call.segments if row[0] not in dropped],
        attempts=[row for row in call.attempts if row.message_id not in dropped],
        logged=[row for row in call.logged if row.message_id not in dropped],
        correlations=[row for row in call.correlations if row.message_id not in dropped],
        facts=[call.facts[at] for at in kept],
        lives=[call.lives[at] for at in kept] if told else [],
        orphans=call.orphans,
        orphans_matched=call.orphans_matched,
        wires=call.wires,
        positions=call.positions,
        deliveries=call.deliveries,
        deliveries_done=call.deliveries_done,
        parts=call.parts,
        parts_done=call.parts_done,
        references=call.references,
        schedules=[row for row in call.schedules if row.message_id not in dropped],
    )


def _merge(rows: Rows, call: Changes) -> None:
    """Adds one call's rows, less its facts. The frequent ones first; most calls have few kinds of them."""
    for link in call.correlations:
        rows.correlations[link.connector_id, link.canonical] = link
    if call.wires:
        rows.wires.update(call.wires)
    for segment in call.segments:
        rows.segments[segment[0], segment[2].number] = segment
    if call.positions:
        for endpoint_id, position in call.positions.items():
            rows.positions[endpoint_id] = max(position, rows.positions.get(endpoint_id, 0))
    if call.references:
        rows.references.update(call.references)
    if call.deliveries or call.deliveries_done:
        rows.put_deliveries(call.deliveries, call.deliveries_done)
    for event in call.logged:
        rows.logged[event.message_id, event.sequence] = event
    for attempt in call.attempts:
        rows.attempts[attempt.message_id, attempt.segment, attempt.number] = attempt
    if call.orphans:
        rows.orphans.extend(call.orphans)
    if call.orphans_matched:
        rows.orphans_matched.extend(call.orphans_matched)
    if call.schedules:
        rows.schedules.extend(call.schedules)
    for part in call.parts:
        rows.parts.setdefault(part.set_key, []).append(part)
    for set_key in call.parts_done:
        rows.parts.pop(set_key, None)
        rows.parts_done.append(set_key)


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


class GroupCommit:
    """Collects what waits, writes it as one transaction, answers every waiter.

    ``write`` makes a :class:`Batch` durable or raises, and then has kept nothing of it.
    :class:`StoreBusy` is nobody's fault and is told to every waiter. Any other error may be the
    fault of one caller's rows: the batch is halved and tried again, until the guilty call stands
    alone and has its error, and everybody else's rows are kept.

    ``max_waiting`` bounds the rows that wait. New messages are refused (:class:`StoreBusy`) above
    it; what belongs to messages under way is refused above twice as many.
    Bulk (very many new messages in one call, which give no permits) lets all others go first: one call
    in every second transaction while others wait.
    ``observe`` hears of each transaction: rows, and seconds it took. ``on_facts`` hears of each that
    had facts, before its waiters are answered: position, facts, lives (see ``Store.on_facts``).
    ``failing`` says why the last transaction could not be kept; None since one was.
    """

    __slots__ = (
        "_began",
        "_bulk",
        "_bulk_turn",
        "_closed",
        "_max_rows",
        "_max_waiting",
        "_queue",
        "_rows",
        "_runner",
        "_write",
        "failing",
        "observe",
        "on_facts",
    )

    def __init__(
        self,
        write: Callable[[Batch], Awaitable[None]],
        *,
        max_waiting: int = 50_000,
        max_rows: int = MAX_ROWS,
        observe: Callable[[int, float], None] | None = None,
    ) -> None:
        self._write = write
        self._max_waiting = max_waiting
        self._max_rows = max_rows
        self.observe = observe
        self.on_facts: Callable[[int, Sequence[Fact], Sequence[Live]], None] | None = None
        self._queue: deque[_Call] = deque()
        self._bulk: deque[_Call] = deque()
        self._bulk_turn = False
        self._rows = 0
        self._runner: asyncio.Task[None] | None = None
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

    def commit(self, changes: Changes) -> asyncio.Future[Committed]:
        """Queues the changes; the future is done when they are durable. Raises :class:`StoreBusy` when full."""
        weight = _weight(changes)
        bound = self._max_waiting if changes.acceptances else 2 * self._max_waiting
        if self._closed:
            raise StoreBusy("the store is closed")
        if self._rows and self._rows + weight > bound:
            raise StoreBusy(f"{self._rows} rows wait to be written already; try again")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Committed] = loop.create_future()
        # Permits and references keep their place: of these rows the newest must be written last.
        bulk = weight > _BULK_ROWS and changes.acceptances and not changes.wires and not changes.references
        (self._bulk if bulk else self._queue).append((changes, weight, future))
        self._rows += weight
        if self._runner is None:
            self._runner = loop.create_task(self._run(), name="store-group-commit")
        return future

    async def close(self) -> None:
        """Takes nothing new, finishes what is queued."""
        self._closed = True
        while self._runner is not None:
            await asyncio.wait([self._runner])

    async def _run(self) -> None:
        try:
            while self._queue or self._bulk:
                taken = self._take()
                try:
                    await self._settle(taken)
                finally:
                    self._rows -= sum(weight for _, weight, _ in taken)
                    self._began = None
        finally:
            self._runner = None

    def _take(self) -> list[_Call]:
        """All that wait, or as many as fit one transaction (one at least); bulk one call at a time, and only in every
        second transaction while others wait."""
        queue = self._queue
        taken: list[_Call] = []
        rows = 0
        while queue and (not taken or rows + queue[0][1] <= self._max_rows):
            taken.append(queue.popleft())
            rows += taken[-1][1]
        self._bulk_turn = bool(self._bulk) and (not taken or not self._bulk_turn)
        if self._bulk_turn:
            taken.append(self._bulk.popleft())
        return taken

    async def _settle(self, taken: list[_Call]) -> None:
        """Writes these in as few transactions as their faults allow, in order, and answers them."""
        pieces = [taken]
        while pieces:
            piece = pieces.pop()
            try:
                self._began = began = perf_counter()
                batch = Batch([changes for changes, _, _ in piece])
                await self._write(batch)
            except asyncio.CancelledError:
                for rest in (piece, *pieces, list(self._queue), list(self._bulk)):
                    _fail(rest, lambda: StoreBusy("the store was stopped"))
                self._queue.clear()
                self._bulk.clear()
                raise
            except StoreBusy as busy:
                self.failing = str(busy)
                _fail(piece, _copies(busy))
            except Exception as fault:
                if len(piece) > 1:
                    middle = len(piece) // 2
                    pieces += [piece[middle:], piece[:middle]]
                else:
                    _log.error("the rows of one call cannot be kept, and it was told so", exc_info=fault)
                    _fail(piece, _blame(fault))
            else:
                self.failing = None
                self._tell(batch, sum(weight for _, weight, _ in piece), perf_counter() - began)
                _answer(piece, batch)

    def _tell(self, batch: Batch, rows: int, took_s: float) -> None:
        try:
            if self.observe is not None:
                self.observe(rows, took_s)
            if self.on_facts is not None and batch.facts:
                self.on_facts(batch.position, batch.facts, batch.lives)
        except Exception:  # what was committed stays committed: its waiters must be answered
            _log.exception("a listener to commits failed")


def _answer(piece: list[_Call], batch: Batch) -> None:
    position = batch.position
    for (_, _, future), answer in zip(piece, batch.answers, strict=True):
        answer.position = position
        if not future.done():  # the waiter may have been cancelled; its rows are kept all the same
            future.set_result(answer)


def _fail(piece: list[_Call], error: Callable[[], StoreError]) -> None:
    for _, _, future in piece:
        if not future.done():
            future.set_exception(error())


def _copies(busy: StoreBusy) -> Callable[[], StoreError]:
    """One error for each waiter: a shared one would collect all their tracebacks."""
    return lambda: StoreBusy(str(busy), retry_after_s=busy.retry_after_s)


def _blame(fault: Exception) -> Callable[[], StoreError]:
    def worded() -> StoreError:
        error = StoreError(f"these rows cannot be kept: {fault}")
        error.__cause__ = fault
        return error

    return worded
