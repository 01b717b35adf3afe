"""What the store declares, on every server of it, under a master key that changes, and with commands beside."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from heliograph.app import Heliograph
from heliograph.config import Config, load
from heliograph.simulator import VirtualCarrier
from tests.dialogues.stage import eventually
from tests.store.postgres.server import fresh_database

KEY = base64.b64encode(bytes(range(32))).decode()


def configuration(folder: Path, store: str, more: str = "") -> Config:
    """A server without a connector of its own."""
    path = folder / "heliograph.toml"
    path.write_text(f'[http]\nlisten = "127.0.0.1:0"\n[store]\nurl = "{store}"\n[security]\n{more}\n')
    return load(path, {})


async def heliograph(folder: Path, *words: str) -> str:
    """A command in a process of its own, on the same configuration."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HELIOGRAPH_")}

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "heliograph", *words, "--config", str(folder / "heliograph.toml")],
            env=environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    done = await asyncio.to_thread(run)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def put(folder: Path, name: str, carrier: VirtualCarrier, *settings: str) -> str:
    words = ("host=127.0.0.1", f"port={carrier.port}", "system_id=esme", "password=secret", "reconnect_min_s=0.05")
    given = [part for word in (*words, *settings) for part in ("--set", word)]
    return await heliograph(folder, "connectors", "put", name, *given)


async def bound(server: Heliograph, *names: str) -> None:
    async def look() -> bool:
        lanes = server.pipeline.dispatch.lanes.values()
        return sorted(lane.connector.name for lane in lanes if lane.connector.bound) == sorted(names)

    await eventually(look)


def everything(folder: Path) -> bytes:
    """Every octet that the store has written."""
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.name.startswith("house.db"))


async def test_a_change_holds_on_every_server_of_a_store(tmp_path: Path) -> None:
    config = configuration(tmp_path, await fresh_database(), f'master_key = "{KEY}"')
    async with contextlib.AsyncExitStack() as stack:
        carriers = {name: await stack.enter_async_context(VirtualCarrier()) for name in ("one", "two")}
        servers = [await stack.enter_async_context(Heliograph(config)) for _ in range(2)]
        for name, carrier in carriers.items():
            await put(tmp_path, name, carrier)
        await heliograph(tmp_path, "routes", "put", "us", "--prefix", "1", "--connector", "one")
        for server in servers:
            await bound(server, "one", "two")
        await put(tmp_path, "one", carriers["one"], "window=3")

        async def again() -> bool:
            return carriers["one"].log.counts["bind"] >= 2 * len(servers)

        await eventually(again)
        for server in servers:
            await bound(server, "one", "two")
            choice = server.directory.choose(1, "14155550123")
            assert choice is not None
            assert choice.route == "us"
        assert (carriers["two"].log.counts["bind"], carriers["two"].log.counts["lost"]) == (2, 0)


async def test_passwords_are_sealed_anew_while_links_stay(tmp_path: Path) -> None:
    config = configuration(tmp_path, f"sqlite:///{tmp_path}/house.db")
    async with VirtualCarrier() as carrier, VirtualCarrier() as other, Heliograph(config) as server:
        await put(tmp_path, "one", carrier)
        await bound(server, "one")
        before = (await server.store.objects("connector"))[0].document
        assert "Sealed the secrets of 1 " in await heliograph(tmp_path, "store", "rekey")
        after = (await server.store.objects("connector"))[0].document
        assert before != after
        assert "secret" not in before + after
        await heliograph(tmp_path, "store", "rekey", "--forget")
        # What is sealed under the new key is opened: a change binds, and what did not change was not touched.
        await put(tmp_path, "two", other)
        await bound(server, "one", "two")
        assert not server.following.faults
        assert carrier.log.counts["bind"] == 1
    async with VirtualCarrier() as carrier, Heliograph(config) as server:
        await heliograph(tmp_path, "connectors", "put", "one", "--set", f"port={carrier.port}")
        await bound(server, "one")


async def test_no_password_is_anywhere_in_clear(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config = configuration(tmp_path, f"sqlite:///{tmp_path}/house.db")
    async with VirtualCarrier(password="pa55word") as carrier, Heliograph(config) as server:
        told = await put(tmp_path, "one", carrier, "password=pa55word")
        await bound(server, "one")
        for words in (("connectors", "show", "one", "--json"), ("export",), ("audit", "list", "--json")):
            told += await heliograph(tmp_path, *words)
    written = everything(tmp_path)
    captured: Any = capfd.readouterr()
    assert "pa55word" not in told + captured.out + captured.err
    assert b"pa55word" not in written
