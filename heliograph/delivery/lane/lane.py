"""The lane itself: from intake's reservation to the connector and back.

A message passes in this order: ``admit`` (at intake: will memory take it, may it be on the wire with
its own insert?) → ``enter`` (it is durable) → the queue → a *permit* (a commit that names it as
possibly on the wire) → the connector → ``outcomes``. All bookkeeping of one turn of the loop leaves
in one commit and one write.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any

from msgspec.structs import replace

from heliograph.contracts import FAULTS, Clock, Connector, Outcome, SegmentSubmission, Store, Unreadable, Update
from heliograph.delivery.lane.backlog import Backlog
from heliograph.delivery.lane.departures import Departures
from heliograph.delivery.lane.inflow import Inflow
from heliograph.delivery.lane.lateoptouts import LateOptOuts
from heliograph.delivery.lane.permits import Permits
from heliograph.delivery.lane.queue import LaneQueue
from heliograph.delivery.lane.recalls import Recalls
from heliograph.delivery.lane.setbacks import Over, Setbacks, TryElsewhere
from heliograph.delivery.lane.sides import belongs
from heliograph.delivery.lane.work import Admission, LaneLimits, Work, open_segments
from heliograph.delivery.ledger import Batch, Ledger
from heliograph.delivery.segmenting import parts_of
from heliograph.errors import StoreError
from heliograph.model import AT_ONCE, END, Content, Live, Message, State
from heliograph.rules.lifecycle import News
from heliograph.rules.pacing import Pace
from heliograph.rules.windows import opens_at
from heliograph.telemetry import journal
from heliograph.telemetry.metrics import Metrics

__all__ = ["Lane"]

_SENT = int(State.SENT)

_LONGEST_HOLD_S = 120.0
"""A retry that is due sooner waits in memory; a later one goes back to the store."""

_COMMIT_S = 0.02
"""How long a commit takes until one was measured."""

_FORGETS = 0.95
"""What is left of the longest commit with each further one."""

_UNBOUND_S = 5.0
"""After this long without a link, what is in memory goes back to the store."""


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
        move: Callable[[Batch, Live, int], None],
        elsewhere: Callable[[Live, int], int | None],
        settled: Callable[[Batch, Connector, Sequence[tuple[SegmentSubmission, str]]], None],
        limits: LaneLimits,
        sandbox: int = 0,
    ) -> None:
        """``move`` sends a message on to another connector, ``elsewhere`` names its route's next one, ``settled``

        hears of every segment that a carrier took. ``sandbox`` is the one account that a virtual connector is for,
        0 for a real one.
        """
        self.connector = connector
        self.pace = Pace(connector.segments_per_second)
        self.congestion = 0
        """congestion_state that the carrier told last; 0 where it tells none."""
        self._store = store
        self._ledger = ledger
        self._clock = clock
        self._metrics = metrics
        self._move = move
        self._elsewhere = elsewhere
        self._settled = settled
        self._permits = Permits(connector.window)
        self._commit_s = _COMMIT_S
        self._sandbox = sandbox
        self._queue = LaneQueue(limits)
        self._backlog = Backlog(connector.id, store, clock, self._queue, self.take, self.plan_turn)
        self._inflow = Inflow(clock, self._queue.room, self._backlog.__contains__)
        self._departures = Departures(self._send_on)
        self._setbacks = Setbacks(ledger, store, connector.id)
        self._late = LateOptOuts(store, clock, self, self._spawn)
        self._ready: deque[SegmentSubmission] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._closing = False
        self._unbound_since: float | None = None
        self._recalls = Recalls()

    # --- what the lane holds ---------------------------------------------------------------------

    @property
    def depth(self) -> int:
        """Segments in memory."""
        return self._queue.depth

    @property
    def in_flight(self) -> int:
        """Segments that may be on the wire."""
        return self._permits.open

    @property
    def wire(self) -> tuple[str, ...]:
        """Ids that may be on the wire: what the lane's row must say."""
        return self._permits.ids

    # --- intake ----------------------------------------------------------------------------------

    def admit(self, message: Message, permit: bool = True) -> Admission:
        """Reserves a place for a message that is about to be written. ``abandon`` gives it back.

        Without ``permit`` it gets none with its insert: that may take a while.
        """
        key = (message.type, message.account_id)
        segments = message.segments
        queue, permits = self._queue, self._permits
        if key in self._backlog.marks or self._closing or not self.connector.bound or not queue.admit(key, segments):
            self._backlog.mark(key)
            return Admission.WAITING
        if not permit or queue or permits.room(self.pace.rate) < segments:
            return Admission.CLAIMED
        pair = (message.sender, message.recipient)
        if queue.is_busy(pair):
            return Admission.CLAIMED
        queue.take_pair(pair)
        permits.reserve(message.id, segments)
        return Admission.PERMITTED

    async def reserve(self, key: tuple[int, int], segments: int) -> int:
        """Waits a moment for room for many segments of a (class, account).

        Gives how many are promised: ``placed`` must follow with as many.
        """
        if self._closing or not self.connector.bound:
            return 0
        return await self._inflow.reserve(key, segments)

    def placed(self, key: tuple[int, int], segments: int) -> None:
        """What was promised has been admitted, or will not be."""
        self._inflow.placed(key, segments)

    def enter(self, live: Live, admission: Admission, now: float) -> None:
        """The message is durable: it takes the place that was reserved. :meth:`plan_turn` must follow."""
        if admission is Admission.CLAIMED:
            self._queue.push(Work(live, open_segments(live), now))
        elif admission is Admission.PERMITTED:
            self._make_ready((Work(live, open_segments(live), now),))

    def abandon(self, message: Message, admission: Admission) -> None:
        """The message was not written after all."""
        if admission is Admission.WAITING:
            return
        if admission is Admission.PERMITTED:
            self._permits.written(message.segments)
            self._permits.release(message.id, message.segments)
            self._queue.free_pair((message.sender, message.recipient))
        self._shrink(message, message.segments)
        self.plan_turn()

    # --- recalls and closed windows ----------------------------------------------------------------

    def recall(self, message_id: str) -> bool:
        """Keeps a message off the wire until ``recalled``; False when it may be there already."""
        return not self._permits.may_be_on_wire(message_id) and self._recalls.ask(message_id)

    def recalled(self, message_id: str, *, canceled: bool) -> None:
        """What the store said: it was canceled, or it takes its turn again."""
        if canceled:
            self._recalls.canceled(message_id)
        elif (work := self._recalls.restored(message_id)) is not None:
            message = work.live.message
            self._queue.grow((message.type, message.account_id), len(work.numbers))
            self._queue.push(work)
            self.plan_turn()

    def _stays(self, batch: Batch, work: Work, now_us: int) -> bool:
        """Whether work whose turn has come may not leave: it was recalled, or its delivery window is closed."""
        message = work.live.message
        if self._recalls.keeps(work):
            self._forget(message, work.numbers)
            self._shrink(message, len(work.numbers))
        else:
            schedules = work.live.schedules
            window = schedules[-1].window if schedules else None
            opens_us = now_us if window is None else opens_at(window, now_us)
            if opens_us == now_us or message.expires_us <= now_us:
                return False
            self._give_back(batch, work, message.expires_us if opens_us is None else opens_us)
        self._queue.free_pair(work.pair)
        return True

    def mark_backlog(self, kind: int, account_id: int) -> None:
        """Something of this class and account waits in the store, or is about to."""
        self._backlog.mark((kind, account_id))

    # --- turns of the loop -----------------------------------------------------------------------

    def plan_turn(self) -> None:
        """Whatever happened in this turn of the loop is worked off at its end, once."""
        self._ledger.plan(self._turn)

    def _turn(self, batch: Batch) -> None:
        if self._departures:
            self._departures.let_go(batch, all_of_them=self._closing)
        due = self._queue.wake(self._clock.monotonic())
        if due is not None:
            self._wake_at(due)
        asked = self._ask(batch)
        if asked:
            asked_at = self._clock.monotonic()
            limited = self._permits.room(self.pace.rate) <= 0
            batch.kept.append(lambda: self._permitted(asked, asked_at, limited))
        if asked or self._permits.changed:
            self._permits.changed = False
            if (told := self._permits.leave()) is not None:
                batch.kept.append(told)
            batch.changes.wires[self.connector.id] = self.wire
        self._write()
        if self._inflow.measure():
            self._permits.adapt(self._inflow.rate, self._commit_s)
        if self._inflow:
            self._inflow.let_in()
        if self._backlog.wants_refill and self.connector.bound and not self._closing:
            self._spawn(self._backlog.refill())

    def _ask(self, batch: Batch) -> list[Work]:
        """The next ones in fairness that may have a permit: this turn's commit gives it."""
        asked: list[Work] = []
        if self._closing or not self.connector.bound:
            return asked
        permits = self._permits
        room = permits.room(self.pace.rate)
        now_us = self._clock.now_us()
        recalled = bool(self._recalls)
        while room > 0 and (work := self._queue.pop()) is not None:
            live = work.live
            if (recalled or live.schedules) and self._stays(batch, work, now_us):
                continue
            message, segments = live.message, len(work.numbers)
            if message.expires_us <= now_us:  # it is not sent any more
                for number in work.numbers:
                    self._setbacks.end(batch, live, number, State.EXPIRED, "expired", now_us)
                self._queue.free_pair(work.pair)
                self._forget(message, work.numbers)
                self._shrink(message, segments)
                continue
            permits.reserve(message.id, segments)
            room -= segments
            asked.append(work)
        return asked

    def _permitted(self, asked: Sequence[Work], asked_at: float, limited: bool) -> None:
        """The commit that names these is done. ``limited``: more would have been asked for if more were allowed."""
        if limited and not self._ready and self.connector.free:
            self._permits.hungry()
        self._commit_s = max(self._clock.monotonic() - asked_at, self._commit_s * _FORGETS)
        self._make_ready(asked)
        self._write()

    def _make_ready(self, works: Iterable[Work]) -> None:
        now_us = self._clock.now_us()
        ready, late = self._ready, self._late
        for work in works:
            live, entered_at = work.live, work.entered_at
            segments, parts = live.segments, live.parts
            left_s = (live.message.expires_us - now_us) // 1_000_000
            for number in work.numbers:
                attempts = live.progress.attempts if segments is None else segments[number - 1].attempts
                submission = SegmentSubmission(
                    live, number, parts[number - 1], attempts + 1, left_s if left_s > 0 else 1, entered_at
                )
                if entered_at > late.until or not late.suspects(submission):
                    ready.append(submission)

    def hasten(self, by_s: float) -> None:
        """Further tries that wait here come so much sooner."""
        self._queue.hasten(by_s)
        self.plan_turn()

    def opted_out(self) -> None:
        """Somebody opted out: what is not written yet is looked at once more."""
        self._late.changed()
        self._ready = deque([one for one in self._ready if not self._late.suspects(one)])

    def cleared(self, submissions: Sequence[SegmentSubmission]) -> None:
        """Their recipients did not opt out."""
        self._ready.extend(submissions)
        self._write()

    def barred(self, submissions: Sequence[SegmentSubmission]) -> None:
        """Their recipients opted out: they are not written."""
        batch, now_us = self._ledger.batch, self._clock.now_us()
        self._permits.written(len(submissions))
        for one in submissions:
            self._setbacks.end(batch, one.live, one.number, State.REJECTED, "opted_out", now_us)
            self._leave((one,))
        self.plan_turn()

    def _write(self) -> None:
        """Hands over what is permitted, as much as window and pace allow."""
        free = self.connector.free
        if not self._ready or not free:
            return
        now = self._clock.monotonic()
        want = min(len(self._ready), free)
        granted = self.pace.take(now, want)
        if granted < want:
            self._wake_at(self.pace.ready_at(now))
        if not granted:
            return
        batch = [self._ready.popleft() for _ in range(granted)]
        sandbox, strange = self._sandbox, False
        for submission in batch:
            submission.submitted_at = now
            account_id = submission.live.message.account_id
            if (sandbox or account_id < 0) and account_id != sandbox:
                strange = True
        if strange:  # decided above for next to nothing, once more in words
            batch = self._turn_away(batch)
        self._permits.written(len(batch))
        self._metrics.submitted(batch, now)
        self.connector.submit(batch)
        if self._queue:
            self.plan_turn()

    def _turn_away(self, submissions: Sequence[SegmentSubmission]) -> list[SegmentSubmission]:
        """Those that belong here. A message of the other side is ended unwritten, whoever led it here."""
        batch, now_us = self._ledger.batch, self._clock.now_us()
        mine: list[SegmentSubmission] = []
        for one in submissions:
            if belongs(one.live.message.account_id, self._sandbox):
                mine.append(one)
                continue
            self._permits.written(1)
            self._setbacks.end(batch, one.live, one.number, State.FAILED, "no_route", now_us)
            self._leave((one,))
            self._metrics.trouble("sides")
            journal.message_turned_away(one.live.message.id, self.connector.name)
        self.plan_turn()
        return mine

    def _wake_at(self, at: float) -> None:
        """One timer for pace and held retries: the earliest wins."""
        when = self._loop.time() + max(0.0, at - self._clock.monotonic())
        if self._timer is not None:
            if self._timer_at <= when and not self._timer.cancelled():
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._timed)
        self._timer_at = when

    def _timed(self) -> None:
        self._timer = None
        self.plan_turn()

    # --- outcomes --------------------------------------------------------------------------------

    def outcomes(self, outcomes: Sequence[Outcome]) -> None:
        """What became of submissions. The connector's one call of this turn."""
        now_us = self._clock.now_us()
        connector_id = self.connector.id
        batch, apply = self._ledger.batch, self._ledger.apply
        taken: list[tuple[SegmentSubmission, str]] = []
        for outcome in outcomes:
            submission = outcome.submission
            if outcome.failure is None and not outcome.unknown and not outcome.never_written:
                raw_id = outcome.carrier_message_id or ""
                news = News(submission.number, _SENT, now_us, connector_id, raw_id, 0, None, submission.attempt)
                apply(batch, submission.live, news)
                taken.append((submission, raw_id))
            else:
                self._set_back(batch, outcome, now_us)
        if taken:
            self._leave([submission for submission, _ in taken])
            self._settled(batch, self.connector, taken)
            if not self.connector.wants_receipts:  # no news will come
                for submission, _ in taken:
                    apply(batch, submission.live, News(submission.number, State.UNKNOWN, now_us, connector_id))
        self.plan_turn()

    def congested(self, state: int) -> None:
        """The carrier told how busy it is, before the outcomes of the same turn."""
        self.congestion = state
        self.pace.congested(self._clock.monotonic(), state)

    def _set_back(self, batch: Batch, outcome: Outcome, now_us: int) -> None:
        submission = outcome.submission
        if outcome.failure is not None and outcome.failure.pauses_lane:
            self.pace.throttled(self._clock.monotonic())
        other = self._elsewhere(submission.live, self.connector.id)
        step = self._setbacks.settle(batch, outcome, other, now_us)
        if isinstance(step, Over):
            self._leave((submission,))
        elif isinstance(step, TryElsewhere):
            self._leave((submission,))
            self._departures.elsewhere(batch, submission.live, submission.number, step.connector_id)
        else:
            self._resubmit(batch, submission, step.wait_s)

    def _resubmit(self, batch: Batch, submission: SegmentSubmission, wait_s: float) -> None:
        """Off the wire, and again later: from memory when that is soon, from the store otherwise."""
        live = submission.live
        self._permits.release(live.message.id, 1)
        work = Work(live, (submission.number,), submission.queued_at)
        until = self._clock.monotonic() + wait_s
        # The pair stays taken: nothing overtakes what will be tried again.
        if wait_s <= _LONGEST_HOLD_S and not self._closing and self._queue.hold(work, until):
            if wait_s > 0:
                self._wake_at(until)
            return
        self._forget(live.message, work.numbers)
        self._shrink(live.message, 1)
        due_us = self._clock.now_us() + int(wait_s * 1e6) if wait_s else AT_ONCE
        self._departures.later(batch, live, submission.number, due_us)
        self._queue.free_pair(work.pair)

    def _leave(self, submissions: Sequence[SegmentSubmission]) -> None:
        """Segments are over with this lane."""
        release, free_pair = self._permits.release, self._queue.free_pair
        left: dict[tuple[int, int], int] = {}
        for one in submissions:
            message = one.live.message
            if release(message.id, 1):
                free_pair((message.sender, message.recipient))
            key = (message.type, message.account_id)
            left[key] = left.get(key, 0) + 1
        if self._setbacks.elsewhere:
            for one in submissions:
                self._setbacks.forget(one.live.message.id, one.number)
        for key, segments in left.items():
            self._less(key, segments)

    def _forget(self, message: Message, numbers: Sequence[int]) -> None:
        if self._setbacks.elsewhere:
            for number in numbers:
                self._setbacks.forget(message.id, number)

    def _shrink(self, message: Message, segments: int) -> None:
        self._less((message.type, message.account_id), segments)

    def _less(self, key: tuple[int, int], segments: int) -> None:
        self._queue.shrink(key, segments)
        self._inflow.left += segments
        self._backlog.left(key)

    # --- to and from the store -------------------------------------------------------------------

    async def take(self, claimed: Sequence[tuple[Live, Content | None]]) -> None:
        """Messages claimed for this lane enter it; those that opted out meanwhile end here."""
        now = self._clock.monotonic()  # before they are checked: who opts out from now on is found later
        try:
            barred = await self._barred([live.message for live, _ in claimed])
        except StoreError:  # nobody can say who opted out: they wait in the store again
            for live, _ in claimed:
                self._send_on(self._ledger.batch, live, None, AT_ONCE)
            raise
        await self._setbacks.look_back(live for live, _ in claimed)
        now_us = self._clock.now_us()
        batch = self._ledger.batch
        for live, content in claimed:
            message = live.message
            work = Work(live, open_segments(live), now)
            if content is None or (message.account_id, message.recipient) in barred:
                error = "content_gone" if content is None else "opted_out"
                for number in work.numbers:
                    self._setbacks.end(batch, live, number, State.REJECTED, error, now_us)
                continue
            try:
                parts = parts_of(message, content, self.connector.reference_octets)
            except FAULTS as error:
                self._set_aside(live, error)
                continue
            if live.progress.state == State.SCHEDULED:
                self._ledger.come_due(batch, live, now_us)
            live.content, live.parts = content, parts
            self._queue.grow((message.type, message.account_id), len(work.numbers))
            self._queue.push(work)

    def _set_aside(self, live: Live, error: Exception) -> None:
        """No segments can be made of what a message says: it is damaged."""
        if self._store.on_unreadable is not None:
            head = Live(live.message, replace(live.progress, owner=0))
            found = Unreadable(table="contents", id=live.message.id, why=type(error).__name__, live=head)
            self._store.on_unreadable(found)

    async def _barred(self, messages: Sequence[Message]) -> set[tuple[int, str]]:
        pairs = [
            (message.account_id, message.recipient)
            for message in messages
            if self._store.may_be_opted_out(message.account_id, message.recipient)
        ]
        return await self._store.opted_out(pairs) if pairs else set()

    def give_back_all(self) -> None:
        """Everything in memory that is not on the wire goes back to the store."""
        works, holders = self._queue.empty()
        if not self._backlog.taking:  # what is on its way into memory may have been canceled as well
            self._recalls.emptied()
        for submission in (*self._ready, *self._late.empty()):
            self._permits.written(1)
            self._permits.release(submission.live.message.id, 1)
            holders.append(Work(submission.live, (submission.number,), submission.queued_at))
        self._ready.clear()
        for work in holders:
            if work.live.message.id not in self._permits:
                self._queue.free_pair(work.pair)
        for work in (*works, *holders):
            self._give_back(self._ledger.batch, work, AT_ONCE)
        self.plan_turn()

    def _give_back(self, batch: Batch, work: Work, due_us: int) -> None:
        """Back to the store: unclaimed, due then."""
        self._send_on(batch, work.live, None, due_us)
        self._forget(work.live.message, work.numbers)
        self._shrink(work.live.message, len(work.numbers))

    def _send_on(self, batch: Batch, live: Live, connector_id: int | None, due_us: int) -> None:
        """What is left of a message goes to another connector, or back to the store until it is due."""
        if connector_id is not None:
            self._move(batch, live, connector_id)
            return
        message, old = live.message, live.progress
        if old.state < END:
            progress = replace(old, version=old.version + 1, owner=0, due_us=due_us)
            batch.changes.updates.append(Update(message.id, message.account_id, old.version, progress))
            live.progress = progress
            if due_us <= self._clock.now_us():
                self._backlog.mark((message.type, message.account_id))

    # --- life ------------------------------------------------------------------------------------

    async def sweep(self) -> None:
        """Looks for due work that nobody told of, and empties memory while no link is bound."""
        if self.connector.bound:
            self._unbound_since = None
            await self._backlog.sweep()
            return
        now = self._clock.monotonic()
        if self._unbound_since is None:
            self._unbound_since = now
        elif now - self._unbound_since > _UNBOUND_S and self.depth:
            self.give_back_all()

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
