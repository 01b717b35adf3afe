"""A whole server in this process, with a virtual carrier behind it: what the documents' examples run against."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest_asyncio

from heliograph.access import make_key
from heliograph.app import Heliograph
from heliograph.config import load
from heliograph.model import SCOPES
from heliograph.simulator import VirtualCarrier
from tests.accounts import ensure_account
from tests.keys import keep_key

__all__ = ["CONFIG", "CUSTOMERS", "Stage"]

CONFIG = """\
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
account = "demo"
[webhooks]
allow_private_addresses = true
"""

CUSTOMERS = tuple(scope for scope in SCOPES if scope != "admin")


@dataclass
class Stage:
    """The running server, its carrier, and a key of its account."""

    server: Heliograph
    carrier: VirtualCarrier
    key: str

    @property
    def environment(self) -> dict[str, str]:
        """What the examples expect in their environment."""
        return {"HELIOGRAPH_URL": self.server.url, "HELIOGRAPH_KEY": self.key}


@pytest_asyncio.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """A server that is ready and bound to its carrier."""
    async with VirtualCarrier() as carrier:
        path = tmp_path / "heliograph.toml"
        path.write_text(CONFIG.format(folder=tmp_path, port=carrier.port))
        async with Heliograph(load(path, {})) as server:
            account = await ensure_account(server.store, "demo", time.time_ns() // 1000)
            text, kept = make_key(account.id, CUSTOMERS, now_us=time.time_ns() // 1000)
            await keep_key(server.store, kept)
            await server.keys.refresh()
            await carrier.bound()
            yield Stage(server, carrier, text)
