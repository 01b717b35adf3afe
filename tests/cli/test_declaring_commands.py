"""``connectors``, ``routes``, ``numbers``, ``apply`` and ``export``."""

from __future__ import annotations

import base64
import io
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run, write_config

KEY = base64.b64encode(bytes(range(32))).decode()
SECURITY = f'[security]\nmaster_key = "{KEY}"\n'
FILE = """\
[[connectors]]
name = "two"
kind = "smpp"
host = "smsc.example.com"
port = 2776
system_id = "esme \\"2\\""
password = "pa55word"
tls = true
segments_per_second = 12.5
dest_ton_npi = [1, 1]
tlvs = { "0x1400" = "11", 5120 = "hex:00ff" }

[[connectors]]
name = "three.b"
kind = "smpp"
host = "smsc.example.org"
system_id = "ü"
password = "env:THREE"

[[routes]]
name = "us"
prefixes = ["1", "44"]
connectors = ["two", "main"]
accounts = ["shop"]

[[numbers]]
number = "+4915112345678"
account = "shop"
connectors = ["two"]
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("THREE", "from outside")
    return write_config(tmp_path, more=SECURITY)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "carriers.toml"
    path.write_text(FILE)
    return path


def shown(run: Run, config: Path, kind: str, name: str) -> dict[str, Any]:
    told = run(kind, "show", name, "--config", config, "--json")
    assert told.code == 0, told.err
    found: dict[str, Any] = json.loads(told.out)
    return found


def test_a_file_is_applied_once_and_changes_nothing_again(run: Run, config: Path, file: Path) -> None:
    dry = run("apply", file, "--config", config, "--dry-run")
    assert dry.out.splitlines() == [
        "Would be changed:", "+ connector three.b", "+ connector two", "+ number 4915112345678", "+ route us",
        "+ account shop",
    ]  # fmt: skip
    assert json.loads(run("connectors", "list", "--config", config, "--json").out)["connectors"][0]["name"] == "main"
    done = run("apply", file, "--config", config)
    assert done.out.splitlines() == dry.out.splitlines()[1:]
    assert run("apply", file, "--config", config).out == "Nothing changes: everything is so already.\n"
    assert shown(run, config, "connectors", "two")["settings"]["password"] == {"set": True}
    assert "pa55word" not in run("audit", "list", "--config", config, "--json").out


def test_what_is_exported_is_the_same_on_an_empty_store(run: Run, config: Path, file: Path, tmp_path: Path) -> None:
    assert run("apply", file, "--config", config).code == 0
    exported = run("export", "--config", config)
    assert exported.code == 0, exported.err
    assert "pa55word" not in exported.out
    assert '"secret"' not in exported.out
    assert 'password = "env:THREE"' in exported.out
    # All of it as a file for an empty store, which no file describes.
    (tmp_path / "other").mkdir()
    whole, other = tmp_path / "export.toml", tmp_path / "other" / "heliograph.toml"
    whole.write_text(exported.out)
    other.write_text(f'[store]\nurl = "sqlite:///{tmp_path}/other/store.db"\n{SECURITY}')
    applied = run("apply", whole, "--config", other)
    assert applied.code == 0, applied.err
    again = run("export", "--config", other)
    assert tomllib.loads(again.out) == {
        section: rows
        if section == "accounts"
        else sorted(rows, key=lambda one: str(one.get("name", one.get("number"))))
        for section, rows in tomllib.loads(exported.out).items()
    }
    # What it says is what the configuration that it came from said.
    settings = shown(run, other, "connectors", "main")["settings"]
    assert settings == shown(run, config, "connectors", "main")["settings"]
    assert shown(run, other, "connectors", "two")["settings"] == shown(run, config, "connectors", "two")["settings"]
    # Where it came from, and where it is now, it changes nothing.
    for here in (config, other):
        told = run("apply", whole, "--config", here)
        assert told.out == "Nothing changes: everything is so already.\n", told.err
    assert "main" not in run("export", "--config", config, "--store-only").out.replace('"main"]', "")


def test_another_master_key_opens_no_export(run: Run, config: Path, file: Path, tmp_path: Path) -> None:
    run("apply", file, "--config", config)
    whole, other = tmp_path / "export.toml", tmp_path / "other.toml"
    whole.write_text(run("export", "--config", config).out)
    stranger = base64.b64encode(bytes(32)).decode()
    other.write_text(f'[store]\nurl = "sqlite:///{tmp_path}/other.db"\n[security]\nmaster_key = "{stranger}"\n')
    told = run("apply", whole, "--config", other)
    assert told.code == 1
    line = next(at for at, text in enumerate(whole.read_text().splitlines(), 1) if "sealed:" in text)
    assert told.err.startswith(f"Error: {whole}:{line}: ")
    assert "which is not known here" in told.err
    assert json.loads(run("connectors", "list", "--config", other, "--json").out) == {"connectors": []}


def test_without_a_master_key_no_secret_comes_in(run: Run, tmp_path: Path, file: Path) -> None:
    bare = write_config(tmp_path)
    told = run("apply", file, "--config", bare)
    assert told.code == 1
    assert "the master key" in told.err
    assert "no secret can be sealed" in told.err


def test_a_file_with_faults_is_never_applied_half(run: Run, config: Path, file: Path) -> None:
    file.write_text(FILE.replace("port = 2776", "port = 0").replace('"main"]\naccounts', '"nowhere"]\naccounts'))
    told = run("apply", file, "--config", config)
    assert told.code == 1
    lines = told.err.splitlines()
    assert any(line.startswith(f"Error: {file}:5: port ") for line in lines)
    assert any(f"{file}:" in line and 'there is no connector "nowhere"' in line for line in lines)
    assert len(json.loads(run("connectors", "list", "--config", config, "--json").out)["connectors"]) == 1


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("[http]\nlisten = 'x'", ":1", '"http" cannot be applied'),
        ("[[connectors]]\nkind = 'smpp'", ":1", "the connector has no name"),
        ("[[routes]]\nname = 5", ":1", "the route has no name"),
        ("[[numbers]]\nnumber = 'a b'", ":2", "cannot be the name of a number"),
        ("[[numbers]]\nnumber = '777'\naccount = 'a'\n[[numbers]]\nnumber = '+777'", ":5", "is there twice"),
        ("connectors = 5", ":1", '"connectors" must be a list of tables'),
        ("[[routes]", ":1", "is no TOML"),
        ("[[routes]]\nname = 'r'\nconnectors = ['main']\nhosts = 1", ":4", 'unknown setting "hosts"'),
        ("[[connectors]]\nname = 'main'\nkind = 'smpp'\nhost = 'x'", "", "is declared by the configuration file"),
    ],
)
def test_bad_files_are_named_with_their_line(
    run: Run, config: Path, file: Path, text: str, place: str, what: str
) -> None:
    file.write_text(text)
    told = run("apply", file, "--config", config)
    assert told.code == 1
    assert what in told.err
    assert not place or f"{file}{place}" in told.err
    assert run("apply", file.with_name("none.toml"), "--config", config).code == 1


def test_pruning_deletes_what_the_file_does_not_have(run: Run, config: Path, file: Path) -> None:
    run("apply", file, "--config", config)
    file.write_text('[[routes]]\nname = "us"\nprefixes = ["1"]\nconnectors = ["main"]\n')
    kept = run("apply", file, "--config", config, "--dry-run")
    assert kept.out.splitlines()[1] == "~ route us"
    assert "    prefixes: ['1', '44'] → ['1']" in kept.out.splitlines()
    pruned = run("apply", file, "--config", config, "--prune")
    assert [line for line in pruned.out.splitlines() if line[0] in "+-"] == [
        "- connector three.b", "- connector two", "- number 4915112345678",
    ]  # fmt: skip
    names = [one["name"] for one in json.loads(run("routes", "list", "--config", config, "--json").out)["routes"]]
    assert names == ["default", "us"]


def test_one_is_put_shown_and_deleted(run: Run, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("from standard input\n"))
    settings = ("--set", "host=10.0.0.1", "--set", "system_id=123", "--set", "port=2777", "--set", "tls=true")
    told = run("connectors", "put", "two", *settings, "--set", "password=-", "--config", config)
    assert told.out == "+ connector two\n", told.err
    assert shown(run, config, "connectors", "two") == {
        "name": "two", "managed_by": "store", "version": 1,
        "settings": {"host": "10.0.0.1", "system_id": "123", "port": 2777, "tls": True, "password": {"set": True},
                     "kind": "smpp"},
    }  # fmt: skip
    changed = run(
        "connectors", "put", "two", "--set", "port=2778", "--unset", "tls", "--if-version", 1, "--config", config
    )
    assert changed.out.splitlines() == ["~ connector two", "    port: 2777 → 2778", "    tls: True → as by default"]
    stale = run("connectors", "put", "two", "--set", "port=2779", "--if-version", "1", "--config", config)
    assert (stale.code, stale.err) == (1, "Error: the connector two has version 2: look at it again with show.\n")
    assert run("routes", "put", "us", "--connector", "two", "--prefix", "1", "--config", config).code == 0
    assert run("numbers", "put", "+777", "--account", "shop", "--connector", "two", "--config", config).code == 0
    used = run("connectors", "delete", "two", "--config", config)
    assert used.code == 1
    assert 'routes.us.connectors: there is no connector "two"' in used.err
    assert run("numbers", "delete", "777", "--config", config).out == "- number 777\n"
    assert run("routes", "delete", "us", "--dry-run", "--config", config).out == "Would be changed:\n- route us\n"
    assert run("routes", "delete", "us", "--config", config).code == 0
    assert run("connectors", "delete", "two", "--config", config).code == 0
    assert run("connectors", "show", "two", "--config", config).code == 1
    refused = run("connectors", "put", "main", "--set", "port=1", "--config", config)
    assert refused.code == 1
    assert "managed_by_file" in refused.err
    words = run("connectors", "list", "--config", config).out.split()
    assert words[-5:] == ["main", "smpp", "127.0.0.1", "esme", "file"]
    for bad in ("port=x", "port", "=x", "port=0", "hots=x"):
        assert run("connectors", "put", "two", *settings[:4], "--set", bad, "--config", config).code != 0


def test_a_number_of_thousands_of_digits_is_no_toml(run: Run, config: Path, file: Path) -> None:
    file.write_text(f"[[connectors]]\nname = 'two'\nport = {'9' * 5_000}\n")
    told = run("apply", file, "--config", config)
    assert told.code == 1
    assert told.err.startswith(f"Error: {file}:1: is no TOML: ")
    assert len(told.err) < 500
