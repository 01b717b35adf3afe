"""The load: ``python -m heliograph.bench.driver JOB`` (JSON of :class:`Job`) posts messages and prints one JSON line.

A lean HTTP client over keep-alive connections: it costs a few microseconds a request, so that the
figures are the server's. What was answered with a 2xx is in ``ok_log`` before it is counted.
SIGUSR1 prints ``{"accepted": …}``; SIGTERM ends the load: what is under way is awaited, the figures are printed.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from array import array
from collections import Counter, deque
from pathlib import Path
from typing import IO, Final, cast

import msgspec

from heliograph.bench.statistics import quantile
from heliograph.bench.traffic import number, text

__all__ = ["Driver", "Figures", "Job", "due_at"]

_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length:"
_GRACE_S: Final = 10.0
"""For answers that are under way when the load ends."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What to send. ``first`` to ``first + messages`` are the places of the run's traffic."""

    port: int
    keys: tuple[str, ...]
    """Keys of accounts; connections use them in turn."""
    messages: int
    first: int = 0
    batch: int = 1
    connections: int = 128
    rate: float = 0.0
    """Requests a second, whatever the answers do (0: the next when the last was answered)."""
    mixed: bool = False
    sender: str = "12345"
    type: str = "transactional"
    once_every: int = 0
    """Every n-th message asks for ``at_most_once`` (0: none)."""
    due_from: int = 0
    """Seconds since 1970 from which on the messages are due (0: at once), each at one of ``due_span_s`` seconds."""
    due_span_s: int = 60
    ok_log: str = ""
    """One recipient a line, of messages that were accepted."""
    max_s: float = 600.0
    refused_pause_s: float = 0.05
    lost_pause_s: float = 0.02
    """How long a connection rests after a refusal, and after it broke."""


class Figures(msgspec.Struct, kw_only=True):
    """What became of a load. Latencies in milliseconds, from the first octet written to the answer read."""

    requests: int = 0
    accepted: int = 0
    """Messages answered with a 2xx."""
    refused: int = 0
    """Messages answered with anything else, or with a problem in their place of a batch."""
    lost: int = 0
    """Messages whose request broke: their fate is unknown."""
    seconds: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    max_ms: float = 0.0
    due_p50_ms: float = 0.0
    due_p99_ms: float = 0.0
    """With a rate: from the moment that the request was due."""
    codes: dict[str, int] = {}
    sample: str = ""
    """The first answer that was no 2xx, or the first answer."""


class Driver:
    """All connections of a load, and its figures."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.place = job.first
        self.end = job.first + job.messages
        self.figures = Figures()
        self.codes: Counter[int] = Counter()
        self.took_us = array("I")
        self.due_us = array("I")
        self.free: deque[_Connection] = deque()
        self.stopping = False
        self._busy = 0
        self._done = asyncio.Event()
        self._log: IO[str] | None = None
        if job.ok_log:
            self._log = Path(job.ok_log).open("a", buffering=1 << 16)  # noqa: SIM115 - closed when the load ends
        self._heads = [
            f"POST /v1/messages{'/batch' if job.batch > 1 else ''} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Authorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: "
            for key in job.keys
        ]

    async def run(self) -> Figures:
        """Sends everything, or until the time is up."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.stop)
        loop.add_signal_handler(signal.SIGUSR1, self._report)
        print("ready", flush=True)
        begun = time.monotonic()
        loop.call_later(self.job.max_s, self.stop)
        for at in range(self.job.connections):
            _Connection(self, loop, self._heads[at % len(self._heads)]).connect()
        pacing = loop.create_task(self._pace(begun)) if self.job.rate else None
        await self._done.wait()
        if pacing is not None:
            pacing.cancel()
        if self._log is not None:
            self._log.close()
        return self._figures(time.monotonic() - begun)

    def stop(self) -> None:
        """No further requests; ends when those under way are answered, or soon."""
        self.stopping = True
        if not self._busy:
            self._done.set()
        asyncio.get_running_loop().call_later(_GRACE_S, self._done.set)

    def _report(self) -> None:
        if self._log is not None:
            self._log.flush()
        print(f'{{"accepted": {self.figures.accepted}}}', flush=True)

    # --- what connections ask and tell ---------------------------------------------------------
    @property
    def over(self) -> bool:
        return self.stopping or self.place >= self.end

    def ready(self, connection: _Connection) -> None:
        """A connection has nothing to do."""
        if not connection.usable:
            return  # it says so again when it is back
        if self.over:
            if not self._busy:
                self._done.set()
        elif self.job.rate:
            self.free.append(connection)
        else:
            self._send(connection, time.perf_counter())

    def _send(self, connection: _Connection, due: float) -> None:
        first = self.place
        self.place = min(self.end, first + self.job.batch)
        self._busy += 1
        connection.send(first, self.place, due)

    def answered(self, connection: _Connection, code: int, body: bytes) -> None:
        """A request has its whole answer."""
        now = time.perf_counter()
        first, last = connection.first, connection.last
        self._busy -= 1
        self.codes[code] += 1
        self.took_us.append(int((now - connection.begun) * 1e6))
        if self.job.rate:
            self.due_us.append(int((now - connection.due) * 1e6))
        figures = self.figures
        figures.requests += 1
        good = 200 <= code < 300
        if not figures.sample or (not good and figures.sample.startswith("2")):
            figures.sample = f"{code} {body[:300].decode('latin-1')}"
        if not good:
            figures.refused += last - first
            self._rest(connection, self.job.refused_pause_s)
            return
        taken = range(first, last) if self.job.batch == 1 else self._taken(first, body)
        if self._log is not None:
            self._log.writelines(f"{number(place)}\n" for place in taken)
        figures.accepted += len(taken)
        figures.refused += last - first - len(taken)
        self.ready(connection)

    def _taken(self, first: int, body: bytes) -> list[int]:
        results = _RESULTS.decode(body).results
        return [first + at for at, result in enumerate(results) if result.id]

    def broke(self, connection: _Connection, was_busy: bool) -> None:
        """A connection ended; with a request under way nobody knows what became of that."""
        if self.job.rate and not was_busy and connection in self.free:
            self.free.remove(connection)
        if was_busy:
            self._busy -= 1
            self.figures.lost += connection.last - connection.first
        if self.over and not self._busy:
            self._done.set()
        elif not self.over:
            asyncio.get_running_loop().call_later(self.job.lost_pause_s, connection.connect)

    def _rest(self, connection: _Connection, seconds: float) -> None:
        asyncio.get_running_loop().call_later(seconds, self.ready, connection)

    async def _pace(self, begun: float) -> None:
        """Sends each request when it is due, over the connection that is free longest."""
        start, sent = time.perf_counter(), 0
        while not self.over:
            now = time.perf_counter()
            while self.free and (due := start + sent / self.job.rate) <= now and not self.over:
                self._send(self.free.popleft(), due)
                sent += 1
            await asyncio.sleep(0.0005)
        if not self._busy:
            self._done.set()

    # --- bodies and figures --------------------------------------------------------------------
    def body(self, first: int, last: int) -> str:
        """The JSON of a request."""
        if self.job.batch == 1:
            return self._message(first)
        return '{"messages":[' + ",".join([self._message(place) for place in range(first, last)]) + "]}"

    def _message(self, place: int) -> str:
        job = self.job
        once = ',"at_most_once":true' if job.once_every and place % job.once_every == 0 else ""
        date = f',"send_at":"{_instant(due_at(job, place))}"' if job.due_from else ""
        return (
            f'{{"to":"{number(place)}","from":"{job.sender}","type":"{job.type}",'
            f'"text":"{text(place, mixed=job.mixed)}"{once}{date}}}'
        )

    def _figures(self, seconds: float) -> Figures:
        figures, took, due = self.figures, sorted(self.took_us), sorted(self.due_us)
        figures.seconds = round(seconds, 3)
        figures.codes = {str(code): count for code, count in sorted(self.codes.items())}
        figures.p50_ms, figures.p99_ms, figures.max_ms = (quantile(took, at) / 1000 for at in (0.5, 0.99, 1))
        figures.due_p50_ms, figures.due_p99_ms = (quantile(due, at) / 1000 for at in (0.5, 0.99))
        return figures


