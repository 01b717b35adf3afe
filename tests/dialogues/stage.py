"""The stage of the dialogues: a whole house in this process, virtual carriers behind it, a customer before it.

    async with stage(tmp_path) as s:
        message = await s.send(to="+14155550123", text="hello")
        await s.until(message["id"], "delivered")

Everything is real: HTTP, SQLite, SMPP and webhooks over loopback. Only the clock can be moved.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Final

import aiohttp

from heliograph.access import make_key
from heliograph.app import Heliograph
from heliograph.cli.webhooksink import WebhookSink as Sink
from heliograph.config import Config, load
from heliograph.contracts import SystemClock
from heliograph.model import CUSTOMER_SCOPES
from heliograph.simulator import VirtualCarrier
from tests.accounts import ensure_account
from tests.keys import keep_key

__all__ = ["HANDSET", "NUMBER", "MovableClock", "Sink", "Stage", "configuration", "eventually", "stage"]

HANDSET: Final = "+14155550123"
NUMBER: Final = "12345"
"""Our customer's short code, which handsets can write to."""
_PATIENCE_S: Final = 10.0
_EVERYTHING: Final = (*CUSTOMER_SCOPES, "routes:read")


class MovableClock(SystemClock):
    """The machine's clocks, and what was skipped on top."""

    def __init__(self) -> None:
        self._skipped_s = 0.0

    def skip(self, seconds: float) -> None:
        """So many seconds have passed."""
        self._skipped_s += seconds

    def now_us(self) -> int:
        return time.time_ns() // 1000 + int(self._skipped_s * 1e6)

    def monotonic(self) -> float:
        return time.monotonic() + self._skipped_s


async def eventually(look: Callable[[], Awaitable[Any]]) -> Any:
    """What ``look`` gives as soon as that is something; raises ``TimeoutError`` after ten seconds."""
    async with asyncio.timeout(_PATIENCE_S):
        while not (found := await look()):
            await asyncio.sleep(0.01)
        return found


def configuration(
    folder: Path,
    carriers: Mapping[str, VirtualCarrier],
    *,
    settings: Mapping[str, str],
    ports: Mapping[str, int] | None = None,
    http: str = "",
    store: str = "",
    webhooks: str = "allow_private_addresses = true\ntimeout_s = 2",
    more: str = "",
) -> Config:
    """The configuration as an operator writes it, one connector a carrier, all of them in one route.

    ``ports`` are others than the carriers' own, ``settings`` further lines of connectors, both by name; ``http`` and
    ``webhooks`` are lines of these sections, ``store`` is the URL of another store than a file's; ``more``
    stands at the end of the file.
    """
    connectors = "".join(
        f"""
[[connectors]]
name = "{name}"
kind = "smpp"
host = "127.0.0.1"
port = {(ports or {}).get(name, carrier.port)}
system_id = "esme"
password = "secret"
reconnect_min_s = 0.05
reconnect_max_s = 0.2
{settings.get(name, "")}
"""
        for name, carrier in carriers.items()
    )
    path = folder / "heliograph.toml"
    path.write_text(f"""
[http]
listen = "127.0.0.1:0"
{http}
[store]
url = "{store or f"sqlite:///{folder}/house.db"}"
[security]
{f'master_key = "{"A" * 43}="' if store else ""}
[webhooks]
{webhooks}
{connectors}
[[routes]]
name = "default"
connectors = {list(carriers)}
[[numbers]]
number = "{NUMBER}"
account = "shop"
{more}
""")
    return load(path, {})


