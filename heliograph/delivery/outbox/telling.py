"""Telling: as many workers as a line has work and room for, each one request after the other."""

from __future__ import annotations

import secrets
from typing import Final

from heliograph.contracts import Telling, Verdict
from heliograph.delivery.eventwords import event_json
from heliograph.delivery.outbox.again import SecondTries
from heliograph.delivery.outbox.catching_up import CatchingUp
from heliograph.delivery.outbox.desk import Desk, names
from heliograph.delivery.outbox.line import Item, Line
from heliograph.delivery.outbox.owed import Owed
from heliograph.delivery.outbox.removals import Removals
from heliograph.delivery.outbox.requests import Requests
from heliograph.delivery.outbox.trust import Trust
from heliograph.rules.redelivery import open_slots

__all__ = ["Teller"]

_PARTIAL_BATCHES: Final = 2
"""Requests in flight beside which a batch that is not full may start at once; more of them wait for a tick."""


class Teller:
    """Starts the workers of every line, within the bounds of each and of all."""

    def __init__(
        self,
        desk: Desk,
        requests: Requests,
        owed: Owed,
        trust: Trust,
        again: SecondTries,
        catching_up: CatchingUp,
        removals: Removals,
    ) -> None:
        self._desk = desk
        self._requests = requests
        self._owed = owed
        self._trust = trust
        self._again = again
        self._catching_up = catching_up
        self._removals = removals

    def kick(self, line: Line, *, patient: bool = True) -> None:
        """Starts as many workers as there is work and room for."""
        if self._desk.closed or line.closed or line.paused:
            return
        if line.cold and not line.warming and len(line.hot) < self._desk.bounds.records:
            line.warming = True
            self._desk.spawn(self._catching_up.warm(line))
        wanted = self._wanted(line, patient)
        if wanted <= 0 or (line.rest_until and line.rest_until > self._desk.clock.monotonic()):
            return
        for _ in range(wanted):
            if self._desk.open >= self._desk.bounds.open:
                if line not in self._desk.starved:
                    self._desk.starved.append(line)
                return
            self._desk.open += 1
            line.active += 1
            self._desk.spawn(self._work(line))

    def _wanted(self, line: Line, patient: bool) -> int:
        """How many workers more would find something to do. ``patient``: rather wait for a fuller batch."""
        if line.hosts is not None:
            self._sort(line)
            return min(self._desk.bounds.callbacks - line.active, line.hosts.startable() + len(line.retries))
        waiting = len(line.hot)
        batch = line.batch
        if batch > 1 and waiting:
            waiting = waiting // batch or (1 if not patient or line.active < _PARTIAL_BATCHES else 0)
        if not (waiting or line.retries):
            return 0
        return min(self._slots(line) - line.active, waiting + len(line.retries))

    def _slots(self, line: Line) -> int:
        return open_slots(line.failures, line.proof, self._desk.bounds.connections)

    async def _work(self, line: Line) -> None:
        """Tells, one request after the other, until nothing is left or others have waited long enough."""
        try:
            while not self._must_stop(line):
                line.retry_turn = not line.retry_turn
                if line.retries and (line.retry_turn or not line.waiting):
                    await self._again.tell_again(line, line.retries.popleft())
                elif items := line.take() if line.hosts is None else self._take_call(line):
                    self._desk.waiting -= len(items)
                    await self._tell(line, items)
                elif not line.retries:
                    break
                if line.cold and not line.warming:
                    self.kick(line)
                if line.behind and self._catching_up.has_room(line):
                    self._catching_up.read_on()
                if self._desk.starved:
                    break
        except GeneratorExit:  # thrown away with its loop: nobody is left to hand on to
            self._desk.closed = True
            raise
        finally:
            line.active -= 1
            self._desk.open -= 1
            self._hand_on(line)

    def _take_call(self, line: Line) -> list[Item]:
        """The next event for a callback whose host can take it."""
        over: list[Item] = []
        item = line.take_call(self._desk.clock.monotonic(), over)
        self._owed.let_go(line, over)
        return [] if item is None else [item]

    def _sort(self, line: Line) -> None:
        over: list[Item] = []
        line.sort(self._desk.clock.monotonic(), over)
        self._owed.let_go(line, over)

    def _must_stop(self, line: Line) -> bool:
        if self._desk.closed or line.closed or line.paused:
            return True
        if line.rest_until and line.rest_until > self._desk.clock.monotonic():
            return True
        return bool(line.failures) and line.active > self._slots(line)

    def _hand_on(self, line: Line) -> None:
        """The slot goes to a line that found none; this one queues up behind if it has more to do."""
        while self._desk.starved and self._desk.open < self._desk.bounds.open:
            self.kick(self._desk.starved.popleft())
        if line.hot or line.retries or line.hosts is not None:
            self.kick(line)

    async def _tell(self, line: Line, items: list[Item]) -> None:
        """The first try. It ends in the items being settled, or put back."""
        try:
            target = items[0].target
            endpoint = line.endpoint if target is None else target.endpoint
            events = [event_json(item.source, item.fact) for item in items]  # type: ignore[arg-type]
            first = items[0].fact
            single = len(items) == 1
            webhook_id = f"{first.message_id}-{first.sequence}" if single else f"batch-{secrets.token_hex(12)}"
            post = self._desk.voice.words(Telling(webhook_id, events), endpoint, self._desk.clock.now_us())
        except Exception:
            self._desk.trouble(f"an event could not be worded and is given up: {names(items)}")
            self._desk.counts["over"] += len(items)
            self._trust.leave(line, target, failed=False)
            line.finish(items)
            return
        heard, error = await self._requests.send(line, post, target, batch=not single)
        if heard is None or heard.verdict is Verdict.AGAIN:
            self._owed.keep(line, webhook_id, items, post.body, heard, error)
            line.finish(items)
        elif heard.verdict is Verdict.DONE:
            self._requests.took(len(items), first.at_us)
            line.finish(items)
        elif heard.verdict is Verdict.ONE_BY_ONE and not line.closed:
            self._desk.waiting += len(items)
            line.put_back(items, alone=True)
        else:
            line.finish(items)
            if heard.verdict is Verdict.GONE:
                self._removals.gone(line)
