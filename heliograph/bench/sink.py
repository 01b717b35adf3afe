"""The webhook endpoint: ``python -m heliograph.bench.sink PORT`` answers 200 to everything and counts.

SIGUSR1 prints the figures so far as one JSON line, SIGTERM prints them and ends.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from array import array
from datetime import datetime
from typing import Final, cast

import msgspec

from heliograph.bench.statistics import quantile

__all__ = ["Sink", "SinkFigures", "serve"]

_ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_LENGTH: Final = b"content-length:"


class SinkFigures(msgspec.Struct, kw_only=True):
    """What arrived. Latencies in milliseconds from an event's ``time`` to its arrival here."""

    requests: int = 0
    events: int = 0
    distinct: int = 0
    types: dict[str, int] = {}
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    last: float = 0.0
    """When the newest came, seconds since 1970 UTC."""
    unread: int = 0
    """Bodies that held no event."""


class _Event(msgspec.Struct):
    id: str
    type: str
    time: str


class _Batch(msgspec.Struct):
    events: list[_Event]


_ONE: Final = msgspec.json.Decoder(_Event)
_LIST: Final = msgspec.json.Decoder(list[_Event])
_BATCH: Final = msgspec.json.Decoder(_Batch)


def _events(body: bytes) -> list[_Event]:
    """The events of a body: one, or a batch as a list or under ``events``."""
    if body[:1] == b"[":
        return _LIST.decode(body)
    try:
        return [_ONE.decode(body)]
    except msgspec.ValidationError:
        return _BATCH.decode(body).events


class Sink:
    """Counts events by id."""

    def __init__(self) -> None:
        self.figures = SinkFigures()
        self._seen: set[int] = set()
        self._waits_us = array("Q")

    def take(self, body: bytes) -> None:
        """A request's body."""
        now, figures = time.time(), self.figures
        figures.requests += 1
        figures.last = now
        try:
            events = _events(body)
        except msgspec.DecodeError:
            figures.unread += 1
            return
        figures.events += len(events)
        for event in events:
            figures.types[event.type] = figures.types.get(event.type, 0) + 1
            self._seen.add(hash(event.id))
        last = events[-1]  # one of a batch is enough: they travelled together
        self._waits_us.append(max(0, int((now - datetime.fromisoformat(last.time).timestamp()) * 1e6)))

    def report(self) -> None:
        """Prints the figures."""
        waits = sorted(self._waits_us)
        self.figures.distinct = len(self._seen)
        self.figures.p50_ms, self.figures.p99_ms = (quantile(waits, at) / 1000 for at in (0.5, 0.99))
        print(msgspec.json.encode(self.figures).decode(), flush=True)


class _Connection(asyncio.Protocol):
    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        data = self._received + data if self._received else data
        answers = 0
        while (at := data.find(b"\r\n\r\n")) >= 0:
            head = data[:at].lower()
            length_at = head.find(_LENGTH)
            end = at + 4 + (int(head[length_at + 15 :].split(b"\r\n", 1)[0]) if length_at >= 0 else 0)
            if len(data) < end:
                break
            self._sink.take(data[at + 4 : end])
            data = data[end:]
            answers += 1
        self._received = data
        if answers:
            self._transport.write(_ANSWER * answers)


async def serve(port: int) -> None:
    """Answers on the port until SIGTERM."""
    loop, sink, over = asyncio.get_running_loop(), Sink(), asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, sink.report)
    loop.add_signal_handler(signal.SIGTERM, over.set)
    server = await loop.create_server(lambda: _Connection(sink), "127.0.0.1", port, backlog=1024)
    print("ready", flush=True)
    await over.wait()
    server.close()
    sink.report()


if __name__ == "__main__":
    try:
        import uvloop

        uvloop.run(serve(int(sys.argv[1])))
    except ModuleNotFoundError:
        asyncio.run(serve(int(sys.argv[1])))
