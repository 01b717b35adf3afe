"""Intake: submissions become accepted messages, in batches and three steps.

*Gather*: one batched read of what is known of these recipients, skipped where a filter in memory
says that nothing is. *Decide*: pure functions of values, configuration in memory and what was
gathered. *Commit*: one write, which checks again what must not be raced (idempotency, opt-out).
All submissions that arrive in one turn of the event loop go through together.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

from msgspec import Struct

from heliograph.contracts import Acceptance, Changes, Clock, Committed, NewMessage, ReferenceKey, Store
from heliograph.delivery.allowance import Allowance
from heliograph.delivery.decide import Decider, Draft, opted_out
from heliograph.delivery.directory import Directory
from heliograph.delivery.dispatch import Dispatch
from heliograph.delivery.idempotency import claim_of, created, earlier, mismatch, replay
from heliograph.delivery.lane import Admission
from heliograph.delivery.slices import Slices
from heliograph.delivery.submission import Accepted, IdempotencyKey, Received, Submission
from heliograph.errors import RequestRejected, StoreBusy, StoreError
from heliograph.model import (
    AT_ONCE,
    IdSource,
    Live,
    Message,
    Progress,
    Schedule,
    SegmentProgress,
    State,
    Usage,
)
from heliograph.rules.lifecycle import fact_of
from heliograph.rules.schedule import Plan
from heliograph.telemetry.metrics import Metrics

__all__ = ["Intake", "IntakeLimits"]

_REFERENCES = 100_000
_SLICE = 64
"""Messages that are decided, or placed, without a look at anybody else: about 1 ms."""

_ENTER = 128
"""Messages of a large request that enter their lanes at once: less than 1 ms."""

T = TypeVar("T")


class IntakeLimits(Struct, frozen=True, kw_only=True):
    """Messages that may wait for their commit; above it callers are told to come back."""

    messages: int = 50_000


Answered = Callable[[Received | BaseException], None]
"""Hears once what became of submissions. ``RequestRejected``: a misused idempotency key (409), or limits that they are
too much for (429). ``StoreBusy``: nothing was kept. Any other exception is a fault of ours. It must not raise."""


class _Request:
    """Submissions of one caller, who waits for all of them."""

    __slots__ = ("allowance", "answered", "idempotency", "submissions")

    def __init__(
        self,
        submissions: Sequence[Submission],
        idempotency: IdempotencyKey | None,
        answered: Answered,
        allowance: Allowance | None = None,
    ) -> None:
        self.submissions = submissions
        self.idempotency = idempotency
        self.answered: Answered | None = answered
        """None once it was."""
        self.allowance = allowance

    @property
    def key(self) -> tuple[int, str] | None:
        return None if self.idempotency is None else (self.idempotency.account_id, self.idempotency.key)


class _Limited(Exception):
    """A request that its caller's limits refuse."""

    def __init__(self, why: RequestRejected) -> None:
        super().__init__(why.code)
        self.why = why


class _Questions(Struct):
    """What is asked of the store before a decision."""

    recipients: list[tuple[int, str]]
    references: list[ReferenceKey]


class _Decision:
    """What was decided for one request, until it is durable."""

    __slots__ = ("admitted", "request", "results", "rows", "schedules", "taken", "usage")

    def __init__(self, request: _Request) -> None:
        self.request = request
        self.results: list[Accepted | RequestRejected] = []
        self.admitted: list[tuple[Live, Admission]] = []
        self.rows: list[NewMessage] = []
        self.schedules: list[Schedule] = []
        self.taken: Sequence[tuple[str, int]] = ()
        self.usage: Sequence[Usage] = ()


