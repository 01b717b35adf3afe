"""``serve``, and the commands that talk to it over HTTP."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import pytest
from standardwebhooks import Webhook

from heliograph.cli.api import Api
from heliograph.delivery.standard_webhooks import new_secret
from tests.cli.conftest import Run, running, write_config
from tests.cli.test_store_commands import make_key


class House(NamedTuple):
    """A running server with a virtual carrier behind it."""

    url: str
    config: Path


@contextmanager
def tailing(url: str, key: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    """``messages tail`` in a process of its own."""
    command = [sys.executable, "-m", "heliograph", "messages", "tail", "--url", url, "--key", key, *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    with running("simulate", "--port", "0", "--refuse", "0x0B:1::99") as (_, address):
        config = write_config(folder, smpp_port=int(address.rpartition(":")[2]))
        with running("serve", "--config", str(config)) as (_, url):
            yield House(url, config)


@pytest.fixture
def key(house: House, run: Run, monkeypatch: pytest.MonkeyPatch) -> str:
    """A key made beside the running server, which knows it within two seconds."""
    key = make_key(run, house.config)
    monkeypatch.setenv("HELIOGRAPH_URL", house.url)
    monkeypatch.setenv("HELIOGRAPH_KEY", key)
    deadline = time.monotonic() + 10
    while run("messages", "list", "--json").code:
        assert time.monotonic() < deadline, "the server never heard of the key"
        time.sleep(0.05)
    return key


def test_a_message_is_sent_followed_and_shown(run: Run, key: str) -> None:
    sent = run("send", "+14155550123", "hello", "--from", "12345", "--client-ref", "mine", "--wait", "--json")
    assert sent.code == 0, sent.err
    message = json.loads(sent.out)
    assert (message["state"], message["to"], message["client_ref"]) == ("delivered", "+14155550123", "mine")
    shown = json.loads(run("messages", "show", message["id"], "--json").out)
    assert [event["type"] for event in shown["events"]] == ["message.queued", "message.sent", "message.delivered"]
    told = run("messages", "show", message["id"]).out
    assert "delivered" in told
    assert "message.sent" in told


def heard(run: Run, key: str, code: str | None) -> None:
    """Waits until the server answers a key with a problem of this code (None: lets it in)."""
    deadline = time.monotonic() + 10
    while True:
        told = run("messages", "list", "--key", key, "--json")
        if (code is None and told.code == 0) or (code is not None and code in told.err):
            return
        assert time.monotonic() < deadline, (code, told)
        time.sleep(0.05)


def test_the_life_of_a_key_beside_a_running_server(run: Run, key: str, house: House) -> None:
    old, config = make_key(run, house.config, "--name", "till", "--allow", "127.0.0.1"), house.config
    heard(run, old, None)
    assert run("keys", "restrict", old, "--allow", "192.0.2.0/24", "--config", config).code == 0
    heard(run, old, "address_not_allowed")
    assert run("keys", "restrict", old, "--allow", "127.0.0.0/8", "--config", config).code == 0
    heard(run, old, None)
    fresh = run("keys", "rotate", old, "--overlap", "1h", "--config", config).out.strip()
    heard(run, fresh, None)
    heard(run, old, None)  # both, for an hour
    newest = run("keys", "rotate", fresh, "--overlap", "0s", "--config", config).out.strip()
    heard(run, fresh, "key_expired")
    heard(run, newest, None)
    assert run("keys", "revoke", newest, "--config", config).code == 0
    heard(run, newest, "unauthorized")


def test_events_are_followed_live(run: Run, key: str, house: House) -> None:
    with tailing(house.url, key, "--type", "message.queued", "--json", "--count", "1") as process:
        deadline = time.monotonic() + 20
        while process.poll() is None:  # what is sent before it listens it does not hear
            assert time.monotonic() < deadline
            assert run("send", "+14155550123", "hear me", "--from", "12345").code == 0
            time.sleep(0.2)
        out, _ = process.communicate()
        assert process.returncode == 0
        event = json.loads(out)
        assert (event["type"], event["data"]["text"]) == ("message.queued", "hear me")


def test_a_tail_begins_at_a_cursor_and_words_each_event_in_a_line(run: Run, key: str, house: House) -> None:
    cursor = Api(house.url, key).get("/v1/events", {"cursor": "now"})["cursor"]
    assert run("send", "+14155550123", "hello", "--from", "12345", "--wait").code == 0
    told = run("messages", "tail", "--cursor", cursor, "-n", "3").out.splitlines()
    assert [line.split()[1] for line in told] == ["queued", "sent", "delivered"]
    refused = run("messages", "tail", "--cursor", "nonsense")
    assert (refused.code, "cursor_invalid" in refused.err) == (1, True)


def test_webhooks_are_made_tested_changed_listed_and_deleted(run: Run, key: str) -> None:
    made = json.loads(run("webhooks", "create", "https://nobody.invalid/x", "--type", "message.received", "--json").out)
    assert made["secret"].startswith("whsec_")
    assert run("webhooks", "test", made["id"]).code == 1
    assert made["id"] in run("webhooks", "list").out
    paused = run("webhooks", "update", made["id"], "--address", "https://other.invalid/y", "--pause")
    assert paused.out.split() == [made["id"], "https://other.invalid/y", "paused"]
    resumed = json.loads(run("webhooks", "update", made["id"], "--resume", "--tag", "shop", "--json").out)
    assert (resumed["tags"], resumed["events"], "paused_at" in resumed) == (["shop"], ["message.received"], False)
    assert run("webhooks", "update", made["id"]).code == 1
    rotated = json.loads(run("webhooks", "rotate", made["id"], "--old-valid-s", "60", "--json").out)
    assert rotated["secret"] not in ("", made["secret"])
    assert rotated["old_secret_until"]
    assert "secret whsec_" in run("webhooks", "rotate", made["id"]).out
    assert "No deliveries" in run("webhooks", "deliveries", made["id"], "--state", "dead").out
    assert "0 deliveries" in run("webhooks", "replay", made["id"], "--failed").out
    assert run("webhooks", "replay", made["id"]).code == 1
    assert run("webhooks", "delete", made["id"]).code == 0
    assert run("webhooks", "delete", made["id"]).code == 1


def test_events_are_forwarded_signed_and_the_cursor_is_kept(run: Run, key: str, house: House, tmp_path: Path) -> None:
    got: list[tuple[dict[str, str], bytes]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    Thread(target=server.serve_forever, daemon=True).start()
    kept = tmp_path / "cursor"
    kept.write_text(Api(house.url, key).get("/v1/events", {"cursor": "now"})["cursor"])
    assert run("send", "+14155550123", "hello", "--from", "12345", "--wait").code == 0
    secret = new_secret()
    command = ("webhooks", "listen", "--forward-to", f"http://127.0.0.1:{server.server_port}/", "--secret", secret)
    for count in (2, 1):
        told = run(*command, "--cursor-file", str(kept), "-n", str(count))
        assert told.code == 0, told.err
        assert [line[:3] for line in told.out.splitlines()] == ["204"] * count
    server.shutdown()
    server.server_close()
    types = [Webhook(secret).verify(body, headers)["type"] for headers, body in got]
    assert types == ["message.queued", "message.sent", "message.delivered"]


def test_messages_are_listed_in_pages(run: Run, key: str) -> None:
    for number in range(3):
        assert run("send", "+4915550123456", f"number {number}", "--from", "12345", "--wait").code == 0
    page = json.loads(run("messages", "list", "--to", "+4915550123456", "--limit", "2", "--json").out)
    assert [message["text"] for message in page["messages"]] == ["number 2", "number 1"]
    rest = run("messages", "list", "--to", "+4915550123456", "--cursor", page["next"])
    assert "number 0" in rest.out
    assert run("messages", "list", "--to", "+447911123456").out == "No messages.\n"
    assert run("messages", "list", "--tag", "none", "--from", "12345", "--client-ref", "x").out == "No messages.\n"


def test_messages_are_counted(run: Run, key: str) -> None:
    assert run("send", "+4915550123458", "counted", "--from", "12345", "--wait").code == 0
    deadline = time.monotonic() + 20
    while True:
        found = json.loads(run("analytics", "--step", "all", "--group-by", "country", "--json").out)["rows"]
        if any(row["delivered"] for row in found):
            break
        assert time.monotonic() < deadline, "the counter never counted"
        time.sleep(0.05)
    assert all(row["accepted"] >= row["sent"] >= row["delivered"] for row in found)
    told = run("analytics", "--metric", "accepted", "--metric", "coverage", "--step", "hour")
    assert "coverage" in told.out
    assert "segments" not in told.out
    assert "must be one of" in run("analytics", "--metric", "lost").err
    assert "scope admin" in run("analytics", "--all-accounts").err


def test_messages_are_exported(run: Run, key: str, tmp_path: Path) -> None:
    for n in range(3):
        run("send", "+4915550123457", f"=number {n}", "--from", "12345")
    asked = ("messages", "export", "--to", "+4915550123457", "--accepted-from", "2026-01-01")
    lines = run(*asked, "--format", "ndjson").out.splitlines()
    assert [json.loads(line)["text"] for line in lines] == ["=number 2", "=number 1", "=number 0"]
    path = tmp_path / "messages.csv"
    assert f"octets in {path}" in run(*asked, "--output", path).err
    rows = list(csv.DictReader(path.open(newline="")))
    assert [row["text"] for row in rows] == ["'=number 2", "'=number 1", "'=number 0"]
    assert "ormat must be" in run(*asked, "--format", "xls", "--output", path).err
    assert len(list(csv.DictReader(path.open(newline="")))) == 3


def test_a_message_that_is_not_delivered_is_exit_code_1(run: Run, key: str) -> None:
    told = run("send", "+14155550199", "hello", "--from", "12345", "--wait")
    assert told.code == 1
    assert "rejected" in told.out


def test_the_same_idempotency_key_sends_once(run: Run, key: str) -> None:
    ids = {
        json.loads(run("send", "+14155550123", "once", "--from", "12345", "--idempotency-key", "k1", "--json").out)[
            "id"
        ]
        for _ in range(2)
    }
    assert len(ids) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("send", "hello", "hello"), "the server refused (number_"),
        (("send", "+14155550123", ""), "the server refused ("),
        (("messages", "show", "m000000000000000000"), "the server refused (not_found)"),
        (("messages", "list", "--state", "lost"), "tate must be one of"),
        (("messages", "list", "--key", "hg_live_wrong"), "the server refused (unauthorized)"),
        (("messages", "list", "--key", ""), "there is no API key: give --key"),
        (("messages", "list", "--url", "http://127.0.0.1:1"), "no answer from http://127.0.0.1:1: check --url"),
        (("messages", "list", "--url", "nonsense"), "nonsense is no address of a server: give one like"),
    ],
)
def test_a_refusal_is_one_sentence(run: Run, key: str, arguments: tuple[str, ...], words: str) -> None:
    told = run(*arguments)
    assert (told.code, told.out) == (1, "")
    assert words in told.err
    assert len(told.err.splitlines()) == 1


def test_nothing_that_needs_the_server_stopped_runs_beside_it(run: Run, house: House, tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    assert run("store", "backup", backup, "--config", house.config).code == 0
    assert run("store", "check", "--config", house.config).code == 0
    for arguments in (("restore", backup, "--force"), ("migrate",)):
        told = run("store", *arguments, "--config", house.config)
        assert told.code == 1
        assert "stop" in told.err
