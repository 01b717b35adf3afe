"""Accounts and limits of a file: applied whole, told before, exported again."""

from __future__ import annotations

import asyncio
import json
import random
import tomllib
from pathlib import Path
from typing import Any

import pytest

from heliograph.config.applied import toml_of
from heliograph.config.stored import SaidAccount
from heliograph.model import LimitSet
from tests.cli.conftest import Run, write_config
from tests.cli.test_declaring_commands import SECURITY
from tests.store.postgres.server import fresh_database

FILE = """\
[accounts.acme]
default_region = "DE"
quiet_hours = "21:00-08:00"
quiet_types = ["promotional", "transactional"]

[accounts."acme.shop"]
quiet_hours = ""

[accounts."acme.shop.berlin"]
closed = true

[account_limits.acme]
segments_per_day = 10000
spend_per_month = "500"
price = "0.05"
prices = { "+49" = "0.07" }

[account_limits."acme.shop"]
requests_per_second = 20

[[numbers]]
number = "4915112345678"
account = "acme.shop"
"""
NOTHING = "Nothing changes: everything is so already.\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(tmp_path, more=SECURITY)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tenants.toml"
    path.write_text(FILE)
    return path


def listed(run: Run, config: Path, what: str) -> dict[str, Any]:
    told = run(what, "list", "--config", config, "--json")
    assert told.code == 0, told.err
    return {one["name"]: one for one in json.loads(told.out)[what]}


def test_a_tree_with_its_limits_is_applied_at_once(run: Run, config: Path, file: Path) -> None:
    dry = run("apply", file, "--config", config, "--dry-run")
    assert dry.out.splitlines() == [
        "Would be changed:", "+ number 4915112345678",
        "+ account acme", "+ account acme.shop", "+ account acme.shop.berlin",
        "+ limit account:acme", "+ limit account:acme.shop",
    ]  # fmt: skip
    assert listed(run, config, "accounts") == {}
    assert run("apply", file, "--config", config).out.splitlines() == dry.out.splitlines()[1:]
    assert run("apply", file, "--config", config).out == NOTHING
    accounts = listed(run, config, "accounts")
    assert {name: one["parent"] for name, one in accounts.items()} == {
        "acme": None, "acme.shop": "acme", "acme.shop.berlin": "acme.shop",
    }  # fmt: skip
    assert accounts["acme.shop"]["settings"] == {"quiet_hours": None}
    assert accounts["acme.shop.berlin"]["effective"]["quiet_types"] == ["promotional", "transactional"]
    assert [name for name, one in accounts.items() if one["closed_at"]] == ["acme.shop.berlin"]
    assert listed(run, config, "limits")["account:acme"]["limits"]["prices"] == {"+49": "0.07"}
    trail = json.loads(run("audit", "list", "--config", config, "--json").out)["entries"]
    assert sorted((one["action"], one["object"], one["account"]) for one in trail) == sorted([
        ("create", "number 4915112345678", None),
        ("create", "limit account:acme", "acme"),
        ("create", "limit account:acme.shop", "acme.shop"),
        *(("create", f"account {name}", name) for name in accounts),
    ])  # fmt: skip


def test_what_a_file_says_is_all_that_an_account_says(run: Run, config: Path, file: Path) -> None:
    run("apply", file, "--config", config)
    file.write_text('[accounts.acme]\ntime_zone = "Europe/Berlin"\n[accounts."acme.shop.berlin"]\nclosed = false\n')
    assert run("apply", file, "--config", config).out.splitlines() == [
        "~ account acme",
        "    settings: {'default_region': 'DE', 'quiet_hours': '21:00-08:00', 'quiet_types': ['promotional', "
        "'transactional']} → {'time_zone': 'Europe/Berlin'}",
        "~ account acme.shop.berlin",
        "    closed: True → False",
    ]
    # It is silent about limits and about acme.shop, which stay; with --prune limits of accounts go, accounts never.
    assert len(listed(run, config, "limits")) == 2
    key = run("keys", "create", "--account", "acme", "--config", config).out.splitlines()[-1][:16]
    run("limits", "set", f"key:{key}", "requests_per_day=5", "--config", config)
    pruned = run("apply", file, "--config", config, "--prune")
    assert pruned.out.splitlines() == [
        "- number 4915112345678", "- limit account:acme", "- limit account:acme.shop",
    ]  # fmt: skip
    assert list(listed(run, config, "limits")) == [f"key:{key}"]
    assert len(listed(run, config, "accounts")) == 3


