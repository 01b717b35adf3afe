"""The outbox at work: takes the facts of each commit, tells every endpoint, keeps what failed.

What is durable: each endpoint's position (everything up to it is told, or kept as a pending delivery),
and the pending deliveries. What is lost in a crash is only that something was told already; it is told
again under the same ids.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Raw, Struct

from heliograph.contracts import (
    Acceptance,
    Answer,
    Changes,
    Clock,
    Heard,
    Http,
    HttpFailure,
    MessageRecord,
    Post,
    Store,
    SystemClock,
    Telling,
    Verdict,
    Voice,
)
from heliograph.delivery.outbox.callbacks import Callbacks, Target
from heliograph.delivery.outbox.health import HEALTHS, Health, Tried, breaker
from heliograph.delivery.outbox.hosts import Hosts, postponed_us
from heliograph.delivery.outbox.kept import REPLAY_HEADER, is_replay, kept_id, webhook_id_of
from heliograph.delivery.outbox.line import Item, Line
from heliograph.delivery.wording import event_json, events_of
from heliograph.errors import StoreError
from heliograph.model import DEAD_FROM_US, Endpoint, Fact, Live, PendingDelivery, event_id
from heliograph.rules.redelivery import MOST_AGE_US, next_try_us, open_slots, rest_s
from heliograph.telemetry import journal
from heliograph.telemetry.metrics import Metrics

__all__ = ["Bounds", "Outbox"]

_log = logging.getLogger("heliograph.outbox")

_FOREVER_US: Final = 1 << 62
_EVERY: Final = 1 << 62
_RECENT_ROWS: Final = 4096
"""Rows whose time is remembered, so that a new endpoint starts where it was made."""
_PARTIAL_BATCHES: Final = 2
"""Requests in flight beside which a batch that is not full may start at once; more of them wait for a tick."""
_REMOVED_A_TICK: Final = 8
_IDLE_SAVE_S: Final = 30.0
"""How often the position of an endpoint is kept to which nothing was told."""
_NOT_KEPT: Final = "the message is not kept any more"
_HOST_BUSY: Final = "host_busy"
_OUTCOMES: Final = {verdict: verdict.value for verdict in Verdict}
"""An enum's ``value`` costs more than this look-up."""
_MOST_REST_ASKED_S: Final = 60.0
"""How long all of an endpoint rests for its ``Retry-After``; the event itself waits as long as it says."""


class Bounds(Struct, frozen=True, kw_only=True):
    """What the outbox holds and opens at most. Every number is a count of facts, rows or requests."""

    connections: int = 16
    """Requests in flight to one endpoint, or to one host of an account's callbacks."""
    callbacks: int = 64
    """Requests in flight to all callbacks of an account; one host has a quarter of them at most."""
    open: int = 512
    """Requests in flight in all."""
    waiting: int = 2000
    """Facts in memory of one endpoint: above it the endpoint reads the outbox instead.

    Where an account calls several hosts, half as many may wait for one of them; what is more waits in the store.
    """
    waiting_all: int = 50_000
    unsaved: int = 5000
    """Failed tellings that the store has not taken yet: above it nothing new is read."""
    page_rows: int = 20
    records: int = 200
    """Messages read at once for facts that came without them."""
    retries: int = 256
    """Due deliveries of one endpoint read at once."""


