"""What operators get wrong before a house stands: each is told with its remedy, and harms no house that runs."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from heliograph.app import Heliograph
from heliograph.config import load
from heliograph.errors import ConfigError, StoreInUse
from heliograph.simulator import VirtualCarrier
from tests.dialogues.stage import configuration, stage

WRONG = """\
[http]
listen = "8080"
conections = 5
[store]
url = "mysql://localhost/sms"
[[connectors]]
name = "main"
kind = "smpp"
host = "smsc.example.com"
port = 70000
windw = 10
[[connectors]]
name = "main"
kind = "carrier-pigeon"
[[routes]]
name = "default"
connectors = ["mian"]
[[numbers]]
number = "12345"
[webhooks]
timeout_s = "soon"
"""
FAULTS = {
    2: ("no address and port", "127.0.0.1:8080"),
    3: ("conections", "connections"),
    5: ("url names no store", "sqlite:///"),
    6: ("system_id is missing", "Who we are"),
    10: ("port cannot be 70000", "65535"),
    11: ("windw", "window"),
    13: ("names two connectors", "a name of its own"),
    14: ("carrier-pigeon", "smpp"),
    17: ("no connector", "did you mean"),
    18: ("account is missing", "account"),
    21: ("must be a number", "timeout_s = "),
}
"""line → (what is wrong there, a word of the remedy)."""


class Told(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


async def serve(config: Path) -> Told:
    """``heliograph serve`` as a process of its own, which must end by itself."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HELIOGRAPH_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "heliograph", "serve", "--config", str(config)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    try:
        async with asyncio.timeout(20):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Told(process.returncode or 0, out.decode(), err.decode())


async def test_every_fault_of_a_configuration_is_told_with_line_and_remedy(tmp_path: Path) -> None:
    path = tmp_path / "heliograph.toml"
    path.write_text(WRONG)
    told = await serve(path)
    assert (told.code, told.out) == (1, "")
    assert "Traceback" not in told.err
    for line, (what, remedy) in FAULTS.items():
        [sentence] = [one for one in told.err.splitlines() if f"heliograph.toml:{line}:" in one]
        assert what in sentence
        assert remedy in sentence
    assert len(told.err.splitlines()) == len(FAULTS)


async def test_a_second_serve_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        told = await serve(tmp_path / "heliograph.toml")
        assert (told.code, told.out) == (1, "")
        [sentence] = told.err.splitlines()
        assert "house.db" in sentence
        await s.until((await s.send())["id"], "delivered")


async def test_a_port_in_use_is_told_and_lets_go_of_everything_else(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with VirtualCarrier() as carrier:
            config = configuration(tmp_path, {"main": carrier}, settings={})
            path = tmp_path / "heliograph.toml"
            path.write_text(path.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}"))
            with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{port}.*another"):
                async with Heliograph(load(path, {})):
                    pass
            async with Heliograph(config):  # neither the store nor the carrier is held any more
                await carrier.bound(1)
            assert carrier.log.counts["bind"] - carrier.log.counts["lost"] <= 1


async def test_a_store_that_is_in_use_is_named(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        with pytest.raises(StoreInUse, match=r"house\.db"):
            async with Heliograph(s.server.config):
                pass
        await s.until((await s.send())["id"], "delivered")


async def test_a_reload_with_faults_changes_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        path = tmp_path / "heliograph.toml"
        path.write_text(path.read_text().replace('kind = "smpp"', 'kind = "pigeon"'))
        with pytest.raises(ConfigError):
            await s.server.reload(load(path, {}))
        await s.until((await s.send())["id"], "delivered")
        assert s.carrier.log.counts["bind"] == 1
