"""A carrier in memory and a clock moved by hand, for the pipeline's own tests. The store is the real SQLite one."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from heliograph.contracts import (
    CarrierNews,
    InboundShort,
    MessageRecord,
    Outcome,
    ReceiptNews,
    SegmentSubmission,
    Store,
)
from heliograph.delivery.directory import Directory
from heliograph.delivery.lane import LaneLimits
from heliograph.delivery.pipeline import Pipeline
from heliograph.delivery.rescue import RescueSettings
from heliograph.delivery.submission import Accepted, Submission
from heliograph.errors import SubmitFailed
from heliograph.model import Account, IdSource, Number, Route, State
from heliograph.store import open_store
from heliograph.telemetry.metrics import Metrics
from tests.accounts import ensure_account

START_US = 1_790_000_000_000_000


class HandClock:
    """Time that moves when told. Waits of the event loop still take real time."""

    def __init__(self) -> None:
        self.wall_us = START_US
        self.seconds = 1000.0

    def now_us(self) -> int:
        return self.wall_us

    def monotonic(self) -> float:
        return self.seconds

    def move(self, seconds: float) -> None:
        self.seconds += seconds
        self.wall_us += int(seconds * 1e6)


class MemoryCarrier:
    """A connector that keeps what it is given. ``answer`` decides the outcome of what is written; None: later."""

    def __init__(self, number: int, name: str = "main", *, window: int = 10, segments_per_second: float = 0.0) -> None:
        self.id = number
        self.name = name
        self.window = window
        self.segments_per_second = segments_per_second
        self.reference_octets = 1
        self.national_tables = False
        self.assigns_recent_writer = True
        self.wants_receipts = True
        self.bound = True
        self.written: list[SegmentSubmission] = []
        self.open: list[SegmentSubmission] = []
        self.acknowledged: list[tuple[Any, bool]] = []
        self.answer: Callable[[SegmentSubmission], Outcome | None] = self.take
        self._ids = itertools.count(1)
        self._news: CarrierNews | None = None
        self._loop = asyncio.get_running_loop()

    @property
    def news(self) -> CarrierNews:
        assert self._news is not None
        return self._news

    @property
    def free(self) -> int:
        return self.window - len(self.open) if self.bound else 0

    async def start(self, news: CarrierNews) -> None:
        self._news = news

    async def stop(self, drain_s: float) -> None:
        self.bound = False
        if self.open:
            self.say([Outcome(one, unknown=True) for one in self.open])

    def submit(self, batch: Sequence[SegmentSubmission]) -> None:
        assert len(batch) <= self.free
        self.written.extend(batch)
        self.open.extend(batch)
        outcomes = [outcome for one in batch if (outcome := self.answer(one)) is not None]
        if outcomes:
            self._loop.call_soon(self.say, outcomes)

    def say(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            self.open.remove(outcome.submission)
        self.news.outcomes(self, outcomes)

    def take(self, submission: SegmentSubmission) -> Outcome:
        return Outcome(submission, f"c{next(self._ids)}")

    def keep_open(self, submission: SegmentSubmission) -> None:
        return None

    def refuse(self, failure: SubmitFailed) -> Callable[[SegmentSubmission], Outcome]:
        return lambda submission: Outcome(submission, failure=failure)

    def acknowledge(self, handles: Sequence[Any], *, kept: bool) -> None:
        self.acknowledged.extend((handle, kept) for handle in handles)

    def canonical(self, raw_id: str) -> tuple[str, ...]:
        return (raw_id,)

    def paired(self, response_id: str, receipt_id: str) -> None:
        raise AssertionError("ids are the same here")

    def receipt(self, carrier_id: str, state: State, handle: Any = 1, error: str | None = None) -> None:
        self.news.receipts(self, [ReceiptNews(handle, (carrier_id,), state, carrier_id, error=error)])

    def reply(self, sender: str, recipient: str, text: str, handle: Any = 1, **fields: Any) -> None:
        short = InboundShort(handle, sender, recipient, 0, text.encode(), text, **fields)
        self.news.inbound(self, [short])


class House:
    """A pipeline over a store in a file, with carriers in memory."""

    def __init__(self, store: Store, clock: HandClock, pipeline: Pipeline, account: Account) -> None:
        self.store = store
        self.clock = clock
        self.pipeline = pipeline
        self.account = account

    async def send(self, to: str = "+4915112345678", text: str = "hello", **fields: Any) -> Accepted:
        fields.setdefault("sender", "Shop")
        received = await self.pipeline.intake.accept([Submission(account=self.account, to=to, text=text, **fields)])
        result = received.results[0]
        assert isinstance(result, Accepted), result
        return result

    async def send_many(self, numbers: Iterable[str]) -> list[Accepted]:
        """One text to many, in one request."""
        asked = [Submission(account=self.account, to=to, text="hello", sender="Shop") for to in numbers]
        received = await self.pipeline.intake.accept(asked)
        return [result for result in received.results if isinstance(result, Accepted)]

    async def record(self, message_id: str) -> MessageRecord:
        record = await self.store.message(self.account.id, message_id)
        assert record is not None
        return record

    async def until(self, holds: Callable[[], Any], what: str = "it") -> None:
        """Waits until ``holds()`` is true: bounded, by the real clock."""
        async with asyncio.timeout(10):
            while not holds():
                await asyncio.sleep(0.002)

    async def ends(self, message_id: str, state: State) -> MessageRecord:
        async with asyncio.timeout(10):
            while (record := await self.record(message_id)).progress.state != state:
                await asyncio.sleep(0.002)
        return record


@asynccontextmanager
async def house(
    path: Path,
    carriers: Sequence[MemoryCarrier],
    *,
    clock: HandClock | None = None,
    numbers: Sequence[tuple[str, tuple[int, ...]]] = (("12345", ()),),
    limits: LaneLimits | None = None,
    routes: Sequence[Route] | None = None,
    dead_letters: int = 100_000,
) -> AsyncIterator[House]:
    """A pipeline that runs until the block ends; its sweeps are called by the tests themselves."""
    clock = clock or HandClock()
    store = open_store(f"sqlite:///{path}", serve=True)
    await store.open()
    account = await ensure_account(store, "demo", clock.now_us())
    await store.ensure_connectors([carrier.name for carrier in carriers])
    directory = Directory()
    directory.set_accounts([account])
    directory.set_numbers([Number(number=one, account_id=account.id, connectors=on) for one, on in numbers])
    everything = Route(name="default", prefixes=("",), connectors=tuple(carrier.id for carrier in carriers))
    directory.set_routes(routes or [everything])
    never = RescueSettings(
        lanes_every_s=0.05,
        expiry_every_s=3600,
        overdue_every_s=3600,
        parts_every_s=3600,
        purge_every_s=3600,
        dead_letters=dead_letters,
    )
    ids = IdSource(await store.newest_id())
    pipeline = Pipeline(store, directory, ids, clock, Metrics(), lane_limits=limits, rescue_settings=never)
    await pipeline.start(carriers)
    try:
        yield House(store, clock, pipeline, account)
    finally:
        await pipeline.stop(1.0)
        await store.close()
