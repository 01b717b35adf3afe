"""A webhook's receiver, as an application would write one: verifies each signature and keeps the events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final

from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

__all__ = ["PATIENCE_S", "WebhookSink"]

PATIENCE_S: Final = 10.0
"""How long an event is waited for: on one machine it takes milliseconds."""


class WebhookSink:
    """Listens on a free loopback port. ``secret`` is set once the webhook was made."""

    def __init__(self) -> None:
        self.secret = ""
        self.url = ""
        self.events: list[dict[str, Any]] = []
        """Events whose signature was right, in the order in which they came."""
        self.refused = 0
        """Requests with a wrong signature."""
        self._news = asyncio.Event()
        application = web.Application()
        application.router.add_post("/webhook", self._called)
        self._runner = web.AppRunner(application, access_log=None)

    async def __aenter__(self) -> WebhookSink:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/webhook"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def _called(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            event = Webhook(self.secret).verify(body, headers)
        except (WebhookVerificationError, ValueError):  # wrong, or no signature at all
            self.refused += 1
            return web.Response(status=400)
        self.events += event if isinstance(event, list) else [event]
        self._news.set()
        return web.Response(status=204)

    async def next_after(self, seen: int) -> list[dict[str, Any]]:
        """Wait for events beyond the first ``seen``; gives these."""
        while len(self.events) <= seen:
            self._news.clear()
            await self._news.wait()
        return self.events[seen:]

    async def wait_for(
        self, right: Callable[[dict[str, Any]], bool], *, timeout_s: float = PATIENCE_S
    ) -> dict[str, Any]:
        """Wait for the first event that is right. Raises ``TimeoutError``, which says what came instead."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self._first(right)
        except TimeoutError:
            came = ", ".join(f"{event['type']} of {event['subject']}" for event in self.events) or "none"
            raise TimeoutError(
                f"no such event within {timeout_s:g} s; came: {came}; {self.refused} had a wrong signature"
            ) from None

    async def _first(self, right: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        seen = 0
        while True:
            for event in await self.next_after(seen):
                seen += 1
                if right(event):
                    return event
