"""One HTTP connection: uvicorn's protocol with limits of time and size, and a straight way to busy endpoints.

A request to a door is answered without a scope, a cycle of events or a framework: that halves what it
costs. Whatever is unusual about it (an old version, a wish to upgrade, one request behind another)
goes the ordinary way, to the same functions behind FastAPI.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import partial
from http import HTTPStatus
from typing import Any, ClassVar, Final, cast

import httptools
from msgspec import Struct
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from heliograph.access.unseen import Unseen
from heliograph.bursts import Burst
from heliograph.errors import RequestRejected
from heliograph.ingress.doors import Door
from heliograph.ingress.rest.calls import Call
from heliograph.ingress.rest.problems import Reply, refusal

__all__ = ["HEADER_OCTETS", "Connection", "HttpLimits"]

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


class _Nobody:
    """An event that nobody waits for: uvicorn sets one when a connection is lost."""

    def set(self) -> None: ...


class _Straight(Struct, eq=False):
    """A request at a door, standing where uvicorn keeps its cycle (and reads and sets some of the same fields)."""

    message_event: ClassVar = _Nobody()

    door: Door
    keep_alive: bool
    authorization: bytes | None
    idempotency_key: bytes | None
    origin: bytes | None
    chunks: list[bytes] = []
    octets: int = 0
    disconnected: bool = False
    response_complete: bool = False
    held: bool = False
    whole: bool = False


class _Heads:
    """The beginnings of answers, up to their length: the same for all until uvicorn writes another date."""

    __slots__ = ("_defaults", "_known")

    def __init__(self) -> None:
        self._defaults: object = None
        self._known: dict[tuple[int, bytes], bytes] = {}

    def of(self, status: int, media_type: bytes, defaults: list[tuple[bytes, bytes]]) -> bytes:
        """``defaults``: the headers that every answer has, another list with each change."""
        if self._defaults is not defaults:
            self._defaults, self._known = defaults, {}
        head = self._known.get((status, media_type))
        if head is None:
            line = b"HTTP/1.1 %d %s" % (status, HTTPStatus(status).phrase.encode())
            fields = [(b"content-type", media_type), *defaults]
            head = b"\r\n".join([line, *(b"%s: %s" % field for field in fields), b"content-length: "])
            self._known[status, media_type] = head
        return head


_heads: Final = _Heads()


class Connection(HttpToolsProtocol):
    """One connection, telling the sweep since when it waits for what."""

    limits: ClassVar[HttpLimits]
    doors: ClassVar[Mapping[bytes, Door]]
    burst: ClassVar[Burst]
    """Answers of straight requests. What goes the ordinary way is written by a task, and so behind it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._peer = None if self.client is None else self.client[0]
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
        self._phase = _Phase.ANSWER
        self._write(refusal(error), keep_alive=False)

    def _write(self, reply: Reply, *, keep_alive: bool) -> None:
        body, more = reply.body, b""
        if reply.headers or not keep_alive:
            fields = reply.headers if keep_alive else (*reply.headers, (b"connection", b"close"))
            more = b"".join([b"%s: %s\r\n" % field for field in fields])
        head = _heads.of(reply.status, reply.media_type, self.server_state.default_headers)
        octets = b"%s%d\r\n%s\r\n%s" % (head, len(body), more, body)
        self.burst.write(self.transport, octets)
        if not keep_alive:
            self.burst.flush()
            self.transport.close()

    # --- a request arrives -------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        door = self.doors.get(self.url)
        self._enter(_Phase.BODY)
        if door is not None:
            headers = dict(self.headers)
            if self._is_usual(headers):
                self._enter_door(door, headers)
                return
        self._enter_application()

    def _is_usual(self, headers: Mapping[bytes, bytes]) -> bool:
        parser = self.parser
        return (
            (self.cycle is None or self.cycle.response_complete)
            and parser.get_method() == b"POST"
            and parser.get_http_version() == "1.1"
            and b"expect" not in headers
            and not parser.should_upgrade()
        )

    def _enter_application(self) -> None:
        url, headers = self.url, self.headers
        super().on_message_begin()
        self.url = url
        for name, value in headers:
            super().on_header(name, value)
        super().on_headers_complete()

    def _enter_door(self, door: Door, headers: Mapping[bytes, bytes]) -> None:
        get = headers.get
        one = _Straight(
            door, self.parser.should_keep_alive(), get(b"authorization"), get(b"idempotency-key"), get(b"origin")
        )
        self.cycle = cast(Any, one)
        declared = int(get(b"content-length", 0))
        if declared > door.most_octets:
            self._bar(one, declared)

    def _bar(self, one: _Straight, octets: int) -> None:
        """Answers now if this body may not come; what still comes of it is read and dropped."""
        if one.held:
            return
        try:
            reply = one.door.bar(one.authorization, octets, self._peer, one.origin)
        except Unseen as unseen:
            one.held = True
            self.flow.pause_reading()
            self._keep(self.loop.create_task(self._meet(one, octets, unseen)))
            return
        if reply is not None:
            one.chunks.clear()
            self._finish(one, reply)

    async def _meet(self, one: _Straight, octets: int, unseen: Unseen) -> None:
        """No more of a body is read until the token before it is verified."""
        reply = await one.door.meet(unseen)
        one.held = False
        self.flow.resume_reading()
        if one.disconnected or one.response_complete or one.whole:
            return
        if reply is None:
            self._bar(one, max(octets, one.octets))
        else:
            one.chunks.clear()
            self._finish(one, reply)

    def _keep(self, task: asyncio.Task[None]) -> None:
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def on_body(self, body: bytes) -> None:
        one: object = self.cycle
        if type(one) is not _Straight:
            super().on_body(body)
        elif not one.response_complete:
            one.chunks.append(body)
            one.octets += len(body)
            if len(one.chunks) == 2 or one.octets > one.door.most_octets:
                self._bar(one, one.octets)

    def on_message_complete(self) -> None:
        one: object = self.cycle
        if type(one) is not _Straight:
            super().on_message_complete()
        elif not one.response_complete:
            one.whole = True
            self._open(one)
        self._enter(_Phase.IDLE if self.cycle.response_complete else _Phase.ANSWER)

    # --- and is answered ---------------------------------------------------------------------------

    def _open(self, one: _Straight) -> None:
        chunks, door = one.chunks, one.door
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        call = Call("POST", door.path, body, one.authorization, one.idempotency_key, self._peer, one.origin)
        if not door.open(call, partial(self._answer, one)):
            self._keep(self.loop.create_task(self._ask(one, call)))

    async def _ask(self, one: _Straight, call: Call) -> None:
        self._answer(one, await one.door.reply(call))

    def _answer(self, one: _Straight, reply: Reply) -> None:
        if one.disconnected:
            return
        if self.flow.write_paused:
            self._keep(self.loop.create_task(self._drain(one, reply)))
        else:
            self._finish(one, reply)

    async def _drain(self, one: _Straight, reply: Reply) -> None:
        """An answer for a peer that has not taken the one before."""
        await self.flow.drain()
        if not one.disconnected:
            self._finish(one, reply)

    def _finish(self, one: _Straight, reply: Reply) -> None:
        self._write(reply, keep_alive=one.keep_alive)
        one.response_complete = True
        self.on_response_complete()

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

    def resume_writing(self) -> None:
        """The peer took what was waiting: a long answer to a slow reader goes on."""
        super().resume_writing()
        self._stuck_since = None

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

    def shutdown(self) -> None:
        """The server stops: what was answered is written first."""
        self.burst.flush()
        super().shutdown()

    def end(self) -> None:
        """Closes a connection that is late: gently where nothing is under way."""
        if self._phase is _Phase.IDLE and not self.transport.is_closing():
            self.transport.close()
        else:
            self.transport.abort()
