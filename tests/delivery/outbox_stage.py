"""A stage for the outbox: a store in memory, an endpoint that answers as told, a clock moved by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from heliograph.contracts import Answer, Changes, Committed, HttpFailure, MessageRecord, OutboxPage, Post
from heliograph.delivery.outbox import Bounds, Outbox
from heliograph.delivery.outbox.trust import News
from heliograph.delivery.standard_webhooks import StandardWebhooks, new_secret
from heliograph.errors import StoreBusy
from heliograph.model import (
    DEAD_FROM_US,
    AuditEntry,
    Content,
    Direction,
    Endpoint,
    Fact,
    Live,
    LoggedEvent,
    Message,
    PendingDelivery,
    Progress,
    State,
)
from heliograph.telemetry.metrics import Metrics

AT = 1_772_366_400_000_000
SECOND = 1_000_000
ACCOUNT = 7
SECRET = new_secret()


class HandClock:
    """Time that passes when told."""

    def __init__(self) -> None:
        self.wall_us = AT
        self.steady_s = 1000.0

    def now_us(self) -> int:
        return self.wall_us

    def monotonic(self) -> float:
        return self.steady_s

    def pass_s(self, seconds: float) -> None:
        self.wall_us += int(seconds * SECOND)
        self.steady_s += seconds


class MemoryStore:
    """What the outbox needs of a store, kept in dictionaries."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, tuple[Fact, ...]]] = []
        self.messages: dict[str, MessageRecord] = {}
        self.logged_events: dict[str, list[LoggedEvent]] = {}
        self.positions: dict[str, int] = {}
        self.deliveries: dict[str, PendingDelivery] = {}
        self.deleted: list[str] = []
        self.audit: list[AuditEntry] = []
        self.commits = 0
        self.busy = False
        self.records_read = 0
        self.reads = 0

    @property
    def pending(self) -> dict[str, PendingDelivery]:
        """Deliveries that are still tried."""
        return {one.id: one for one in self.deliveries.values() if one.next_us < DEAD_FROM_US}

    @property
    def dead(self) -> list[PendingDelivery]:
        """Deliveries that ended undelivered."""
        return [one for one in self.deliveries.values() if one.next_us >= DEAD_FROM_US]

    def _check(self) -> None:
        if self.busy:
            raise StoreBusy("the disk is full")

    async def commit(self, changes: Changes) -> Committed:
        self._check()
        self.commits += 1
        self.positions.update(changes.positions)
        for delivery in changes.deliveries:
            self.deliveries[delivery.id] = delivery
        for delivery_id in changes.deliveries_done:
            self.deliveries.pop(delivery_id, None)
        for acceptance in changes.acceptances:
            self.deleted += [endpoint_id for _, endpoint_id, _ in acceptance.deleted_endpoints]
            self.audit += acceptance.audit
        return Committed()

    async def outbox(self, after: int, limit: int) -> OutboxPage:
        self._check()
        return OutboxPage(tuple(row for row in self.rows if row[0] > after)[:limit])

    async def records(self, ids: Sequence[tuple[int, str]]) -> dict[str, MessageRecord]:
        self._check()
        self.records_read += len(ids)
        self.reads += 1
        return {message_id: self.messages[message_id] for _, message_id in ids if message_id in self.messages}

    async def logged(self, account_id: int, message_id: str) -> list[LoggedEvent]:
        return self.logged_events.get(message_id, [])

    async def due_deliveries(self, endpoint_id: str, now_us: int, limit: int) -> list[PendingDelivery]:
        self._check()
        mine = [d for d in self.deliveries.values() if d.endpoint_id == endpoint_id and d.next_us <= now_us]
        return sorted(mine, key=lambda d: d.next_us)[:limit]


class ScriptedHttp:
    """Answers 200, or what ``answer`` says; ``gate`` holds every request until it opens."""

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.answer: Callable[[Post], Answer | HttpFailure] = lambda _: Answer(200)
        self.gates: dict[str, asyncio.Event] = {}
        self.open: dict[str, int] = {}
        self.most_open: dict[str, int] = {}

    async def post(self, request: Post) -> Answer:
        url = request.url
        self.posts.append(request)
        self.open[url] = self.open.get(url, 0) + 1
        self.most_open[url] = max(self.most_open.get(url, 0), self.open[url])
        try:
            if gate := self.gates.get(url):
                await gate.wait()
            else:
                await asyncio.sleep(0)
        finally:
            self.open[url] -= 1
        said = self.answer(request)
        if isinstance(said, HttpFailure):
            raise said
        return said

    async def close(self) -> None: ...

    def ids(self, url: str | None = None) -> list[str]:
        """The webhook ids in the order of telling."""
        return [post.headers["webhook-id"] for post in self.posts if url in (None, post.url)]

    def events(self, url: str | None = None) -> list[str]:
        """The event ids in the order of telling, those of batches too."""
        told: list[str] = []
        for post in self.posts:
            if url in (None, post.url):
                body = json.loads(post.body)
                told += [event["id"] for event in (body if isinstance(body, list) else [body])]
        return told


