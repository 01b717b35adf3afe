"""A sink on loopback that behaves as badly as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Sink:
    """Keeps what it got: (path, headers, body)."""

    port: int = 0
    seen: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    connections: set[object] = field(default_factory=set)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"


async def _hang(sink: Sink, _: web.Request) -> web.StreamResponse:
    await sink.released.wait()
    return web.Response()


async def _redirect(_: Sink, __: web.Request) -> web.StreamResponse:
    return web.Response(status=302, headers={"location": "/ok"})


async def _huge(_: Sink, request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    try:
        for _ in range(160):
            await response.write(b"x" * 65_536)
    except ConnectionError:
        pass
    return response


async def _medium(_: Sink, __: web.Request) -> web.StreamResponse:
    return web.Response(body=b"m" * 20_000)


async def _throttle(_: Sink, __: web.Request) -> web.StreamResponse:
    return web.Response(status=429, headers={"retry-after": "120"}, text="slow down")


async def _slam(_: Sink, request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def _trickle(sink: Sink, request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"first")
    await sink.released.wait()
    return response


async def _cookie(_: Sink, __: web.Request) -> web.StreamResponse:
    return web.Response(headers={"set-cookie": "a=b", "content-encoding": "gzip"}, body=b"not gzip at all")


async def _headers(_: Sink, __: web.Request) -> web.StreamResponse:
    return web.Response(headers={f"x-{number}": "v" * 100 for number in range(500)})


async def _ok(_: Sink, __: web.Request) -> web.StreamResponse:
    return web.Response(text="thanks")


_BEHAVIOURS = {
    "/hang": _hang,
    "/redirect": _redirect,
    "/huge": _huge,
    "/medium": _medium,
    "/throttle": _throttle,
    "/slam": _slam,
    "/trickle": _trickle,
    "/cookie": _cookie,
    "/headers": _headers,
}


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    kept = Sink()

    async def answer(request: web.Request) -> web.StreamResponse:
        kept.seen.append((request.path, dict(request.headers), await request.read()))
        kept.connections.add(request.transport)
        return await _BEHAVIOURS.get(request.path, _ok)(kept, request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    kept.port = runner.addresses[0][1]
    yield kept
    kept.released.set()
    await runner.cleanup()
