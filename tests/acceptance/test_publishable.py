"""Publishable tokens of real servers: pages of the right origin start them, each once, through kills and new keys."""

from __future__ import annotations

import asyncio
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from heliograph.bench.house import House
from heliograph.bench.processes import free_port, python
from tests.acceptance.pages import NetworkError, Page
from tests.store.postgres.server import fresh_database

SHOP = Page("https://shop.example")
PATIENCE_S = 60.0


def store_url(kind: str, folder: Path) -> str:
    return f"sqlite:///{folder}/house.db" if kind == "sqlite" else asyncio.run(fresh_database())


@pytest.fixture(params=["sqlite", "postgres"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    """A server in a process of its own; nobody answers where its carrier should be."""
    house = House(tmp_path, store_url(request.param, tmp_path), free_port())
    try:
        yield house
    finally:
        house.stop()


def made(house: House, key: str, text: str = "hello") -> dict[str, Any]:
    body = {"message": {"to": "+14155550123", "from": "12345", "text": text}, "origins": [SHOP.origin]}
    return house.post(key, "/v1/publishable-tokens", body)


def texts(house: House, key: str) -> list[str]:
    """Of every message that there is."""
    headers = {"Authorization": f"Bearer {key}"}
    answer = requests.get(f"{house.url}/v1/messages?limit=100", headers=headers, timeout=PATIENCE_S)
    return sorted(one["text"] for one in answer.json()["messages"])


def heliograph(house: House, *words: str) -> str:
    """A command in a process of its own."""
    line = [*python("heliograph"), *words, "--config", str(house.config)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_page_starts_its_message_and_a_page_of_another_origin_does_not(house: House) -> None:
    (key,) = house.prepare()
    house.start()
    token = made(house, key)["token"]
    stranger = Page("https://evil.example")
    refused = stranger.fetch(f"{house.url}/v1/start", token)
    assert (refused.status_code, refused.json()["code"]) == (403, "origin_not_allowed")
    for page in (SHOP, stranger):
        for path, method in (("/v1/messages", "POST"), ("/v1/publishable-tokens", "GET"), ("/v1/start", "GET")):
            with pytest.raises(NetworkError):
                page.fetch(house.url + path, token, method)
    assert texts(house, key) == []
    accepted = SHOP.fetch(f"{house.url}/v1/start", token)
    assert (accepted.status_code, accepted.json()) == (202, {"status": "accepted"})
    assert texts(house, key) == ["hello"]


def test_servers_of_one_database_start_it_once_and_hear_at_once_that_it_is_revoked(tmp_path: Path) -> None:
    url = asyncio.run(fresh_database())
    houses = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        houses.append(House(tmp_path / name, url, free_port()))
    one, two = houses
    try:
        (key,) = one.prepare()
        for house in houses:
            house.start()
        tokens = [made(one, key, f"text {at}") for at in range(3)]
        with ThreadPoolExecutor(20) as pool:
            for at, token in enumerate(tokens):
                asked = [f"{houses[turn % 2].url}/v1/start" for turn in range(20)]
                answers = list(pool.map(lambda url, text=token["token"]: SHOP.fetch(url, text), asked))
                assert {(one.status_code, one.content) for one in answers} == {(202, b'{"status":"accepted"}')}
                assert texts(two, key) == [f"text {n}" for n in range(at + 1)]
        gone = made(one, key)
        path = f"{two.url}/v1/publishable-tokens/{gone['id']}"
        headers = {"Authorization": f"Bearer {key}"}
        assert requests.delete(path, headers=headers, timeout=PATIENCE_S).status_code == 204
        assert [SHOP.fetch(f"{house.url}/v1/start", gone["token"]).status_code for house in houses] == [401, 401]
    finally:
        for house in houses:
            house.stop()


def test_a_start_that_a_kill_cut_off_is_repeated_and_still_one_message(house: House) -> None:
    (key,) = house.prepare()
    server = house.start()
    wanted = [f"text {at:02}" for at in range(40)]
    tokens = [made(house, key, text)["token"] for text in wanted]
    answered: list[int] = []
    killed, one_at_a_time = threading.Event(), threading.Lock()

    def start(at: int) -> None:
        if at >= 20:
            killed.wait(PATIENCE_S)  # these come when nobody answers any more
        try:
            answered.append(SHOP.fetch(f"{house.url}/v1/start", tokens[at]).status_code)
        except requests.RequestException:
            return  # the connection was cut: whether it was started is not known here
        with one_at_a_time:
            if len(answered) >= 10 and not killed.is_set():
                server.kill()
                killed.set()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(start, range(40)))
    assert 10 <= len(answered) <= 20
    assert set(answered) == {202}
    house.start()
    for token in tokens:
        assert SHOP.fetch(f"{house.url}/v1/start", token).status_code == 202
    assert texts(house, key) == wanted


def test_a_prepared_message_is_sealed_anew_under_another_master_key(tmp_path: Path) -> None:
    house = House(tmp_path, store_url("sqlite", tmp_path), free_port())
    try:
        (key,) = house.prepare()
        house.start()
        early, late = [made(house, key, text)["token"] for text in ("early", "late")]
        assert "the messages of 2 publishable tokens can be opened" in heliograph(house, "store", "check")
        assert SHOP.fetch(f"{house.url}/v1/start", early).status_code == 202
        assert "Sealed the secrets of 2 webhooks, connectors and tokens" in heliograph(house, "store", "rekey")
        assert "Dropped the key" in heliograph(house, "store", "rekey", "--forget")
        assert SHOP.fetch(f"{house.url}/v1/start", late).status_code == 202
        assert texts(house, key) == ["early", "late"]
        house.stop()
        Path(tmp_path / "house.db.key").unlink()
        done = subprocess.run(
            [*python("heliograph"), "store", "check", "--config", str(house.config)],
            capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        assert done.returncode == 1
        assert "WRONG 2 messages of publishable tokens cannot be opened" in done.stdout
    finally:
        house.stop()