FAULTS = {
    '[accounts."nobody.shop"]\n': ("there is no account nobody above it", 'say [accounts."nobody"], too'),
    '[accounts."no shop"]\n': ("'no shop' cannot name an account", "letters, digits"),
    "".join(f'[accounts."{".".join("abcdef"[:depth])}"]\n' for depth in range(1, 7)): (
        "accounts have at most 5 levels",
        "make this one further up",
    ),
    '[accounts."a.b.c.d.e.f.g.h.i.j.k"]\n': ("there is no account a.b.c.d.e.f.g.h.i.j above it", "say"),
    f"[accounts.{'x' * 65}]\n": ("a name has at most 64 characters", ""),
    '[accounts.one]\ndefault_region = "XX"\n': ('"XX" is no region', "ISO 3166"),
    '[accounts.one]\nregion = "DE"\n': ('unknown setting "region"', ""),
    '[accounts.one]\nclosed = "yes"\n': ("closed must be true or false", "leave it out"),
    "accounts = 5\n": ("accounts", ""),
    "[accounts]\none = 5\n": ('"one" must be a table', "write [accounts.one]"),
    "[account_limits.nobody]\nrequests_per_day = 1\n": ("there is no account nobody", 'say [accounts."nobody"], too'),
    "[key_limits.hg_live_00000000]\nrequests_per_day = 1\n": ("there is no key hg_live_00000000", "keys create"),
    "[account_limits.acme]\nrequests_per_day = -1\n": ("requests_per_day: Expected int >= 0", "limits set --help"),
    "[account_limits.acme]\nrequests = 1\n": ("this table: Object contains unknown field requests", ""),
    '[account_limits.acme]\nspend_per_day = "5"\n': ("price is missing", "Give price"),
    "[account_limits.acme]\n": ("requests_per_second is missing", "Give at least one limit"),
    "[account_limit.acme]\nrequests_per_day = 1\n": ('"account_limit" cannot', 'did you mean "account_limits"?'),
}


@pytest.mark.parametrize("wrong", FAULTS)
def test_a_fault_is_told_with_its_line_and_nothing_is_applied(run: Run, config: Path, file: Path, wrong: str) -> None:
    file.write_text(f"{wrong}\n[accounts.acme]\n" if "limits.acme" in wrong else f"{wrong}")
    assert run("accounts", "create", "there", "--config", config).code == 0
    told = run("apply", file, "--config", config)
    what, remedy = FAULTS[wrong]
    assert (told.code, told.out) == (1, "")
    assert told.err.startswith(f"Error: {file}:"), told.err
    assert what in told.err
    assert remedy in told.err
    assert "Traceback" not in told.err
    assert list(listed(run, config, "accounts")) == ["there"]


def test_all_faults_are_told_together(run: Run, config: Path, file: Path) -> None:
    file.write_text(
        '[accounts."a.b"]\n[account_limits.c]\nrequests_per_day = 1\n[[routes]]\nname = "r"\nconnectors = ["x"]\n'
    )
    told = run("apply", file, "--config", config)
    assert told.code == 1
    assert [line.partition(f"{file}:")[2].partition(":")[0] for line in told.err.splitlines() if str(file) in line] == [
        "6", "1", "2",
    ]  # fmt: skip


def test_an_account_of_the_configuration_file_is_changed_there(run: Run, tmp_path: Path, file: Path) -> None:
    config = write_config(tmp_path, more=f'{SECURITY}[accounts.acme]\ndefault_region = "DE"\n')
    file.write_text(
        '[accounts.acme]\ndefault_region = "DE"\n[account_limits.other]\nrequests_per_day = 1\n[accounts.other]\n'
    )
    assert run("apply", file, "--config", config).out.splitlines() == ["+ account other", "+ limit account:other"]
    file.write_text('[accounts.acme]\ndefault_region = "FR"\n')
    told = run("apply", file, "--config", config)
    assert told.code == 1
    assert "declared by the configuration file" in told.err


def many(seed: int) -> str:
    """Some tree with some limits."""
    chance = random.Random(seed)
    names = ["top"]
    for at in range(30):
        parent = chance.choice([None, *names])
        if parent is None or parent.count(".") < 4:
            names.append(f"n{at}" if parent is None else f"{parent}.n{at}")
    words: dict[str, list[Any]] = {
        "recipients": ["valid", "possible"], "default_region": ["DE", None], "quiet_hours": ["22:00-06:00", None],
        "quiet_types": [["otp"], []], "time_zone": ["Asia/Tokyo"], "smart_encoding": [True, False],
        "national_tables": [True, False],
    }  # fmt: skip
    accounts = {
        name: SaidAccount(
            {word: chance.choice(values) for word, values in words.items() if chance.random() < 0.4},
            True if chance.random() < 0.2 else None,
        )
        for name in sorted(names)
    }
    limits = {
        f"account:{name}": LimitSet(
            requests_per_day=chance.choice([None, 0, 10**12]), segments_per_second=chance.choice([1, 10**6]),
            spend_per_day=chance.choice([None, "0.000001"]), price="1", prices=chance.choice([{}, {"+1": "0.5"}]),
        )
        for name in sorted(names)
        if chance.random() < 0.5
    }  # fmt: skip
    return toml_of([], accounts, limits)


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_what_is_exported_is_applied_to_an_empty_store_and_exported_again(run: Run, tmp_path: Path, store: str) -> None:
    for seed in range(4):
        text, found = many(seed), []
        for place in ("one", "other"):
            url = f"sqlite:///{tmp_path}/{place}{seed}.db" if store == "sqlite" else asyncio.run(fresh_database())
            config, file = tmp_path / f"{place}.toml", tmp_path / "whole.toml"
            config.write_text(f'[store]\nurl = "{url}"\n{SECURITY}')
            file.write_text(text)
            if store == "postgres":
                assert run("store", "migrate", "--config", config).code == 0
            told = run("apply", file, "--config", config)
            assert told.code == 0, told.err
            text = run("export", "--config", config).out
            found.append(text)
            assert run("apply", file, "--config", config).out == NOTHING
        assert found[0] == found[1]
        assert tomllib.loads(found[0]) == tomllib.loads(many(seed))
