"""``keys``, ``optout``, ``store`` and ``config``: what works beside a server, or without one."""

from __future__ import annotations

import json
from pathlib import Path

import apsw
import pytest

from heliograph.access.sealing import KeyFile
from heliograph.model import CUSTOMER_SCOPES
from tests.cli.conftest import Run, write_config


def make_key(run: Run, config: Path, *more: str, account: str = "shop") -> str:
    told = run("keys", "create", "--config", config, "--account", account, *more)
    assert told.code == 0, told.err
    return told.out.splitlines()[-1]


def keys_of(run: Run, config: Path) -> list[dict[str, object]]:
    found = json.loads(run("keys", "list", "--config", config, "--json").out)
    keys: list[dict[str, object]] = found["keys"]
    return keys


def test_a_key_is_alone_on_the_last_line_and_does_what_customers_may(run: Run, config: Path) -> None:
    key = make_key(run, config)
    assert key.startswith("hg_live_")
    assert " " not in key
    [kept] = keys_of(run, config)
    assert key.startswith(str(kept["prefix"]))
    assert (kept["account"], kept["scopes"], kept["revoked_at"]) == ("shop", list(CUSTOMER_SCOPES), None)


def test_scopes_are_chosen_and_unknown_ones_named(run: Run, config: Path) -> None:
    make_key(run, config, "--scopes", "messages:read, routes:read", "--expires-in", "1d")
    [kept] = keys_of(run, config)
    assert kept["scopes"] == ["messages:read", "routes:read"]
    assert kept["expires_at"] is not None
    told = run("keys", "create", "--config", config, "--account", "shop", "--scopes", "everything")
    assert told.code == 1
    assert "there is no scope everything (choose from messages:send" in told.err


def test_a_key_is_revoked_by_its_beginning_or_whole(run: Run, config: Path) -> None:
    for whole in (True, False):
        key = make_key(run, config)
        prefix = str(keys_of(run, config)[-1]["prefix"])
        assert run("keys", "revoke", key if whole else prefix, "--config", config).out == f"Revoked {prefix}….\n"
        assert keys_of(run, config)[-1]["revoked_at"] is not None
    assert run("keys", "revoke", "hg_live_nothing_of_the_kind", "--config", config).code == 1


def test_a_key_has_a_name_and_ranges_that_change(run: Run, config: Path) -> None:
    make_key(run, config, "--name", "till", "--allow", "192.0.2.7", "--allow", "2001:db8::/32")
    [kept] = keys_of(run, config)
    prefix = str(kept["prefix"])
    assert (kept["name"], kept["addresses"]) == ("till", ["192.0.2.7/32", "2001:db8::/32"])
    told = run("keys", "restrict", prefix, "--config", config, "--allow", "198.51.100.0/24")
    assert told.out == f"{prefix}… may be used from 198.51.100.0/24.\n"
    assert keys_of(run, config)[0]["addresses"] == ["198.51.100.0/24"]
    assert "from anywhere" in run("keys", "restrict", prefix, "--config", config).out
    assert run("keys", "restrict", "hg_live_nothing_of_the_kind", "--config", config).code == 1


def test_a_key_is_rotated_with_an_overlap(run: Run, config: Path) -> None:
    old = make_key(run, config, "--name", "till", "--scopes", "inspect")
    told = json.loads(run("keys", "rotate", old, "--overlap", "2h", "--config", config, "--json").out)
    before, after = keys_of(run, config)
    assert (told["old_prefix"], told["prefix"]) == (before["prefix"], after["prefix"])
    assert told["old_expires_at"] == before["expires_at"] is not None
    assert (after["name"], after["scopes"], after["expires_at"]) == ("till", ["inspect"], None)
    assert run("keys", "rotate", told["key"], "--overlap", "0s", "--config", config).code == 0
    over = run("keys", "rotate", told["key"], "--config", config)
    assert (over.code, "is over" in over.err) == (1, True)
    assert len(keys_of(run, config)) == 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--expires-in", "soon"), "--expires-in"),
        (("--expires-in", "0d"), "--expires-in"),
        (("--expires-in", "9999d"), "--expires-in"),
        (("--name", "x" * 65), "--name"),
        (("--name", "a\x1b[31m"), "--name"),
        (("--allow", "192.0.2.7/24"), "has host bits set"),
        (("--allow", "example.com"), "is no range of addresses"),
    ],
)
def test_what_a_key_cannot_have_is_refused(run: Run, config: Path, options: tuple[str, str], said: str) -> None:
    told = run("keys", "create", "--config", config, "--account", "shop", *options)
    assert told.code != 0
    assert said in told.err


