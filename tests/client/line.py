"""A bad line between a client and a server: it forwards requests, and does to answers what a test says."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

__all__ = ["BadLine", "bad_line"]


class BadLine:
    """One deed for each request in turn, and the truth afterwards.

    ``cut``: the request arrives, its answer does not. ``refuse``: the connection ends before anything is forwarded.
    ``hang``: the request arrives, the answer never comes. Octets are an answer in the server's place.
    """

    def __init__(self, server_url: str, *deeds: str | bytes) -> None:
        split = urlsplit(server_url)
        self._server = (split.hostname, split.port)
        self._deeds = list(deeds)
        self.requests: list[bytes] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError), contextlib.closing(writer):
            while True:
                request = await _read(reader)
                self.requests.append(request)
                deed = self._deeds.pop(0) if self._deeds else "forward"
                if deed == "refuse":
                    return
                if isinstance(deed, bytes):
                    writer.write(deed)
                    continue
                answer = await self._forward(request)
                if deed == "cut":
                    return
                if deed == "hang":
                    await reader.read(1)  # until the client has enough of it
                    return
                writer.write(answer)

    async def _forward(self, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(*self._server)
        with contextlib.closing(writer):
            writer.write(request)
            return await _read(reader)


async def _read(reader: asyncio.StreamReader) -> bytes:
    """A request or an answer, with its body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    return head + await reader.readexactly(length)


def refusal(status: int, code: str, *headers: str) -> bytes:
    """An answer with a problem."""
    body = f'{{"status":{status},"code":"{code}","title":"No.","detail":"Not now."}}'
    lines = (
        f"HTTP/1.1 {status} No",
        "Content-Type: application/problem+json",
        f"Content-Length: {len(body)}",
        *headers,
    )
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


@contextlib.asynccontextmanager
async def bad_line(server_url: str, *deeds: str | bytes) -> AsyncIterator[BadLine]:
    """A line that listens on loopback."""
    line = BadLine(server_url, *deeds)
    server = await asyncio.start_server(line.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    line.url = f"http://{host}:{port}"
    try:
        yield line
    finally:
        server.close()
