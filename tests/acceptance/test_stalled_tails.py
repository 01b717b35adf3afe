"""Live readers that stop reading: they cost a page of memory each, are closed, and hurt nobody."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from heliograph.bench.options import Options
from heliograph.bench.processes import resident_mib
from heliograph.bench.run import Stage, stage
from tests.acceptance.eventreaders import TailReader, everything, place

MESSAGES = 4_000
STALLED = 6
MOST_MIB = 60.0
"""What the server may grow by; all that the stalled readers are owed is more than twice as much."""


@pytest.fixture(scope="module")
def ready() -> Iterator[Stage]:
    with stage(Options(connections=4, timeout_s=60)) as made:
        config = made.house.config
        config.write_text(config.read_text().replace("[http]\n", "[http]\nwrite_timeout_s = 1\n"))
        made.house.start()
        yield made


def stalled(ready: Stage, cursor: str) -> socket.socket:
    """A connection that asks for the stream and reads nothing of it, with as small a buffer as there is."""
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    one.connect(("127.0.0.1", ready.house.port))
    head = (
        f"GET /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ready.keys[0]}\r\n"
        f"Accept: text/event-stream\r\nLast-Event-ID: {cursor}\r\n\r\n"
    )
    one.sendall(head.encode())
    return one


def closed(ready: Stage) -> float:
    counts = ready.house.metrics().get("heliograph_closed_connections_total", {})
    return counts.get('limit="write_timeout"', 0.0)


def test_who_stops_reading_is_closed_and_hurts_nobody(ready: Stage) -> None:
    (key,), house = ready.keys, ready.house
    beginning = place(house, key)
    long = {"from": "12345", "text": "x" * 1_500, "metadata": {"more": "y" * 4_000}}
    for first in range(0, MESSAGES, 500):
        house.post(key, "/v1/messages/batch", {"to": [f"+49151{first + n:08}" for n in range(500)], **long})
    owed_mib = sum(len(str(event)) for event in everything(house, key)) / 1_048_576
    assert STALLED * owed_mib > 2 * MOST_MIB
    before_mib = resident_mib(house.pid)
    with ExitStack() as stack:
        for _ in range(STALLED):
            stack.enter_context(stalled(ready, beginning))
        good = TailReader(house, key, beginning)
        most_mib, deadline = 0.0, time.monotonic() + 60
        while closed(ready) < STALLED:
            most_mib = max(most_mib, resident_mib(house.pid))
            house.post(key, "/v1/messages", {"to": "+4915112345678", "from": "12345", "text": "beside them"})
            assert time.monotonic() < deadline, closed(ready)
            time.sleep(0.02)
        told = everything(house, key)
        good.until(len(told))
        assert good.refused == []
        assert good.seen == [event["id"] for event in told]
        assert most_mib - before_mib < MOST_MIB, (before_mib, most_mib)
    readers = [TailReader(house, key, place(house, key)) for _ in range(STALLED + 1)]
    house.post(key, "/v1/messages", {"to": "+4915112345678", "from": "12345", "text": "there is room again"})
    for reader in readers:
        reader.until(1)
        assert (reader.refused, len(reader.seen)) == ([], 1)
