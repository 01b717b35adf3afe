"""A lane: one connector's share of the work. Bounded, fair, paced, and never on the wire without a permit.

A message passes a lane in this order: ``admit`` (at intake: will memory take it, may it be on the
wire with its own insert?) → ``enter`` (it is durable) → the fair queue → a *permit* (a commit that
names it as possibly on the wire) → the connector → ``outcomes``. All bookkeeping of one turn of the
loop leaves in one commit and one write.

``pairs`` holds order: of one (sender, recipient) only one message is between permit and outcome;
the next waits behind it.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from enum import Enum
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from heliograph.contracts import Clock, Connector, Outcome, SegmentSubmission, Store, Update
from heliograph.delivery.ledger import Batch, Ledger
from heliograph.delivery.segmenting import parts_of
from heliograph.errors import Retry, StoreError, SubmitFailed
from heliograph.model import AT_ONCE, END, Attempt, Content, Live, Message, State
from heliograph.rules.fairness import FairQueue
from heliograph.rules.lifecycle import News
from heliograph.rules.pacing import Pace
from heliograph.rules.retry import Again, Elsewhere, GiveUp, next_step
from heliograph.telemetry.metrics import Metrics

__all__ = ["Admission", "Lane", "LaneLimits", "Work"]

_PACED_AHEAD_S = 0.02
"""A paced lane permits this much ahead: what is permitted can't be overtaken by a one-time code."""

_MOST_AHEAD = 1024
"""Segments that are permitted ahead at most, however fast the carrier is."""

_LONGEST_HOLD_S = 120.0
"""A retry that is due sooner waits in memory; a later one goes back to the store."""


_LOOK_AGAIN_S = 0.02
"""After this long a message that was being written when we looked is durable, or will be seen by the sweep."""

_UNBOUND_S = 5.0
"""After this long without a link, what is in memory goes back to the store."""


class LaneLimits(Struct, frozen=True, kw_only=True):
    """How much of the backlog may be in memory: segments for one (class, account), and for the lane."""

    account_segments: int = 8_192
    lane_segments: int = 20_000


class Admission(Enum):
    """What a lane can do for a message that is about to be written."""

    WAITING = "waiting"
    """Born unclaimed: it waits in the store."""
    CLAIMED = "claimed"
    """Born claimed: it enters the lane from memory."""
    PERMITTED = "permitted"
    """Born claimed, and its own insert permits it to be on the wire."""


class Work(Struct, gc=False):
    """Segments of one message that have to leave, in order."""

    live: Live
    numbers: tuple[int, ...]
    entered_at: float


