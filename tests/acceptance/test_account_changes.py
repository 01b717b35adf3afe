"""What is changed of an account at one server holds at another one of the same database."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from heliograph import app
from heliograph.bench.house import House
from heliograph.bench.processes import free_port, python
from tests.store.postgres.server import fresh_database

PATIENCE_S = 60.0
PROMISED_S = 2.0
NATIONAL = {"to": "0151 12345678", "from": "INFO", "text": "hello"}


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[House, House]]:
    """Two processes; nobody answers where their carrier should be."""
    url = asyncio.run(fresh_database())
    houses = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        houses.append(House(tmp_path / name, url, free_port()))
    one, two = houses
    try:
        one.prepare()
        one.start()
        two.start()
        yield one, two
    finally:
        for house in houses:
            house.stop()


def key_of(house: House, account: str, *scopes: str) -> str:
    """A key of a command in a process of its own."""
    line = [*python("heliograph"), "keys", "create", "--account", account, "--scopes", ",".join(scopes)]
    line += ["--config", str(house.config)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def ask(house: House, key: str, method: str, path: str, body: Any = None) -> requests.Response:
    headers = {"Authorization": f"Bearer {key}"}
    return requests.request(method, house.url + path, headers=headers, json=body, timeout=PATIENCE_S)


def until(look: Callable[[], requests.Response], status: int) -> requests.Response:
    """The first answer with this status."""
    ends_at = time.monotonic() + PATIENCE_S
    while (answer := look()).status_code != status:
        assert time.monotonic() < ends_at, (answer.status_code, answer.text)
        time.sleep(0.05)
    return answer


def test_an_account_that_one_server_changes_is_changed_at_the_other(servers: tuple[House, House]) -> None:
    one, two = servers
    assert app._CONFIG_EVERY_S < PROMISED_S, "how often a server looks for what others changed"
    parent = key_of(one, "demo", "accounts", "messages:read")
    until(lambda: ask(one, parent, "GET", "/v1/accounts"), 200)
    assert ask(one, parent, "POST", "/v1/accounts", {"name": "shop"}).status_code == 201
    shop = key_of(one, "demo.shop", "messages:send", "messages:read")

    def send() -> requests.Response:
        return ask(two, shop, "POST", "/v1/messages", NATIONAL)

    def change(body: dict[str, Any]) -> None:
        assert ask(one, parent, "PATCH", "/v1/accounts/demo.shop", body).status_code == 200

    assert until(send, 422).json()["field"] == "to"
    change({"settings": {"default_region": "DE"}})
    assert until(send, 202).json()["to"] == "+4915112345678"
    change({"closed": True})
    assert until(send, 401).json()["code"] == "unauthorized"
    change({"closed": False})
    until(send, 202)
    limits = ask(one, parent, "PUT", "/v1/limits/account:demo.shop", {"segments_per_day": 1})
    assert limits.status_code == 200, limits.text
    assert until(send, 429).json()["code"] == "quota_exhausted"
    assert ask(one, parent, "DELETE", "/v1/limits/account:demo.shop").status_code == 204
    until(send, 202)
    listed = ask(two, parent, "GET", "/v1/messages?account=demo.shop").json()["messages"]
    assert {one["account"] for one in listed} == {"demo.shop"}
