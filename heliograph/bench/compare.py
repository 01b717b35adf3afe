"""Heliograph beside Kannel and Jasmin on this machine: same carrier, load and callbacks, one after the other.

One request a message, and one callback when it was delivered, as a signed webhook or as their ``dlr-url``. Load and
callbacks are in this process and the carrier in one of its own, so only the gateway's processes are counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

from heliograph.bench.carrier import CarrierJob
from heliograph.bench.gateways import Gateway, Kannel, Ours
from heliograph.bench.instruments import OurInstruments
from heliograph.bench.jasmin import Jasmin
from heliograph.bench.options import Options
from heliograph.bench.processes import BenchError, Child, cpu_seconds, free_port

__all__ = ["Compared", "compare"]

_RECEIPT_MS: Final = 500.0
"""A receipt that comes at once finds Jasmin before it knows the message, and waits there for ten seconds."""

_QUIET_S: Final = 20.0
"""When no callback has come for so long, those that are missing will not come."""


class Compared(Struct, frozen=True, kw_only=True):
    """One gateway. CPU is user and system time of all its processes, for each message whose callback came."""

    gateway: str
    messages: int
    refused: int
    called_back: int
    cpu_us: float
    per_s: float


def compare(options: Options) -> tuple[list[Compared], str, bool]:
    """The figures of each gateway that is installed, the same as a text, and whether the run is good."""
    gateways: list[Gateway] = [Ours()]
    missing = []
    for kind, stores in ((Kannel, ("spool", "")), (Jasmin, ("",))):
        if kind.found():
            gateways += [kind(store) for store in stores]
        else:
            missing += ["", kind.missing]
    figures = [_measured(gateway, options) for gateway in gateways]
    lines = [f"{'':24}{'CPU a message':>16}{'a second':>12}{'refused':>10}{'no callback':>14}"]
    lines += [
        f"{one.gateway:24}{one.cpu_us:13.0f} µs{one.per_s:12,.0f}{one.refused:10,}"
        f"{one.messages - one.refused - one.called_back:14,}"
        for one in figures
    ]
    return figures, "\n".join([*lines, *missing]), True


def _measured(gateway: Gateway, options: Options) -> Compared:
    with _folder() as folder:
        port = free_port()
        carrier = OurInstruments(folder).carrier(CarrierJob(port=port, log="/dev/null", receipt_delay_ms=_RECEIPT_MS))
        children: list[Child] = []
        try:
            return asyncio.run(_run(gateway, options, folder, port, children))
        finally:
            for child in (*children, carrier):
                with contextlib.suppress(BenchError):
                    child.stop(10)


async def _run(gateway: Gateway, options: Options, folder: Path, port: int, children: list[Child]) -> Compared:
    async with _receiver() as callbacks:
        await asyncio.to_thread(gateway.start, children, folder, port, callbacks.port, options.window)
        if options.warmup:
            refused = await _load(gateway, range(options.warmup), options.connections)
            await callbacks.until(options.warmup - refused)
        before, begun = sum(cpu_seconds(child.pid) for child in children), time.perf_counter()
        callbacks.count = 0
        places = range(options.warmup, options.warmup + options.messages)
        refused = await _load(gateway, places, options.connections)
        await callbacks.until(options.messages - refused)
        used = sum(cpu_seconds(child.pid) for child in children) - before
        count = max(1, callbacks.count)
        return Compared(
            gateway=gateway.name,
            messages=options.messages,
            refused=refused,
            called_back=callbacks.count,
            cpu_us=used * 1e6 / count,
            per_s=callbacks.count / (callbacks.last - begun) if callbacks.count else 0.0,
        )


async def _load(gateway: Gateway, places: range, connections: int) -> int:
    """Asks for each place once; gives how many were refused."""
    left = iter(places)
    refused = 0

    async def work() -> None:
        nonlocal refused
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        with contextlib.closing(writer):
            for place in left:
                writer.write(gateway.request(place))
                if not await _read_answer(reader):
                    refused += 1

    await asyncio.gather(*(work() for _ in range(min(connections, len(places)))))
    return refused


async def _read_answer(reader: asyncio.StreamReader) -> bool:
    head = await reader.readuntil(b"\r\n\r\n")
    if b"\r\ntransfer-encoding: chunked" in head.lower():
        await reader.readuntil(b"\r\n0\r\n\r\n")
    else:
        await reader.readexactly(_length(head))
    return head.split(b" ", 2)[1].startswith(b"2")


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line[15:])
    return 0


class _Callbacks:
    """Counts callbacks."""

    def __init__(self) -> None:
        self.port = 0
        self.count = 0
        self.last = 0.0

    def came(self) -> None:
        """One more."""
        self.count += 1
        self.last = time.perf_counter()

    async def until(self, count: int) -> None:
        """Returns when so many have come, or none for a while."""
        self.last = time.perf_counter()
        while self.count < count and time.perf_counter() - self.last < _QUIET_S:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


class _Receiver(asyncio.Protocol):
    """Answers every request with 200 and the words that Jasmin waits for; nobody else reads them."""

    def __init__(self, callbacks: _Callbacks) -> None:
        self._callbacks = callbacks
        self._octets = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        octets = self._octets + data
        while (end := octets.find(b"\r\n\r\n")) >= 0:
            whole = end + 4 + _length(octets[: end + 2])
            if len(octets) < whole:
                break
            octets = octets[whole:]
            self._callbacks.came()
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nACK/Jasmin")
        self._octets = octets


@contextlib.asynccontextmanager
async def _receiver() -> AsyncIterator[_Callbacks]:
    callbacks = _Callbacks()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Receiver(callbacks), "127.0.0.1", 0)
    callbacks.port = server.sockets[0].getsockname()[1]
    try:
        yield callbacks
    finally:
        server.close()


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="heliograph-compare-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)
