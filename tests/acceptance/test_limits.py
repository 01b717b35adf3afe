"""Limits of real servers: kept through a kill, set while one runs, shared by those of one database, told once."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from heliograph.app import Heliograph
from heliograph.bench.house import House
from heliograph.bench.processes import free_port, python
from heliograph.config import load
from tests.dialogues.stage import eventually
from tests.store.postgres.server import fresh_database

MASTER_KEY = base64.b64encode(bytes(range(32))).decode()
MESSAGE = {"to": "+14155550123", "from": "12345", "text": "x"}


@dataclass
class Answer:
    """What a server said."""

    status: int
    body: Any
    policy: str
    left: int | None
    """Of the first limit that the answer names."""

    @property
    def code(self) -> str:
        return str(self.body["code"])


def ask(url: str, key: str, method: str = "GET", body: Any = None) -> Answer:
    request = urllib.request.Request(
        url, None if body is None else json.dumps(body).encode(), {"Authorization": f"Bearer {key}"}, method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as found:
            status, content, headers = found.status, found.read(), found.headers
    except urllib.error.HTTPError as error:
        status, content, headers = error.code, error.read(), error.headers
    left = headers.get("RateLimit")
    return Answer(
        status,
        json.loads(content),
        headers.get("RateLimit-Policy", ""),
        None if left is None else int(left.partition("r=")[2].partition(";")[0]),
    )


def limits(config: Path, *words: str) -> str:
    """A command in a process of its own."""
    done = subprocess.run(
        [*python("heliograph"), "limits", *words, "--config", str(config)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- one server, killed -----------------------------------------------------------------------------
@pytest.fixture(params=["sqlite", "postgres"])
def killed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    """A server in a process of its own; nobody answers where its carrier should be."""
    url = f"sqlite:///{tmp_path}/house.db" if request.param == "sqlite" else asyncio.run(fresh_database())
    house = House(tmp_path, url, free_port())
    try:
        yield house
    finally:
        house.stop()


def test_what_was_used_stays_used_when_the_server_is_killed(killed: House) -> None:
    (key,) = killed.prepare()
    limits(killed.config, "set", "account:bench0", "segments_per_month=5")
    for expected in ([4, 3, 2], [1, 0]):
        server = killed.start()
        sent = [ask(f"{killed.url}/v1/messages", key, "POST", MESSAGE) for _ in expected]
        assert [(one.status, one.left) for one in sent] == [(202, left) for left in expected]
        server.kill()
    killed.start()
    over = ask(f"{killed.url}/v1/messages", key, "POST", MESSAGE)
    assert (over.status, over.code, over.left) == (429, "quota_exhausted", 0)


# --- servers of one database ------------------------------------------------------------------------
def configuration(folder: Path, store: str) -> Path:
    path = folder / "heliograph.toml"
    path.write_text(
        f'[http]\nlisten = "127.0.0.1:0"\n[store]\nurl = "{store}"\n[security]\nmaster_key = "{MASTER_KEY}"\n'
        '[webhooks]\nallow_private_addresses = true\n[[connectors]]\nname = "main"\nkind = "smpp"\n'
        'host = "127.0.0.1"\nport = 1\nsystem_id = "esme"\npassword = "secret"\n'
        '[[routes]]\nname = "default"\nconnectors = ["main"]\n'
    )
    return path


async def key_of(config: Path, account: str) -> str:
    line = [*python("heliograph"), "keys", "create", "--account", account, "--config", str(config)]
    done = await asyncio.to_thread(subprocess.run, line, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return str(done.stdout.strip())


async def send(server: Heliograph, key: str) -> Answer:
    return await asyncio.to_thread(ask, f"{server.url}/v1/messages", key, "POST", MESSAGE)


async def left(server: Heliograph, key: str) -> int | None:
    return (await asyncio.to_thread(ask, f"{server.url}/v1/messages", key)).left


async def until_left(server: Heliograph, key: str, expected: int | None) -> None:
    """Waits until this server knows that so much is left; None: that nothing is limited."""

    async def look() -> bool:
        found = await asyncio.to_thread(ask, f"{server.url}/v1/messages", key)
        return found.status in (200, 429) and found.left == expected

    await eventually(look)


async def test_servers_of_one_database_share_a_quota_and_tell_its_steps_once(tmp_path: Path) -> None:
    config = configuration(tmp_path, await fresh_database())
    async with contextlib.AsyncExitStack() as stack:
        one, two = [await stack.enter_async_context(Heliograph(load(config, {}))) for _ in range(2)]
        key = await key_of(config, "shop")
        for server in (one, two):
            await until_left(server, key, None)
        hook = {"url": f"http://127.0.0.1:{free_port()}/", "events": ["limit.reached"]}
        made = await asyncio.to_thread(ask, f"{one.url}/v1/webhooks", key, "POST", hook)
        assert made.status == 201, made.body
        await asyncio.to_thread(limits, config, "set", "account:shop", "segments_per_month=10")
        for server in (one, two):
            await until_left(server, key, 10)
        assert [(await send(one, key)).left for _ in range(6)] == [9, 8, 7, 6, 5, 4]
        await until_left(two, key, 4)
        assert [(await send(two, key)).left for _ in range(4)] == [3, 2, 1, 0]
        await until_left(one, key, 0)
        for server in (one, two):
            over = await send(server, key)
            assert (over.status, over.code) == (429, "quota_exhausted")

        async def told() -> int:
            return len(await one.store.due_deliveries(made.body["id"], 1 << 60, 100))

        async def all_told() -> bool:
            return await told() >= 3

        await eventually(all_told)
        for server in (one, two):
            await server.limiter.tend()
        assert await told() == 3


async def test_limits_hold_soon_after_they_are_set_and_no_longer_than_they_are(tmp_path: Path) -> None:
    config = configuration(tmp_path, f"sqlite:///{tmp_path}/house.db")
    async with Heliograph(load(config, {})) as server:
        key = await key_of(config, "shop")
        await until_left(server, key, None)
        await asyncio.to_thread(limits, config, "set", f"key:{key[:16]}", "segments_per_month=3")
        await until_left(server, key, 3)
        assert [(await send(server, key)).status for _ in range(4)] == [202, 202, 202, 429]
        # Another limit of the same month, and the first one again: what was used of it stays used.
        await asyncio.to_thread(limits, config, "set", f"key:{key[:16]}", "segments_per_second=1000")
        await until_left(server, key, 1000)
        assert (await send(server, key)).status == 202
        await asyncio.to_thread(limits, config, "set", f"key:{key[:16]}", "segments_per_month=5")
        await until_left(server, key, 2)
        await asyncio.to_thread(limits, config, "remove", f"key:{key[:16]}")
        await until_left(server, key, None)
        assert (await send(server, key)).status == 202


async def test_a_key_works_at_once_on_every_server(tmp_path: Path) -> None:
    config = configuration(tmp_path, await fresh_database())
    async with contextlib.AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(Heliograph(load(config, {}))) for _ in range(2)]
        for account in ("shop", "market", "shop"):
            key = await key_of(config, account)
            for server in servers:
                assert (await send(server, key)).status == 202
