"""The HTTP server: uvicorn inside our loop, with the time limits that it does not have.

A sweep once a second closes connections whose headers, body or answer take too long; whoever sends
one octet a second holds a socket and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from heliograph.errors import ConfigError, ConfigFault

__all__ = ["HttpLimits", "HttpServer"]


@dataclass(frozen=True, kw_only=True)
class HttpLimits:
    """Seconds for each part of a request, and connections at once."""

    connections: int = 10_000
    header_timeout_s: float = 10.0
    body_timeout_s: float = 30.0
    write_timeout_s: float = 30.0
    idle_timeout_s: float = 75.0


class _Watched(HttpToolsProtocol):
    """uvicorn's protocol, telling the sweep since when it waits for what."""

    limits: HttpLimits
    watched: set[_Watched]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._since = self.loop.time()
        self._reading_headers = True
        self._reading_body = False
        if len(self.watched) >= self.limits.connections:
            transport.abort()
            return
        self.watched.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.watched.discard(self)
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._since = self.loop.time()
        self._reading_headers = True

    def on_headers_complete(self) -> None:
        self._reading_headers = False
        self._reading_body = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._reading_body = False
        super().on_message_complete()

    def pause_writing(self) -> None:
        self._write_since = self.loop.time()
        super().pause_writing()

    def is_late(self, now: float) -> bool:
        """Whether the peer has used up its time."""
        limits = self.limits
        if self.flow is not None and self.flow.write_paused:
            return now - self._write_since > limits.write_timeout_s
        if self._reading_headers and (self.cycle is None or self.cycle.response_complete):
            return now - self._since > limits.header_timeout_s and not self.timeout_keep_alive_task
        return self._reading_body and now - self._since > limits.body_timeout_s


class _Server(uvicorn.Server):
    """uvicorn's server without a hand on our signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpServer:
    """One listening socket and its connections."""

    def __init__(self, app: Any, *, host: str, port: int, limits: HttpLimits | None = None) -> None:
        self._host = host
        self._port = port
        self._limits = limits or HttpLimits()
        protocol = type("Watched", (_Watched,), {"limits": self._limits, "watched": set()})
        self._watched: set[_Watched] = protocol.watched  # type: ignore[attr-defined]
        config = uvicorn.Config(
            app,
            http=protocol,
            ws="none",
            lifespan="off",
            loop="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=int(self._limits.idle_timeout_s),
            timeout_graceful_shutdown=10,
        )
        self._server = _Server(config)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def connections(self) -> int:
        """Connections that are open."""
        return len(self._watched)

    async def start(self) -> str:
        """Listens; gives the URL. Raises ``ConfigError`` when the port is taken."""
        listener = _listen(self._host, self._port)
        port = listener.getsockname()[1]
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._server.serve([listener])), loop.create_task(self._sweep())]
        while not self._server.started:
            if self._tasks[0].done():
                self._tasks[0].result()
            await asyncio.sleep(0.005)
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{port}"

    async def stop(self) -> None:
        """Takes no more connections, and answers what is being asked."""
        self._server.should_exit = True
        if self._tasks:
            await asyncio.wait(self._tasks[:1], timeout=15)
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._tasks = []

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(1.0)
            now = loop.time()
            for protocol in [one for one in self._watched if one.is_late(now)]:
                protocol.transport.abort()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        fault = ConfigFault(
            "http.listen",
            f"cannot listen on {host}:{port}: {error.strerror or error}",
            "stop what uses this port, or set another",
        )
        raise ConfigError([fault]) from error
    listener.setblocking(False)
    return listener
