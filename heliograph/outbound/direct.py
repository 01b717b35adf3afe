"""The guarded door without a client library: one write and one parsed answer on a kept connection.

The same promises as :class:`heliograph.outbound.guarded.GuardedHttp`, and the same tests, at a fraction of
the CPU (docs/explanation/performance.md). HTTP/1.1 only, POST only, the answer parsed by llhttp.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

import httptools
from yarl import URL

from heliograph.contracts import Answer, HttpFailure, Post
from heliograph.outbound.addresses import AddressRefused, check_url, is_public
from heliograph.outbound.guarded import MOST_BODY_OCTETS, retry_after_s
from heliograph.outbound.resolving import GuardedResolver

__all__ = ["DirectHttp"]

_MOST_DRAINED_OCTETS: Final = 65_536
"""An answer up to this long is read to its end, so that the connection can be used again; a longer one is cut."""
_MOST_HEAD_OCTETS: Final = 32_768
_MOST_HEADERS: Final = 64
_KEEP_ALIVE_S: Final = 4.0
"""Below the 5 s after which common servers close an idle connection."""
_CONNECT_S: Final = 10.0
_DNS_KEPT_S: Final = 30.0
_NAMES_KEPT: Final = 10_000
_TARGETS_KEPT: Final = 10_000
_UPGRADE: Final = 101


class _Lost(Exception):
    """The connection ended before an answer began."""


class _Place:
    """A scheme, host and port: its idle connections, the newest last."""

    __slots__ = ("forgotten", "host", "idle", "port", "tls")

    def __init__(self, host: str, port: int, tls: bool) -> None:
        self.host = host
        self.port = port
        self.tls = tls
        self.idle: deque[_Connection] = deque()
        self.forgotten = False


class _Target:
    """A URL, worded once: the start of each request to it."""

    __slots__ = ("place", "start")

    def __init__(self, place: _Place, start: str) -> None:
        self.place = place
        self.start = start


class _Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    __slots__ = (
        "answered",
        "body",
        "closed",
        "complete",
        "done",
        "head_octets",
        "headers",
        "idle_since",
        "keep",
        "lost",
        "octets",
        "parser",
        "place",
        "reused",
        "started",
        "status",
        "transport",
        "waited_s",
    )

    def __init__(self, place: _Place, lost: Callable[[], None]) -> None:
        self.place = place
        self.lost = lost
        self.parser: Any = httptools.HttpResponseParser(self)
        self.transport: asyncio.Transport | None = None
        self.answered: asyncio.Future[Answer] | None = None
        self.idle_since = 0.0
        self.reused = False
        self.closed = False
        self._begin()

    def _begin(self) -> None:
        """Ready for the next answer."""
        self.started = False
        self.status = 0
        self.complete = False
        self.keep = False
        self.headers = 0
        self.head_octets = 0
        self.octets = 0
        self.body = b""
        self.waited_s: float | None = None

    def ask(self, request: bytes, answered: asyncio.Future[Answer]) -> None:
        """Writes a request; the answer comes through the future (:class:`_Lost`, :class:`HttpFailure`)."""
        if self.closed:  # the peer left before we could ask
            answered.set_exception(_Lost())
            return
        self.answered = answered
        assert self.transport is not None
        self.transport.write(request)

    def close(self) -> None:
        self.closed = True
        if self.transport is not None:
            self.transport.abort()

    # --- asyncio's side -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if self.answered is None:  # nobody asked: not a peer to talk with
            self.close()
            return
        if not self.started:
            self.head_octets += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._answer(keep=False)
            return
        except httptools.HttpParserError:
            if self.complete:  # octets behind the answer: it counts, the connection does not
                self._answer(keep=False)
                return
            self._fail(HttpFailure("bad_answer", "the answer was not HTTP as it should be"))
            return
        if self.complete:
            self._answer(keep=self.keep)
        elif self.octets > _MOST_DRAINED_OCTETS:
            self._answer(keep=False)
        elif not self.started and self.head_octets > _MOST_HEAD_OCTETS:
            self._fail(HttpFailure("bad_answer", "the answer's headers are too long"))

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        self.lost()
        if self.answered is None:
            with contextlib.suppress(ValueError):
                self.place.idle.remove(self)
        elif self.started:  # the status is known; a body may end with the connection
            self._answer(keep=False)
        else:
            self._fail(_Lost())

    # --- httptools' side ----------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers += 1
        if self.headers > _MOST_HEADERS:
            raise ValueError("too many headers")
        if len(name) == 11 and name.lower() == b"retry-after":
            self.waited_s = retry_after_s(value.decode("latin-1"), time.time())

    def on_headers_complete(self) -> None:
        if self.complete:
            raise ValueError("a second answer")
        self.status = status = self.parser.get_status_code()
        self.started = status >= 200 or status == _UPGRADE

    def on_body(self, body: bytes) -> None:
        if self.octets < MOST_BODY_OCTETS:
            self.body += body[: MOST_BODY_OCTETS - self.octets]
        self.octets += len(body)

    def on_message_complete(self) -> None:
        if self.started:
            self.complete = True
            self.keep = self.parser.should_keep_alive()
        else:  # 1xx: the answer itself follows
            self._begin()

    # --- the end of a request -----------------------------------------------------------------

    def _answer(self, *, keep: bool) -> None:
        answer = Answer(self.status, self.waited_s, self.body)
        answered, self.answered = self.answered, None
        self._begin()
        if not keep:
            self.close()
        if answered is not None and not answered.done():
            answered.set_result(answer)

    def _fail(self, error: Exception) -> None:
        answered, self.answered = self.answered, None
        self.close()
        if answered is not None and not answered.done():
            answered.set_exception(error)


class DirectHttp:
    """:class:`contracts.Http` on bare connections. ``connections`` bounds open sockets in all."""

    def __init__(self, *, allow_private_addresses: bool = False, connections: int = 1000) -> None:
        self._allow_private = allow_private_addresses
        self._most = connections
        self._open = 0
        self._places: dict[tuple[str, int, bool], _Place] = {}
        self._targets: dict[str, _Target] = {}
        self._names: dict[tuple[str, int], tuple[float, asyncio.Task[list[Any]]]] = {}
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
            except _Lost:
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
            await self._resolver.close()

    async def _ask(self, connection: _Connection, octets: bytes, deadline: float) -> Answer:
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Answer] = loop.create_future()
        alarm = loop.call_at(deadline, connection._fail, HttpFailure("timeout", "no answer in time"))
        connection.ask(octets, answered)
        try:
            return await answered
        except asyncio.CancelledError:
            connection.close()
            raise
        finally:
            alarm.cancel()

    # --- connections --------------------------------------------------------------------------

    def _kept(self, place: _Place, now: float) -> _Connection | None:
        """The connection that was used last, unless it has been idle for too long."""
        while place.idle:
            connection = place.idle.pop()
            if not connection.closed and now - connection.idle_since < _KEEP_ALIVE_S:
                connection.reused = True
                return connection
            connection.close()
        return None

    def _keep(self, connection: _Connection, loop: asyncio.AbstractEventLoop) -> None:
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

    async def _connect(self, place: _Place, deadline: float) -> _Connection:
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

    async def _connect_somewhere(self, place: _Place, loop: asyncio.AbstractEventLoop) -> _Connection:
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

    async def _connect_to(self, place: _Place, entry: Any, loop: asyncio.AbstractEventLoop) -> _Connection:
        with contextlib.ExitStack() as undo:
            sock = self._socket(entry)
            undo.callback(sock.close)
            self._open += 1
            undo.callback(self._lost)
            await loop.sock_connect(sock, (entry["host"], entry["port"]))
            _, protocol = await loop.create_connection(
                lambda: _Connection(place, self._lost),
                sock=sock,
                ssl=self._context() if place.tls else None,
                server_hostname=place.host.rstrip(".") if place.tls else None,
            )
            undo.pop_all()  # from here on the connection counts for itself
            return protocol

    def _lost(self) -> None:
        self._open -= 1

    def _socket(self, entry: Any) -> socket.socket:
        """A socket for this address, or none at all: here is the guard that nothing passes by."""
        if not (self._allow_private or is_public(entry["host"])):
            raise AddressRefused("the address is private or reserved")
        sock = socket.socket(entry["family"], socket.SOCK_STREAM, entry["proto"])
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    async def _look_up(self, place: _Place, loop: asyncio.AbstractEventLoop) -> list[Any]:
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
            place = self._places[key] = _Place(*key)
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
