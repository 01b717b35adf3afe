"""Intake: submissions become accepted messages, in batches and three steps.

*Gather*: one batched read of what is known of these recipients, skipped where a filter in memory
says that nothing is. *Decide*: pure functions of values, configuration in memory and what was
gathered. *Commit*: one write, which checks again what must not be raced (idempotency, opt-out).
All submissions that arrive in one turn of the event loop go through together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from msgspec import Struct

from heliograph.contracts import Changes, Clock, Committed, Store, settle
from heliograph.delivery.allowance import Allowance
from heliograph.delivery.callers import Answered, Callers, Request
from heliograph.delivery.decide import Decider, Draft, opted_out
from heliograph.delivery.directory import Directory
from heliograph.delivery.dispatch import Dispatch
from heliograph.delivery.errands import Errands
from heliograph.delivery.gathering import Gathering, Questions
from heliograph.delivery.idempotency import earlier, replay
from heliograph.delivery.placing import Decision, Placing, mostly
from heliograph.delivery.slices import Slices
from heliograph.delivery.submission import IdempotencyKey, Received, Submission
from heliograph.errors import RequestRejected, StoreError
from heliograph.model import IdSource
from heliograph.telemetry.metrics import Metrics

__all__ = ["Intake", "IntakeLimits"]

_SMALL = 128
"""Messages of a request that are decided and placed in one go with all others of its turn: about 2 ms."""

_SLICE = 64
"""Messages of a larger one that are decided, or placed, without a look at anybody else: about 1 ms."""

_ENTER = 128
"""Messages of a larger one that enter their lanes at once: less than 1 ms."""

T = TypeVar("T")


class IntakeLimits(Struct, frozen=True, kw_only=True):
    """Messages that may wait for their commit; above it callers are told to come back."""

    messages: int = 50_000


class _Limited(Exception):
    """A request that its caller's limits refuse."""

    def __init__(self, why: RequestRejected) -> None:
        super().__init__(why.code)
        self.why = why


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
        self._clock = clock
        self._metrics = metrics
        self._errands = Errands()
        self._callers = Callers((limits or IntakeLimits()).messages, self._errands)
        self._decider = Decider(directory, clock.now_us)
        self._gathering = Gathering(store, self._decider, metrics)
        self._placing = Placing(store, dispatch, ids, self._gathering.references)
        self._waiting: list[Request] = []
        self._planned = False
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
        self.offer(submissions, partial(settle, future), idempotency=idempotency, allowance=allowance)
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
        request = Request(submissions, answered, idempotency, allowance)
        self._callers.enter(request)
        asked_for = self._asked_for(submissions)
        if asked_for:
            self._errands.start(self._prepare(request, asked_for))
        else:
            self._enqueue(request)

    def _asked_for(self, submissions: Sequence[Submission]) -> list[Callable[[], Awaitable[object]]]:
        """What must be there before these are accepted: a sandbox's carrier, somebody to call a message's callback."""
        asked_for: list[Callable[[], Awaitable[object]]] = []
        if submissions and submissions[0].account.id < 0 and self.on_sandbox is not None:
            asked_for.append(partial(self.on_sandbox, submissions[0].account.id))
        called = [one.account.id for one in submissions if one.callback is not None]
        if called and self.on_callback is not None:
            asked_for.extend([partial(self.on_callback, account_id) for account_id in set(called)])
        return asked_for

    async def _prepare(self, request: Request, asked_for: Sequence[Callable[[], Awaitable[object]]]) -> None:
        try:
            for ask in asked_for:
                await ask()
        except BaseException as error:
            self._callers.fail([request], error)
            if not isinstance(error, RequestRejected | StoreError):
                raise
        else:
            self._enqueue(request)

    def _enqueue(self, request: Request) -> None:
        self._waiting.append(request)
        if not self._planned:
            self._planned = True
            self._loop.call_soon(self._turn)

    async def check(self, submission: Submission) -> None:
        """Whether it would be accepted now; nothing is kept. Raises ``RequestRejected`` where it would be refused."""
        if submission.account.id < 0 and self.on_sandbox is not None:
            await self.on_sandbox(submission.account.id)
        draft = self._decider.decide(submission)
        if self._store.may_be_opted_out(*draft.pair) and await self._store.opted_out([draft.pair]):
            raise opted_out(draft.recipient)

    def _turn(self) -> None:
        self._planned = False
        requests, self._waiting = self._waiting, []
        small = [request for request in requests if len(request.submissions) <= _SMALL]
        for request in requests:
            if len(request.submissions) > _SMALL:
                self._errands.start(self._work_off(request))
        if not small:
            return
        try:
            drafted = [self._gathering.draft(request.submissions) for request in small]
            asked = self._gathering.questions(drafted)
            if asked:
                self._errands.start(self._gather_and_write(small, drafted, asked))
            else:
                self._write(small, drafted)
        except Exception as error:  # a fault of ours must not leave callers waiting
            self._callers.fail(small, error)
            raise

    async def _work_off(self, request: Request) -> None:
        """A large request, in slices: nobody else waits for all of it. It is still one commit."""
        decision, changes = Decision(request), Changes()
        try:
            drafts: list[Draft | RequestRejected] = []
            for submissions in batched(request.submissions, _SLICE):
                await self.slices.next()
                drafts.extend(self._gathering.draft(submissions))
            await self._gathering.gather([drafts], self._gathering.questions([drafts]))
            self._use(decision, drafts)
            where, segments = mostly(drafts)
            promised = await self._dispatch.reserve(*where, segments) if where is not None else 0
            try:
                now_us = self._clock.now_us()
                ids = self._placing.new_ids(drafts, now_us)
                left = iter(ids)
                for part in batched(drafts, _SLICE):
                    await self.slices.next()
                    self._placing.place(decision, part, left, now_us, changes, set(), permit=False)
            finally:
                if where is not None:
                    self._dispatch.placed(*where, promised)
            self._placing.bind(decision, ids, now_us, changes)
        except _Limited as limited:
            await self._refuse_limited(request, limited.why)
            return
        except BaseException as error:
            self._abandon(decision)
            self._callers.fail([request], error)
            if not isinstance(error, StoreError):
                raise
            return
        await self._commit(changes, decision)

    # --- decide, and gather what deciding needs ----------------------------------------------------

    async def _gather_and_write(
        self, requests: Sequence[Request], drafted: list[list[Draft | RequestRejected]], asked: Questions
    ) -> None:
        try:
            await self._gathering.gather(drafted, asked)
            self._write(requests, drafted)
        except BaseException as error:
            self._callers.fail(requests, error)
            if not isinstance(error, StoreError):
                raise

    def _write(self, requests: Sequence[Request], drafted: Sequence[Sequence[Draft | RequestRejected]]) -> None:
        now_us = self._clock.now_us()
        changes = Changes()
        lanes: set[int] = set()
        decisions = []
        for request, drafts in zip(requests, drafted, strict=True):
            decision = Decision(request)
            if request.allowance is not None:
                try:
                    self._use(decision, drafts)
                except _Limited as limited:
                    self._errands.start(self._refuse_limited(request, limited.why))
                    continue
            ids = self._placing.new_ids(drafts, now_us)
            self._placing.place(decision, drafts, iter(ids), now_us, changes, lanes)
            self._placing.bind(decision, ids, now_us, changes)
            decisions.append(decision)
        if lanes:
            changes.wires = self._dispatch.wires(lanes)
        if decisions:
            self._begin(changes, decisions)
        self._gathering.forget()

    # --- limits ------------------------------------------------------------------------------------

    def _use(self, decision: Decision, drafts: Sequence[Draft | RequestRejected]) -> None:
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

    async def _refuse_limited(self, request: Request, why: RequestRejected) -> None:
        """No limit holds back the answer to a request that was accepted before."""
        try:
            key = request.idempotency
            claim = await earlier(self._store, key, self._clock.now_us())
            if claim is None:
                raise why
            received = await replay(self._store, claim, key)
            self._callers.answer(request, received)
        except (RequestRejected, StoreError) as error:
            self._callers.fail([request], error)

    def _abandon(self, decision: Decision) -> None:
        """Nothing of it was written: its places and what it used are free again."""
        self._dispatch.abandon(decision.admitted)
        if decision.taken and decision.request.allowance is not None:
            decision.request.allowance.give_back(decision.taken)
            decision.taken = ()

    # --- commit ------------------------------------------------------------------------------------

    def _begin(self, changes: Changes, decisions: Sequence[Decision]) -> None:
        """Writes what was decided for small requests; they are answered in the turn that hears of the commit."""
        started = self._clock.monotonic()
        try:
            self._store.keep(changes, lambda outcome: self._kept(outcome, decisions, started))
        except StoreError as error:
            self._lose(decisions, error)

    def _kept(self, outcome: Committed | StoreError, decisions: Sequence[Decision], started: float) -> None:
        if isinstance(outcome, StoreError):
            self._lose(decisions, outcome)
        elif outcome.lost or outcome.opted_out:
            self._errands.start(self._settle_exceptions(outcome, decisions, started))
        else:
            try:
                for decision in decisions:
                    self._dispatch.enter(decision.admitted)
            finally:  # they are kept, whatever comes of it
                self._conclude(decisions, started)

    async def _commit(self, changes: Changes, decision: Decision) -> None:
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

    def _lose(self, decisions: Sequence[Decision], error: BaseException) -> None:
        """Nothing of these was kept."""
        for decision in decisions:
            self._abandon(decision)
        self._callers.fail([decision.request for decision in decisions], error)

    def _conclude(self, decisions: Sequence[Decision], started: float) -> None:
        """These are accepted."""
        count = sum([len(decision.admitted) for decision in decisions])
        self._metrics.accepted(count, self._clock.monotonic() - started)
        for decision in decisions:
            self._callers.answer(decision.request, Received(decision.results, False))

    async def _settle_exceptions(self, committed: Committed, decisions: Sequence[Decision], started: float) -> None:
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
                self._callers.fail([request], error)
                continue
            self._callers.answer(request, received)
        again = [decisions[index].request for index in committed.opted_out]
        if again:
            drafted = [self._gathering.draft(request.submissions) for request in again]
            barred = {
                (submission.account.id, recipient)
                for index, recipients in committed.opted_out.items()
                for submission in decisions[index].request.submissions
                for recipient in recipients
            }
            self._gathering.bar(drafted, barred)
            self._write(again, drafted)

    # --- tasks -------------------------------------------------------------------------------------

    async def drain(self, timeout_s: float) -> None:
        """Waits until what was begun is answered."""
        await self._errands.drain(timeout_s)


def batched(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Slices of at most ``size``."""
    return (items[start : start + size] for start in range(0, len(items), size))
