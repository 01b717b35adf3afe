"""Customers' webhooks that misbehave: they cost their owner time, and nobody else anything."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from tests.dialogues.stage import Stage, eventually, stage

Behaviour = Callable[[web.Request], Awaitable[web.StreamResponse]]
SHORT = "allow_private_addresses = true\ntimeout_s = 0.3"
PATIENT = "allow_private_addresses = true"
"""For endpoints that answer: no time runs out on a slow machine."""


class BadHook:
    """An endpoint that answers as ``behaviour`` says, and counts its calls."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.calls: list[str] = []
        """The webhook id of each."""
        self.behaviour = behaviour
        self.host = "127.0.0.1"

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self._runner.addresses[0][1]}/hook"

    async def __aenter__(self) -> BadHook:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._called)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _called(self, request: web.Request) -> web.StreamResponse:
        self.calls.append(request.headers.get("webhook-id", ""))
        await request.read()
        return await self.behaviour(request)


async def hang(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(60)
    return web.Response()


async def answer_10_mb(request: web.Request) -> web.StreamResponse:
    return web.Response(body=b"x" * 10_000_000)


async def answer_for_ever(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        while True:
            await response.write(b"x")
            await asyncio.sleep(0.01)
    return response


async def redirect(request: web.Request) -> web.StreamResponse:
    return web.Response(status=307, headers={"Location": "/elsewhere"})


async def fail(request: web.Request) -> web.StreamResponse:
    return web.Response(status=500)


async def take(request: web.Request) -> web.StreamResponse:
    return web.Response(status=204)


async def gone(request: web.Request) -> web.StreamResponse:
    return web.Response(status=410)


@contextlib.asynccontextmanager
async def hooked(s: Stage, behaviour: Behaviour, *, host: str = "127.0.0.1") -> AsyncIterator[BadHook]:
    """A misbehaving endpoint that is told of deliveries."""
    async with BadHook(behaviour) as hook:
        hook.host = host
        await s.ask("POST", "/v1/webhooks", {"url": hook.url, "events": ["message.delivered"]})
        yield hook


def requests(s: Stage) -> dict[str, int]:
    """Requests to webhooks so far, by what came of them."""
    lines = s.server.metrics.exposition().decode().splitlines()
    found = [line.split() for line in lines if line.startswith("heliograph_webhook_requests_total{")]
    return {name.split('"')[1]: int(float(count)) for name, count in found}


@pytest.mark.parametrize("behaviour", [hang, answer_for_ever, redirect, fail])
async def test_a_bad_endpoint_delays_nobody_and_is_tried_again_under_the_same_id(
    tmp_path: Path, behaviour: Behaviour
) -> None:
    async with (
        stage(tmp_path, webhooks=SHORT) as s,
        s.webhook("message.delivered") as good,
        hooked(s, behaviour) as hook,
    ):
        accepted = await s.send()
        event = await good.wait_for(lambda event: event["subject"] == accepted["id"])

        async def tried() -> bool:
            return sum(requests(s).values()) == 2

        await eventually(tried)
        hook.behaviour = take

        async def told_again() -> bool:
            s.clock.skip(1)
            return len(hook.calls) == 2

        await eventually(told_again)
        assert set(hook.calls) == {event["id"]}


async def test_an_answer_of_10_mb_is_a_yes_that_nobody_reads(tmp_path: Path) -> None:
    async with stage(tmp_path, webhooks=PATIENT) as s, hooked(s, answer_10_mb) as hook:
        for _ in range(2):
            await s.until((await s.send())["id"], "delivered")

        async def told() -> bool:
            return len(hook.calls) == 2 and requests(s) == {"done": 2}

        await eventually(told)


async def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    async with stage(tmp_path, webhooks=PATIENT) as s, hooked(s, redirect) as hook:
        await s.until((await s.send())["id"], "delivered")

        async def refused() -> bool:
            return sum(requests(s).values()) >= 1

        await eventually(refused)
        assert len(hook.calls) == 1


async def test_an_endpoint_that_is_gone_is_deleted(tmp_path: Path) -> None:
    async with stage(tmp_path, webhooks=PATIENT) as s, hooked(s, gone) as hook:
        await s.send()

        async def deleted() -> bool:
            return (await s.ask("GET", "/v1/webhooks"))["webhooks"] == []

        await eventually(deleted)
        await s.until((await s.send())["id"], "delivered")
        assert len(hook.calls) == 1


async def test_an_address_inside_is_never_called(tmp_path: Path) -> None:
    async with stage(tmp_path, webhooks="timeout_s = 0.3") as s:
        for url in ("http://127.0.0.1:1/", "http://10.0.0.1/", "http://[::1]/", "http://169.254.169.254/latest"):
            assert (await s.ask("POST", "/v1/webhooks", {"url": url}, status=422))["field"] == "url"

        # A name is looked up when it is called: this one leads back to this machine.
        async with hooked(s, take, host="localhost") as hook:
            await s.until((await s.send())["id"], "delivered")

            async def refused() -> bool:
                return sum(requests(s).values()) >= 1

            await eventually(refused)
            assert hook.calls == []


async def test_hanging_endpoints_hold_up_no_message_and_no_other_event(tmp_path: Path) -> None:
    async with stage(tmp_path) as s, s.webhook("message.delivered") as good, contextlib.AsyncExitStack() as stack:
        for _ in range(5):
            await stack.enter_async_context(hooked(s, hang))
        body = {"to": [f"+1415555{number:04}" for number in range(100, 200)], "text": "hello"}
        answer = await s.ask("POST", "/v1/messages/batch", body, status=202)
        ids = {one["id"] for one in answer["results"]}
        await good.wait_for(lambda event: ids <= {one["subject"] for one in good.events})
        assert len(good.events) == 100
