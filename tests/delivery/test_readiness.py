"""Who is ready, and how it finds out that it is again."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import cast

import pytest

from heliograph.contracts import Store
from heliograph.delivery import readiness
from heliograph.delivery.readiness import Readiness
from heliograph.errors import ConfigError, ConfigFault, HeliographError, StoreBusy
from heliograph.telemetry import journal
from tests.delivery.support import HandClock


class Moody:
    """A store that can be told how it is; ``probes`` counts what it was asked to write."""

    def __init__(self) -> None:
        self.trouble: str | None = None
        self.fault: HeliographError | None = None
        self.hangs = False
        self.probes = 0

    async def read(self) -> None:
        await self._answer()

    async def probe(self) -> None:
        self.probes += 1
        await self._answer()
        self.trouble = None

    async def _answer(self) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        if self.fault is not None:
            raise self.fault


@pytest.fixture
def store() -> Moody:
    return Moody()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def ready(store: Moody, clock: HandClock) -> Readiness:
    made = Readiness(clock)
    made.serve(cast("Store", store), store.read)
    return made


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """The journal as JSON lines; logging is as before afterwards."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level, logging.getLogger("heliograph").level)
    stream = io.StringIO()
    journal.configure("json", "info", stream=stream)
    yield stream
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    logging.getLogger("heliograph").setLevel(before[2])


async def test_it_is_not_ready_before_it_serves_nor_once_it_stops(store: Moody) -> None:
    starting = Readiness(HandClock())
    assert "starting" in str(starting.reason())
    await starting.look()
    assert "starting" in str(starting.reason())
    starting.serve(cast("Store", store), store.read)
    assert starting.reason() is None
    starting.stop()
    assert "stopping" in str(starting.reason())


async def test_a_failed_transaction_is_told_at_once_and_a_probe_ends_it(ready: Readiness, store: Moody) -> None:
    await ready.look()
    assert store.probes == 0  # as long as all is well nothing is written
    store.trouble, store.fault = "the disk is full", StoreBusy("the disk is full")
    assert "the disk is full" in str(ready.reason())
    await ready.look()
    assert "the disk is full" in str(ready.reason())
    store.fault = None
    await ready.look()
    assert (ready.reason(), store.probes) == (None, 2)


@pytest.mark.parametrize(
    "fault", [StoreBusy("gone"), ConfigError([ConfigFault("store.url", "no such role", "check the role")])]
)
async def test_a_store_that_cannot_be_read_is_not_ready(ready: Readiness, store: Moody, fault: HeliographError) -> None:
    store.fault = fault
    await ready.look()
    assert "the store does not answer" in str(ready.reason())
    store.fault = None
    await ready.look()
    assert ready.reason() is None


async def test_a_store_that_never_answers_is_waited_for_so_long_and_no_longer(
    ready: Readiness, store: Moody, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "_PATIENCE_S", 0.01)
    store.hangs, store.trouble = True, "a transaction has been waiting"
    await asyncio.wait_for(ready.look(), 5)
    assert "does not answer" in str(ready.reason())


async def test_the_journal_hears_once_of_each_change(
    ready: Readiness, store: Moody, clock: HandClock, stream: io.StringIO
) -> None:
    store.trouble, store.fault = "locked", StoreBusy("locked")
    for _ in range(3):
        await ready.look()
        clock.move(2)
    store.fault = None
    for _ in range(2):
        await ready.look()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["store_unavailable", "store_recovered"]
    assert lines[1]["after_s"] == 6.0
