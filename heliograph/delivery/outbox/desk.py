"""What all parts of the outbox share: the store, the lines, what is counted, and what waits to be kept."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from msgspec import Struct

from heliograph.contracts import Clock, Http, Store, SystemClock, Voice
from heliograph.delivery.outbox.line import Item, Line
from heliograph.model import Endpoint, PendingDelivery, event_id
from heliograph.telemetry.metrics import Metrics

__all__ = ["Bounds", "Desk", "log", "names"]

log = logging.getLogger("heliograph.outbox")

_RECENT_ROWS = 4096
"""Rows whose time is remembered, so that a new endpoint starts where it was made."""


class Bounds(Struct, frozen=True, kw_only=True):
    """What the outbox holds and opens at most. Every number is a count of facts, rows or requests."""

    connections: int = 32
    """Requests in flight to one endpoint, or to one host of an account's callbacks, that has proven itself."""
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


class Desk:
    """The state that the parts of one outbox work on. ``deliveries`` and ``settled`` wait for the next commit."""

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
    ) -> None:
        self.store = store
        self.http = http
        self.voice = voice
        self.metrics = metrics or Metrics()
        self.clock = clock or SystemClock()
        self.bounds = bounds or Bounds()
        self.chance = chance
        self._wall_offset_us = self.clock.now_us() - int(self.clock.monotonic() * 1_000_000)
        self.lines: dict[str, Line] = {}
        self.by_account: dict[int, tuple[Line, ...]] = {}
        self.starved: deque[Line] = deque()
        """Lines that found no slot among all requests in flight."""
        self.recent: deque[tuple[int, int]] = deque(maxlen=_RECENT_ROWS)
        """Positions told of and their times."""
        self.position = 0
        """The newest that was told."""
        self.open = 0
        """Requests in flight."""
        self.waiting = 0
        """Facts in memory that nobody works on."""
        self.deliveries: list[PendingDelivery] = []
        self.settled: list[str] = []
        self.removed: list[tuple[Endpoint, bool]] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self.closed = False
        self.draining = False
        self.counts = dict.fromkeys(("events", "requests", "again", "over", "gone", "set_aside"), 0)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Starts a piece of work of its own; ``drain`` waits for it, ``close`` ends it."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.trouble("a part of the outbox ended with an error", error)

    def trouble(self, what: str, error: BaseException | None = None) -> None:
        """Something that should not happen: counted, and told in the journal with where it came from."""
        self.metrics.trouble("outbox")
        log.error(what, exc_info=error or True)

    def now_us(self) -> int:
        """Wall time that goes on evenly: a step of the system's clock brings no second try early, or late."""
        return int(self.clock.monotonic() * 1_000_000) + self._wall_offset_us


def names(items: Sequence[Item]) -> str:
    """The first events by their ids: enough to find them."""
    first = [event_id(item.fact.message_id, item.fact.sequence) for item in items[:5]]
    return ", ".join(first) + (f" and {len(items) - 5} more" if len(items) > 5 else "")
