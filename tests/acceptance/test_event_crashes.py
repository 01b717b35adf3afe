"""The server killed under those who read events: by cursor and live, nothing is skipped and nothing comes twice."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from random import Random

import pytest

from heliograph.bench.options import Options
from heliograph.bench.run import Stage, stage
from heliograph.bench.view import newest
from tests.acceptance.eventreaders import PagesReader, TailReader, everything, place

CHANCE = Random()
ENDED = {"message.delivered", "message.undelivered", "message.expired", "message.rejected", "message.failed"}


def crash_under_load(ready: Stage, at: int) -> set[str]:
    """A load, and the server killed under it; gives the numbers whose messages were accepted."""
    job = ready.job(100_000, ok_log=str(ready.folder / f"accepted-{at}"), refused_pause_s=0.01)
    load = ready.tools.load(job)
    time.sleep(CHANCE.uniform(0.3, 1.0))
    assert ready.house.server is not None
    ready.house.server.kill()
    if ready.database is not None:
        ready.database.kill()
        ready.database.start()
    load.signal(signal.SIGTERM)
    ready.tools.figures(load, job)
    return set(Path(job.ok_log).read_text().split())


@pytest.mark.parametrize(("store", "rounds"), [("sqlite", 2), ("postgres", 2)])
def test_readers_go_on_behind_a_crash_without_a_gap_and_without_a_repetition(store: str, rounds: int) -> None:
    with stage(Options(store=store, connections=8, timeout_s=60)) as ready:
        (key,) = ready.keys
        mark = newest(ready.house.view)
        ready.start_carrier(latency_ms=5.0)
        ready.house.start()
        accepted: set[str] = set()
        pages = PagesReader(ready.house, key)
        tail = TailReader(ready.house, key, place(ready.house, key))
        for at in range(rounds):
            accepted |= crash_under_load(ready, at)
            ready.house.start()
        assert accepted
        ready.settle(mark, lambda rows: rows.ended >= rows.messages)
        told = everything(ready.house, key)
        ids = [event["id"] for event in told]
        pages.until(len(ids))
        tail.until(len(ids))
        assert (pages.refused, tail.refused) == ([], [])
        assert pages.seen == ids
        assert tail.seen == ids
        assert len(set(ids)) == len(ids)
        assert accepted <= {event["data"]["to"] for event in told if event["type"] == "message.queued"}
        assert accepted <= {event["data"]["to"] for event in told if event["type"] in ENDED}
        assert pages.broken
        assert tail.broken
