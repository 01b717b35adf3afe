"""Outgoing HTTP that moves to a helper process while there is much of it.

Below a rate the requests are made here; above it a helper is started, and stopped when it is not needed any
more. A helper that dies loses nothing: what it had not answered is made here at once, as it was asked, in
the time that is left. So a request can arrive twice, and its caller never hears of the helper.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
from collections.abc import Callable
from typing import Final

import msgspec

from heliograph.contracts import Answer, Http, HttpFailure, Post
from heliograph.outbound.frames import ALLOW_PRIVATE, Asked, Frames, Told, framed

__all__ = ["HelperHttp"]

_log = logging.getLogger("heliograph.outbound")

_LOOK_S: Final = 1.0
_GRACE_S: Final = 5.0
"""After a request's own time: then the helper hangs, and is ended."""
_STOP_S: Final = 2.0
_MOST_PENDING: Final = 2000
_MOST_BACKOFF_S: Final = 60.0


class _Ended(Exception):
    """The helper ended before it answered. ``left_until`` is the loop's time at which the request's own time ends."""

    def __init__(self, left_until: float) -> None:
        self.left_until = left_until


class _Channel(asyncio.Protocol):
    """Our end of the pipe: numbers requests, matches answers."""

    def __init__(self, lost: Callable[[], None]) -> None:
        self._lost = lost
        self._frames = Frames(Told)
        self._transport: asyncio.Transport | None = None
        self._asked: list[Asked] = []
        self._number = 0
        self.pending: dict[int, tuple[float, asyncio.Future[Answer]]] = {}
        """Number → (when it hangs, the waiter), oldest first."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._frames.feed(data):
                for told in frame:
                    self._tell(told)
        except ValueError:
            _log.exception("the helper speaks no sense")
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        waiting, self.pending = self.pending, {}
        for hangs_at, answered in waiting.values():
            if not answered.done():
                answered.set_exception(_Ended(hangs_at - _GRACE_S))
        self._lost()

    async def ask(self, request: Post) -> Answer:
        loop = asyncio.get_running_loop()
        self._number = number = self._number + 1
        answered: asyncio.Future[Answer] = loop.create_future()
        self.pending[number] = (loop.time() + request.timeout_s + _GRACE_S, answered)
        if not self._asked:
            loop.call_soon(self._flush)
        headers = request.headers if type(request.headers) is dict else dict(request.headers)
        self._asked.append(Asked(number, request.url, headers, request.body, request.timeout_s))
        return await answered

    def hangs(self, now: float) -> bool:
        """Whether an answer is overdue that the helper's own time limit should have given."""
        return any(due < now for due, _ in self.pending.values())

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _flush(self) -> None:
        asked, self._asked = self._asked, []
        if self._transport is not None:
            self._transport.write(framed(asked))

    def _tell(self, told: Told) -> None:
        waiting = self.pending.pop(told.number, None)
        if waiting is None or waiting[1].done():
            return
        if told.code is None:
            waiting[1].set_result(Answer(told.status, told.retry_after_s, told.body))
        else:
            waiting[1].set_exception(HttpFailure(told.code, told.detail))