class Intake:
    """The one entrance into the pipeline."""

    def __init__(
        self,
        store: Store,
        dispatch: Dispatch,
        directory: Directory,
        ids: IdSource,
        clock: Clock,
        metrics: Metrics,
        *,
        limits: IntakeLimits | None = None,
    ) -> None:
        self._store = store
        self._dispatch = dispatch
        self._directory = directory
        self._ids = ids
        self._clock = clock
        self._metrics = metrics
        self._limits = limits or IntakeLimits()
        self._decider = Decider(directory, clock.now_us)
        self._waiting: list[_Request] = []
        self._planned = False
        self._pending = 0
        self._running: dict[tuple[int, str], bytes] = {}
        self._references: dict[ReferenceKey, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self.slices = Slices()
        """By turns with everything else that takes long."""
        self.on_sandbox: Callable[[int], Awaitable[object]] | None = None
        """Awaited before messages of a sandbox are decided: its virtual carrier must be there to take them."""
        self.on_callback: Callable[[int], Awaitable[object]] | None = None
        """Awaited before a message with a callback of its own is accepted: somebody must be there to call it."""

    async def accept(
        self,
        submissions: Sequence[Submission],
        *,
        idempotency: IdempotencyKey | None = None,
        allowance: Allowance | None = None,
    ) -> Received:
        """:meth:`offer`, and waits for the answer. Raises what is no ``Received``."""
        future: asyncio.Future[Received] = self._loop.create_future()
        self.offer(submissions, partial(_settle, future), idempotency=idempotency, allowance=allowance)
        return await future

    def offer(
        self,
        submissions: Sequence[Submission],
        answered: Answered,
        *,
        idempotency: IdempotencyKey | None = None,
        allowance: Allowance | None = None,
    ) -> None:
        """Keeps what can be accepted of these, in one transaction, and answers for each in order.

        ``answered`` is called in the turn of the loop that hears of the commit. Raises ``RequestRejected`` for an
        idempotency key that is in use (409), ``StoreBusy`` when too much waits; then it hears nothing.
        """
        if self._pending + len(submissions) > self._limits.messages:
            raise StoreBusy("more messages wait to be stored than this server takes at once")
        request = _Request(submissions, idempotency, answered, allowance)
        key = request.key
        if idempotency is not None and key is not None:
            self._refuse_running(key, idempotency.body_hash)
            self._running[key] = idempotency.body_hash
        self._pending += len(submissions)
        asked_for = self._asked_for(submissions)
        if asked_for:
            self._spawn(self._prepare(request, asked_for))
        else:
            self._enqueue(request)

    def _asked_for(self, submissions: Sequence[Submission]) -> list[Awaitable[object]]:
        """What must be there before these are accepted: a sandbox's carrier, somebody to call a message's callback."""
        asked_for: list[Awaitable[object]] = []
        if submissions and submissions[0].account.id < 0 and self.on_sandbox is not None:
            asked_for.append(self.on_sandbox(submissions[0].account.id))
        if self.on_callback is not None:
            accounts = {one.account.id for one in submissions if one.callback is not None}
            asked_for.extend(self.on_callback(account_id) for account_id in accounts)
        return asked_for

    async def _prepare(self, request: _Request, asked_for: Sequence[Awaitable[object]]) -> None:
        try:
            for one in asked_for:
                await one
        except BaseException as error:
            self._fail([request], error)
            if not isinstance(error, RequestRejected | StoreError):
                raise
        else:
            self._enqueue(request)

    def _enqueue(self, request: _Request) -> None:
        self._waiting.append(request)
        if not self._planned:
            self._planned = True
            self._loop.call_soon(self._turn)

    def _answer(self, request: _Request, what: Received | BaseException) -> None:
        """Once, and the first time: what was said is what the caller knows."""
        answered, request.answered = request.answered, None
        if answered is None:
            return
        self._pending -= len(request.submissions)
        key = request.key
        if key is not None:
            self._running.pop(key, None)
        answered(what)

    def _fail(self, requests: Sequence[_Request], error: BaseException) -> None:
        for request in requests:
            self._answer(request, error)

    async def check(self, submission: Submission) -> None:
        """Whether it would be accepted now; nothing is kept. Raises ``RequestRejected`` where it would be refused."""
        if submission.account.id < 0 and self.on_sandbox is not None:
            await self.on_sandbox(submission.account.id)
        draft = self._decider.decide(submission)
        if self._store.may_be_opted_out(*draft.pair) and await self._store.opted_out([draft.pair]):
            raise opted_out(draft.recipient)

    def _refuse_running(self, key: tuple[int, str], body_hash: bytes) -> None:
        running = self._running.get(key)
        if running is None:
            return
        if running != body_hash:
            raise mismatch()
        raise RequestRejected(
            "idempotency_in_progress",
            "A request with this Idempotency-Key is being worked on: send the same request again in a moment.",
            field="Idempotency-Key",
            status=409,
            retry_after_s=1,
        )

    def _turn(self) -> None:
        self._planned = False
        requests, self._waiting = self._waiting, []
        small = [request for request in requests if len(request.submissions) <= _SLICE]
        for request in requests:
            if len(request.submissions) > _SLICE:
                self._spawn(self._work_off(request))
        if not small:
            return
        try:
            drafted = [self._draft(request.submissions) for request in small]
            asked = self._questions(drafted)
            if asked.recipients or asked.references:
                self._spawn(self._gather_and_write(small, drafted, asked))
            else:
                self._write(small, drafted)
        except Exception as error:  # a fault of ours must not leave callers waiting
            self._fail(small, error)
            raise

    async def _work_off(self, request: _Request) -> None:
        """A large request, in slices: nobody else waits for all of it. It is still one commit."""
        decision, changes = _Decision(request), Changes()
        try:
            drafts: list[Draft | RequestRejected] = []
            for submissions in batched(request.submissions, _SLICE):
                await self.slices.next()
                drafts.extend(self._draft(submissions))
            await self._gather([drafts], self._questions([drafts]))
            self._use(decision, drafts)
            where, segments = _mostly(drafts)
            promised = await self._dispatch.reserve(*where, segments) if where is not None else 0
            try:
                now_us = self._clock.now_us()
                ids = self._new_ids(drafts, now_us)
                left = iter(ids)
                for part in batched(drafts, _SLICE):
                    await self.slices.next()
                    self._place(decision, part, left, now_us, changes, set(), permit=False)
            finally:
                if where is not None:
                    self._dispatch.placed(*where, promised)
            self._bind(decision, ids, now_us, changes)
        except _Limited as limited:
            await self._refuse_limited(request, limited.why)
            return
        except BaseException as error:
            self._abandon(decision)
            self._fail([request], error)
            if not isinstance(error, StoreError):
                raise
            return
        await self._commit(changes, decision)

    def _questions(self, drafted: Sequence[Sequence[Draft | RequestRejected]]) -> _Questions:
        """What memory cannot say: whether a recipient opted out, where a pair's references are."""
        asked = _Questions([], [])
        may_be_opted_out, known = self._store.may_be_opted_out, self._references
        for drafts in drafted:
            for draft in drafts:
                if isinstance(draft, RequestRejected):
                    continue
                if may_be_opted_out(*draft.pair):
                    asked.recipients.append(draft.pair)
                if draft.reference_key is not None and draft.reference_key not in known:
                    asked.references.append(draft.reference_key)
        return asked

    # --- decide, and gather what deciding needs ----------------------------------------------------

    def _draft(self, submissions: Sequence[Submission]) -> list[Draft | RequestRejected]:
        decide = self._decider.decide
        drafts: list[Draft | RequestRejected] = []
        for submission in submissions:
            try:
                drafts.append(decide(submission))
            except RequestRejected as rejected:
                self._metrics.refused(rejected.code)
                drafts.append(rejected)
        return drafts

    async def _gather_and_write(
        self, requests: Sequence[_Request], drafted: list[list[Draft | RequestRejected]], asked: _Questions
    ) -> None:
        try:
            await self._gather(drafted, asked)
            self._write(requests, drafted)
        except BaseException as error:
            self._fail(requests, error)
            if not isinstance(error, StoreError):
                raise

    async def _gather(self, drafted: list[list[Draft | RequestRejected]], asked: _Questions) -> None:
        """One read each of opt-outs and references; then what they say is decided, too."""
        if asked.references:
            last = await self._store.references(asked.references)
            for key in asked.references:
                self._references.setdefault(key, last.get(key, 0))
        if asked.recipients:
            self._bar(drafted, await self._store.opted_out(asked.recipients))

    def _bar(self, drafted: list[list[Draft | RequestRejected]], barred: Collection[tuple[int, str]]) -> None:
        """Refuses the drafts to recipients that opted out."""
        if not barred:
            return
        for drafts in drafted:
            for index, draft in enumerate(drafts):
                if isinstance(draft, Draft) and draft.pair in barred:
                    drafts[index] = opted_out(draft.recipient)
                    self._metrics.refused("recipient_opted_out")

    def _write(self, requests: Sequence[_Request], drafted: Sequence[Sequence[Draft | RequestRejected]]) -> None:
        now_us = self._clock.now_us()
        changes = Changes()
        lanes: set[int] = set()
        decisions = []
        for request, drafts in zip(requests, drafted, strict=True):
            decision = _Decision(request)
            if request.allowance is not None:
                try:
                    self._use(decision, drafts)
                except _Limited as limited:
                    self._spawn(self._refuse_limited(request, limited.why))
                    continue
            ids = self._new_ids(drafts, now_us)
            self._place(decision, drafts, iter(ids), now_us, changes, lanes)
            self._bind(decision, ids, now_us, changes)
            decisions.append(decision)
        if lanes:
            changes.wires = self._dispatch.wires(lanes)
        if decisions:
            self._begin(changes, decisions)
        while len(self._references) > _REFERENCES:
            del self._references[next(iter(self._references))]

    def _new_ids(self, drafts: Sequence[Draft | RequestRejected], now_us: int) -> list[str]:
        """An id for each draft that will be a message: consecutive, so that the first one tells all."""
        count = sum(1 for draft in drafts if isinstance(draft, Draft))
        return self._ids.take(count, now_us) if count else []

    def _place(
        self,
        decision: _Decision,
        drafts: Sequence[Draft | RequestRejected],
        ids: Iterator[str],
        now_us: int,
        changes: Changes,
        lanes: set[int],
        *,
        permit: bool = True,
    ) -> None:
        """Places in lanes and rows for what was decided. ``lanes`` collects those that gave a permit."""
        node_id = self._store.node_id
        for draft in drafts:
            if isinstance(draft, RequestRejected):
                decision.results.append(draft)
                continue
            message = self._message(draft, next(ids), now_us, changes)
            plan = draft.plan
            if plan is not None and plan.send_us > now_us:
                self._schedule(decision, draft, plan, message, now_us, changes)
                continue
            admission = self._dispatch.admit(draft.connector_id, message, permit)
            if admission is Admission.WAITING:
                progress = Progress(connector_id=draft.connector_id, due_us=AT_ONCE)
            else:
                progress = Progress(connector_id=draft.connector_id, owner=node_id)
                if admission is Admission.PERMITTED:
                    lanes.add(draft.connector_id)
            segments = None
            if message.segments > 1:
                segments = [
                    SegmentProgress(number=number, connector_id=draft.connector_id)
                    for number in range(1, message.segments + 1)
                ]
            live = Live(message, progress, draft.parts, segments, draft.content)
            if plan is not None:
                live.schedules = (self._date(decision, draft, plan, message, now_us),)
            decision.admitted.append((live, admission))
            decision.results.append(Accepted(message, progress, draft.warnings))
            decision.rows.append(
                NewMessage(message, progress, draft.content, None if segments is None else tuple(segments))
            )
            changes.facts.append(fact_of(message, 1, State.QUEUED, now_us, draft.connector_id))
            changes.lives.append(live)

    def _schedule(
        self, decision: _Decision, draft: Draft, plan: Plan, message: Message, now_us: int, changes: Changes
    ) -> None:
        """The rows of a message that waits for its date: no lane hears of it before."""
        connector_id, count = draft.connector_id, message.segments
        progress = Progress(state=State.SCHEDULED, connector_id=connector_id, due_us=plan.send_us)
        segments = None
        if count > 1:
            segments = [SegmentProgress(number=number, connector_id=connector_id) for number in range(1, count + 1)]
        schedule = self._date(decision, draft, plan, message, now_us)
        live = Live(message, progress, draft.parts, segments, draft.content, (schedule,))
        decision.admitted.append((live, Admission.WAITING))
        decision.results.append(Accepted(message, progress, draft.warnings, schedule))
        decision.rows.append(
            NewMessage(message, progress, draft.content, None if segments is None else tuple(segments))
        )
        changes.facts.append(fact_of(message, 1, State.SCHEDULED, now_us, connector_id))
        changes.lives.append(live)

    def _date(self, decision: _Decision, draft: Draft, plan: Plan, message: Message, now_us: int) -> Schedule:
        schedule = plan.schedule(
            message.id,
            message.account_id,
            sequence=1,
            at_us=now_us,
            send_us=max(now_us, plan.send_us),
            validity_us=draft.validity_s * 1_000_000,
        )
        decision.schedules.append(schedule)
        return schedule

    def _bind(self, decision: _Decision, ids: Sequence[str], now_us: int, changes: Changes) -> None:
        """The rows of one request, all or none."""
        key = decision.request.idempotency
        claim = None if key is None else claim_of(key, created(decision.results, ids), now_us)
        changes.acceptances.append(Acceptance(decision.rows, claim, schedules=decision.schedules, usage=decision.usage))

    def _message(self, draft: Draft, message_id: str, now_us: int, changes: Changes) -> Message:
        reference = 0
        key = draft.reference_key
        if key is not None:
            limit = 0xFF if draft.reference_octets == 1 else 0xFFFF
            reference = self._references.get(key, 0) % limit + 1
            self._references[key] = changes.references[key] = reference
        return draft.message(message_id, now_us, reference)

    # --- limits ------------------------------------------------------------------------------------

    def _use(self, decision: _Decision, drafts: Sequence[Draft | RequestRejected]) -> None:
        """What these use of their caller's limits is used from here on. Raises ``_Limited``."""
        allowance = decision.request.allowance
        if allowance is None:
            return
        messages = [(draft.recipient, len(draft.parts)) for draft in drafts if isinstance(draft, Draft)]
        if messages:
            try:
                decision.usage = allowance.take(messages)
            except RequestRejected as rejected:
                raise _Limited(rejected) from None
            decision.taken = messages

    async def _refuse_limited(self, request: _Request, why: RequestRejected) -> None:
        """No limit holds back the answer to a request that was accepted before."""
        try:
            key = request.idempotency
            claim = await earlier(self._store, key, self._clock.now_us())
            if claim is None:
                raise why
            received = await replay(self._store, claim, key)
            self._answer(request, received)
        except (RequestRejected, StoreError) as error:
            self._fail([request], error)

    def _abandon(self, decision: _Decision) -> None:
        """Nothing of it was written: its places and what it used are free again."""
        self._dispatch.abandon(decision.admitted)
        if decision.taken and decision.request.allowance is not None:
            decision.request.allowance.give_back(decision.taken)
            decision.taken = ()

    # --- commit ------------------------------------------------------------------------------------

    def _begin(self, changes: Changes, decisions: Sequence[_Decision]) -> None:
        """Writes what was decided for small requests; they are answered in the turn that hears of the commit."""
        started = self._clock.monotonic()
        try:
            self._store.keep(changes, lambda outcome: self._kept(outcome, decisions, started))
        except StoreError as error:
            self._lose(decisions, error)

    def _kept(self, outcome: Committed | StoreError, decisions: Sequence[_Decision], started: float) -> None:
        if isinstance(outcome, StoreError):
            self._lose(decisions, outcome)
        elif outcome.lost or outcome.opted_out:
            self._spawn(self._settle_exceptions(outcome, decisions, started))
        else:
            try:
                for decision in decisions:
                    self._dispatch.enter(decision.admitted)
            finally:  # they are kept, whatever comes of it
                self._conclude(decisions, started)

    async def _commit(self, changes: Changes, decision: _Decision) -> None:
        """The same for a large request, whose messages enter their lanes in slices."""
        started = self._clock.monotonic()
        try:
            committed = await self._store.commit(changes)
        except BaseException as error:
            self._lose([decision], error)
            if not isinstance(error, StoreError):
                raise
            return
        if committed.lost or committed.opted_out:
            await self._settle_exceptions(committed, [decision], started)
            return
        for part in batched(decision.admitted, _ENTER):
            await self.slices.next()
            self._dispatch.enter(part)
        self._conclude([decision], started)

    def _lose(self, decisions: Sequence[_Decision], error: BaseException) -> None:
        """Nothing of these was kept."""
        for decision in decisions:
            self._abandon(decision)
        self._fail([decision.request for decision in decisions], error)

    def _conclude(self, decisions: Sequence[_Decision], started: float) -> None:
        """These are accepted."""
        count = sum([len(decision.admitted) for decision in decisions])
        self._metrics.accepted(count, self._clock.monotonic() - started)
        for decision in decisions:
            self._answer(decision.request, Received(decision.results, False))

    async def _settle_exceptions(self, committed: Committed, decisions: Sequence[_Decision], started: float) -> None:
        """Concludes the decisions that hold. Of the others nothing was written: their key was taken before,

        or a recipient opted out meanwhile, and then they are decided again.
        """
        held = [
            decision
            for index, decision in enumerate(decisions)
            if index not in committed.lost and index not in committed.opted_out
        ]
        for decision in held:
            self._dispatch.enter(decision.admitted)
        self._conclude(held, started)
        for index in (*committed.lost, *committed.opted_out):
            self._abandon(decisions[index])
        for index, claim in committed.lost.items():
            request = decisions[index].request
            try:
                received = await replay(self._store, claim, request.idempotency)
            except (RequestRejected, StoreError) as error:
                self._fail([request], error)
                continue
            self._answer(request, received)
        again = [decisions[index].request for index in committed.opted_out]
        if again:
            drafted = [self._draft(request.submissions) for request in again]
            barred = {
                (submission.account.id, recipient)
                for index, recipients in committed.opted_out.items()
                for submission in decisions[index].request.submissions
                for recipient in recipients
            }
            self._bar(drafted, barred)
            self._write(again, drafted)

    # --- tasks -------------------------------------------------------------------------------------

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def drain(self, timeout_s: float) -> None:
        """Waits until what was begun is answered."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=timeout_s)


def batched(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Slices of at most ``size``."""
    return (items[start : start + size] for start in range(0, len(items), size))


def _mostly(drafts: Sequence[Draft | RequestRejected]) -> tuple[tuple[int, tuple[int, int]] | None, int]:
    """Where most segments of a large request will go, (connector_id, (class, account)), and how many they are."""
    segments: Counter[tuple[int, tuple[int, int]]] = Counter()
    for draft in drafts:
        if isinstance(draft, Draft):
            asked = draft.submission
            segments[draft.connector_id, (asked.type, asked.account.id)] += len(draft.parts)
    if not segments:
        return None, 0
    ((where, most),) = segments.most_common(1)
    return where, most


def _settle(future: asyncio.Future[Received], what: Received | BaseException) -> None:
    """Answers one who awaits, unless it has gone."""
    if future.done():
        return
    if isinstance(what, BaseException):
        future.set_exception(what)
    else:
        future.set_result(what)