class Stage:
    """One house with its carriers, and a customer's view of it."""

    def __init__(
        self, folder: Path, server: Heliograph, carriers: Mapping[str, VirtualCarrier], http: aiohttp.ClientSession
    ) -> None:
        self.folder = folder
        self.server = server
        self.carriers = carriers
        self.http = http
        self.key = ""

    @property
    def carrier(self) -> VirtualCarrier:
        """The first carrier."""
        return next(iter(self.carriers.values()))

    @property
    def clock(self) -> MovableClock:
        """The house's clock."""
        clock = self.server.clock
        assert isinstance(clock, MovableClock)
        return clock

    # --- the customer ------------------------------------------------------------------------------

    async def make_key(self, account: str) -> str:
        """A key of an account, which is made when there is none."""
        store, now_us = self.server.store, self.server.clock.now_us()
        owner = await ensure_account(store, account, now_us)
        text, key = make_key(owner.id, _EVERYTHING, now_us=now_us)
        await keep_key(store, key)
        await self.server.keys.refresh()
        return text

    async def ask(self, method: str, path: str, body: Any = None, *, status: int | None = None, **headers: str) -> Any:
        """One request with the customer's key; gives the JSON. ``status`` is what the answer must have."""
        headers = {"Authorization": f"Bearer {self.key}"} | {k.replace("_", "-"): v for k, v in headers.items()}
        async with self.http.request(method, self.server.url + path, json=body, headers=headers) as answer:
            said = await answer.json(content_type=None)
            assert answer.status == status if status else answer.status < 300, (answer.status, said)
            return said

    async def send(self, *, to: str = HANDSET, text: str | None = "hello", **more: Any) -> Any:
        """``POST /v1/messages``. ``sender`` stands for ``from``."""
        if "sender" in more:
            more["from"] = more.pop("sender")
        if text is not None:
            more["text"] = text
        return await self.ask("POST", "/v1/messages", {"to": to, **more}, status=202)

    async def show(self, message_id: str) -> Any:
        """``GET /v1/messages/{id}``."""
        return await self.ask("GET", f"/v1/messages/{message_id}")

    async def events(self, message_id: str) -> list[str]:
        """What happened to a message, without the prefix that every event has."""
        found = await self.ask("GET", f"/v1/messages/{message_id}/events")
        return [event["type"].removeprefix("message.") for event in found["events"]]

    async def until(self, message_id: str, state: str) -> Any:
        """The message, once it is in this state."""

        async def look() -> Any:
            shown = await self.show(message_id)
            return shown if shown["state"] == state else None

        try:
            return await eventually(look)
        except TimeoutError:
            shown = await self.show(message_id)
            raise AssertionError(f"{message_id} is {shown['state']}, not {state}: {shown}") from None

    @contextlib.asynccontextmanager
    async def webhook(self, *events: str, **more: Any) -> AsyncIterator[Sink]:
        """A receiver that verifies signatures, registered for these events (none: all)."""
        async with Sink() as sink:
            made = await self.ask("POST", "/v1/webhooks", {"url": sink.url, "events": list(events), **more})
            sink.secret = made["secret"]
            yield sink

    async def callback_secret(self) -> str:
        """What the callbacks of this customer's messages are signed with."""
        return str((await self.ask("GET", "/v1/webhooks/callbacks"))["secret"])

    # --- the house ---------------------------------------------------------------------------------

    async def bound(self, *, binds: int = 1) -> None:
        """Wait until every carrier sees our binds, and our lanes see them too."""
        for carrier in self.carriers.values():
            await carrier.bound(binds)

        async def look() -> bool:
            return all(lane.connector.bound for lane in self.server.pipeline.dispatch.lanes.values())

        await eventually(look)


@contextlib.asynccontextmanager
async def stage(
    folder: Path,
    carriers: Mapping[str, VirtualCarrier] | VirtualCarrier | None = None,
    *,
    settings: Mapping[str, str] | str = "",
    binds: int = 1,
    between: Callable[[int], AbstractAsyncContextManager[Any]] | None = None,
    **sections: str,
) -> AsyncIterator[Stage]:
    """A house whose connectors are bound to ``carriers`` (one that takes everything, unless others are given).

    ``settings`` of connectors are each one's by name, or the same for all; ``sections`` are :func:`configuration`'s.
    ``between`` makes something with a ``port`` of its own that stands between us and the first carrier's.
    """
    if not isinstance(carriers, Mapping):
        carriers = {"main": carriers or VirtualCarrier()}
    if isinstance(settings, str):
        settings = dict.fromkeys(carriers, settings)
    async with contextlib.AsyncExitStack() as stack:
        for carrier in carriers.values():
            await stack.enter_async_context(carrier)
        ports: dict[str, int] = {}
        if between is not None:
            name, carrier = next(iter(carriers.items()))
            ports[name] = (await stack.enter_async_context(between(carrier.port))).port
        server = Heliograph(configuration(folder, carriers, settings=settings, ports=ports, **sections))
        server.clock = MovableClock()
        await stack.enter_async_context(server)
        http = await stack.enter_async_context(aiohttp.ClientSession())
        made = Stage(folder, server, carriers, http)
        made.key = await made.make_key("shop")
        await made.bound(binds=binds)
        yield made
