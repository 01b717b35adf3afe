"""A key that a command revokes is refused by a server that runs."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import requests

from heliograph import app
from heliograph.app import Heliograph
from heliograph.config import load

CONFIG = """\
[http]
listen = "127.0.0.1:0"
[store]
url = "sqlite:///{folder}/store.db"
"""
PROMISED_S = 2.0


async def test_a_key_revoked_by_another_process_is_refused_by_a_running_server(tmp_path: Path) -> None:
    path = tmp_path / "heliograph.toml"
    path.write_text(CONFIG.format(folder=tmp_path))

    async def command(*words: str) -> str:
        line = [sys.executable, "-m", "heliograph", *words, "--config", str(path)]
        done = await asyncio.to_thread(subprocess.run, line, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def ask(key: str) -> requests.Response:
        headers = {"Authorization": f"Bearer {key}"}
        return requests.get(f"{server.url}/v1/messages", headers=headers, timeout=30)

    async def until(key: str, status: int) -> None:
        async with asyncio.timeout(60):
            while (await asyncio.to_thread(ask, key)).status_code != status:
                await asyncio.sleep(0.05)

    assert app._CONFIG_EVERY_S < PROMISED_S, "how often a server looks for what others changed"
    async with Heliograph(load(path, {})) as server:
        key = await command("keys", "create", "--account", "demo")
        other = await command("keys", "create", "--account", "demo")
        await until(key, 200)
        await until(other, 200)
        await command("keys", "revoke", key[:16])
        await until(key, 401)
        assert (await asyncio.to_thread(ask, key)).json()["code"] == "unauthorized"
        assert (await asyncio.to_thread(ask, other)).status_code == 200