def due_at(job: Job, place: int) -> int:
    """When the message at this place is due, in seconds since 1970."""
    return job.due_from + place % job.due_span_s


def _instant(at: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


class _Result(msgspec.Struct):
    id: str | None = None


class _Results(msgspec.Struct):
    results: list[_Result]


_RESULTS: Final = msgspec.json.Decoder(_Results)


class _Connection(asyncio.Protocol):
    """One keep-alive connection: one request at a time."""

    def __init__(self, driver: Driver, loop: asyncio.AbstractEventLoop, head: str) -> None:
        self._driver = driver
        self._loop = loop
        self._head = head
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._busy = False
        self.first = self.last = 0
        self.begun = self.due = 0.0

    @property
    def usable(self) -> bool:
        return self._transport is not None

    def connect(self) -> None:
        self._loop.create_task(self._connect())

    async def _connect(self) -> None:
        while not self._driver.over:
            try:
                await self._loop.create_connection(lambda: self, "127.0.0.1", self._driver.job.port)
                return
            except OSError:
                await asyncio.sleep(self._driver.job.lost_pause_s)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self._received = cast(asyncio.Transport, transport), b""
        self._driver.ready(self)

    def connection_lost(self, exc: Exception | None) -> None:
        busy, self._busy, self._transport = self._busy, False, None
        self._driver.broke(self, busy)

    def send(self, first: int, last: int, due: float) -> None:
        """Posts the messages at these places."""
        assert self._transport is not None
        body = self._driver.body(first, last).encode()
        self.first, self.last, self.due, self._busy = first, last, due, True
        self.begun = time.perf_counter()
        self._transport.write(f"{self._head}{len(body)}\r\n\r\n".encode() + body)

    def data_received(self, data: bytes) -> None:
        if self._received:
            data = self._received + data
        at = data.find(_HEAD_END)
        if at >= 0:
            head = data[:at].lower()
            length_at = head.find(_LENGTH)
            length = int(head[length_at + 15 :].split(b"\r\n", 1)[0]) if length_at >= 0 else 0
            if len(data) >= at + 4 + length:
                self._received, self._busy = b"", False
                self._driver.answered(self, int(head[9:12]), data[at + 4 : at + 4 + length])
                return
        self._received = data


def main(argument: str) -> None:
    """Runs the job and prints its figures."""
    job = msgspec.json.decode(argument, type=Job)

    async def run() -> None:
        figures = await Driver(job).run()
        # while the loop still hears of SIGTERM: behind it a signal would end this without a word
        print(msgspec.json.encode(figures).decode(), flush=True)

    try:
        import uvloop

        uvloop.run(run())
    except ModuleNotFoundError:
        asyncio.run(run())


if __name__ == "__main__":
    main(sys.argv[1])
