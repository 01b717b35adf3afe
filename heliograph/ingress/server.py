"""The HTTP server: uvicorn inside our loop, with the time limits that it does not have.

A sweep once a second closes connections whose headers, body or answer take too long; whoever sends
one octet a second holds a socket for a while and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import Any, ClassVar, Final, cast

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from heliograph.errors import ConfigError, ConfigFault, RequestRejected
from heliograph.ingress.rest.problems import refusal

__all__ = ["HEADER_OCTETS", "HttpLimits", "HttpServer"]

HEADER_OCTETS: Final = 32_768
"""What a request line and its headers may have; an API key, an idempotency key and some cookies need a tenth."""

_BODY_OCTETS_PER_S: Final = 65_536
"""Each of these that arrives adds a second to a body's time: a large batch may come over a slow line."""

_MALFORMED: Final = RequestRejected("http_invalid", "This is no HTTP/1.1 request: check the client.", status=400)
_LARGE_HEADERS: Final = RequestRejected(
    "headers_too_large", f"The headers may have {HEADER_OCTETS} octets: send fewer or shorter ones.", status=431
)


@dataclass(frozen=True, kw_only=True)
class HttpLimits:
    """Seconds for each part of a request, and connections at once."""

    connections: int = 10_000
    header_timeout_s: float = 10.0
    body_timeout_s: float = 30.0
    write_timeout_s: float = 30.0
    idle_timeout_s: float = 75.0


class _Phase(Enum):
    """What a connection waits for."""

    HEADERS = "header_timeout"
    BODY = "body_timeout"
    ANSWER = "answer"
    """Us: the peer has nothing to do."""
    IDLE = "idle_timeout"


class _Watched(HttpToolsProtocol):
    """uvicorn's protocol, telling the sweep since when it waits for what."""

    limits: ClassVar[HttpLimits]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._enter(_Phase.HEADERS)
        self._stuck_since: float | None = None
        """When a finished connection, or one with a full buffer, was first seen not to take its answer."""
        if len(self.connections) > self.limits.connections:
            transport.abort()

    def _enter(self, phase: _Phase) -> None:
        self._phase = phase
        self._since = self.loop.time()
        self._octets = 0

    def data_received(self, data: bytes) -> None:
        if self._phase is _Phase.IDLE:
            self._enter(_Phase.HEADERS)
        self._octets += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.cycle.keep_alive = False  # answered as an ordinary request; what follows is not HTTP
        except httptools.HttpParserError:
            self._refuse(_MALFORMED)
        else:
            if self._phase is _Phase.HEADERS and self._octets > HEADER_OCTETS:
                self._refuse(_LARGE_HEADERS)

    def _refuse(self, error: RequestRejected) -> None:
        """Answers what never became a request, and closes."""
        reply = refusal(error)
        head = (
            f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}\r\ncontent-type: {reply.media_type.decode()}"
            f"\r\ncontent-length: {len(reply.body)}\r\nconnection: close\r\n\r\n"
        )
        self._phase = _Phase.ANSWER
        self.transport.write(head.encode() + reply.body)
        self.transport.close()

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._enter(_Phase.BODY)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._enter(_Phase.IDLE if self.cycle.response_complete else _Phase.ANSWER)

    def on_response_complete(self) -> None:
        """As uvicorn's, without a timer of its own for each wait between requests."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        elif self._phase is _Phase.ANSWER:
            self._enter(_Phase.IDLE)

    def late(self, now: float) -> str | None:
        """By which limit the peer has used up its time, if it has."""
        limits = self.limits
        if self.transport.is_closing() or self.flow.write_paused:
            if self._stuck_since is None:
                self._stuck_since = now
            return "write_timeout" if now - self._stuck_since > limits.write_timeout_s else None
        self._stuck_since = None
        if self._phase is _Phase.ANSWER or self.flow.read_paused:
            return None
        allowed: float = getattr(limits, self._phase.value + "_s")
        if self._phase is _Phase.BODY:
            allowed += self._octets / _BODY_OCTETS_PER_S
        return self._phase.value if now - self._since > allowed else None

    def end(self) -> None:
        """Closes a connection that is late: gently where nothing is under way."""
        if self._phase is _Phase.IDLE and not self.transport.is_closing():
            self.transport.close()
        else:
            self.transport.abort()


class _Server(uvicorn.Server):
    """uvicorn's server without a hand on our signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpServer:
    """One listening socket and its connections."""

    def __init__(
        self,
        app: Any,
        *,
        host: str,
        port: int,
        limits: HttpLimits | None = None,
        closed: Callable[[str], None] = lambda limit: None,
    ) -> None:
        """``closed`` hears the name of the limit by which a connection was closed."""
        self._host = host
        self._port = port
        self._closed = closed
        limits = limits or HttpLimits()
        config = uvicorn.Config(
            app,
            http=type("Watched", (_Watched,), {"limits": limits}),
            ws="none",
            lifespan="off",
            loop="none",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=10,
        )
        self._server = _Server(config)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def connections(self) -> int:
        """Connections that are open."""
        return len(self._server.server_state.connections)

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
        while True:
            await asyncio.sleep(1.0)
            self.sweep(asyncio.get_running_loop().time())

    def sweep(self, now: float) -> None:
        """Closes every connection that is late at ``now``, on the loop's clock."""
        for one in list(self._server.server_state.connections):
            connection = cast(_Watched, one)
            limit = connection.late(now)
            if limit is not None:
                self._closed(limit)
                connection.end()


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
