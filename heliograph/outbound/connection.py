"""One outgoing connection: a request is written, the answer parsed by llhttp and bounded in every part."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import httptools

from heliograph.bursts import Burst
from heliograph.contracts import Answer, HttpFailure
from heliograph.outbound.waits import retry_after_s

__all__ = ["MOST_BODY_OCTETS", "Connection", "Lost", "Place"]

MOST_BODY_OCTETS: Final = 4096
"""What is kept of an answer."""
_MOST_DRAINED_OCTETS: Final = 65_536
"""An answer up to this long is read to its end, so that the connection can be used again; a longer one is cut."""
_MOST_HEAD_OCTETS: Final = 32_768
_MOST_HEADERS: Final = 64
_UPGRADE: Final = 101


class Lost(Exception):
    """The connection ended before an answer began."""


class Place:
    """A scheme, host and port: its idle connections, the newest last. ``forgotten``: nobody looks here any more."""

    __slots__ = ("forgotten", "host", "idle", "port", "tls")

    def __init__(self, host: str, port: int, tls: bool) -> None:
        self.host = host
        self.port = port
        self.tls = tls
        self.idle: deque[Connection] = deque()
        self.forgotten = False


class Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    __slots__ = (
        "answered",
        "body",
        "burst",
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

    def __init__(self, place: Place, lost: Callable[[], None], burst: Burst) -> None:
        self.place = place
        self.burst = burst
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
        """Writes a request, beside others of this turn. The future gets the answer, `Lost` or `HttpFailure`."""
        if self.closed:  # the peer left before we could ask
            answered.set_exception(Lost())
            return
        self.answered = answered
        assert self.transport is not None
        self.burst.write(self.transport, request)

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
            self.fail(HttpFailure("bad_answer", "the answer was not HTTP as it should be"))
            return
        if self.complete:
            self._answer(keep=self.keep)
        elif self.octets > _MOST_DRAINED_OCTETS:
            self._answer(keep=False)
        elif not self.started and self.head_octets > _MOST_HEAD_OCTETS:
            self.fail(HttpFailure("bad_answer", "the answer's headers are too long"))

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        self.lost()
        if self.answered is None:
            with contextlib.suppress(ValueError):
                self.place.idle.remove(self)
        elif self.started:  # the status is known; a body may end with the connection
            self._answer(keep=False)
        else:
            self.fail(Lost())

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

    def fail(self, error: Exception) -> None:
        answered, self.answered = self.answered, None
        self.close()
        if answered is not None and not answered.done():
            answered.set_exception(error)