class Lane:
    """One connector's lane on this node."""

    def __init__(
        self,
        connector: Connector,
        store: Store,
        ledger: Ledger,
        clock: Clock,
        metrics: Metrics,
        *,
        move: Callable[[Batch, Live, tuple[int, ...], int], None],
        elsewhere: Callable[[Live, int], int | None],
        settled: Callable[[Batch, Live, SegmentSubmission, str], None],
        limits: LaneLimits,
    ) -> None:
        self.connector = connector
        self.pace = Pace(connector.segments_per_second)
        self._store = store
        self._ledger = ledger
        self._clock = clock
        self._metrics = metrics
        self._move = move
        self._elsewhere = elsewhere
        self._settled = settled
        self._limits = limits
        self._queue: FairQueue[Work] = FairQueue()
        self._front: deque[Work] = deque()
        self._permitted: deque[SegmentSubmission] = deque()
        self._held: list[tuple[float, int, Work]] = []
        self._held_count = 0
        self._wire: dict[str, int] = {}
        self._pairs: dict[tuple[str, str], deque[Work] | None] = {}
        self._depths: dict[tuple[int, int], int] = {}
        self._depth = 0
        self._open = 0
        self._unwritten = 0
        self._ahead = connector.window
        self._wire_changed = False
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._closing = False
        # What waits unclaimed in the store: (class, account) → marks made since; new ones are born behind them.
        self.backlog: dict[tuple[int, int], int] = {}
        self._refilling = False
        self._refill_due = False
        self._unbound_since: float | None = None

    # --- what the lane holds ---------------------------------------------------------------------

    @property
    def depth(self) -> int:
        """Segments in memory."""
        return self._depth

    @property
    def in_flight(self) -> int:
        """Segments that may be on the wire."""
        return self._open

    @property
    def wire(self) -> tuple[str, ...]:
        """Ids that may be on the wire: what the lane's row must say."""
        return tuple(self._wire)

    # --- intake ----------------------------------------------------------------------------------

    def admit(
        self, kind: int, account_id: int, segments: int, sender: str, recipient: str, message_id: str
    ) -> Admission:
        """Reserves a place for a message that is about to be written. ``abandon`` gives it back."""
        key = (kind, account_id)
        depth = self._depths.get(key, 0)
        if (
            key in self.backlog
            or self._closing
            or not self.connector.bound
            or depth + segments > self._limits.account_segments
            or self._depth + segments > self._limits.lane_segments
        ):
            self.mark_backlog(kind, account_id)
            return Admission.WAITING
        self._depths[key] = depth + segments
        self._depth += segments
        if self._queue or self._front or self._room() < segments or (sender, recipient) in self._pairs:
            return Admission.CLAIMED
        self._pairs[sender, recipient] = None
        self._reserve(message_id, segments)
        return Admission.PERMITTED

    def enter(self, live: Live, admission: Admission, now: float) -> None:
        """The message is durable: it takes the place that was reserved."""
        work = Work(live, _open_segments(live), now)
        if admission is Admission.PERMITTED:
            self._permit(work)
        elif admission is Admission.CLAIMED:
            message = live.message
            self._queue.push(message.type, message.account_id, work, len(work.numbers))
        self.plan_turn()

    def abandon(self, message: Message, admission: Admission) -> None:
        """The message was not written after all."""
        if admission is Admission.WAITING:
            return
        if admission is Admission.PERMITTED:
            self._release(message.id, message.segments)
            self._unwritten -= message.segments
            self._free_pair((message.sender, message.recipient))
        self._shrink(message, message.segments)
        self.plan_turn()

    # --- turns of the loop -----------------------------------------------------------------------

    def plan_turn(self) -> None:
        """Whatever happened in this turn of the loop is worked off at its end, once."""
        self._ledger.plan(self._turn)

    def _turn(self, batch: Batch) -> None:
        self._wake_held()
        asked = self._ask(batch)
        if asked:
            batch.kept.append(lambda: self._permit_all(asked))
        if asked or self._wire_changed:
            self._wire_changed = False
            batch.changes.wires[self.connector.id] = self.wire
        self._write()
        if self._refill_due and not self._refilling and self.connector.bound and not self._closing:
            self._refill_due = False
            self._refilling = True
            self._spawn(self._refill())

    def _permit_all(self, asked: Sequence[Work]) -> None:
        self._adapt()
        for work in asked:
            self._permit(work)
        self._write()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._metrics.trouble("lane")
            self._loop.call_exception_handler(
                {"message": "a lane's task failed; rescue will find its messages", "exception": task.exception()}
            )

    # --- permits ---------------------------------------------------------------------------------

    def _room(self) -> int:
        """Segments that may be permitted now: the window, and a little ahead so that it stays full."""
        window, ahead = self.connector.window, self._ahead
        if self.pace.rate:
            ahead = min(window, max(1, int(self.pace.rate * _PACED_AHEAD_S)))
        return min(window + ahead - self._open, ahead - self._unwritten)

    def _adapt(self) -> None:
        """Permits as much ahead as the wire takes during a commit, and no more."""
        window = self.connector.window
        if not self._permitted:  # the wire waited for this commit
            self._ahead = min(self._ahead * 2, max(_MOST_AHEAD, window))
        elif len(self._permitted) > window and self._ahead > window:
            self._ahead = max(window, self._ahead * 7 // 8)

    def _ask(self, batch: Batch) -> list[Work]:
        """Takes the next ones in fairness that may have a permit, and reserves it."""
        asked: list[Work] = []
        if self._closing or not self.connector.bound:
            return asked
        while (room := self._room()) > 0:
            work = self._front.popleft() if self._front else self._queue.pop()
            if work is None:
                break
            if not self._is_current(batch, work):
                continue
            message = work.live.message
            pair = (message.sender, message.recipient)
            if pair in self._pairs:
                waiting = self._pairs[pair]
                if waiting is None:
                    waiting = self._pairs[pair] = deque()
                waiting.append(work)
                continue
            self._pairs[pair] = None
            self._reserve(message.id, len(work.numbers))
            asked.append(work)
            if len(work.numbers) > room:
                break
        return asked

    def _is_current(self, batch: Batch, work: Work) -> bool:
        """Ends what is past its validity instead of sending it."""
        live = work.live
        if live.message.expires_us > self._clock.now_us():
            return True
        self._expire(batch, live, work.numbers)
        self._shrink(live.message, len(work.numbers))
        return False

    def _reserve(self, message_id: str, segments: int) -> None:
        self._wire[message_id] = self._wire.get(message_id, 0) + segments
        self._open += segments
        self._unwritten += segments

    def _release(self, message_id: str, segments: int) -> bool:
        """Takes segments off the wire; True when nothing of the message is left there."""
        left = self._wire.get(message_id, 0) - segments
        self._open -= segments
        self._wire_changed = True
        if left > 0:
            self._wire[message_id] = left
            return False
        self._wire.pop(message_id, None)
        return True

    def _permit(self, work: Work) -> None:
        live = work.live
        left_s = max(1, (live.message.expires_us - self._clock.now_us()) // 1_000_000)
        for number in work.numbers:
            attempt = (live.progress.attempts if live.segments is None else live.segments[number - 1].attempts) + 1
            self._permitted.append(
                SegmentSubmission(live, number, live.parts[number - 1], attempt, left_s, work.entered_at)
            )

    # --- the wire --------------------------------------------------------------------------------

    def _write(self) -> None:
        """Hands over what is permitted, as much as window and pace allow."""
        free = self.connector.free
        if not self._permitted or not free:
            return
        now = self._clock.monotonic()
        want = min(len(self._permitted), free)
        granted = self.pace.take(now, want)
        if granted < want:
            self._wake_at(self.pace.ready_at(now))
        if not granted:
            return
        batch = [self._permitted.popleft() for _ in range(granted)]
        for submission in batch:
            submission.submitted_at = now
        self._unwritten -= granted
        self._metrics.submitted(batch, now)
        self.connector.submit(batch)
        if len(self._queue) or self._front:
            self.plan_turn()

    def _wake_at(self, at: float) -> None:
        """One timer for pace and held retries: the earliest wins."""
        when = self._loop.time() + max(0.0, at - self._clock.monotonic())
        if self._timer is not None:
            if self._timer.when() <= when and not self._timer.cancelled():
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._timed)

    def _timed(self) -> None:
        self._timer = None
        self.plan_turn()

    # --- outcomes --------------------------------------------------------------------------------

    def outcomes(self, outcomes: Sequence[Outcome]) -> None:
        """What became of submissions. The connector's one call of this turn."""
        now_us = self._clock.now_us()
        connector = self.connector
        batch = self._ledger.batch
        for outcome in outcomes:
            submission = outcome.submission
            if outcome.failure is None and not outcome.unknown and not outcome.never_written:
                raw_id = outcome.carrier_message_id
                live = submission.live
                self._ledger.apply(
                    batch,
                    live,
                    News(submission.number, State.SENT, now_us, connector.id, raw_id or "", 0),
                )
                self._leave(submission)
                self._settled(batch, live, submission, raw_id or "")
            else:
                self._trouble(batch, outcome, now_us)
        self.plan_turn()

    def _trouble(self, batch: Batch, outcome: Outcome, now_us: int) -> None:
        submission = outcome.submission
        live = submission.live
        if outcome.never_written:
            self._resubmit(batch, submission, 0.0, counted=False)
        elif outcome.unknown:
            self._open_outcome(batch, submission, now_us)
        elif outcome.failure is not None:
            if outcome.failure.pauses_lane:
                self.pace.throttled(self._clock.monotonic())
            self._refused(batch, submission, outcome.failure, now_us)
        else:
            raise AssertionError(f"an outcome of {live.message.id} that says nothing")

    def _open_outcome(self, batch: Batch, submission: SegmentSubmission, now_us: int) -> None:
        """It was on the wire and nobody will say what became of it."""
        live = submission.live
        if live.message.at_most_once:
            self._end(batch, submission, State.UNKNOWN, None, "outcome_unknown", now_us)
            return
        self._note_attempt(batch, submission, None, "outcome_unknown", now_us)
        self._resubmit(batch, submission, 0.0, counted=True, possible_duplicate=True)

    def _refused(self, batch: Batch, submission: SegmentSubmission, failure: SubmitFailed, now_us: int) -> None:
        live = submission.live
        other = self._elsewhere(live, self.connector.id)
        step = next_step(
            failure,
            attempts=submission.attempt,
            tried_elsewhere_possible=other is not None,
            now_us=now_us,
            expires_us=live.message.expires_us,
        )
        if isinstance(step, Again):
            self._note_attempt(batch, submission, failure.status, failure.code, now_us)
            self._resubmit(batch, submission, max(0.0, (step.at_us - now_us) / 1e6), counted=True)
        elif isinstance(step, Elsewhere) and other is not None:
            self._note_attempt(batch, submission, failure.status, failure.code, now_us)
            self._leave(submission)
            self._count_attempt(batch, submission)
            self._move(batch, live, (submission.number,), other)
        else:
            code = step.code if isinstance(step, GiveUp) else failure.code
            state = State.REJECTED if failure.retry is Retry.NEVER else State.FAILED
            if code == "expired":
                state = State.EXPIRED
            self._end(batch, submission, state, failure.status, code, now_us)

    def _end(
        self, batch: Batch, submission: SegmentSubmission, state: State, status: int | None, error: str, now_us: int
    ) -> None:
        news = News(submission.number, state, now_us, self.connector.id, None, status, error)
        self._ledger.apply(batch, submission.live, news)
        self._leave(submission)

    def _expire(self, batch: Batch, live: Live, numbers: tuple[int, ...]) -> None:
        now_us = self._clock.now_us()
        for number in numbers:
            news = News(number, State.EXPIRED, now_us, self.connector.id, None, None, "expired")
            self._ledger.apply(batch, live, news)

    def _note_attempt(
        self, batch: Batch, submission: SegmentSubmission, status: int | None, error: str, now_us: int
    ) -> None:
        message = submission.live.message
        batch.changes.attempts.append(
            Attempt(
                message_id=message.id,
                account_id=message.account_id,
                segment=submission.number,
                number=submission.attempt,
                connector_id=self.connector.id,
                at_us=now_us,
                status=status,
                error=error,
            )
        )

    def _count_attempt(self, batch: Batch, submission: SegmentSubmission, *, possible_duplicate: bool = False) -> None:
        """The next submission of this segment will be another attempt."""
        live = submission.live
        message, old = live.message, live.progress
        duplicate = old.possible_duplicate or possible_duplicate
        if live.segments is None:
            progress = replace(old, version=old.version + 1, attempts=submission.attempt, possible_duplicate=duplicate)
        else:
            segment = live.segments[submission.number - 1]
            segment = replace(
                segment,
                attempts=submission.attempt,
                possible_duplicate=segment.possible_duplicate or possible_duplicate,
            )
            live.segments[submission.number - 1] = segment
            batch.changes.segments.append((message.id, message.account_id, segment))
            progress = replace(old, version=old.version + 1, possible_duplicate=duplicate)
        batch.changes.updates.append(Update(message.id, message.account_id, old.version, progress))
        live.progress = progress

    def _resubmit(
        self,
        batch: Batch,
        submission: SegmentSubmission,
        wait_s: float,
        *,
        counted: bool,
        possible_duplicate: bool = False,
    ) -> None:
        """Off the wire, and again later: from memory when that is soon, from the store otherwise."""
        live = submission.live
        message = live.message
        if counted:
            self._count_attempt(batch, submission, possible_duplicate=possible_duplicate)
        self._release(message.id, 1)
        work = Work(live, (submission.number,), submission.queued_at)
        if wait_s > _LONGEST_HOLD_S or self._held_count >= self._limits.account_segments or self._closing:
            self._give_back(batch, work, self._clock.now_us() + int(wait_s * 1e6))
            self._free_pair((message.sender, message.recipient))
            return
        # The pair stays taken: nothing overtakes what will be tried again.
        self._held_count += 1
        heapq.heappush(self._held, (self._clock.monotonic() + wait_s, id(work), work))
        if wait_s > 0:
            self._wake_at(self._held[0][0])

    def _wake_held(self) -> None:
        now = self._clock.monotonic()
        woken: list[Work] = []
        while self._held and self._held[0][0] <= now:
            woken.append(heapq.heappop(self._held)[2])
        self._held_count -= len(woken)
        for work in reversed(woken):
            waiting = self._pairs.pop((work.live.message.sender, work.live.message.recipient), None)
            self._front.extendleft(reversed(waiting or ()))
            self._front.appendleft(work)
        if self._held:
            self._wake_at(self._held[0][0])

    def _give_back(self, batch: Batch, work: Work, due_us: int) -> None:
        """Back to the store: unclaimed, due then."""
        live = work.live
        message, old = live.message, live.progress
        if old.state < END:
            progress = replace(old, version=old.version + 1, owner=0, due_us=due_us)
            batch.changes.updates.append(Update(message.id, message.account_id, old.version, progress))
            live.progress = progress
            if due_us <= self._clock.now_us():
                self.mark_backlog(message.type, message.account_id)
        self._shrink(message, len(work.numbers))

    def _leave(self, submission: SegmentSubmission) -> None:
        """A segment is over with this lane."""
        message = submission.live.message
        if self._release(message.id, 1):
            pair = (message.sender, message.recipient)
            waiting = self._pairs.pop(pair, None)
            if waiting:
                self._front.extend(waiting)
        self._shrink(message, 1)

    def _free_pair(self, pair: tuple[str, str]) -> None:
        waiting = self._pairs.pop(pair, None)
        if waiting:
            self._front.extend(waiting)

    def _shrink(self, message: Message, segments: int) -> None:
        key = (message.type, message.account_id)
        left = self._depths.get(key, 0) - segments
        if left > 0:
            self._depths[key] = left
        else:
            left = 0
            self._depths.pop(key, None)
        self._depth -= segments
        if key in self.backlog and left <= self._limits.account_segments // 2:
            self._refill_due = True

    # --- the backlog -----------------------------------------------------------------------------

    def mark_backlog(self, kind: int, account_id: int) -> None:
        """Something of this class and account waits in the store, or is about to."""
        key = (kind, account_id)
        self.backlog[key] = self.backlog.get(key, 0) + 1
        if self._depths.get(key, 0) <= self._limits.account_segments // 2:
            self._refill_due = True

    async def _refill(self) -> None:
        """Takes from the store what memory has room for, for every (class, account) in turn."""
        try:
            for key in list(self.backlog):
                await self._refill_key(*key)
        except StoreError:
            self._loop.call_later(1.0, self._look_again)
        finally:
            self._refilling = False

    async def _refill_key(self, kind: int, account_id: int) -> None:
        limits, key = self._limits, (kind, account_id)
        want = min(limits.account_segments - self._depths.get(key, 0), limits.lane_segments - self._depth)
        if want < 1:
            return
        marks = self.backlog.get(key, 0)
        claimed = await self._store.claim(self.connector.id, kind, account_id, now_us=self._clock.now_us(), limit=want)
        await self.take(claimed)
        if len(claimed) < want:
            if self.backlog.get(key) == marks:
                self.backlog.pop(key, None)
            else:  # more was written meanwhile: it may not have been durable yet when we looked
                self._loop.call_later(_LOOK_AGAIN_S, self._look_again)
        self.plan_turn()

    def _look_again(self) -> None:
        self._refill_due = True
        self.plan_turn()

    async def take(self, claimed: Sequence[tuple[Live, Content | None]]) -> None:
        """Messages claimed for this lane enter it; those that opted out meanwhile end here."""
        barred = await self._barred([live.message for live, _ in claimed])
        now, now_us = self._clock.monotonic(), self._clock.now_us()
        batch = self._ledger.batch
        for live, content in claimed:
            message = live.message
            numbers = _open_segments(live)
            reason = None
            if (message.account_id, message.recipient) in barred:
                reason = "opted_out"
            elif content is None:
                reason = "content_gone"
            if reason is not None:
                for number in numbers:
                    news = News(number, State.REJECTED, now_us, self.connector.id, None, None, reason)
                    self._ledger.apply(batch, live, news)
                continue
            if content is not None:
                live.content = content
                live.parts = parts_of(message, content, self.connector.reference_octets)
            key = (message.type, message.account_id)
            self._depths[key] = self._depths.get(key, 0) + len(numbers)
            self._depth += len(numbers)
            self._queue.push(message.type, message.account_id, Work(live, numbers, now), max(1, len(numbers)))

    async def _barred(self, messages: Sequence[Message]) -> set[tuple[int, str]]:
        pairs = [
            (message.account_id, message.recipient)
            for message in messages
            if self._store.may_be_opted_out(message.account_id, message.recipient)
        ]
        return await self._store.opted_out(pairs) if pairs else set()

    async def sweep(self) -> None:
        """Looks for due work that nobody told of, and empties memory while no link is bound."""
        now = self._clock.monotonic()
        if self.connector.bound:
            self._unbound_since = None
            for one in await self._store.backlog(self.connector.id, self._clock.now_us()):
                self.backlog.setdefault((one.type, one.account_id), 0)
            if self.backlog:
                self._look_again()
            return
        if self._unbound_since is None:
            self._unbound_since = now
        elif now - self._unbound_since > _UNBOUND_S and self._depth:
            self.give_back_all()

    def give_back_all(self) -> None:
        """Everything in memory that is not on the wire goes back to the store."""
        works = list(self._front)
        self._front.clear()
        while (work := self._queue.pop()) is not None:
            works.append(work)
        for waiting in self._pairs.values():
            works.extend(waiting or ())
        self._pairs = dict.fromkeys(self._pairs)
        holders = [held for _, _, held in self._held]
        self._held.clear()
        self._held_count = 0
        for submission in self._permitted:
            self._release(submission.live.message.id, 1)
            self._unwritten -= 1
            holders.append(Work(submission.live, (submission.number,), submission.queued_at))
        self._permitted.clear()
        for work in holders:
            if work.live.message.id not in self._wire:
                self._pairs.pop((work.live.message.sender, work.live.message.recipient), None)
        for work in (*works, *holders):
            self._give_back(self._ledger.batch, work, AT_ONCE)
        self.plan_turn()

    async def close(self, drain_s: float) -> None:
        """Takes no more, waits for the connector's last outcomes, and gives the rest back."""
        self._closing = True
        self.give_back_all()
        await self.connector.stop(drain_s)
        self.give_back_all()
        if self._timer is not None:
            self._timer.cancel()
        await self._ledger.drain(drain_s)
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=drain_s)


def _open_segments(live: Live) -> tuple[int, ...]:
    """Segments that no carrier has taken yet."""
    if live.segments is None:
        return (1,)
    return tuple(segment.number for segment in live.segments if segment.state < State.SENT)
