"""The outbox at work: takes the facts of each commit, tells every endpoint, keeps what failed.

What is durable: each endpoint's position (everything up to it is told, or kept as a pending delivery),
and the pending deliveries. What is lost in a crash is only that something was told already; it is told
again under the same ids.

An event passes in this order: ``told`` → its lines → ``telling`` → ``requests`` → ``trust``; what failed
through ``owed`` to ``again``; what memory did not hold through ``catching_up``; how far all that came is
kept by ``positions``. They work on one ``desk``.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter

from heliograph.contracts import Clock, Http, Store, Voice
from heliograph.delivery.outbox.again import SecondTries
from heliograph.delivery.outbox.catching_up import CatchingUp
from heliograph.delivery.outbox.desk import Bounds, Desk, log
from heliograph.delivery.outbox.health import HEALTHS, Health, Tried, breaker
from heliograph.delivery.outbox.hosts import Hosts
from heliograph.delivery.outbox.line import Item, Line
from heliograph.delivery.outbox.owed import Owed
from heliograph.delivery.outbox.positions import Positions
from heliograph.delivery.outbox.removals import Removals
from heliograph.delivery.outbox.requests import Requests
from heliograph.delivery.outbox.telling import Teller
from heliograph.delivery.outbox.trust import News, Trust
from heliograph.errors import StoreError
from heliograph.model import Endpoint, Fact, Live
from heliograph.telemetry.metrics import Metrics

__all__ = ["Outbox"]

_account_of = attrgetter("account_id")


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
        news: News | None = None,
    ) -> None:
        self._desk = desk = Desk(store, http, voice, metrics=metrics, clock=clock, bounds=bounds, chance=chance)
        self._positions = Positions(desk)
        self._removals = Removals(desk)
        self._catching_up = CatchingUp(desk, self._kick)
        owed = Owed(desk)
        trust = Trust(desk, owed, self._kick, news)
        self._requests = Requests(desk, trust)
        self._again = SecondTries(desk, self._requests, owed, trust, self._removals, self._kick)
        self._teller = Teller(desk, self._requests, owed, trust, self._again, self._catching_up, self._removals)
        self._tick_s = tick_s
        self._ticker: asyncio.Task[None] | None = None
        self._ticking = asyncio.Lock()

    def _kick(self, line: Line) -> None:
        self._teller.kick(line)

    def told(self, position: int, facts: Sequence[Fact], lives: Sequence[Live]) -> None:
        """The facts of one commit, in the order of positions; ``lives`` stand beside the first of them."""
        previous, self._desk.position = self._desk.position, position
        if position != previous + 1:
            self._catching_up.note_gap(previous, position)
        if facts:
            self._desk.recent.append((position, facts[0].at_us))
        by_account = self._desk.by_account
        if by_account.keys().isdisjoint(map(_account_of, facts)):
            return
        touched: set[Line] = set()
        known = len(lives)
        for index, fact in enumerate(facts):
            for line in by_account.get(fact.account_id, ()):
                if line.behind or position <= line.read_to:
                    continue
                if line.offer(position, fact, lives[index] if index < known else None):
                    self._desk.waiting += 1
                    touched.add(line)
        for line in touched:
            self._catching_up.limit(line, position)
            self._teller.kick(line)

    def set_endpoints(self, endpoints: Sequence[Endpoint]) -> None:
        """All endpoints there are. A new one starts where it was made; one that is missing is owed nothing more."""
        wanted = {endpoint.id: endpoint for endpoint in endpoints if endpoint.deleted_us is None}
        for endpoint_id in [known for known in self._desk.lines if known not in wanted]:
            self._removals.remove(self._desk.lines[endpoint_id])
        for endpoint in wanted.values():
            line = self._desk.lines.get(endpoint.id)
            if line is None:
                self._desk.lines[endpoint.id] = self._new_line(endpoint)
            else:
                line.configure(endpoint)
        by_account: dict[int, list[Line]] = {}
        for line in self._desk.lines.values():
            by_account.setdefault(line.endpoint.account_id, []).append(line)
        self._desk.by_account = {account_id: tuple(lines) for account_id, lines in by_account.items()}
        self._catching_up.read_on()

    async def start(self) -> None:
        """Begins the regular work: second tries, positions, what rested."""
        self._ticker = asyncio.create_task(self._run(), name="outbox")

    async def drain(self, timeout_s: float) -> None:
        """Tells what waits, for so long at most, and commits how far it came. Second tries wait for the next start."""
        self._desk.draining = True
        deadline = asyncio.get_running_loop().time() + timeout_s
        while self._desk.tasks and (left_s := deadline - asyncio.get_running_loop().time()) > 0:
            await asyncio.wait(self._desk.tasks, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
        await self._positions.save_last()

    async def close(self) -> None:
        """Stops at once; what was being told is told again after the next start."""
        self._desk.closed = True
        tasks = [*self._desk.tasks, *([self._ticker] if self._ticker else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._positions.save_last()

    async def tick(self) -> None:
        """One round of the regular work. The ticker calls it; so may whoever moves the clock by hand."""
        if self._ticking.locked():
            return
        async with self._ticking:
            await self._positions.tick()
            for line in list(self._desk.lines.values()):
                self._catching_up.expire(line)
                if line.hosts is not None:
                    line.hosts.wake(self._desk.clock.monotonic())
                self._teller.kick(line, patient=False)
                if (
                    not (self._desk.draining or line.paused or line.retries or line.retrying)
                    and line.next_due_us <= self._desk.now_us()
                ):
                    await self._again.load_due(line)
            self._catching_up.read_on()
            await self._removals.tick()

    def figures(self) -> Mapping[str, int]:
        """Counts since the start, and what is waiting: for metrics."""
        lines = self._desk.lines.values()
        return {
            **self._desk.counts,
            "waiting": self._desk.waiting,
            "open": self._desk.open,
            "behind": sum(line.behind for line in lines),
            "lag_rows": max((self._desk.position - line.watermark(self._desk.position) for line in lines), default=0),
        }

    def lags(self) -> Mapping[str, int]:
        """How many positions the slowest endpoint of each kind has yet to pass: the kinds are those of endpoints."""
        lags: dict[str, int] = {}
        newest = self._desk.position
        for line in self._desk.lines.values():
            lag = max(0, newest - line.watermark(newest))
            lags[line.endpoint.kind] = max(lag, lags.get(line.endpoint.kind, 0))
        return lags

    def health(self, endpoint_id: str) -> Health:
        """How an endpoint does; one that is not known here has had no trouble."""
        line = self._desk.lines.get(endpoint_id)
        if line is None:
            return Health("closed", 0, None, 0)
        state = breaker(line.failures, line.rest_until, self._desk.clock.monotonic(), paused=line.paused)
        return Health(state, line.failures, line.last_error, line.failing_since_us)

    def endpoints_of(self, account_id: int) -> list[Endpoint]:
        """The endpoints of an account that are told of events here."""
        return [line.endpoint for line in self._desk.by_account.get(account_id, ())]

    def healths(self) -> Mapping[str, int]:
        """How many endpoints do how: for metrics."""
        counts = dict.fromkeys(HEALTHS, 0)
        for endpoint_id in self._desk.lines:
            counts[self.health(endpoint_id).state] += 1
        return counts

    def tried(self, endpoint_id: str, limit: int) -> list[Tried]:
        """The last requests to an endpoint that are remembered, newest first."""
        line = self._desk.lines.get(endpoint_id)
        return [] if line is None else line.records.newest(limit)

    def look(self, endpoint_id: str) -> None:
        """Something was put among an endpoint's deliveries: the next tick looks for it."""
        if line := self._desk.lines.get(endpoint_id):
            line.next_due_us = 0

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._tick_s)
            try:
                await self.tick()
            except StoreError as error:
                log.warning("the store is busy, the outbox goes on later: %s", error)
            except Exception:
                self._desk.trouble("a round of the outbox failed")

    def _new_line(self, endpoint: Endpoint) -> Line:
        line = Line(endpoint, endpoint.position, self._new_hosts() if endpoint.kind == "callback" else None)
        if not endpoint.position:
            line.since_us = 0 if line.callbacks is not None else endpoint.created_us
            line.read_to = self._catching_up.position_at(endpoint.created_us)
        return line

    def _new_hosts(self) -> Hosts[Item]:
        bounds = self._desk.bounds
        connections = max(1, min(bounds.connections, bounds.callbacks // 4))
        return Hosts(connections, held=bounds.waiting // 2, held_all=bounds.waiting)

    async def test(self, endpoint: Endpoint, webhook_id: str, body: bytes) -> Tried:
        """One request now, signed as all others. Its outcome changes nothing for the endpoint."""
        return await self._requests.test(endpoint, webhook_id, body)
