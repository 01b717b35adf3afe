"""A page is played: its shell blocks run in order, in a folder of their own, beside a server of their own.

What a reader would do between the lines stands here: ports that are free, names and ids that are one's own, a server
that is stopped where the page says so.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from heliograph.bench.processes import Child, python
from heliograph.cli import main
from heliograph.model import SCOPES
from heliograph.simulator.reading import world_file
from tests.certificates import Authority
from tests.docs.conftest import CONFIG, CUSTOMERS
from tests.docs.curl import commands, read
from tests.docs.pages import fenced
from tests.docs.pages import text as text_of

__all__ = ["NOT_PLAYED", "Player", "not_played"]

_START_S: Final = 60.0
NOT_PLAYED: Final = {
    r"make (?:test|lint|demo|bench|chaos|compare)\b.*": "minutes of work, or the very run that this is part of",
    r"\.venv/bin/python -m (?:pytest|heliograph\.\w+|tests\.).*": "pages that are made are held by the tests of tables",
    r"\.venv/bin/pip .*": "would change what the tests run in",
    r"sudo .*": "would change the machine",
    r"\. \.venv/bin/activate": "the command is found already",
    r"export HELIOGRAPH_(?:URL=http://127\.0\.0\.1:8080|KEY=hg_live_\.\.\.)": "stands for what one's own server says",
}
"""Commands that no test runs, and why."""

_OPERATORS: Final = ("audit", "configuration-in-the-store", "limits", "people")
"""How-tos that are for who may do everything."""
_BESIDE: Final = {"stopped.txt": "+14155550198\n"}
"""Files that a page has from elsewhere."""
_ASKS_A_SERVER: Final = r"^curl|heliograph (?!simulate|inspect|config|serve)[a-z]"
_CERTIFICATES: Final = "/etc/heliograph/tls"


def not_played(command: str) -> str | None:
    """The pattern of :data:`NOT_PLAYED` that a command has."""
    return next((pattern for pattern in NOT_PLAYED if re.fullmatch(pattern, command, re.DOTALL)), None)


class Player:
    """Plays one page. ``port`` is that of a carrier; ``hook`` an address that takes every webhook."""

    def __init__(self, page: str, folder: Path, port: int, hook: str, database: Callable[[], str]) -> None:
        self.page = page
        self.environment: dict[str, str] = {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "200"}
        self._folder = folder
        self._port = port
        self._hook = hook
        self._database = database
        self._server: Child | None = None
        self._simulator: Child | None = None
        self._simulator_port = ""
        self._ids: dict[str, str] = {}
        """What stands for an id on the page → an id that there is."""

    # --- before and after -----------------------------------------------------------------------------

    def begin(self) -> None:
        """The server and the accounts that a page takes for granted."""
        own = self._folder / "own"
        own.mkdir()
        text = CONFIG.format(folder=own, port=self._port)
        for place in (own / "heliograph.toml", self._folder / "heliograph.toml"):
            place.write_text(text)
        for name, content in _BESIDE.items():
            (self._folder / name).write_text(content)
        self.environment |= {"HELIOGRAPH_CONFIG": str(own / "heliograph.toml"), "ACME_PASSWORD": "example"}
        if not re.search(_ASKS_A_SERVER, text_of(self.page), re.MULTILINE):
            return
        self._serve(["--config", str(own / "heliograph.toml")])
        scopes = ",".join(SCOPES if Path(self.page).stem in _OPERATORS else CUSTOMERS)
        key = self._last_line(self._heliograph(["keys", "create", "--account", "demo", "--scopes", scopes]))
        self.environment |= {"HELIOGRAPH_KEY": key, "CLIENT_ID": key[:16]}
        self._ids["hg_live_4f0c91d2"] = key[:16]
        self.environment["ID"] = self._ask("/v1/messages", {"to": "+14155550123", "from": "12345", "text": "Hi"})["id"]
        if re.search("WEBHOOK_ID|we_0123456789", text_of(self.page)):  # where nobody wants one, nothing is sealed
            one, other = (self._ask("/v1/webhooks", {"url": self._hook})["id"] for _ in range(2))
            self.environment["WEBHOOK_ID"], self._ids["we_0123456789"] = one, other

    def end(self) -> None:
        """Stops what runs."""
        for child in (self._server, self._simulator):
            if child is not None and child.alive:
                child.stop()

    # --- the page -------------------------------------------------------------------------------------

    def play(self) -> Iterator[tuple[str, str]]:
        """Each command that was run, with what it printed. Raises ``AssertionError`` where one fails."""
        whole = list(fenced(self.page))
        for at, block in enumerate(whole):
            if block.language == "toml":
                after = "\n".join(later.text for later in whole[at:] if later.language == "sh")
                named = re.search(r"[\w-]+\.toml", after)
                self._write(named[0] if named else "heliograph.toml", block.text)
            elif block.language == "sh":
                for command in commands(block.text):
                    if not_played(command) is None:
                        yield command, self.run(command)

    def _write(self, name: str, text: str) -> None:
        """A file of the page, as a reader with other ports and hosts would have it."""
        text = re.sub(r'listen = "[\d.]+:\d+"', 'listen = "127.0.0.1:0"', text)
        if _CERTIFICATES in text:
            whole = Authority(self._folder).issue("sms.example.com", "sms.example.com").read_bytes()
            for file in ("fullchain.pem", "privkey.pem"):
                (self._folder / file).write_bytes(whole)
            text = text.replace(_CERTIFICATES, str(self._folder))
        (self._folder / name).write_text(text)

    def run(self, command: str) -> str:
        """One command of a shell; gives what it prints."""
        for shown, one in self._ids.items():
            command = command.replace(shown, one)
        if command.startswith("export "):
            return self._export(command.removeprefix("export "))
        if command.startswith("curl "):
            return self._curl(command)
        if command.startswith("heliograph "):
            words, _, target = command.partition(" > ")
            out = self._heliograph(shlex.split(self._filled_in(words))[1:])
            if target:
                (self._folder / target).write_text(out)
            return out
        return self._shell(command)

    def _export(self, assignment: str) -> str:
        name, _, value = assignment.partition("=")
        if inner := re.fullmatch(r"\$\((.*)\)", value, re.DOTALL):
            value = self._last_line(self.run(inner[1]))
        elif value.startswith("postgresql://"):
            value = self._database()
        self.environment[name] = self._filled_in(value)
        return ""

    def _filled_in(self, text: str) -> str:
        known = {**self.environment, "PWD": str(self._folder)}
        return re.sub(r"\$(\w+)", lambda found: known[found[1]], text)

    def _shell(self, command: str) -> str:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("HELIOGRAPH_")}
        pid = {} if self._server is None else {"SERVER_PID": str(self._server.pid)}
        done = subprocess.run(
            ["sh", "-ec", command], cwd=self._folder, env={**clean, **self.environment, **pid},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    # --- curl -----------------------------------------------------------------------------------------

    def _curl(self, command: str) -> str:
        asked = read(command, self.environment)
        request = urllib.request.Request(asked.url, asked.body, asked.headers, method=asked.method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                said = "" if asked.stays_open else answer.read().decode()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{command}: {error.code} {error.read().decode()}") from None
        with contextlib.suppress(ValueError):
            self._remember(json.loads(said))
        return said

    def _remember(self, said: Any) -> None:
        found = said if isinstance(said, dict) else {}
        if "access_token" in found:
            self.environment["TOKEN"] = found["access_token"]
        if "token" in found:
            self.environment["PUBLISHABLE_TOKEN"] = found["token"]
            self._ids["hg_pub_live_01a207872593fe2255b1"] = found["id"]
        if found.get("state") == "scheduled":
            self._ids["m0cpn9ot92htujg9pqrp"] = found["id"]

    def _ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.environment['HELIOGRAPH_KEY']}"}
        request = urllib.request.Request(
            f"{self.environment['HELIOGRAPH_URL']}{path}", json.dumps(body).encode(), headers
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            found: dict[str, Any] = json.loads(answer.read())
        return found

    # --- our own command ------------------------------------------------------------------------------

    def _heliograph(self, words: list[str]) -> str:
        if words[0] == "serve":
            return self._serve(words[1:])
        if words[0] == "simulate" and (len(words) == 1 or words[1].startswith("-")):
            return self._simulate(words[1:])
        if words[:2] in (["store", "restore"], ["store", "migrate"]) and self._server is not None:
            self._server.stop()  # as the pages say
        octets, errors = io.BytesIO(), io.StringIO()
        out = io.TextIOWrapper(octets, write_through=True)
        before, here = dict(os.environ), Path.cwd()
        try:
            os.environ.update(self.environment)
            os.chdir(self._folder)
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
                main(words)
            code: object = 0
        except SystemExit as end:
            code = end.code or 0
        finally:
            os.chdir(here)
            os.environ.clear()
            os.environ.update(before)
        printed = octets.getvalue().decode()
        assert code == 0, f"heliograph {shlex.join(words)}: {errors.getvalue()}{printed}"
        if words[:2] in (["keys", "create"], ["keys", "rotate"]) and "HELIOGRAPH_KEY" in self.environment:
            self._ids["hg_live_4f0c91d2"] = self._last_line(printed)[:16]
        return printed

    def _serve(self, words: list[str]) -> str:
        if self._server is not None and self._server.alive:
            self._server.stop()
        if self._simulator is not None:  # on another port than the page says
            file = self._folder / words[words.index("--config") + 1]
            file.write_text(file.read_text().replace("port = 2775", f"port = {self._simulator_port}"))
        self._server = self._child("serve", words)
        line = self._server.line("ready ", _START_S)
        self.environment["HELIOGRAPH_URL"] = line.removeprefix("ready ").strip()
        return line

    def _simulate(self, words: list[str]) -> str:
        if self._simulator is not None:
            self._simulator.stop()
        if "--world" in words:
            at = words.index("--world") + 1
            copy = self._folder / f"played-{Path(words[at]).stem}.toml"
            kept = world_file(words[at])
            copy.write_text(re.sub(r"\bport = \d+", "port = 0", (self._folder / kept).read_text()))
            words[at : at + 1] = [str(copy), "--control-port", "0"]
            self._simulator = self._child("simulate", words)
            line = self._simulator.line("control ", _START_S)
            self.environment["HELIOGRAPH_SIMULATOR_URL"] = line.removeprefix("control ").strip()
            return line
        words = [word for at, word in enumerate(words) if "--port" not in (word, words[at - 1])]
        self._simulator = self._child("simulate", ["--port", "0", *words])
        line = self._simulator.line("ready ", _START_S)
        self._simulator_port = line.rpartition(":")[2]
        return line

    def _child(self, command: str, words: list[str]) -> Child:
        output = self._folder / f"{command}-{len(list(self._folder.glob('*.out')))}.out"
        return Child(
            command, python("heliograph", command, *words), output, environment=self.environment, folder=self._folder
        )

    @staticmethod
    def _last_line(out: str) -> str:
        return out.strip().splitlines()[-1]
