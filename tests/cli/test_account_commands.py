"""``heliograph accounts``: made, changed, closed, beside a server or without one."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from heliograph.contracts import AuditFilter
from heliograph.model import AuditEntry
from heliograph.store.sqlite import SqliteStore
from tests.cli.conftest import Run


def shown(run: Run, config: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("accounts", "show", name, "--config", config, "--json").out)
    return found


def test_an_account_is_made_below_another_and_inherits(run: Run, config: Path) -> None:
    top = run("accounts", "create", "acme", "--set", "default_region=DE", "--set", "quiet_types=otp,promotional",
              "--config", config)  # fmt: skip
    assert top.out == "Made the account acme; it says default_region=DE, quiet_types=otp,promotional.\n"
    assert run("accounts", "create", "shop", "--parent", "acme", "--config", config).code == 0
    found = shown(run, config, "acme.shop")
    assert (found["parent"], found["settings"], found["effective"]["default_region"]) == ("acme", {}, "DE")
    assert found["effective"]["quiet_types"] == ["otp", "promotional"]
    listed = json.loads(run("accounts", "list", "--below", "acme", "--config", config, "--json").out)["accounts"]
    assert [one["name"] for one in listed] == ["acme", "acme.shop"]
    assert "acme.shop" in run("accounts", "list", "--config", config).out


def test_settings_are_said_and_taken_back(run: Run, config: Path) -> None:
    run("accounts", "create", "acme", "--set", "quiet_hours=21:00-08:00", "--config", config)
    run("accounts", "create", "shop", "--parent", "acme", "--set", "quiet_hours=", "--config", config)
    assert shown(run, config, "acme.shop")["effective"]["quiet_hours"] is None
    told = run(
        "accounts", "change", "acme.shop", "--unset", "quiet_hours", "--set", "smart_encoding=no", "--config", config
    )
    assert told.out == "Changed the account acme.shop; it says smart_encoding=false.\n"
    assert shown(run, config, "acme.shop")["effective"]["quiet_hours"] == "21:00-08:00"


def test_a_dry_run_changes_nothing(run: Run, config: Path) -> None:
    run("accounts", "create", "acme", "--config", config)
    before = shown(run, config, "acme")
    told = run("accounts", "close", "acme", "--dry-run", "--config", config)
    assert told.out == "Would have closed the account acme; it says nothing of its own.\n"
    run("accounts", "change", "acme", "--set", "recipients=possible", "--dry-run", "--config", config)
    run("accounts", "create", "other", "--dry-run", "--config", config)
    assert shown(run, config, "acme") == before
    assert run("accounts", "show", "other", "--config", config).code == 1


def test_a_closed_account_is_opened_again(run: Run, config: Path) -> None:
    run("accounts", "create", "acme", "--config", config)
    run("accounts", "create", "shop", "--parent", "acme", "--config", config)
    assert run("accounts", "close", "acme", "--config", config).code == 0
    assert shown(run, config, "acme.shop")["closed_at"] is not None
    assert run("accounts", "open", "acme", "--config", config).code == 0
    assert shown(run, config, "acme.shop")["closed_at"] is None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("create", "a.b"), "letters, digits, _ and -"),
        (("create", "acme"), "already"),
        (("create", "shop", "--parent", "nobody"), "there is no account nobody"),
        (("create", "x", "--set", "colour=red"), "there is no setting colour"),
        (("create", "x", "--set", "recipients"), "recipients=VALUE"),
        (("create", "x", "--set", "recipients=all"), "one of valid, possible"),
        (("create", "x", "--set", "time_zone=Mars"), "no time zone"),
        (("create", "x", "--set", "smart_encoding=perhaps"), "true or false"),
        (("change", "acme"), "say what to change"),
        (("change", "nobody", "--set", "recipients=valid"), "there is no account nobody"),
        (("show", "nobody"), "heliograph accounts list"),
        (("list", "--below", "nobody"), "there is no account nobody"),
        (("close", "declared"), "the configuration file declares the account declared"),
    ],
)
def test_what_cannot_be_done_is_said_with_a_remedy(
    run: Run, config: Path, arguments: tuple[str, ...], says: str
) -> None:
    config.write_text(config.read_text() + "\n[accounts.declared]\n")
    run("accounts", "create", "acme", "--config", config)
    told = run("accounts", *arguments, "--config", config)
    assert told.code in (1, 2)
    assert says in " ".join(told.err.replace("│", " ").split())


def test_commands_leave_a_trail(run: Run, config: Path, tmp_path: Path) -> None:
    run("accounts", "create", "acme", "--config", config)
    run("accounts", "close", "acme", "--config", config)

    [file] = tmp_path.rglob("*.db")

    async def read() -> list[AuditEntry]:
        store = SqliteStore(str(file), serve=False)
        await store.open()
        try:
            return await store.audit(AuditFilter(object_kind="account"))
        finally:
            await store.close()

    closed, made = asyncio.run(read())
    assert (made.action, made.object_name, made.actor_kind) == ("create", "acme", "command")
    assert (closed.action, closed.before) == ("close", made.after)
    assert made.actor
    assert (made.account_id, closed.account_id) == (1, 1)


def test_the_entry_of_a_new_account_is_its_own(run: Run, config: Path) -> None:
    """However it is made: by a command, below another, or because a command names it."""
    run("accounts", "create", "acme", "--config", config)
    run("accounts", "create", "shop", "--parent", "acme", "--config", config)
    run("keys", "create", "--account", "till", "--config", config)
    for name in ("acme", "acme.shop", "till"):
        entries = json.loads(run("audit", "list", "--account", name, "--json", "--config", config).out)["entries"]
        assert (entries[-1]["action"], entries[-1]["object"]) == ("create", f"account {name}")
