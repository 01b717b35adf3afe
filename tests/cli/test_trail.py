"""Every command that changes the store leaves an entry in the audit log. The program says which commands there are."""

from __future__ import annotations

import base64
import inspect
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import typer

from heliograph.access import Principal
from heliograph.access.publishable import PublishableKeeper
from heliograph.cli.commands import app
from heliograph.cli.stores import load_config, sealer_of, with_store
from heliograph.contracts import Store
from tests.cli.conftest import Run, write_config

KEY: Final = base64.b64encode(bytes(range(32))).decode()
ROUTES: Final = '[[routes]]\nname = "applied"\nprefixes = ["1"]\nconnectors = ["main"]\n'
SETTINGS: Final = ("--set", "kind=smpp", "--set", "host=smsc.example.com", "--set", "system_id=me")
STEPS: Final[Mapping[str, tuple[str, ...]]] = {
    "accounts create": ("team",),
    "accounts change": ("team", "--set", "default_region=DE"),
    "accounts close": ("team",),
    "accounts open": ("team",),
    "keys create": ("--account", "team"),
    "keys rotate": ("{key}",),
    "keys restrict": ("{key}", "--allow", "192.0.2.0/24"),
    "keys revoke": ("{key}",),
    "limits set": ("account:team", "requests_per_second=5"),
    "limits remove": ("account:team",),
    "people create": ("ada@example.com", "--account", "team"),
    "people change": ("ada@example.com", "--role", "developer"),
    "people password": ("ada@example.com",),
    "people end": ("ada@example.com",),
    "smpp-customers create": ("acme", "--account", "team"),
    "smpp-customers password": ("acme",),
    "smpp-customers end": ("acme",),
    "connectors put": ("second", *SETTINGS, "--set", "password=pa55"),
    "connectors delete": ("second",),
    "routes put": ("far", "--prefix", "1", "--connector", "main"),
    "routes delete": ("far",),
    "numbers put": ("54321", "--account", "team", "--connector", "main"),
    "numbers delete": ("54321",),
    "optout add": ("--account", "team", "+14155550123"),
    "optout remove": ("--account", "team", "+14155550123"),
    "publishable-tokens revoke": ("{token}",),
    "oauth rotate": (),
    "apply": ("{file}",),
    "store rekey": (),
    "store backup": ("{backup}",),
    "store restore": ("{backup}", "--force"),
}
"""Commands that change the store, with what makes them do so, in an order in which they can."""
BEFORE: Final = {"store migrate": "makes the store, with which its log begins"}
UNTOLD: Final[Mapping[str, str]] = {
    "store backup": "reads",
    "store check": "reads",
    "accounts list": "reads",
    "accounts show": "reads",
    "audit list": "reads",
    "config check": "reads",
    "connectors list": "reads",
    "connectors show": "reads",
    "export": "reads",
    "inspect": "looks at a text",
    "keys list": "reads",
    "limits list": "reads",
    "numbers list": "reads",
    "numbers show": "reads",
    "oauth issuers": "reads",
    "oauth keys": "reads",
    "optout list": "reads",
    "people list": "reads",
    "publishable-tokens list": "reads",
    "routes list": "reads",
    "routes show": "reads",
    "smpp-customers list": "reads",
    "bench": "has a store of its own",
    "demo": "has a store of its own",
    "serve": "is the server, which is told what to do",
}
"""Commands that change nothing in the store, and why."""


def commands(group: Any = None, before: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """(name, function) of every command of the program."""
    for name, one in (group or typer.main.get_command(app)).commands.items():
        if hasattr(one, "commands"):
            yield from commands(one, (*before, name))
        else:
            yield " ".join((*before, name)), inspect.unwrap(one.callback)


def goes_over_http(function: Any) -> bool:
    """Whether it asks a server, which tells of it: tests/surface/test_trail.py asks every operation."""
    options = inspect.signature(function).parameters
    return "url" in options and "config" not in options


def a_token(config: Path) -> str:
    """The id of a new publishable token, which comes over HTTP otherwise."""
    keys = sealer_of(load_config(config))

    async def work(store: Store) -> str:
        [account] = [one for one in await store.accounts() if one.name == "team"]
        keeper = PublishableKeeper(store, keys, lambda: time.time_ns() // 1000)
        token, _ = await keeper.create(
            Principal(account, frozenset(), "hg_live_x"), b"{}", ["https://x.example"], 10**9
        )
        return token.prefix

    return with_store(config, work)


def test_every_command_is_told_or_known_to_change_nothing() -> None:
    known = {*STEPS, *BEFORE, *UNTOLD}
    here = {
        name
        for name, function in commands()
        if not goes_over_http(function) and not name.startswith("simulate")  # a carrier, which has no store
    }
    assert here - known == set(), "a command that changes something leaves an entry: add it to STEPS"
    assert known - {name for name, _ in commands()} == set()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(tmp_path, more=f'[security]\nmaster_key = "{KEY}"\n')


def test_each_command_leaves_the_users_entry(run: Run, config: Path, tmp_path: Path) -> None:
    (tmp_path / "file.toml").write_text(ROUTES)
    told: list[str] = []
    places = {"file": str(tmp_path / "file.toml"), "backup": str(tmp_path / "backup.db"), "key": ""}
    assert run("store", "migrate", "--config", config).code == 0

    def entries() -> list[dict[str, Any]]:
        found = run("audit", "list", "--limit", "1000", "--config", config, "--json")
        rows: list[dict[str, Any]] = json.loads(found.out)["entries"]
        return rows

    for command, words in STEPS.items():
        if command == "publishable-tokens revoke":
            places["token"] = a_token(config)
        before = len(entries())
        done = run(*command.split(), *(one.format(**places) for one in words), "--config", config)
        assert done.code == 0, (command, done)
        if command in ("keys create", "keys rotate"):
            places["key"] = done.out.split()[-1][:16]
        left = entries()[: len(entries()) - before]
        if not left and command not in UNTOLD:
            told.append(command)
        assert {one["actor"].partition(" ")[0] for one in left} <= {"command"}, command
    assert told == [], "these left no entry"
