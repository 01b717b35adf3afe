"""Heliograph beside Kannel on this machine: the same carrier, load and callbacks, one gateway after the other.

One request a message, and one callback when it was delivered, as a signed webhook or as Kannel's ``dlr-url``. Load and
callbacks are in this process and the carrier in one of its own, so only the gateway's processes are counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import quote

from msgspec import Struct

from heliograph.bench.carrier import CarrierJob
from heliograph.bench.house import House
from heliograph.bench.instruments import OurInstruments
from heliograph.bench.options import Options
from heliograph.bench.processes import BenchError, Child, cpu_seconds, free_port
from heliograph.bench.traffic import number, text

__all__ = ["Compared", "compare"]

_QUIET_S: Final = 20.0
"""When no callback has come for so long, those that are missing will not come."""

_MISSING: Final = (
    "Kannel is not installed, so there is nothing to compare with: `apt-get install kannel` puts bearerbox and smsbox "
    "on the path."
)


class Compared(Struct, frozen=True, kw_only=True):
    """One gateway. CPU is user and system time of all its processes, for each message whose callback came."""

    gateway: str
    messages: int
    refused: int
    called_back: int
    cpu_us: float
    per_s: float


class Gateway(Protocol):
    """One that can be compared."""

    @property
    def name(self) -> str: ...

    def start(self, folder: Path, carrier_port: int, callback_port: int, window: int) -> list[Child]:
        """Its processes, ready to be asked."""
        ...

    def request(self, place: int) -> bytes:
        """The request for the message at this place, as it goes over the wire."""
        ...

    @property
    def port(self) -> int:
        """Where requests go."""
        ...


class Ours:
    """Heliograph on SQLite, as it comes."""

    name = "Heliograph, SQLite"

    def start(self, folder: Path, carrier_port: int, callback_port: int, window: int) -> list[Child]:
        self._house = House(folder, f"sqlite:///{folder / 'heliograph.db'}", carrier_port, window=window)
        [self._key] = self._house.prepare()
        server = self._house.start()
        self._house.add_webhook(self._key, callback_port, ["message.delivered"], 1)
        return [server]

    @property
    def port(self) -> int:
        return self._house.port

    def request(self, place: int) -> bytes:
        body = json.dumps({"to": number(place), "from": "12345", "text": text(place)}).encode()
        return (
            f"POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self._key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode() + body


@dataclass
class Kannel:
    """Kannel as its guide sets it up; ``store`` is where it keeps messages: ``spool`` on disk, or nothing at all."""

    store: str = ""

    @property
    def name(self) -> str:
        return f"Kannel, {'spool on disk' if self.store else 'kept in memory'}"

    @property
    def port(self) -> int:
        return self._port

    def start(self, folder: Path, carrier_port: int, callback_port: int, window: int) -> list[Child]:
        self._port, admin, box = free_port(), free_port(), free_port()
        self._callback = quote(f"http://127.0.0.1:{callback_port}/?place=", safe="")
        kept = f"store-type = {self.store}\nstore-location = {folder / 'store'}\n" if self.store else ""
        (folder / "store").mkdir()
        config = folder / "kannel.conf"
        config.write_text(f"""
group = core
admin-port = {admin}
admin-password = bench
smsbox-port = {box}
box-allow-ip = "127.0.0.1"
dlr-storage = internal
log-level = 4
{kept}
group = smsc
smsc = smpp
host = 127.0.0.1
port = {carrier_port}
smsc-username = esme
smsc-password = secret
system-type = ""
transceiver-mode = true
max-pending-submits = {window}

group = smsbox
bearerbox-host = 127.0.0.1
bearerbox-port = {box}
sendsms-port = {self._port}
log-level = 4

group = sendsms-user
username = bench
password = bench
max-messages = 10
concatenation = true
""")
        bearerbox = Child("bearerbox", [_program("bearerbox"), str(config)], folder / "bearerbox.out")
        _await_port(bearerbox, box)
        smsbox = Child("smsbox", [_program("smsbox"), str(config)], folder / "smsbox.out")
        _await_port(smsbox, self._port)
        time.sleep(2.0)  # its bind to the carrier is told to nobody
        return [smsbox, bearerbox]

    def request(self, place: int) -> bytes:
        path = (
            f"/cgi-bin/sendsms?username=bench&password=bench&from=12345&to={quote(number(place))}"
            f"&text={quote(text(place))}&dlr-mask=3&dlr-url={self._callback}{place}"
        )
        return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


def compare(options: Options) -> tuple[list[Compared], str, bool]:
    """The figures of each gateway, the same as a text, and whether there was something to compare with."""
    gateways: list[Gateway] = [Ours()]
    found = bool(shutil.which("bearerbox") and shutil.which("smsbox"))
    if found:
        gateways += [Kannel("spool"), Kannel()]
    figures = [_measured(gateway, options) for gateway in gateways]
    lines = [f"{'':24}{'CPU a message':>16}{'a second':>12}{'refused':>10}{'no callback':>14}"]
    lines += [
        f"{one.gateway:24}{one.cpu_us:13.0f} µs{one.per_s:12,.0f}{one.refused:10,}"
        f"{one.messages - one.refused - one.called_back:14,}"
        for one in figures
    ]
    return figures, "\n".join(lines if found else [*lines, "", _MISSING]), True


def _measured(gateway: Gateway, options: Options) -> Compared:
    with _folder() as folder:
        port = free_port()
        carrier = OurInstruments(folder).carrier(CarrierJob(port=port, log="/dev/null"))
        children: list[Child] = []
        try:
            return asyncio.run(_run(gateway, options, folder, port, children))
        finally:
            for child in (*children, carrier):
                with contextlib.suppress(BenchError):
                    child.stop(10)


async def _run(gateway: Gateway, options: Options, folder: Path, port: int, children: list[Child]) -> Compared:
    async with _receiver() as callbacks:
        children += await asyncio.to_thread(gateway.start, folder, port, callbacks.port, options.window)
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
    """Answers every request with 200."""

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
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
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


def _program(name: str) -> str:
    return shutil.which(name) or name


def _await_port(child: Child, port: int) -> None:
    """Waits until somebody listens there."""

    until = time.monotonic() + 30
    while child.alive and time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise BenchError(f"{child.name} does not listen on port {port}: {child.complaint()}")
