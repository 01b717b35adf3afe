"""``heliograph oauth``: keys that sign are listed, and follow each other."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from pathlib import Path

import pytest

from tests.access.issuer import issuer
from tests.cli.conftest import Run, write_config


@pytest.fixture
def sealed(tmp_path: Path, run: Run) -> Path:
    """A configuration with a master key, and a store."""
    key = base64.b64encode(bytes(range(32))).decode()
    path = write_config(tmp_path, more=f'[security]\nmaster_key = "{key}"\n')
    assert run("keys", "create", "--account", "shop", "--config", path).code == 0
    return path


def listed(run: Run, config: Path) -> list[tuple[str, bool]]:
    found = json.loads(run("oauth", "keys", "--config", config, "--json").out)["keys"]
    return [(one["algorithm"], one["verifies_until"] is None) for one in found]


def test_keys_follow_each_other(run: Run, sealed: Path) -> None:
    assert run("oauth", "keys", "--config", sealed).out == "There is none yet: the first token makes one.\n"
    first = run("oauth", "rotate", "--config", sealed)
    assert first.out.startswith("The ES256 key ")
    second = json.loads(run("oauth", "rotate", "--algorithm", "RS256", "--config", sealed, "--json").out)
    assert (len(second["ending"]), second["dropped"]) == (1, [])
    assert listed(run, sealed) == [("RS256", True), ("ES256", False)]
    table = run("oauth", "keys", "--config", sealed).out
    assert second["kid"] in table
    assert "signs" in table
    assert "verifies until" in table
    last = run("oauth", "rotate", "--at-once", "--config", sealed)
    assert last.out.count("Dropped ") == 2
    assert listed(run, sealed) == [("RS256", True)]
    assert "signing_key" in run("audit", "list", "--config", sealed).out


def test_a_key_that_the_master_key_does_not_open_is_found(run: Run, sealed: Path) -> None:
    assert "of the configuration" not in run("store", "check", "--config", sealed).out
    run("oauth", "rotate", "--config", sealed)
    assert "ok    the 1 secrets of the configuration can be opened\n" in run("store", "check", "--config", sealed).out
    other = base64.b64encode(bytes(32)).decode()
    sealed.write_text(re.sub(r'master_key = ".*"', f'master_key = "{other}"', sealed.read_text()))
    told = run("store", "check", "--config", sealed)
    assert (
        told.code,
        "WRONG 1 secrets of the configuration cannot be opened: the secret of the signing_key" in told.out,
    ) == (1, True)


async def test_issuers_are_asked_for_their_keys(run: Run, tmp_path: Path) -> None:
    async with issuer() as there:
        there.rotate("two", rsa=True)
        table = '[[issuers]]\nname = "{}"\nissuer = "{}"\naudience = "a"\naccount = "shop"\n'
        good, bad = table.format("good", there.url), table.format("bad", f"{there.url}/elsewhere")
        path = write_config(tmp_path, more=good)
        told = await asyncio.to_thread(run, "oauth", "issuers", "--config", path)
        assert told.code == 0
        path.write_text(path.read_text() + bad)
        told = await asyncio.to_thread(run, "oauth", "issuers", "--config", path, "--json")
        first, second = json.loads(told.out)["issuers"]
    assert (first["name"], first["keys"], first["trouble"]) == ("good", 2, None)
    assert (told.code, second["keys"], second["trouble"]) == (1, 0, "it answers 404")


def test_an_unknown_algorithm_is_refused(run: Run, sealed: Path) -> None:
    told = run("oauth", "rotate", "--algorithm", "HS256", "--config", sealed)
    assert (told.code, "choose ES256 or RS256" in told.err) == (2, True)


def test_without_a_master_key_no_key_is_made(run: Run, config: Path) -> None:
    run("keys", "create", "--account", "shop", "--config", config)
    told = run("oauth", "rotate", "--config", config)
    assert (told.code, "the master key" in told.err) == (1, True)
    assert listed(run, config) == []
