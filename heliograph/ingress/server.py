"""The HTTP server: uvicorn inside our loop, with the time limits that it does not have.

A sweep once a second closes connections whose headers, body or answer take too long; whoever sends
one octet a second holds a socket for a while and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any, Final, cast

import uvicorn

from heliograph.bursts import Burst
from heliograph.errors import ConfigError, ConfigFault
from heliograph.ingress.protocol import HEADER_OCTETS, Connection, HttpLimits

__all__ = ["HEADER_OCTETS", "HttpLimits", "HttpServer"]


_BACKLOG: Final = 2048
_HSTS: Final = ("strict-transport-security", "max-age=31536000")
"""A year, which RFC 6797 §11.2 calls sensible. Subdomains are not ours to speak for."""


class _Server(uvicorn.Server):
    """uvicorn's server without a hand on our signals, and with a limit to handshakes."""

    def __init__(self, config: uvicorn.Config, tls: ssl.SSLContext | None, handshake_timeout_s: float) -> None:
        super().__init__(config)
        self._tls = {} if tls is None else {"ssl": tls, "ssl_handshake_timeout": handshake_timeout_s}

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listens. Who doesn't end its handshake in time is closed, and was never a connection of ours."""

        def connection() -> asyncio.Protocol:
            made = cast(Any, self.config.http_protocol_class)
            return cast(asyncio.Protocol, made(config=self.config, server_state=self.server_state, app_state={}))

        loop = asyncio.get_running_loop()
        self.servers = [
            await loop.create_server(connection, sock=listener, backlog=_BACKLOG, **cast(Any, self._tls))
            for listener in sockets or ()
        ]
        self.started = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


_TURNS = 3
"""Turns of the loop in which what arrived in time is read, where the loop was too busy to read it when it came."""


class HttpServer:
    """One listening socket and its connections."""

    def __init__(
        self,
        app: Any,
        *,
        host: str,
        port: int,
        limits: HttpLimits | None = None,
        tls: ssl.SSLContext | None = None,
        closed: Callable[[str], None] = lambda limit: None,
    ) -> None:
        """``app`` is an ASGI application; its ``doors``, if it has any, are answered without it.

        With ``tls`` it speaks HTTPS alone. ``closed`` hears the name of the limit by which a connection was closed.
        """
        self._host = host
        self._port = port
        self._closed = closed
        limits = limits or HttpLimits()
        own = {"limits": limits, "doors": getattr(app, "doors", {}), "burst": Burst()}
        config = uvicorn.Config(
            app,
            http=type("Connection", (Connection,), own),
            ws="none",
            lifespan="off",
            loop="none",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=10,
            headers=[] if tls is None else [_HSTS],
        )
        self._scheme = "http" if tls is None else "https"
        self._server = _Server(config, tls, limits.header_timeout_s)
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
        return f"{self._scheme}://{host}:{port}"

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
            await self.sweep(asyncio.get_running_loop().time())

    async def sweep(self, now: float) -> None:
        """Closes every connection that is late at ``now``, on the loop's clock."""
        connections = [cast(Connection, one) for one in self._server.server_state.connections]
        late = [one for one in connections if one.late(now) is not None]
        for _ in range(_TURNS if late else 0):
            await asyncio.sleep(0)
        for one in late:
            if (limit := one.late(now)) is not None:
                self._closed(limit)
                one.end()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
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
