"""The server under test: its files, its accounts, its life."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from heliograph.bench.processes import BenchError, Child, cores_of, free_port, python
from heliograph.bench.view import StoreView, view

__all__ = ["House"]

_START_S: Final = 120.0
_RECONNECT_MAX_S: Final = 5
"""Once the carrier comes, what is measured is not how long nobody knocked."""
_MASTER_KEY: Final = "A" * 43 + "="
"""Of a store of measurements; every server on it needs the same."""
_SCOPES: Final = ("messages:send", "messages:read", "webhooks", "routes:read")


class House:
    """One configuration in a folder, and the server that runs it now."""

    def __init__(
        self,
        folder: Path,
        store_url: str,
        carrier_port: int,
        *,
        window: int = 100,
        links: int = 1,
        receipts: bool = True,
        segments_per_second: float = 0,
        routes: int = 1,
        reply_number: str = "12345",
        cores: str = "",
    ) -> None:
        self.folder = folder
        self.store_url = store_url
        self.port = free_port()
        self.config = folder / "heliograph.toml"
        self._cores = cores_of(cores) if cores else None
        self.config.write_text(
            f"[http]\nlisten = \"127.0.0.1:{self.port}\"\n[store]\nurl = {json.dumps(store_url)}\n"
            f"[[connectors]]\nname = \"main\"\nkind = \"smpp\"\nhost = \"127.0.0.1\"\nport = {carrier_port}\n"
            f"system_id = \"esme\"\npassword = \"secret\"\nbind = \"transceiver\"\nlinks = {links}\nwindow = {window}\n"
            f"segments_per_second = {segments_per_second}\nreconnect_max_s = {_RECONNECT_MAX_S}\n"
            + ("" if receipts else "registered_delivery = 0\n")
            + "".join(_route(at) for at in range(routes))
            + f"[[numbers]]\nnumber = \"{reply_number}\"\naccount = \"bench0\"\nconnectors = []\n"
            "[webhooks]\nallow_private_addresses = true\n"
            + ("" if store_url.startswith("sqlite") else f"[security]\nmaster_key = \"{_MASTER_KEY}\"\n")
        )  # fmt: skip
        self.server: Child | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def view(self) -> StoreView:
        return view(self.store_url)

    def prepare(self, accounts: int = 1) -> list[str]:
        """Makes the store, with accounts ``bench0``, ``bench1``, …; gives a key of each. No server may run."""
        return asyncio.run(self._prepare(accounts))

    async def _prepare(self, accounts: int) -> list[str]:
        from heliograph.access import make_key
        from heliograph.contracts import Administration
        from heliograph.model import Account
        from heliograph.store import open_store

        if not self.store_url.startswith("sqlite"):
            from heliograph.store.postgres.schema import migrate

            await migrate(self.store_url)
        store, keys = open_store(self.store_url, serve=False), []
        await store.open()
        try:
            for at in range(accounts):
                now_us = time.time_ns() // 1000
                new = Account(id=0, name=f"bench{at}", created_us=now_us)
                [account] = (await store.administer(Administration(at_us=now_us, accounts=[(new, 0)]))).accounts
                text, kept = make_key(account.id, _SCOPES, now_us=now_us)
                await store.administer(Administration(at_us=now_us, credentials=[(kept, 0)]))
                keys.append(text)
        finally:
            await store.close()
        return keys

    def start(self, module: str = "heliograph", *before: str) -> Child:
        """Starts the server and waits until it is ready."""
        command = python(module, *before, "serve", "--config", str(self.config))
        self.server = Child("the server", command, self.folder / "server.out", cores=self._cores)
        self.server.line("ready", _START_S)
        return self.server

    @property
    def pid(self) -> int:
        assert self.server is not None
        return self.server.pid

    def stop(self) -> None:
        """Ends the server, if there is one."""
        if self.server is not None and self.server.alive:
            self.server.stop()

    def add_webhook(self, key: str, port: int, events: list[str], batch: int) -> None:
        """Lets an account be told."""
        self.post(key, "/v1/webhooks", {"url": f"http://127.0.0.1:{port}/", "events": events, "batch": batch})

    def post(self, key: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """One request. Raises :class:`BenchError` unless it is answered with a 2xx."""
        request = urllib.request.Request(
            self.url + path,
            json.dumps(body).encode(),
            {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            raise BenchError(f"POST {path} was answered {error.code}: {error.read()[:500].decode()}") from error

    def metrics(self) -> dict[str, dict[str, float]]:
        """``/metrics``: name → labels as they stand → value."""
        with urllib.request.urlopen(self.url + "/metrics", timeout=30) as answer:
            return read_metrics(answer.read().decode())


def read_metrics(exposition: str) -> dict[str, dict[str, float]]:
    """The samples of a Prometheus text exposition."""
    found: dict[str, dict[str, float]] = {}
    for line in exposition.splitlines():
        if line and not line.startswith("#"):
            sample, _, value = line.rpartition(" ")
            name, _, labels = sample.partition("{")
            found.setdefault(name, {})[labels.rstrip("}")] = float(value)
    return found


def buckets(
    after: Mapping[str, Mapping[str, float]], before: Mapping[str, Mapping[str, float]], name: str
) -> dict[float, float]:
    """What a histogram counted between two readings: upper bound → how many at most that."""
    found: dict[float, float] = {}
    for labels, value in after.get(f"{name}_bucket", {}).items():
        bound = labels.partition('le="')[2].partition('"')[0]
        found[float(bound.replace("+Inf", "inf"))] = value - before.get(f"{name}_bucket", {}).get(labels, 0.0)
    return found


def _route(at: int) -> str:
    """The first route is for everybody; the others for beginnings that the load's numbers have or not."""
    prefixes = ("", "49", "33", "34", "44", "31", "39", "4915", "336", "447")
    prefix = prefixes[at] if at < len(prefixes) else str(1000 + at * 7)
    return f"[[routes]]\nname = \"route{at}\"\nprefixes = [\"{prefix}\"]\nconnectors = [\"main\"]\n"  # fmt: skip
