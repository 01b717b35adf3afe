"""The server killed while a replay is asked for, and while it is told: asked again with its key it is put back once."""

from __future__ import annotations

import http.client
import json
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any

import pytest

from heliograph.bench.house import House
from heliograph.bench.options import Options
from heliograph.bench.run import stage

CHANCE = Random()
EVENTS = 150


class Sink(ThreadingHTTPServer):
    """Takes every webhook; counts the first tellings and the replays by webhook id."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Taking)
        self.told: Counter[str] = Counter()
        self.replayed: Counter[str] = Counter()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """The server died in the middle of a request: that is what this is about."""


class Taking(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Sink

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        counts = self.server.replayed if "heliograph-replay" in self.headers else self.server.told
        counts[self.headers["webhook-id"]] += 1
        self.send_response(204)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


def until(what: Callable[[], bool], why: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline, why()
        time.sleep(0.02)


def ask(house: House, key: str, method: str, path: str, body: Any = None, **headers: str) -> tuple[Any, Any]:
    """(JSON, headers) of a 2xx."""
    request = urllib.request.Request(
        house.url + path,
        None if body is None else json.dumps(body).encode(),
        {"Authorization": f"Bearer {key}", **{name.replace("_", "-"): value for name, value in headers.items()}},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer), answer.headers


@pytest.mark.parametrize(("store", "moment"), [("sqlite", "asked"), ("sqlite", "told"), ("postgres", "told")])
def test_a_replay_outlives_a_crash_and_is_put_back_once(store: str, moment: str) -> None:
    with stage(Options(store=store, connections=8, timeout_s=60)) as ready, Sink() as sink:
        (key,), house = ready.keys, ready.house
        ready.start_carrier()
        house.start()
        hook, _ = ask(house, key, "POST", "/v1/webhooks", {"url": sink.url, "events": ["message.queued"]})
        ready.send(ready.job(EVENTS))
        until(lambda: len(sink.told) == EVENTS, lambda: len(sink.told))
        path = f"/v1/webhooks/{hook['id']}"
        wanted = {"since": hook["created_at"]}

        def replay() -> None:
            try:
                ask(house, key, "POST", path + "/replay", wanted, Idempotency_Key="once")
            except (OSError, http.client.HTTPException):
                pass  # it died before it could answer

        asking = threading.Thread(target=replay)
        asking.start()
        if moment == "told":
            until(lambda: len(sink.replayed) >= 20, lambda: len(sink.replayed))
        else:
            time.sleep(CHANCE.uniform(0.0, 0.1))
        assert house.server is not None
        house.server.kill()
        if ready.database is not None:
            ready.database.kill()
            ready.database.start()
        asking.join()
        house.start()
        again, headers = ask(house, key, "POST", path + "/replay", wanted, Idempotency_Key="once")
        assert again == {"replayed": EVENTS, "next_since": None}
        assert moment == "asked" or headers["Idempotent-Replayed"] == "true"
        until(lambda: sink.replayed.keys() == sink.told.keys(), lambda: len(sink.replayed))
        pending = path + "/deliveries?state=pending"
        until(lambda: ask(house, key, "GET", pending)[0]["deliveries"] == [], lambda: ask(house, key, "GET", pending))
        assert len(sink.replayed) == EVENTS
