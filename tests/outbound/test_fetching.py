"""Documents that the operator's addresses give: bounded in size and time, and nothing else."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from heliograph.contracts import HttpFailure
from heliograph.outbound import Fetching
from tests.certificates import Authority, folder


class Server:
    """A server with one trouble a path."""

    def __init__(self) -> None:
        self.url = ""
        self.seen: list[web.Request] = []
        self.never = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        match request.path:
            case "/good":
                return web.Response(body=b'{"a": 1}', headers={"Set-Cookie": "a=b"})
            case "/redirect":
                return web.Response(status=302, headers={"Location": "/good"})
            case "/large":
                return web.Response(body=b"x" * 101)
            case "/zipped":
                return web.Response(body=gzip.compress(b"x" * 1_000_000), headers={"Content-Encoding": "gzip"})
            case "/endless":
                response = web.StreamResponse()
                await response.prepare(request)
                while True:
                    await response.write(b"x" * 1_000)
            case "/silent":
                await self.never.wait()
        return web.Response(status=500)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", made.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    made.never.set()
    await runner.cleanup()


@pytest.fixture
async def fetching() -> AsyncIterator[Fetching]:
    made = Fetching(timeout_s=20)
    yield made
    await made.close()


async def test_a_document_is_given_whole_without_cookies(server: Server, fetching: Fetching) -> None:
    for _ in range(2):
        assert await fetching.get(f"{server.url}/good", 100) == b'{"a": 1}'
    assert "Cookie" not in server.seen[1].headers
    assert "json" in server.seen[1].headers["Accept"]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/redirect", "bad_answer"),
        ("/large", "bad_answer"),
        ("/endless", "bad_answer"),
        ("/wrong", "bad_answer"),
    ],
)
async def test_another_answer_is_a_failure(server: Server, fetching: Fetching, path: str, code: str) -> None:
    with pytest.raises(HttpFailure) as told:
        await fetching.get(server.url + path, 100)
    assert told.value.code == code
    assert server.url not in told.value.detail
    assert len(server.seen) == 1


async def test_nothing_is_unpacked(server: Server, fetching: Fetching) -> None:
    assert len(await fetching.get(f"{server.url}/zipped", 10_000)) < 10_000


async def test_an_answer_that_never_comes_is_not_waited_for(server: Server) -> None:
    fetching = Fetching(timeout_s=0.2)
    with pytest.raises(HttpFailure) as told:
        await fetching.get(f"{server.url}/silent", 100)
    assert told.value.code == "timeout"
    await fetching.close()


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://[", "ftp://127.0.0.1/", "http://", "http://a b/"])
async def test_what_can_not_be_reached_is_a_failure(fetching: Fetching, url: str) -> None:
    with pytest.raises(HttpFailure) as told:
        await fetching.get(url, 100)
    assert told.value.code == "unreachable"


async def test_a_certificate_that_nobody_vouches_for_is_a_failure(fetching: Fetching) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(Authority(folder()).issue("server", "127.0.0.1"))
    other = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    with pytest.raises(HttpFailure) as told:
        await fetching.get(f"https://127.0.0.1:{other.sockets[0].getsockname()[1]}/", 100)
    assert (told.value.code, "Certificate" in told.value.detail) == ("unreachable", True)
    other.close()


async def test_a_server_that_speaks_something_else_is_a_failure(fetching: Fetching) -> None:
    async def babble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\xff\x00SSH-2.0\r\n\r\n")
        writer.close()

    other = await asyncio.start_server(babble, "127.0.0.1", 0)
    with pytest.raises(HttpFailure) as told:
        await fetching.get(f"http://127.0.0.1:{other.sockets[0].getsockname()[1]}/", 100)
    assert told.value.code == "unreachable"
    other.close()
    await other.wait_closed()
