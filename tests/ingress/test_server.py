"""The server over real sockets: who is slow is closed, and disturbs nobody."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from heliograph.contracts import ListFilter
from heliograph.errors import ConfigError
from heliograph.ingress.server import HEADER_OCTETS, HttpLimits, HttpServer
from tests.ingress.house import House

HOST = "127.0.0.1"
REQUEST = b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the octets it got; ``/large`` with a megabyte."""
    got = b""
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            return
        got += event["body"]
        if not event.get("more_body"):
            break
    body = b"x" * 1_000_000 if scope["path"] == "/large" else got
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Running:
    """A server, its port, and the limits by which it closed connections."""

    def __init__(self, server: HttpServer, port: int, closed: list[str]) -> None:
        self.server = server
        self.port = port
        self.closed = closed

    async def open(self, octets: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(HOST, self.port)
        writer.write(octets)
        await writer.drain()
        return reader, writer

    async def settle(self, connections: int) -> None:
        """Until the server sees this many connections."""
        async with asyncio.timeout(5):
            while self.server.connections != connections:
                await asyncio.sleep(0.005)

    async def waiting(self, limit: str, connections: int = 1) -> None:
        """Until this many connections are under this limit."""
        async with asyncio.timeout(5):
            while sum(one._phase.value == limit for one in self.protocols()) != connections:
                await asyncio.sleep(0.005)

    def protocols(self) -> list[Any]:
        return list(self.server._server.server_state.connections)

    async def later(self, seconds: float) -> None:
        """A sweep as it will be after this time."""
        await self.server.sweep(asyncio.get_running_loop().time() + seconds)


@contextlib.asynccontextmanager
async def running(**limits: Any) -> AsyncIterator[Running]:
    closed: list[str] = []
    server = HttpServer(application, host=HOST, port=0, limits=HttpLimits(**limits), closed=closed.append)
    url = await server.start()
    try:
        yield Running(server, int(url.rpartition(":")[2]), closed)
    finally:
        await server.stop()


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return int(head.split()[1]), await reader.readexactly(length)


async def is_closed(reader: asyncio.StreamReader) -> bool:
    try:
        async with asyncio.timeout(5):
            return await reader.read() == b""
    except ConnectionError:
        return True


async def test_what_came_in_time_is_read_before_its_sender_is_called_late() -> None:
    async with running() as http:
        with socket.create_connection((HOST, http.port)) as client:
            await http.waiting("header_timeout")
            client.sendall(REQUEST)  # the loop is here: it has not seen it yet
            await http.later(11)
            assert http.closed == []
            client.settimeout(10)
            assert (await asyncio.to_thread(client.recv, 12)) == b"HTTP/1.1 200"


async def test_requests_are_answered_one_after_the_other_on_one_connection() -> None:
    async with running() as http:
        reader, writer = await http.open(REQUEST + REQUEST)
        assert await answer(reader) == (200, b"hello")
        assert await answer(reader) == (200, b"hello")
        writer.write(REQUEST)
        assert await answer(reader) == (200, b"hello")
        await http.later(74)
        writer.write(REQUEST)
        assert await answer(reader) == (200, b"hello")
        writer.close()


@pytest.mark.parametrize(
    ("octets", "allowed_s", "limit"),
    [
        (b"", 10, "header_timeout"),
        (b"POST /v1/mess", 10, "header_timeout"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nX-Slow: ", 10, "header_timeout"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhel", 30, "body_timeout"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", 30, "body_timeout"),
    ],
)
async def test_requests_that_never_end_are_closed(octets: bytes, allowed_s: float, limit: str) -> None:
    async with running() as http:
        reader, writer = await http.open(octets)
        await http.waiting(limit)
        await http.later(allowed_s / 2)
        assert http.closed == []
        await http.later(allowed_s + 0.5)
        assert http.closed == [limit]
        assert await is_closed(reader)
        writer.close()


async def test_idle_connections_are_closed_and_empty_lines_keep_none_open() -> None:
    async with running() as http:
        reader, writer = await http.open(REQUEST)
        assert (await answer(reader))[0] == 200
        await http.waiting("idle_timeout")
        await http.later(76)
        assert await is_closed(reader)
        reader, writer = await http.open(REQUEST)
        assert (await answer(reader))[0] == 200
        writer.write(b"\r\n\r\n")
        await http.waiting("header_timeout")
        await http.later(11)
        assert http.closed == ["idle_timeout", "header_timeout"]
        assert await is_closed(reader)


async def test_a_client_that_does_not_read_its_answers_is_closed() -> None:
    async with running() as http:
        raw = socket.create_connection((HOST, http.port))
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n" * 40)
        await http.settle(1)
        async with asyncio.timeout(5):
            while not any(one.flow.write_paused for one in http.protocols()):
                await asyncio.sleep(0.005)
        await http.later(0)
        await http.later(15)
        assert http.closed == []
        await http.later(31)
        assert http.closed == ["write_timeout"]
        await http.settle(0)
        raw.close()


async def test_headers_over_their_bound_are_refused() -> None:
    async with running() as http:
        reader, writer = await http.open(b"GET / HTTP/1.1\r\n")
        writer.write(b"X-Long: " + b"a" * (HEADER_OCTETS + 1))
        status, body = await answer(reader)
        assert (status, json.loads(body)["code"]) == (431, "headers_too_large")
        assert await is_closed(reader)


@pytest.mark.parametrize(
    "octets",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20,
        b"HELO example.com\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_what_is_no_http_is_told_so_and_closed(octets: bytes) -> None:
    async with running() as http:
        reader, _writer = await http.open(octets)
        raw = await reader.read()
        assert b"400" in raw
        assert b"http_invalid" in raw


async def test_a_wish_to_upgrade_is_answered_as_an_ordinary_request() -> None:
    async with running() as http:
        upgrade = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        reader, _writer = await http.open(upgrade)
        assert (await answer(reader))[0] == 200
        assert await is_closed(reader)


async def test_connections_over_the_limit_are_closed() -> None:
    async with running(connections=2) as http:
        held = [await http.open(), await http.open()]
        await http.settle(2)
        third, writer = await http.open()
        assert await is_closed(third)
        assert not any(reader.at_eof() for reader, _ in held)
        for _, one in (*held, (third, writer)):
            one.close()


async def test_a_thousand_slow_clients_disturb_nobody() -> None:
    async with running() as http:
        half = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{"
        slow = [await http.open(half if at % 2 else b"POST / HT") for at in range(1_000)]
        await http.waiting("header_timeout", 500)
        await http.waiting("body_timeout", 500)
        reader, writer = await http.open()
        for _ in range(50):
            writer.write(REQUEST)
            assert await answer(reader) == (200, b"hello")
        await http.later(20)
        await http.settle(501)
        await http.later(31)
        await http.settle(1)
        writer.write(REQUEST)
        assert await answer(reader) == (200, b"hello")
        assert sorted(set(http.closed)) == ["body_timeout", "header_timeout"]
        assert len(http.closed) == 1_000
        for _, one in slow:
            one.close()


async def test_a_taken_port_is_a_fault_with_a_remedy() -> None:
    async with running() as http:
        with pytest.raises(ConfigError, match=f"cannot listen on {HOST}:{http.port}: Address already in use"):
            await HttpServer(application, host=HOST, port=http.port).start()


async def test_stopping_answers_what_was_asked() -> None:
    async with running() as http:
        reader, writer = await http.open(REQUEST[:-2])
        await http.waiting("body_timeout")
        stopping = asyncio.create_task(http.server.stop())
        writer.write(REQUEST[-2:])
        assert await answer(reader) == (200, b"hello")
        assert await is_closed(reader)
        await stopping


# --- doors ------------------------------------------------------------------------------------------
POST = "POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Length: {size}\r\n{more}\r\n"
BODY = b'{"to":"+4915112345678","from":"Helio","text":"hello"}'


@contextlib.asynccontextmanager
async def door(api: House, more: str = "") -> AsyncIterator[tuple[bytes, Any, Any]]:
    """A request to a door, and a connection to the server."""
    port = int((await api.server.start()).rpartition(":")[2])
    reader, writer = await asyncio.open_connection(HOST, port)
    yield POST.format(key=api.key, size=len(BODY), more=more).encode() + BODY, reader, writer
    writer.close()


async def test_requests_behind_each_other_are_answered_in_order(api: House) -> None:
    async with door(api) as (request, reader, writer):
        health = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
        writer.write(request + request + health + request + health)
        answers = [await answer(reader) for _ in range(5)]
        assert [status for status, _ in answers] == [202, 202, 200, 202, 200]
        assert len({json.loads(body)["id"] for status, body in answers if status == 202}) == 3


async def test_a_request_octet_by_octet_is_the_same_request(api: House) -> None:
    async with door(api) as (request, reader, writer):
        for octet in request:
            writer.write(bytes([octet]))
            await writer.drain()
        assert (await answer(reader))[0] == 202
        writer.write(request)
        assert (await answer(reader))[0] == 202


@pytest.mark.parametrize("more", ["Connection: close\r\n", "Expect: 100-continue\r\n"])
async def test_unusual_requests_at_a_door_are_answered_too(api: House, more: str) -> None:
    async with door(api, more) as (request, reader, writer):
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 100 " in head:
            head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 202 Accepted\r\n")
        if more.startswith("Connection"):
            assert b"connection: close" in head
            assert b"hello" not in await reader.read()


async def test_a_body_behind_a_wish_to_upgrade_is_refused_and_never_half_read(api: House) -> None:
    async with door(api, "Upgrade: h2c\r\nConnection: upgrade\r\n") as (request, reader, writer):
        writer.write(request)
        assert (await answer(reader))[0] == 400
        assert await is_closed(reader)
        assert (await api.store.messages(1, ListFilter())).records == ()


async def test_an_old_client_is_answered(api: House) -> None:
    async with door(api) as (request, reader, writer):
        writer.write(request.replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert b"202" in await reader.read()


async def test_a_refused_body_is_dropped_and_the_next_request_answered(api: House) -> None:
    async with door(api) as (request, reader, writer):
        large = POST.format(key=api.key, size=200_000, more="").encode()
        writer.write(large + b"x" * 100_000)
        assert (await answer(reader))[0] == 413
        writer.write(b"x" * 100_000 + request)
        assert (await answer(reader))[0] == 202


async def test_a_client_that_leaves_before_its_answer_leaves_nothing_behind(api: House) -> None:
    async with door(api) as (request, _, writer):
        writer.write(request)
        writer.transport.abort()
        async with asyncio.timeout(5):
            while not (await api.store.messages(1, ListFilter())).records or api.server.connections:
                await asyncio.sleep(0.005)


async def test_what_is_answered_is_written_before_a_refusal_behind_it(api: House) -> None:
    async with door(api) as (request, reader, writer):
        writer.write(request.replace(api.key.encode(), b"wrong") + b"\0 is no request\r\n\r\n")
        assert [(await answer(reader))[0] for _ in range(2)] == [401, 400]
        assert await is_closed(reader)


async def test_what_is_answered_is_written_before_the_server_stops(api: House) -> None:
    async with door(api) as (request, reader, _):
        (connection,) = api.server._server.server_state.connections
        connection.data_received(request.replace(api.key.encode(), b"wrong"))
        connection.shutdown()
        assert (await answer(reader))[0] == 401
        assert await is_closed(reader)