class HelperHttp:
    """:class:`contracts.Http`: ``local`` below ``starts_at`` requests a second, a helper process above.

    The helper is stopped after ``idle_s`` below half of that rate.
    """

    def __init__(
        self, local: Http, *, allow_private_addresses: bool = False, starts_at: float = 4000.0, idle_s: float = 30.0
    ) -> None:
        self._local = local
        self._allow_private = allow_private_addresses
        self._starts_at = starts_at
        self._idle_s = idle_s
        self._channel: _Channel | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._starting: asyncio.Task[None] | None = None
        self._looker: asyncio.TimerHandle | None = None
        self._requests = 0
        self._quiet_looks = 0
        self._failures = 0
        self._not_before = 0.0
        self._closed = False

    @property
    def helping(self) -> bool:
        """Whether requests go to the helper now."""
        return self._channel is not None

    @property
    def helper_pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    async def post(self, request: Post) -> Answer:
        """Raises :class:`HttpFailure`."""
        self._requests += 1
        if self._looker is None and not self._closed:
            self._looker = asyncio.get_running_loop().call_later(_LOOK_S, self._look)
        channel = self._channel
        if channel is None or len(channel.pending) >= _MOST_PENDING:
            return await self._local.post(request)
        try:
            return await channel.ask(request)
        except _Ended as ended:
            return await self._post_here(request, ended.left_until)

    async def _post_here(self, request: Post, until: float) -> Answer:
        if self._closed:
            raise HttpFailure("unreachable", "the program is stopping")
        left_s = until - asyncio.get_running_loop().time()
        if left_s <= 0.0:
            raise HttpFailure("timeout", "no answer in time")
        return await self._local.post(msgspec.structs.replace(request, timeout_s=left_s))

    async def start_helper(self) -> None:
        """Starts the helper now, whatever the rate. Nothing happens where it runs."""
        if self._channel is not None or self._closed:
            return
        ours, theirs = socket.socketpair()
        arguments = ["-m", "heliograph.outbound.helper", *([ALLOW_PRIVATE] if self._allow_private else [])]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HELIOGRAPH")}
        try:
            with theirs:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    *arguments,
                    stdin=theirs.fileno(),
                    stdout=asyncio.subprocess.DEVNULL,
                    env=environment,
                )
            _, self._channel = await asyncio.get_running_loop().create_connection(
                lambda: _Channel(self._helper_lost), sock=ours
            )
        except BaseException:
            ours.close()
            raise
        self._quiet_looks = 0

    async def stop_helper(self) -> None:
        """Ends the helper; what it has not answered is made here."""
        channel, self._channel = self._channel, None
        process, self._process = self._process, None
        if channel is not None:
            channel.close()
        if process is not None:
            await _end(process)

    async def close(self) -> None:
        self._closed = True
        if self._looker is not None:
            self._looker.cancel()
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        await self.stop_helper()
        await self._local.close()

    # --- looking after it ---------------------------------------------------------------------

    def _look(self) -> None:
        """Once a second: is there much to do, does the helper still answer, is it still needed?"""
        loop = asyncio.get_running_loop()
        rate, self._requests = self._requests / _LOOK_S, 0
        channel = self._channel
        if channel is None:
            if rate >= self._starts_at and loop.time() >= self._not_before and self._starting is None:
                self._starting = loop.create_task(self._begin(self.start_helper()))
        elif channel.hangs(loop.time()):
            _log.warning("the helper process does not answer and is ended")
            channel.close()
        else:
            self._quiet_looks = self._quiet_looks + 1 if rate < self._starts_at / 2 else 0
            if self._quiet_looks * _LOOK_S >= self._idle_s and not channel.pending and self._starting is None:
                self._starting = loop.create_task(self._begin(self.stop_helper()))
        busy = rate or self._channel is not None or self._starting is not None
        self._looker = loop.call_later(_LOOK_S, self._look) if busy and not self._closed else None

    async def _begin(self, change: object) -> None:
        try:
            await change  # type: ignore[misc]
            self._failures = 0
        except OSError as error:
            _log.warning("the helper process could not be started: %s", error)
            self._back_off()
        finally:
            self._starting = None

    def _helper_lost(self) -> None:
        """It died, or was ended: requests are made here until it is started again."""
        self._channel = None
        process, self._process = self._process, None
        if process is not None and not self._closed:
            _log.warning("the helper process ended, its requests are made here again")
            self._back_off()
            self._starting = asyncio.get_running_loop().create_task(self._begin(_end(process)))

    def _back_off(self) -> None:
        self._failures += 1
        wait_s = min(_MOST_BACKOFF_S, 2.0 ** min(self._failures, 10))
        self._not_before = asyncio.get_running_loop().time() + wait_s


async def _end(process: asyncio.subprocess.Process) -> None:
    """Waits for a process whose pipe is closed, and ends it where it does not go."""
    try:
        await asyncio.wait_for(process.wait(), _STOP_S)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
