"""A stand-in for the server: takes messages over HTTP and says yes, without keeping anything."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Answering:
    """Counts what it is sent; ``codes`` gives the answers in turn, the last one for ever."""

    def __init__(self, *codes: int) -> None:
        self.codes = list(codes) or [202]
        self.bodies: list[dict[str, object]] = []
        self.keys: set[str] = set()
        self.drop_after = 0
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:] if line)
                body = json.loads(await reader.readexactly(int(fields["Content-Length"])))
                self.bodies.append(body)
                self.keys.add(fields["Authorization"])
                if self.drop_after and len(self.bodies) == self.drop_after:
                    break
                code = self.codes.pop(0) if len(self.codes) > 1 else self.codes[0]
                answer = json.dumps(self._answer(body, code)).encode()
                writer.write(b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n" % (code, len(answer)) + answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()

    def _answer(self, body: dict[str, object], code: int) -> dict[str, object]:
        messages = body.get("messages")
        if isinstance(messages, list):
            results: list[dict[str, object]] = [{"id": f"m{at}"} for at in range(len(messages))]
            results[-1] = {"code": "number_unknown", "status": 422}
            return {"results": results}
        return {"id": "m1", "state": "queued"} if code == 202 else {"code": "overloaded"}


@asynccontextmanager
async def answering(*codes: int) -> AsyncIterator[Answering]:
    """A stand-in on a port of its own."""
    stand_in = Answering(*codes)
    server = await asyncio.start_server(stand_in.serve, "127.0.0.1", 0)
    stand_in.port = server.sockets[0].getsockname()[1]
    async with server:
        yield stand_in