class Stage:
    """Everything around one outbox. ``happen`` is a commit of the pipeline."""

    def __init__(self, **bounds: int) -> None:
        self.clock = HandClock()
        self.store = MemoryStore()
        self.http = ScriptedHttp()
        self.metrics = Metrics()
        self.bounds = Bounds(**bounds)
        self.outbox = self.new_outbox()
        self.numbers = 0

    def new_outbox(self, news: News | None = None) -> Outbox:
        return Outbox(
            self.store,  # type: ignore[arg-type]
            self.http,
            StandardWebhooks(),
            metrics=self.metrics,
            clock=self.clock,
            bounds=self.bounds,
            chance=lambda: 0.0,
            news=news,
        )

    def endpoint(self, endpoint_id: str = "hook", **changes: Any) -> Endpoint:
        fields: dict[str, Any] = {
            "id": endpoint_id,
            "account_id": ACCOUNT,
            "kind": "webhook",
            "url": f"https://{endpoint_id}.example.org/",
            "events": (),
            "secret": SECRET,
            "created_us": AT - SECOND,
        }
        return Endpoint(**(fields | changes))

    async def open(self, *endpoints: Endpoint) -> None:
        """Gives the outbox its endpoints and lets it look once."""
        self.outbox.set_endpoints(endpoints)
        await self.settle()

    def message(self, **changes: Any) -> Live:
        """A new message that is delivered: its facts are chosen by ``fact``."""
        self.numbers += 1
        message = Message(
            id=f"m{self.numbers:019d}",
            account_id=ACCOUNT,
            sender="Shop",
            recipient="+4915112345678",
            accepted_us=AT,
            expires_us=AT + 3600 * SECOND,
        )
        progress = Progress(
            state=State.DELIVERED,
            sent_us=AT,
            ended_us=AT + 1,
            sent_seq=2,
            ended_seq=3,
            last_seq=3,
            segments_delivered=1,
        )
        content = Content(octets=b"hello")
        live = Live(msgspec.structs.replace(message, **changes), progress, content=content)
        self.store.messages[live.message.id] = MessageRecord(message=live.message, progress=progress, content=content)
        return live

    def fact(self, live: Live, sequence: int = 3, state: int = State.DELIVERED) -> Fact:
        message = live.message
        inbound = message.direction == Direction.IN
        return Fact(
            message.id,
            message.account_id,
            sequence,
            int(state),
            self.clock.wall_us,
            0,
            1,
            int(inbound),
            1,
            None,
            None,
            message.sender,
            message.callback is not None,
            1,
        )

    def happen(self, *facts: tuple[Live, Fact], memory: bool = True, tell: bool = True) -> int:
        """One commit: a row of the outbox, told to the outbox (with the messages in memory, or without)."""
        position = self.store.rows[-1][0] + 1 if self.store.rows else 1
        row = tuple(fact for _, fact in facts)
        self.store.rows.append((position, row))
        if tell:
            self.outbox.told(position, row, [live for live, _ in facts] if memory else [])
        return position

    def deliver(self, count: int = 1, **options: Any) -> list[str]:
        """``count`` messages are delivered in one commit; gives the ids of the events."""
        lives = [self.message() for _ in range(count)]
        self.happen(*[(live, self.fact(live)) for live in lives], **options)
        return [f"{live.message.id}-3" for live in lives]

    async def settle(self) -> None:
        """Until nothing runs any more."""
        while tasks := set(self.outbox._desk.tasks):
            await asyncio.wait_for(asyncio.wait(tasks), 5)

    async def until(self, what: Callable[[], bool]) -> None:
        async def look() -> None:
            while not what():
                await asyncio.sleep(0)

        await asyncio.wait_for(look(), 5)

    async def tick(self, after_s: float = 0.0) -> None:
        """Time passes, the regular work is done, and what it started comes to its end and is kept."""
        self.clock.pass_s(after_s)
        await self.outbox.tick()
        await self.settle()
        await self.outbox.tick()
        await self.settle()
