"""Every shell block of every page is run, in the order of the page, and does what it says."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from heliograph.bench.processes import Child, python
from tests.docs.curl import commands
from tests.docs.pages import ROOT, blocks, pages, text
from tests.docs.playing import NOT_PLAYED, Player, not_played
from tests.store.postgres.server import fresh_database

SHELL = {
    str(page.relative_to(ROOT)): [command for block in blocks(page, "sh") for command in commands(block.text)]
    for page in pages()
}
SAID = {
    "heliograph connectors put backup --set segments_per_second=50 --dry-run": "as by default → 50",
    "heliograph apply carriers.toml": "+ connector spare",
    "heliograph apply everything.toml --dry-run": "Nothing changes: everything is so already.",
    'heliograph send +14155550123 "My own server" --from 12345 --wait': "delivered",
    "heliograph simulate state": "cheap",
    "heliograph simulate check world.toml": "world.toml is right.",
    "heliograph store check --config heliograph.toml": "ok",
    "heliograph accounts list --below demo": "demo.cafe",
}
"""What commands print, among other things."""
PLAYED = sorted(page for page, found in SHELL.items() if any(not_played(command) is None for command in found))


class _Takes(BaseHTTPRequestHandler):
    """Whatever comes is taken."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is said."""


@pytest.fixture(scope="module")
def hook() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Takes)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/sms"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def carrier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a virtual carrier."""
    output = tmp_path_factory.mktemp("carrier") / "carrier.out"
    child = Child("the carrier", python("heliograph", "simulate", "--port", "0"), output)
    yield int(child.line("ready ", 60.0).rpartition(":")[2])
    child.stop()


@pytest.mark.parametrize("page", PLAYED)
def test_every_command_of_a_page_does_what_it_says(page: str, tmp_path: Path, carrier: int, hook: str) -> None:
    player = Player(page, tmp_path, carrier, hook, lambda: asyncio.run(fresh_database()))
    try:
        player.begin()
        played = []
        for command, said in player.play():
            assert SAID.get(command, "") in said, f"{command}: {said}"
            played.append(command)
    finally:
        player.end()
    assert played == [command for command in SHELL[page] if not_played(command) is None]


def test_what_is_not_played_is_there_for_a_reason() -> None:
    left = {pattern for found in SHELL.values() for command in found if (pattern := not_played(command)) is not None}
    assert left == set(NOT_PLAYED)
    assert all(NOT_PLAYED.values())
    assert SAID.keys() <= {command for found in SHELL.values() for command in found}


def test_the_words_of_make_are_there() -> None:
    words = {found for commands in SHELL.values() for one in commands for found in re.findall(r"^make (\w+)", one)}
    assert words <= set(re.findall(r"^(\w+):", text("Makefile"), re.MULTILINE))