def test_keys_of_one_account_are_listed(run: Run, config: Path) -> None:
    make_key(run, config)
    make_key(run, config, account="other")
    told = run("keys", "list", "--config", config, "--account", "other")
    assert "other" in told.out
    assert "shop" not in told.out
    told = run("keys", "list", "--config", config, "--account", "nobody")
    assert told.code == 1
    assert "there is no account nobody: accounts are other, shop" in told.err


def test_opted_out_numbers_are_added_listed_and_removed(run: Run, config: Path, tmp_path: Path) -> None:
    file = tmp_path / "numbers.txt"
    file.write_text("+4915550123456\n\n 0044 7911 123456\n")
    added = run("optout", "add", "--config", config, "--account", "shop", "+14155550123", "--file", file)
    assert added.out == "3 added.\n"
    assert run("optout", "add", "--config", config, "--account", "shop", "+1 415 555 0123").out == "0 added.\n"
    found = json.loads(run("optout", "list", "--config", config, "--account", "shop", "--json").out)
    numbers = ["+14155550123", "+447911123456", "+4915550123456"]
    assert [row["recipient"] for row in found["optouts"]] == numbers
    limited = run("optout", "list", "--config", config, "--account", "shop", "--limit", "1")
    assert "+14155550123" in limited.out
    assert "+4915550123456" not in limited.out
    assert run("optout", "remove", "--config", config, "--account", "shop", *numbers[:2]).out == "2 removed.\n"
    told = json.loads(run("audit", "list", "--config", config, "--object-kind", "opt_out", "--json").out)["entries"]
    actions = [(one["account"], one["action"], one["object"].removeprefix("opt_out ")) for one in told]
    assert sorted(actions) == sorted(
        [("shop", "create", one) for one in numbers] + [("shop", "delete", one) for one in numbers[:2]]
    )
    assert {one["actor"].partition(" ")[0] for one in told} == {"command"}


def test_a_list_with_a_wrong_number_changes_nothing(run: Run, config: Path) -> None:
    make_key(run, config)
    told = run("optout", "add", "--config", config, "--account", "shop", "+14155550123", "hello")
    assert told.code == 1
    assert "hello is no number" in told.err
    assert run("optout", "list", "--config", config, "--account", "shop").out == "Nobody opted out.\n"
    assert run("optout", "add", "--config", config, "--account", "shop").code == 2


def test_a_store_is_checked_and_its_schema_is_told(run: Run, config: Path) -> None:
    make_key(run, config)
    told = run("store", "check", "--config", config)
    assert told.code == 0
    assert all(line.startswith("ok ") for line in told.out.splitlines())
    assert json.loads(run("store", "check", "--config", config, "--json").out)["ok"]
    assert "already" in run("store", "migrate", "--config", config).out


def test_a_damaged_store_is_told(run: Run, config: Path, tmp_path: Path) -> None:
    (tmp_path / "store.db").write_bytes(b"this is no database at all " * 100)
    told = run("store", "check", "--config", config)
    assert told.code == 1
    assert told.out.startswith("WRONG ")


def test_a_backup_brings_back_what_was(run: Run, config: Path, tmp_path: Path) -> None:
    make_key(run, config, account="before")
    backup = tmp_path / "backup.db"
    assert run("store", "backup", backup, "--config", config).code == 0
    make_key(run, config, account="after")
    refused = run("store", "restore", backup, "--config", config)
    assert refused.code == 1
    assert "give --force to replace it" in refused.err
    assert run("store", "restore", backup, "--force", "--config", config).code == 0
    assert [key["account"] for key in keys_of(run, config)] == ["before"]
    assert trail(run, config)[0] == ("restore", "store backup.db")


