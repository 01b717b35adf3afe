"""The helper process: makes the requests that the program hands it, and knows nothing else.

``python -m heliograph.outbound.helper`` speaks :mod:`heliograph.outbound.frames` on standard input, which
is a socket. It has no store, no configuration and no secret, and ends when the program does.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from typing import Any

from heliograph.contracts import Http, HttpFailure, Post
from heliograph.outbound.direct import DirectHttp
from heliograph.outbound.frames import ALLOW_PRIVATE, Asked, Frames, Told, framed

__all__ = ["Helper", "main"]


class Helper(asyncio.Protocol):
    """Answers frames of requests with frames of answers, in the order in which they come."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self._frames = Frames(Asked)
        self._told: list[Told] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._transport: asyncio.Transport | None = None
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        for asked in self._frames.feed(data):
            for request in asked:
                task = loop.create_task(self._answer(request))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def connection_lost(self, error: Exception | None) -> None:
        for task in self._tasks:
            task.cancel()
        if not self.ended.done():
            self.ended.set_result(None)

    async def _answer(self, request: Asked) -> None:
        try:
            answer = await self._http.post(Post(request.url, request.headers, request.body, request.timeout_s))
            told = Told(request.number, answer.status, answer.retry_after_s, answer.body)
        except HttpFailure as failure:
            told = Told(request.number, code=failure.code, detail=failure.detail)
        if not self._told:
            asyncio.get_running_loop().call_soon(self._flush)
        self._told.append(told)

    def _flush(self) -> None:
        told, self._told = self._told, []
        if self._transport is not None:
            self._transport.write(framed(told))


async def _serve(channel: socket.socket, http: Http) -> None:
    loop = asyncio.get_running_loop()
    _, helper = await loop.create_connection(lambda: Helper(http), sock=channel)
    await helper.ended
    await http.close()


def main(arguments: list[str]) -> None:
    """Runs until the program closes its end."""
    import uvloop

    for stop in (signal.SIGINT, signal.SIGTERM):  # meant for the program, which finishes with us first
        signal.signal(stop, signal.SIG_IGN)
    http: Any = DirectHttp(allow_private_addresses=ALLOW_PRIVATE in arguments)
    uvloop.run(_serve(socket.socket(fileno=0), http))


if __name__ == "__main__":
    main(sys.argv[1:])
