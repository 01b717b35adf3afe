"""A whole server with a virtual carrier and two accounts.

The key of ``alpha`` has every scope there is; that of ``beta`` what a customer can have, without the operator's
view.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from heliograph.access import make_key
from heliograph.access.guard import Guard
from heliograph.app import Heliograph
from heliograph.config import load
from heliograph.model import SCOPES
from heliograph.simulator import VirtualCarrier
from tests.accounts import ensure_account
from tests.keys import keep_key

__all__ = ["OPERATORS", "Surface", "surface"]

OPERATORS = {"admin", "routes:read", "metrics:read"}
"""Scopes of those who see every account, or what belongs to none."""

_CONFIG = """\
[http]
listen = "127.0.0.1:0"
[store]
url = "sqlite:///{folder}/store.db"
[[connectors]]
name = "main"
kind = "smpp"
host = "127.0.0.1"
port = {port}
system_id = "esme"
password = "secret"
window = 100
[[routes]]
name = "default"
connectors = ["main"]
[[numbers]]
number = "12345"
account = "alpha"
[[numbers]]
number = "54321"
account = "beta"
[webhooks]
allow_private_addresses = true
"""


@dataclass
class Surface:
    """The running server, its document, and the keys of two strangers."""

    server: Heliograph
    document: Mapping[str, Any]
    alpha: str
    beta: str
    folder: Path

    async def key(self, account: str, scopes: Iterable[str]) -> str:
        """Another key."""
        return await _key(self.server, account, scopes)

    @property
    def store(self) -> Path:
        return self.folder / "store.db"

    @property
    def url(self) -> str:
        return self.server.url


@asynccontextmanager
async def surface(folder: Path) -> AsyncIterator[Surface]:
    """A server that is ready and bound to its carrier."""
    async with VirtualCarrier() as carrier:
        path = folder / "heliograph.toml"
        path.write_text(_CONFIG.format(folder=folder, port=carrier.port))
        async with Heliograph(load(path, {})) as server:
            server.keys.guard = _Patient(server.clock.now_us)
            keys = [
                await _key(server, "alpha", SCOPES),
                await _key(server, "beta", [one for one in SCOPES if one not in OPERATORS]),
            ]
            await carrier.bound()
            yield Surface(server, await _document(server.url), *keys, folder)


class _Patient(Guard):
    """Lets everybody try: each operation is asked with wrong keys here, and must tell 401 of its own."""

    def failed(self, peer: str | None, name: str) -> None:
        """Counts nothing."""


async def _key(server: Heliograph, account: str, scopes: Iterable[str]) -> str:
    owner = await ensure_account(server.store, account, time.time_ns() // 1000)
    text, kept = make_key(owner.id, tuple(sorted(scopes)), now_us=time.time_ns() // 1000)
    await keep_key(server.store, kept)
    await server.keys.refresh()
    return text


async def _document(url: str) -> Mapping[str, Any]:
    async with aiohttp.ClientSession() as http, http.get(f"{url}/openapi.json") as answer:
        found: Mapping[str, Any] = await answer.json()
        return found