def trail(run: Run, config: Path) -> list[tuple[str, str]]:
    """(action, object) of what the audit log has, newest first."""
    entries = json.loads(run("audit", "list", "--config", config, "--json").out)["entries"]
    return [(one["action"], one["object"]) for one in entries]


def test_a_schema_that_is_brought_up_is_in_the_trail(run: Run, config: Path) -> None:
    assert run("store", "migrate", "--config", config).code == 0
    assert run("store", "migrate", "--config", config).code == 0
    assert trail(run, config) == [("migrate", "store schema")]


def test_who_changes_the_master_key_is_in_the_trail(run: Run, config: Path, tmp_path: Path) -> None:
    make_key(run, config)
    KeyFile(tmp_path / "store.db.key").make()
    first = json.loads(run("store", "rekey", "--config", config, "--json").out)["key"]
    assert run("store", "rekey", "--forget", "--config", config).code == 0
    told = [one for one in trail(run, config) if one[1].startswith("master_key")]
    assert told[0] == ("forget", f"master_key {first}")
    assert {action for action, _ in told[1:]} == {"rekey"}


def test_a_backup_replaces_no_file_unasked(run: Run, config: Path, tmp_path: Path) -> None:
    make_key(run, config)
    backup = tmp_path / "backup.db"
    backup.write_text("precious")
    assert run("store", "backup", backup, "--config", config).code == 1
    assert backup.read_text() == "precious"
    assert run("store", "backup", backup, "--force", "--config", config).code == 0
    assert run("store", "backup", tmp_path / "no" / "folder", "--config", config).code == 1


def test_what_is_not_there_is_told_and_not_made(run: Run, config: Path, tmp_path: Path) -> None:
    for arguments in (
        ("store", "check"),
        ("store", "backup", tmp_path / "x"),
        ("store", "restore", tmp_path / "nothing"),
        ("keys", "list"),
        ("keys", "revoke", "hg_live_0123"),
        ("optout", "list", "--account", "shop"),
        ("optout", "remove", "--account", "shop", "+14155550123"),
    ):
        told = run(*arguments, "--config", config)
        assert told.code == 1
        assert "there is no" in told.err
    assert not (tmp_path / "store.db").exists()


def test_a_configuration_is_checked(run: Run, config: Path, tmp_path: Path) -> None:
    told = run("config", "check", "--config", config)
    assert told.code == 0
    assert "connectors: main" in told.out
    assert json.loads(run("config", "check", "--config", config, "--json").out)["routes"] == ["default"]
    wrong = write_config(tmp_path, more='[htpp]\nlisten = "x"\n[webhooks]\nconcurrency = 0\n')
    told = run("config", "check", "--config", wrong)
    assert told.code == 1
    assert len(told.err.splitlines()) == 2
    faults = json.loads(run("config", "check", "--config", wrong, "--json").out)["faults"]
    assert len(faults) == 2
    assert run("config", "check", "--config", tmp_path / "none.toml").code == 1


def test_the_configuration_may_be_named_by_the_environment(
    run: Run, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELIOGRAPH_CONFIG", str(config))
    assert run("config", "check").code == 0


def test_a_server_does_not_start_with_a_damaged_account_and_names_its_row(run: Run, config: Path) -> None:
    make_key(run, config)
    db = apsw.Connection(str(config.parent / "store.db"))
    db.execute("UPDATE accounts SET settings = '{'")
    db.close()
    for command in ("serve", "store check", "keys list"):
        told = run(*command.split(), "--config", config)
        assert told.code == 1
        assert "the row 1 of accounts cannot be read (JSONDecodeError)" in told.out + told.err
    assert told.err.endswith("as A row is unreadable in docs/runbook.md says.\n")