class Outbox:
    """Tells endpoints about events. All calls on one loop; ``told`` and ``set_endpoints`` never wait."""

    def __init__(
        self,
        store: Store,
        http: Http,
        voice: Voice,
        *,
        metrics: Metrics | None = None,
        clock: Clock | None = None,
        bounds: Bounds | None = None,
        chance: Callable[[], float] = random.random,
        tick_s: float = 0.25,
    ) -> None:
        self._store = store
        self._http = http
        self._voice = voice
        self._metrics = metrics or Metrics()
        self._clock = clock or SystemClock()
        self._bounds = bounds or Bounds()
        self._chance = chance
        self._tick_s = tick_s
        self._wall_offset_us = self._clock.now_us() - int(self._clock.monotonic() * 1_000_000)
        self._lines: dict[str, Line] = {}
        self._by_account: dict[int, tuple[Line, ...]] = {}
        self._starved: deque[Line] = deque()
        self._recent: deque[tuple[int, int]] = deque(maxlen=_RECENT_ROWS)
        self._position = 0
        self._open = 0
        self._waiting = 0
        self._deliveries: list[PendingDelivery] = []
        self._settled: list[str] = []
        self._removed: list[tuple[Endpoint, bool]] = []
        self._idle_saved_at = self._clock.monotonic()
        self._tasks: set[asyncio.Task[None]] = set()
        self._reader: asyncio.Task[None] | None = None
        self._ticker: asyncio.Task[None] | None = None
        self._ticking = asyncio.Lock()
        self._saving = asyncio.Lock()
        self._closed = False
        self._draining = False
        self._counts = dict.fromkeys(("events", "requests", "again", "over", "gone", "set_aside"), 0)

    # --- what comes in ------------------------------------------------------------------------

    def told(self, position: int, facts: Sequence[Fact], lives: Sequence[Live]) -> None:
        """The facts of one commit, in the order of positions; ``lives`` stand beside the first of them."""
        previous, self._position = self._position, position
        if position != previous + 1:
            self._note_gap(previous, position)
        if facts:
            self._recent.append((position, facts[0].at_us))
        by_account = self._by_account
        touched: set[Line] = set()
        known = len(lives)
        for index, fact in enumerate(facts):
            for line in by_account.get(fact.account_id, ()):
                if line.behind or position <= line.read_to:
                    continue
                if line.offer(position, fact, lives[index] if index < known else None):
                    self._waiting += 1
                    touched.add(line)
        for line in touched:
            self._limit(line, position)
            self._kick(line)

    def set_endpoints(self, endpoints: Sequence[Endpoint]) -> None:
        """All endpoints there are. A new one starts where it was made; one that is missing is owed nothing more."""
        wanted = {endpoint.id: endpoint for endpoint in endpoints if endpoint.deleted_us is None}
        for endpoint_id in [known for known in self._lines if known not in wanted]:
            self._remove(self._lines[endpoint_id])
        for endpoint in wanted.values():
            line = self._lines.get(endpoint.id)
            if line is None:
                self._lines[endpoint.id] = self._new_line(endpoint)
            else:
                line.configure(endpoint)
        by_account: dict[int, list[Line]] = {}
        for line in self._lines.values():
            by_account.setdefault(line.endpoint.account_id, []).append(line)
        self._by_account = {account_id: tuple(lines) for account_id, lines in by_account.items()}
        self._read_on()

    # --- life ---------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begins the regular work: second tries, positions, what rested."""
        self._ticker = asyncio.create_task(self._run(), name="outbox")

    async def drain(self, timeout_s: float) -> None:
        """Tells what waits, for so long at most, and commits how far it came. Second tries wait for the next start."""
        self._draining = True
        deadline = asyncio.get_running_loop().time() + timeout_s
        while self._tasks and (left_s := deadline - asyncio.get_running_loop().time()) > 0:
            await asyncio.wait(self._tasks, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
        await self._save_last()

    async def close(self) -> None:
        """Stops at once; what was being told is told again after the next start."""
        self._closed = True
        tasks = [*self._tasks, *([self._ticker] if self._ticker else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._save_last()

    async def tick(self) -> None:
        """One round of the regular work. The ticker calls it; so may whoever moves the clock by hand."""
        if self._ticking.locked():
            return
        async with self._ticking:
            await self._save(idle=self._clock.monotonic() - self._idle_saved_at >= _IDLE_SAVE_S)
            for line in list(self._lines.values()):
                self._expire(line)
                if line.hosts is not None:
                    line.hosts.wake(self._clock.monotonic())
                self._kick(line, patient=False)
                if (
                    not (self._draining or line.paused or line.retries or line.retrying)
                    and line.next_due_us <= self._now_us()
                ):
                    await self._load_due(line)
            self._read_on()
            for removed in self._removed[:_REMOVED_A_TICK]:
                await self._forget(*removed)
                self._removed.remove(removed)

    def figures(self) -> Mapping[str, int]:
        """Counts since the start, and what is waiting: for metrics."""
        lines = self._lines.values()
        return {
            **self._counts,
            "waiting": self._waiting,
            "open": self._open,
            "behind": sum(line.behind for line in lines),
            "lag_rows": max((self._position - line.watermark(self._position) for line in lines), default=0),
        }

    def lags(self) -> Mapping[str, int]:
        """How many positions the slowest endpoint of each kind has yet to pass: the kinds are those of endpoints."""
        lags: dict[str, int] = {}
        newest = self._position
        for line in self._lines.values():
            lag = max(0, newest - line.watermark(newest))
            lags[line.endpoint.kind] = max(lag, lags.get(line.endpoint.kind, 0))
        return lags

    def health(self, endpoint_id: str) -> Health:
        """How an endpoint does; one that is not known here has had no trouble."""
        line = self._lines.get(endpoint_id)
        if line is None:
            return Health("closed", 0, None, 0)
        state = breaker(line.failures, line.rest_until, self._clock.monotonic(), paused=line.paused)
        return Health(state, line.failures, line.last_error, line.failing_since_us)

    def healths(self) -> Mapping[str, int]:
        """How many endpoints do how: for metrics."""
        counts = dict.fromkeys(HEALTHS, 0)
        for endpoint_id in self._lines:
            counts[self.health(endpoint_id).state] += 1
        return counts

    def tried(self, endpoint_id: str, limit: int) -> list[Tried]:
        """The last requests to an endpoint that are remembered, newest first."""
        line = self._lines.get(endpoint_id)
        return [] if line is None else line.records.newest(limit)

    def look(self, endpoint_id: str) -> None:
        """Something was put among an endpoint's deliveries: the next tick looks for it."""
        if line := self._lines.get(endpoint_id):
            line.next_due_us = 0

    async def test(self, endpoint: Endpoint, body: bytes) -> Tried:
        """One request now, signed as all others. Its outcome changes nothing for the endpoint."""
        now_us = self._clock.now_us()
        post = self._voice.words(Telling(f"test-{secrets.token_hex(12)}", [body]), endpoint, now_us)
        answer, error = None, None
        try:
            answer = await self._http.post(post)
            if self._voice.hear(answer, batch=False).verdict is not Verdict.DONE:
                error = f"status_{answer.status}"
        except HttpFailure as failure:
            error = failure.code
        return Tried(post, answer, error, self._clock.now_us())

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._tick_s)
            try:
                await self.tick()
            except StoreError as error:
                _log.warning("the store is busy, the outbox goes on later: %s", error)
            except Exception:
                self._trouble("a round of the outbox failed")

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._trouble("a part of the outbox ended with an error", error)

    def _trouble(self, what: str, error: BaseException | None = None) -> None:
        """Something that should not happen: counted, and told in the journal with where it came from."""
        self._metrics.trouble("outbox")
        _log.error(what, exc_info=error or True)

    def _now_us(self) -> int:
        """Wall time that goes on evenly: a step of the system's clock brings no second try early, or late."""
        return int(self._clock.monotonic() * 1_000_000) + self._wall_offset_us

    # --- telling ------------------------------------------------------------------------------

    def _kick(self, line: Line, *, patient: bool = True) -> None:
        """Starts as many workers as there is work and room for."""
        if self._closed or line.closed or line.paused:
            return
        if line.cold and not line.warming and len(line.hot) < self._bounds.records:
            line.warming = True
            self._spawn(self._warm(line))
        wanted = self._wanted(line, patient)
        if wanted <= 0 or (line.rest_until and line.rest_until > self._clock.monotonic()):
            return
        for _ in range(wanted):
            if self._open >= self._bounds.open:
                if line not in self._starved:
                    self._starved.append(line)
                return
            self._open += 1
            line.active += 1
            self._spawn(self._work(line))

    def _wanted(self, line: Line, patient: bool) -> int:
        """How many workers more would find something to do. ``patient``: rather wait for a fuller batch."""
        if line.hosts is not None:
            self._sort(line)
            return min(self._bounds.callbacks - line.active, line.hosts.startable() + len(line.retries))
        waiting = len(line.hot)
        batch = line.batch
        if batch > 1 and waiting:
            waiting = waiting // batch or (1 if not patient or line.active < _PARTIAL_BATCHES else 0)
        if not (waiting or line.retries):
            return 0
        slots = open_slots(line.failures, self._bounds.connections)
        return min(slots - line.active, waiting + len(line.retries))

    async def _work(self, line: Line) -> None:
        """Tells, one request after the other, until nothing is left or others have waited long enough."""
        try:
            while not self._must_stop(line):
                line.retry_turn = not line.retry_turn
                if line.retries and (line.retry_turn or not line.waiting):
                    await self._tell_again(line, line.retries.popleft())
                elif items := line.take() if line.hosts is None else self._take_call(line):
                    self._waiting -= len(items)
                    await self._tell(line, items)
                elif not line.retries:
                    break
                if line.cold and not line.warming:
                    self._kick(line)
                if line.behind and self._reader is None and self._has_room(line):
                    self._read_on()
                if self._starved:
                    break
        finally:
            line.active -= 1
            self._open -= 1
            self._hand_on(line)

    def _take_call(self, line: Line) -> list[Item]:
        """The next event for a callback whose host can take it."""
        over: list[Item] = []
        item = line.take_call(self._clock.monotonic(), over)
        self._let_go(line, over)
        return [] if item is None else [item]

    def _sort(self, line: Line) -> None:
        over: list[Item] = []
        line.sort(self._clock.monotonic(), over)
        self._let_go(line, over)

    def _let_go(self, line: Line, items: Sequence[Item]) -> None:
        """Facts of callbacks that nobody wants to hear are settled; what is too much for its host is kept."""
        if items:
            self._waiting -= len(items)
            for item in items:
                if item.target is not None:
                    self._set_aside(line, item)
            line.settle(items)

    def _must_stop(self, line: Line) -> bool:
        if self._closed or line.closed or line.paused:
            return True
        if line.rest_until and line.rest_until > self._clock.monotonic():
            return True
        return bool(line.failures) and line.active > open_slots(line.failures, self._bounds.connections)

    def _hand_on(self, line: Line) -> None:
        """The slot goes to a line that found none; this one queues up behind if it has more to do."""
        while self._starved and self._open < self._bounds.open:
            self._kick(self._starved.popleft())
        if line.hot or line.retries or line.hosts is not None:
            self._kick(line)

    async def _tell(self, line: Line, items: list[Item]) -> None:
        """The first try. It ends in the items being settled, or put back."""
        try:
            target = items[0].target
            endpoint = line.endpoint if target is None else target.endpoint
            events = [event_json(item.source, item.fact) for item in items]  # type: ignore[arg-type]
            first = items[0].fact
            single = len(items) == 1
            webhook_id = f"{first.message_id}-{first.sequence}" if single else f"batch-{secrets.token_hex(12)}"
            post = self._voice.words(Telling(webhook_id, events), endpoint, self._clock.now_us())
        except Exception:
            self._trouble(f"an event could not be worded and is given up: {_names(items)}")
            self._counts["over"] += len(items)
            self._leave(line, target, failed=False)
            line.finish(items)
            return
        heard, error = await self._send(line, post, target, batch=not single)
        if heard is None or heard.verdict is Verdict.AGAIN:
            self._keep(line, webhook_id, items, post.body, heard, error)
            line.finish(items)
        elif heard.verdict is Verdict.DONE:
            self._took(len(items), first.at_us)
            line.finish(items)
        elif heard.verdict is Verdict.ONE_BY_ONE and not line.closed:
            self._waiting += len(items)
            line.put_back(items, alone=True)
        else:
            line.finish(items)
            if heard.verdict is Verdict.GONE:
                self._gone(line)

    def _took(self, events: int, since_us: int) -> None:
        """A webhook took these events. ``since_us`` is the oldest's time (of a second try: the time of the first)."""
        self._counts["events"] += events
        self._metrics.told(events, max(0, self._clock.now_us() - since_us) * 1e-6)

    async def _send(self, line: Line, post: Post, target: Target | None, *, batch: bool) -> tuple[Heard | None, str]:
        """What came of a request: what was heard, or None and our word for the failure."""
        self._counts["requests"] += 1
        answer: Answer | None = None
        heard: Heard | None = None
        try:
            answer = await self._http.post(post)
            heard = self._voice.hear(answer, batch=batch)
        except HttpFailure as failure:
            error = failure.code
        except Exception:
            self._trouble(f"a request to endpoint {line.endpoint.id} broke")
            error = "broken"
        else:
            error = f"status_{answer.status}"
        verdict = Verdict.AGAIN if heard is None else heard.verdict
        self._metrics.webhook(_OUTCOMES[verdict])
        if verdict is Verdict.DONE and answer is not None:
            line.records.took(post, answer)
        else:
            line.records.failed(post, answer, error, self._clock.now_us())
        if line.hosts is not None:
            self._leave(line, target, failed=verdict is Verdict.AGAIN, heard=heard)
        elif verdict is Verdict.AGAIN:
            self._distrust(line, heard, error)
        elif verdict is Verdict.ONE_BY_ONE:
            line.refused_batches += 1
        else:
            if line.failures or line.rest_until:
                self._recovered(line)
            if batch:
                line.refused_batches = 0
        return heard, error

    def _distrust(self, line: Line, heard: Heard | None, error: str) -> None:
        """A failure: an endpoint that fails on gets fewer requests."""
        self._counts["again"] += 1
        line.failures += 1
        line.last_error = error
        line.failing_since_us = line.failing_since_us or self._clock.now_us()
        if rest_s(line.failures) and not rest_s(line.failures - 1):
            host = urlsplit(line.endpoint.url).hostname or ""
            journal.webhook_failing(line.endpoint.id, host, error, line.failures)
            self._metrics.endpoint("failing")
        wait_s = max(rest_s(line.failures), _asked_s(heard))
        if wait_s:
            line.rest_until = max(line.rest_until, self._clock.monotonic() + wait_s)

    def _recovered(self, line: Line) -> None:
        """It took something again: trusted as before, and said where its failing was said."""
        if rest_s(line.failures):
            journal.webhook_recovered(line.endpoint.id, line.failures)
            self._metrics.endpoint("recovered")
        refused_batches = line.refused_batches
        line.trust()
        line.refused_batches = refused_batches

    def _leave(self, line: Line, target: Target | None, *, failed: bool, heard: Heard | None = None) -> None:
        """A request to a callback's host ended; each host is trusted for itself."""
        if line.hosts is not None and target is not None:
            self._counts["again"] += failed
            line.hosts.leave(target.host, failed=failed, asked_s=_asked_s(heard), now=self._clock.monotonic())
            if failed:
                self._let_go(line, line.hosts.excess(target.host))
            if line.stalled:
                self._stir(line, target.host, failed=failed)

    def _stir(self, line: Line, host: str, *, failed: bool) -> None:
        """Second tries that waited for the end of a request to their host: they go now, or, as it failed, later."""
        assert line.hosts is not None
        if failed:
            for delivery in line.unstall(host, _EVERY):
                line.targets.pop(delivery.id, None)
                self._postpone(line, delivery)
        elif ready := line.unstall(host, line.hosts.slots_free(host, self._clock.monotonic())):
            line.retries.extend(ready)
            self._kick(line)

    def _keep(
        self, line: Line, webhook_id: str, items: Sequence[Item], body: bytes, heard: Heard | None, error: str
    ) -> None:
        """The first try failed: from here on it is a pending delivery, durable with the position that passes it."""
        now_us = self._now_us()
        due_us = next_try_us(
            1, now_us, now_us, retry_after_s=heard.retry_after_s if heard else None, chance=self._chance()
        )
        self._deliveries.append(
            PendingDelivery(
                endpoint_id=line.endpoint.id,
                id=kept_id(webhook_id, line.endpoint),
                account_id=line.endpoint.account_id,
                events=tuple((item.fact.message_id, item.fact.sequence) for item in items),
                tries=1,
                next_us=now_us if due_us is None else due_us,
                first_us=now_us,
                body=body,
                last_error=error,
            )
        )

    def _set_aside(self, line: Line, item: Item) -> None:
        """Too much waits for its host: it is owed as if a try had failed, but none was made."""
        assert item.source is not None
        fact, now_us = item.fact, self._now_us()
        webhook_id = event_id(fact.message_id, fact.sequence)
        self._counts["set_aside"] += 1
        self._deliveries.append(
            PendingDelivery(
                endpoint_id=line.endpoint.id,
                id=kept_id(webhook_id, line.endpoint),
                account_id=line.endpoint.account_id,
                events=((fact.message_id, fact.sequence),),
                tries=0,
                next_us=now_us + postponed_us(now_us, now_us),
                first_us=now_us,
                body=event_json(item.source, fact),
                last_error=_HOST_BUSY,
            )
        )

    # --- telling again ------------------------------------------------------------------------

    async def _load_due(self, line: Line) -> None:
        """Reads second tries that are due, or learns when the next one will be."""
        now_us = self._now_us()
        endpoint_id = line.endpoint.id
        due = await self._store.due_deliveries(endpoint_id, now_us, self._bounds.retries)
        if due:
            if line.callbacks is not None:
                line.targets = await self._targets(line.callbacks, due)
            line.retries.extend(due)
            line.retrying.update(delivery.id for delivery in due)
            line.next_due_us = 0
            self._kick(line)
            return
        later = await self._store.due_deliveries(endpoint_id, _FOREVER_US, 1)
        kept = min((d.next_us for d in self._deliveries if d.endpoint_id == endpoint_id), default=_FOREVER_US)
        line.next_due_us = min(later[0].next_us if later else _FOREVER_US, kept)

    async def _tell_again(self, line: Line, delivery: PendingDelivery) -> None:
        """A second try, or a later one, with the body of the first."""
        target: Target | None = None
        if line.hosts is not None:
            target = line.targets.pop(delivery.id, None)
            if target is None:
                self._over(line, delivery, _NOT_KEPT)
                return
            if not line.hosts.enter(target.host, self._clock.monotonic()):
                if line.hosts.is_open(target.host):
                    line.stall(delivery, target)
                else:
                    self._postpone(line, delivery)
                return
        try:
            body = delivery.body or await self._body(delivery)
        except StoreError:
            line.retrying.discard(delivery.id)  # still due in the store: it comes again
            self._leave(line, target, failed=False)
            return
        if body is None:
            self._over(line, delivery, _NOT_KEPT)
            self._leave(line, target, failed=False)
            return
        endpoint = line.endpoint if target is None else target.endpoint
        post = self._voice.repeat(webhook_id_of(delivery), body, endpoint, self._clock.now_us())
        if is_replay(delivery):
            post = msgspec.structs.replace(post, headers={**post.headers, **REPLAY_HEADER})
        heard, error = await self._send(line, post, target, batch=len(delivery.events) > 1)
        if heard is None or heard.verdict is Verdict.AGAIN:
            self._keep_again(line, delivery, heard, error)
        elif heard.verdict is Verdict.DONE:
            self._took(len(delivery.events), delivery.first_us)
            self._settled.append(delivery.id)
        elif heard.verdict is Verdict.ONE_BY_ONE:
            self._split(line, delivery, body)
        else:
            self._settled.append(delivery.id)
            self._gone(line)

    def _keep_again(self, line: Line, delivery: PendingDelivery, heard: Heard | None, error: str) -> None:
        now_us = self._now_us()
        tries = delivery.tries + 1
        asked_s = heard.retry_after_s if heard else None
        due_us = next_try_us(tries, delivery.first_us, now_us, retry_after_s=asked_s, chance=self._chance())
        if due_us is None:
            self._over(line, delivery, error)
            return
        self._deliveries.append(msgspec.structs.replace(delivery, tries=tries, next_us=due_us, last_error=error))

    def _over(self, line: Line, delivery: PendingDelivery, why: str) -> None:
        """No more tries: said once, aloud. It is kept as a dead letter, without what it says, to be replayed."""
        if line.closed:
            self._settled.append(delivery.id)
        else:
            died_us = DEAD_FROM_US + self._clock.now_us()
            self._deliveries.append(msgspec.structs.replace(delivery, next_us=died_us, body=None, last_error=why))
        self._counts["over"] += len(delivery.events)
        _log.warning(
            "webhook %s to endpoint %s is given up after %d tries: %s",
            webhook_id_of(delivery),
            line.endpoint.id,
            delivery.tries,
            why,
        )

    def _split(self, line: Line, delivery: PendingDelivery, body: bytes) -> None:
        """A batch that was refused: each event is owed singly, now, under its own id."""
        now_us = self._now_us()
        self._settled.append(delivery.id)
        bodies = msgspec.json.decode(body, type=list[Raw])
        for (message_id, sequence), single in zip(delivery.events, bodies, strict=True):
            self._deliveries.append(
                msgspec.structs.replace(
                    delivery,
                    id=kept_id(event_id(message_id, sequence), line.endpoint),
                    events=((message_id, sequence),),
                    tries=0,
                    next_us=now_us,
                    body=bytes(single),
                )
            )

    async def _targets(self, callbacks: Callbacks, deliveries: Sequence[PendingDelivery]) -> dict[str, Target | None]:
        """Where second tries of callbacks go: their messages know, and are read all at once."""
        ids = {(delivery.account_id, delivery.events[0][0]) for delivery in deliveries}
        records = await self._store.records(sorted(ids))
        return {
            delivery.id: callbacks.target(record.message, None)
            for delivery in deliveries
            if (record := records.get(delivery.events[0][0])) is not None
        }

    def _postpone(self, line: Line, delivery: PendingDelivery) -> None:
        """Its host has enough to do, or rests: no try was made."""
        now_us = self._now_us()
        if now_us - delivery.first_us > MOST_AGE_US:
            self._over(line, delivery, delivery.last_error or _HOST_BUSY)
            return
        self._counts["set_aside"] += 1
        due_us = now_us + postponed_us(delivery.first_us, now_us)
        self._deliveries.append(msgspec.structs.replace(delivery, next_us=due_us))

    async def _body(self, delivery: PendingDelivery) -> bytes | None:
        """The body of a delivery that was put there by others, worded from the rows."""
        records = await self._store.records([(delivery.account_id, message_id) for message_id, _ in delivery.events])
        events = [await self._worded(records.get(message_id), sequence) for message_id, sequence in delivery.events]
        known = [event for event in events if event is not None]
        if not known:
            return None
        return known[0] if len(delivery.events) == 1 else b"[" + b",".join(known) + b"]"

    async def _worded(self, record: MessageRecord | None, sequence: int) -> bytes | None:
        if record is None:
            return None
        logged = await self._store.logged(record.message.account_id, record.message.id)
        events = (event for event in events_of(record, logged) if event.sequence == sequence)
        return next((msgspec.json.encode(event) for event in events), None)

    # --- catching up --------------------------------------------------------------------------

    def _new_line(self, endpoint: Endpoint) -> Line:
        line = Line(endpoint, endpoint.position, self._new_hosts() if endpoint.kind == "callback" else None)
        if not endpoint.position:
            line.since_us = 0 if line.callbacks is not None else endpoint.created_us
            line.read_to = self._position_at(endpoint.created_us)
        return line

    def _new_hosts(self) -> Hosts[Item]:
        bounds = self._bounds
        connections = max(1, min(bounds.connections, bounds.callbacks // 4))
        return Hosts(connections, held=bounds.waiting // 2, held_all=bounds.waiting)

    def _position_at(self, at_us: int) -> int:
        """The newest position before a time, as far back as is remembered."""
        if not self._recent:
            return self._position
        recent = list(self._recent)
        index = bisect_left(recent, at_us, key=lambda entry: entry[1])
        return recent[index - 1][0] if index else recent[0][0] - 1

    def _note_gap(self, previous: int, position: int) -> None:
        """Positions that nobody told (another process, or our own start): who needs them reads them."""
        for line in self._lines.values():
            if not line.behind and max(line.read_to, previous) < position - 1:
                line.behind = True
                line.read_to = max(line.read_to, previous)
        self._read_on()

    def _limit(self, line: Line, position: int) -> None:
        """Above the high-water mark a line stops taking from memory; what follows it reads later."""
        bounds = self._bounds
        waiting = line.pressing
        full = waiting >= bounds.waiting or len(self._deliveries) >= bounds.unsaved
        if full or (self._waiting >= bounds.waiting_all and waiting > bounds.connections):
            line.behind = True
            line.read_to = position

    def _has_room(self, line: Line) -> bool:
        return (
            line.pressing < self._bounds.waiting // 4
            and len(self._deliveries) < self._bounds.unsaved
            and (self._waiting < self._bounds.waiting_all or not line.waiting)
        )

    def _read_on(self) -> None:
        """Sees to it that the outbox is read while a line is behind and has room."""
        if self._reader is None and not self._closed and any(self._readers()):
            self._reader = self._spawn(self._read())

    def _readers(self) -> list[Line]:
        return [line for line in self._lines.values() if line.behind and not line.closed and self._has_room(line)]

    async def _read(self) -> None:
        try:
            while lines := self._readers():
                start = min(line.read_to for line in lines)
                told = self._position
                page = await self._store.outbox(start, self._bounds.page_rows)
                if not page.rows:
                    if told <= start:
                        self._caught_up(start)
                    elif told == self._position:  # told of, but not to be read yet: the next tick looks again
                        break
                    continue
                self._take_page(page.rows, [line for line in lines if line.behind and not line.closed])
                await asyncio.sleep(0)
        except StoreError as error:
            _log.warning("the outbox cannot be read now: %s", error)
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
                        self._waiting += 1
            for line in list(taking):
                line.read_to = max(line.read_to, position)
                if line.pressing >= self._bounds.waiting:
                    taking.discard(line)
        for line in lines:
            line.dirty = True
            self._kick(line)
        if rows[-1][0] >= self._position:
            self._caught_up(rows[-1][0])

    def _caught_up(self, position: int) -> None:
        """Lines that have read so far take from memory again."""
        for line in self._lines.values():
            if line.behind and line.read_to >= max(position, self._position) and line.pressing < self._bounds.waiting:
                line.behind = False
                line.since_us = 0

    async def _warm(self, line: Line) -> None:
        """Reads the messages of facts that came without them, and moves both on."""
        bounds = self._bounds
        try:
            while line.cold and len(line.hot) < bounds.records and not self._closed:
                chunk = [line.cold.popleft() for _ in range(min(len(line.cold), bounds.records))]
                try:
                    await self._fetch(chunk)
                except StoreError as error:
                    if line.closed:
                        self._waiting -= len(chunk)
                    else:
                        line.cold.extendleft(reversed(chunk))
                    _log.warning("messages cannot be read now: %s", error)
                    return
                self._move_on(line, chunk)
        finally:
            line.warming = False
        self._kick(line)

    async def _fetch(self, chunk: Sequence[Item]) -> None:
        ids = {(item.fact.account_id, item.fact.message_id) for item in chunk if item.source is None}
        records = await self._store.records(sorted(ids)) if ids else {}
        for item in chunk:
            if item.source is None:
                item.source = records.get(item.fact.message_id)

    def _move_on(self, line: Line, chunk: Sequence[Item]) -> None:
        if line.closed:
            self._waiting -= len(chunk)
            return
        missing = [item for item in chunk if item.source is None]
        if missing:
            _log.warning("messages are not kept any more, their events are given up: %s", _names(missing))
            self._counts["over"] += len(missing)
            self._waiting -= len(missing)
            line.finish(missing)
        if line.tags is not None:
            foreign = [item for item in chunk if item.source is not None and not line.wants(item.source.message)]
            self._waiting -= len(foreign)
            line.settle(foreign)
            chunk = [item for item in chunk if item not in foreign]
        line.hot.extend(item for item in chunk if item.source is not None)

    def _expire(self, line: Line) -> None:
        """An endpoint that takes nothing for days holds up neither memory nor the outbox's end."""
        self._waiting -= line.expire(self._now_us() - MOST_AGE_US)
        if line.expired:
            _log.warning("%d events are too old for endpoint %s and given up", line.expired, line.endpoint.id)
            self._counts["over"] += line.expired
            line.expired = 0

    # --- endings and positions ----------------------------------------------------------------

    def _gone(self, line: Line) -> None:
        """The endpoint wants nothing more (a message's own callback: not of this message)."""
        self._counts["gone"] += 1
        if line.callbacks is not None or line.closed:
            return
        journal.endpoint_gone(line.endpoint.id, "it answered 410 Gone and is deleted")
        self._remove(line, delete=True)
        left = tuple(other for other in self._by_account[line.endpoint.account_id] if other is not line)
        self._by_account[line.endpoint.account_id] = left

    def _remove(self, line: Line, *, delete: bool = False) -> None:
        self._waiting -= line.waiting
        del self._lines[line.endpoint.id]
        line.clear()
        self._removed.append((line.endpoint, delete))

    async def _forget(self, endpoint: Endpoint, delete: bool) -> None:
        """Drops what is kept for an endpoint that is gone; ``delete``: it said so itself, and is deleted."""
        if delete:
            deleted = (endpoint.account_id, endpoint.id, self._clock.now_us())
            await self._store.commit(Changes(acceptances=[Acceptance(messages=(), deleted_endpoints=[deleted])]))
        while owed := await self._store.due_deliveries(endpoint.id, _FOREVER_US, self._bounds.retries):
            await self._store.commit(Changes(deliveries_done=[delivery.id for delivery in owed]))

    async def _save_last(self) -> None:
        try:
            await self._save(idle=True)
        except StoreError as error:
            _log.warning("positions could not be kept, some events will be told again: %s", error)

    async def _save(self, *, idle: bool = False) -> None:
        """Commits how far every line has come, and what became of deliveries, in one transaction."""
        async with self._saving:
            deliveries, self._deliveries = self._deliveries, []
            settled, self._settled = self._settled, []
            positions = self._marks(idle)
            if not (deliveries or settled or positions):
                return
            try:
                await self._store.commit(Changes(positions=positions, deliveries=deliveries, deliveries_done=settled))
            except BaseException:
                self._deliveries[:0] = deliveries
                self._settled[:0] = settled
                for endpoint_id in positions:
                    if line := self._lines.get(endpoint_id):
                        line.dirty = True
                raise
            self._saved(positions, deliveries, settled)
            if idle:
                self._idle_saved_at = self._clock.monotonic()

    def _marks(self, idle: bool) -> dict[str, int]:
        positions: dict[str, int] = {}
        for line in self._lines.values():
            if (line.dirty or idle) and (mark := line.watermark(self._position)) > line.saved:
                positions[line.endpoint.id] = mark
            line.dirty = False
        return positions

    def _saved(
        self, positions: Mapping[str, int], deliveries: Sequence[PendingDelivery], settled: Sequence[str]
    ) -> None:
        for endpoint_id, position in positions.items():
            if line := self._lines.get(endpoint_id):
                line.saved = position
        for delivery in deliveries:
            if line := self._lines.get(delivery.endpoint_id):
                line.next_due_us = min(line.next_due_us, delivery.next_us)
                line.retrying.discard(delivery.id)
        if settled:
            over = set(settled)
            for line in self._lines.values():
                if line.retrying:
                    line.retrying -= over


def _asked_s(heard: Heard | None) -> float:
    """How long all of an endpoint, or of a host, rests for an answer's ``Retry-After``."""
    return 0.0 if heard is None else min(heard.retry_after_s or 0.0, _MOST_REST_ASKED_S)


def _names(items: Sequence[Item]) -> str:
    """The first events by their ids: enough to find them."""
    names = [event_id(item.fact.message_id, item.fact.sequence) for item in items[:5]]
    return ", ".join(names) + (f" and {len(items) - 5} more" if len(items) > 5 else "")
