"""The guarded door: our own lean HTTP/1.1 client, POST only, on kept connections.

Every socket is made by us, for an address that has just been checked, so a name that changes its mind
between look-up and connection gains nothing. No redirects, no proxies, no cookies, no decompression.
Why it is ours: docs/explanation/design/0010-outgoing-http.md
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Mapping
from typing import Final

from yarl import URL

from heliograph.bursts import Burst
from heliograph.contracts import Answer, HttpFailure, Post
from heliograph.outbound.addresses import AddressRefused, check_url, is_public
from heliograph.outbound.connection import Connection, Lost, Place
from heliograph.outbound.resolving import Address, GuardedResolver

__all__ = ["DirectHttp"]

_KEEP_ALIVE_S: Final = 4.0
"""Below the 5 s after which common servers close an idle connection."""
_CONNECT_S: Final = 10.0
_DNS_KEPT_S: Final = 30.0
_NAMES_KEPT: Final = 10_000
_TARGETS_KEPT: Final = 10_000


class _Target:
    """A URL, worded once: the start of each request to it."""

    __slots__ = ("place", "start")

    def __init__(self, place: Place, start: str) -> None:
        self.place = place
        self.start = start


class DirectHttp:
    """:class:`contracts.Http` on bare connections. ``connections`` bounds open sockets in all."""

    def __init__(self, *, allow_private_addresses: bool = False, connections: int = 1000) -> None:
        self._allow_private = allow_private_addresses
        self._most = connections
        self._open = 0
        self._burst = Burst()
        self._places: dict[tuple[str, int, bool], Place] = {}
        self._targets: dict[str, _Target] = {}
        self._names: dict[tuple[str, int], tuple[float, asyncio.Task[list[Address]]]] = {}
        self._resolver: GuardedResolver | None = None
        self._tls: ssl.SSLContext | None = None
        self._cleaner: asyncio.TimerHandle | None = None

    async def post(self, request: Post) -> Answer:
        """Raises :class:`HttpFailure`. A connection that the peer had closed while it was idle is made again, once."""
        target = self._targets.get(request.url) or self._target(request.url)
        octets = _worded(target.start, request.headers, request.body)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + request.timeout_s
        place = target.place
        connection = self._kept(place, loop.time())
        while True:
            if connection is None:
                connection = await self._connect(place, deadline)
            try:
                answer = await self._ask(connection, octets, deadline)
            except Lost:
                if not connection.reused:
                    raise HttpFailure("unreachable", "the connection was lost before the answer") from None
                connection = None
                continue
            if not connection.closed:
                self._keep(connection, loop)
            return answer

    async def close(self) -> None:
        if self._cleaner is not None:
            self._cleaner.cancel()
        for place in self._places.values():
            while place.idle:
                place.idle.pop().close()
        for _, looking in self._names.values():
            looking.cancel()
        if self._resolver is not None:
            self._resolver.close()

    async def _ask(self, connection: Connection, octets: bytes, deadline: float) -> Answer:
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Answer] = loop.create_future()
        alarm = loop.call_at(deadline, connection.fail, HttpFailure("timeout", "no answer in time"))
        connection.ask(octets, answered)
        try:
            return await answered
        except asyncio.CancelledError:
            connection.close()
            raise
        finally:
            alarm.cancel()

    # --- connections --------------------------------------------------------------------------

    def _kept(self, place: Place, now: float) -> Connection | None:
        """The connection that was used last, unless it has been idle for too long."""
        while place.idle:
            connection = place.idle.pop()
            if not connection.closed and now - connection.idle_since < _KEEP_ALIVE_S:
                connection.reused = True
                return connection
            connection.close()
        return None

    def _keep(self, connection: Connection, loop: asyncio.AbstractEventLoop) -> None:
        if connection.place.forgotten:  # nobody would find it again
            connection.close()
            return
        connection.idle_since = loop.time()
        connection.place.idle.append(connection)
        if self._cleaner is None:
            self._cleaner = loop.call_later(_KEEP_ALIVE_S, self._clean)

    def _clean(self) -> None:
        """Closes what has been idle for too long, and forgets places without connections."""
        loop = asyncio.get_running_loop()
        before = loop.time() - _KEEP_ALIVE_S
        for place in self._places.values():
            while place.idle and (place.idle[0].closed or place.idle[0].idle_since <= before):
                place.idle.popleft().close()
        again = any(place.idle for place in self._places.values())
        self._cleaner = loop.call_later(_KEEP_ALIVE_S / 2, self._clean) if again else None

    async def _connect(self, place: Place, deadline: float) -> Connection:
        loop = asyncio.get_running_loop()
        if self._open >= self._most and not self._make_room():
            raise HttpFailure("unreachable", "too many connections are open")
        try:
            async with asyncio.timeout_at(min(deadline, loop.time() + _CONNECT_S)):
                return await self._connect_somewhere(place, loop)
        except (OSError, ValueError) as error:
            raise _failure(error) from error

    def _make_room(self) -> bool:
        """Closes an idle connection of another place."""
        for place in self._places.values():
            if place.idle:
                place.idle.popleft().close()
                return True
        return False

    async def _connect_somewhere(self, place: Place, loop: asyncio.AbstractEventLoop) -> Connection:
        """To the first of the addresses that answers, each having its share of the time."""
        entries = await self._look_up(place, loop)
        failure: OSError = OSError("the name has no address")
        for entry in entries:
            try:
                async with asyncio.timeout(_CONNECT_S / len(entries)):
                    return await self._connect_to(place, entry, loop)
            except OSError as error:
                failure = error
        raise failure

    async def _connect_to(self, place: Place, entry: Address, loop: asyncio.AbstractEventLoop) -> Connection:
        with contextlib.ExitStack() as undo:
            sock = self._socket(entry)
            undo.callback(sock.close)
            self._open += 1
            undo.callback(self._lost)
            await loop.sock_connect(sock, (entry.host, entry.port))
            _, protocol = await loop.create_connection(
                lambda: Connection(place, self._lost, self._burst),
                sock=sock,
                ssl=self._context() if place.tls else None,
                server_hostname=place.host.rstrip(".") if place.tls else None,
            )
            undo.pop_all()  # from here on the connection counts for itself
            return protocol

    def _lost(self) -> None:
        self._open -= 1

    def _socket(self, entry: Address) -> socket.socket:
        """A socket for this address, or none at all: here is the guard that nothing passes by."""
        if not (self._allow_private or is_public(entry.host)):
            raise AddressRefused("the address is private or reserved")
        sock = socket.socket(entry.family, socket.SOCK_STREAM, entry.protocol)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    async def _look_up(self, place: Place, loop: asyncio.AbstractEventLoop) -> list[Address]:
        """The allowed addresses of a place; one look-up serves all who ask meanwhile, and for half a minute."""
        key = (place.host, place.port)
        known = self._names.get(key)
        if known is not None and (not known[1].done() or known[0] > loop.time()):
            return await asyncio.shield(known[1])
        if self._resolver is None:
            self._resolver = GuardedResolver(allow_private_addresses=self._allow_private)
        if len(self._names) >= _NAMES_KEPT:
            self._names.clear()
        looking = loop.create_task(self._resolver.resolve(*key))
        looking.add_done_callback(lambda task: task.cancelled() or task.exception())
        self._names[key] = (loop.time() + _DNS_KEPT_S, looking)
        try:
            return await asyncio.shield(looking)
        except OSError:
            self._names.pop(key, None)
            raise

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls

    def _forget(self) -> None:
        """Addresses come and go: what is known of them is bounded, and learned again."""
        self._targets.clear()
        for place in self._places.values():
            place.forgotten = True
            while place.idle:
                place.idle.pop().close()
        self._places.clear()

    # --- words --------------------------------------------------------------------------------

    def _target(self, text: str) -> _Target:
        url = check_url(text, allow_private_addresses=self._allow_private)
        if len(self._targets) >= _TARGETS_KEPT:
            self._forget()
        host, tls = url.raw_host, url.scheme == "https"
        assert host is not None
        key = (host, url.port or (443 if tls else 80), tls)
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = Place(*key)
        target = self._targets[text] = _Target(place, _start(url))
        return target


def _start(url: URL) -> str:
    return f"POST {url.raw_path_qs} HTTP/1.1\r\nhost: {url.host_port_subcomponent}\r\n"


def _worded(start: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """A request's octets. Raises :class:`HttpFailure` for a header that would break out of its line."""
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    head = "".join((start, *lines, f"content-length: {len(body)}\r\n\r\n"))
    breaks = len(lines) + 4
    if head.count("\n") != breaks or head.count("\r") != breaks:
        raise HttpFailure("bad_answer", "a header of the request holds a line break")
    try:
        return head.encode("latin-1") + body
    except UnicodeEncodeError:
        raise HttpFailure("bad_answer", "a header of the request holds a character that HTTP cannot say") from None


def _failure(error: OSError | ValueError) -> HttpFailure:
    """Our stable word. No detail names an address: nobody shall explore our side with it."""
    if isinstance(error, AddressRefused):
        return HttpFailure("address_refused", "the address is private or reserved")
    if isinstance(error, TimeoutError):
        return HttpFailure("timeout", "no connection in time")
    if isinstance(error, ssl.SSLError | ssl.CertificateError):
        return HttpFailure("unreachable", "the TLS certificate or handshake was not accepted")
    return HttpFailure("unreachable", "no connection")
