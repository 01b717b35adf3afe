"""A whole server for sandboxes: no carrier, no route, no number is configured unless a test says so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from heliograph.access import make_key
from heliograph.app import Heliograph
from heliograph.config import load
from heliograph.model import CUSTOMER_SCOPES
from tests.accounts import ensure_account
from tests.keys import keep_key

__all__ = ["PATIENCE_S", "Stage", "eventually", "stage"]

PATIENCE_S = 30.0
_CONFIG = """\
[http]
listen = "127.0.0.1:0"
[store]
url = "{url}"
[webhooks]
allow_private_addresses = true
"""


async def eventually(true: Callable[[], Awaitable[Any]], timeout_s: float = PATIENCE_S) -> Any:
    """What ``true`` gives as soon as it is something. Raises ``TimeoutError``."""
    async with asyncio.timeout(timeout_s):
        while not (found := await true()):
            await asyncio.sleep(0.02)
        return found


@dataclass
class Stage:
    """The running server and an HTTP session to it."""

    server: Heliograph
    http: aiohttp.ClientSession

    async def key(self, account: str = "shop", *, test: bool = True, scopes: tuple[str, ...] = CUSTOMER_SCOPES) -> str:
        """A new key of an account, which is made when there is none."""
        now_us = time.time_ns() // 1000
        owner = await ensure_account(self.server.store, account, now_us)
        text, kept = make_key(owner.id, scopes, now_us=now_us, test=test)
        await keep_key(self.server.store, kept)
        await self.server.keys.refresh()
        return text

    async def ask(self, key: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """One request: its status and its JSON."""
        headers = {"Authorization": f"Bearer {key}"}
        async with self.http.request(method, self.server.url + path, json=body, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def get(self, key: str, path: str) -> Any:
        """The answer to a GET that goes well."""
        status, said = await self.ask(key, "GET", path)
        assert status == 200, said
        return said

    async def send(self, key: str, to: str, **more: Any) -> Any:
        """A message that is accepted."""
        status, said = await self.ask(key, "POST", "/v1/messages", {"to": to, "text": "Hello", **more})
        assert status == 202, said
        return said

    async def reaches(self, key: str, id: str, state: str) -> Any:
        """The message, as soon as it has this state."""

        async def look() -> Any:
            message = await self.get(key, f"/v1/messages/{id}")
            return message if message["state"] == state else None

        return await eventually(look)


@asynccontextmanager
async def stage(folder: Path, more: str = "", *, url: str = "") -> AsyncIterator[Stage]:
    """A running server; ``more`` is added to its configuration."""
    path = folder / "heliograph.toml"
    path.write_text(_CONFIG.format(url=url or f"sqlite:///{folder}/store.db") + more)
    async with Heliograph(load(path, {})) as server, aiohttp.ClientSession() as http:
        yield Stage(server, http)
