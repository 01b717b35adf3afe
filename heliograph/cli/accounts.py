"""``heliograph accounts``"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from heliograph.cli.options import Config, Json

if TYPE_CHECKING:
    from heliograph.access.accounts import Accounts
    from heliograph.contracts import Store
    from heliograph.model import Account

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True, help="Accounts and those below them. Works while the server runs, and holds within 2 s."
)

Name: TypeAlias = Annotated[str, typer.Argument(metavar="NAME", help="The account's whole name.")]
Words: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="SETTING=VALUE",
        help="What it says itself, as default_region=DE. An empty value is none at all. Repeatable.",
    ),
]
Unset: TypeAlias = Annotated[
    list[str] | None, typer.Option(metavar="SETTING", help="What it shall take over from above again. Repeatable.")
]
DryRun: TypeAlias = Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its own name: letters, digits, _ and -.")],
    parent: Annotated[str | None, typer.Option(help="The account above it; without one it stands alone.")] = None,
    set_: Words = None,
    dry_run: DryRun = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Make an account. Below another its name begins with that one's: acme.shop."""
    from heliograph.access.managing import new_account
    from heliograph.cli.stores import with_store

    words = _words(set_)

    async def work(store: Store) -> dict[str, Any]:
        accounts, now_us = await _accounts(store), time.time_ns() // 1000
        above = None if parent is None else _known(accounts, parent)
        account = new_account(accounts, name, above, words, now_us=now_us)
        if not dry_run:
            account = await _keep(store, "create", None, account, now_us)
        return await _view(store, account)

    _tell(with_store(config, work, make=True), "Would make" if dry_run else "Made", json)


@app.command("list")
def list_accounts(
    below: Annotated[str | None, typer.Option(help="Only this account and those below it.")] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """List accounts by name."""
    from heliograph.cli.output import print_json, print_table
    from heliograph.cli.stores import with_store

    async def work(store: Store) -> list[dict[str, Any]]:
        accounts = await _accounts(store)
        root = None if below is None else _known(accounts, below).id
        seen = accounts.kept if root is None else accounts.tree.within(root)
        return sorted((_shown(accounts, accounts.kept[one]) for one in seen), key=lambda one: str(one["name"]))

    found = with_store(config, work)
    if json:
        print_json({"accounts": found})
        return
    rows = [[one["name"], _worded(one["settings"]), one["created_at"], one["closed_at"]] for one in found]
    print_table(("name", "settings", "created_at", "closed_at"), rows, empty="No accounts: accounts create makes one.")


@app.command()
def show(name: Name, config: Config = None, json: Json = False) -> None:
    """Show an account: what it says itself, and what holds for it."""
    from heliograph.cli.output import print_json
    from heliograph.cli.stores import with_store

    async def work(store: Store) -> dict[str, Any]:
        accounts = await _accounts(store)
        return _shown(accounts, _known(accounts, name))

    found = with_store(config, work)
    if json:
        print_json(found)
        return
    for key, value in found.items():
        print(f"{key}: {_worded(value) if isinstance(value, dict) else value}")


@app.command()
def change(
    name: Name,
    set_: Words = None,
    unset: Unset = None,
    dry_run: DryRun = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Change what an account says itself."""
    from heliograph.access.managing import INHERIT

    changes = {**_words(set_), **dict.fromkeys(map(_setting, unset or ()), INHERIT)}
    if not changes:
        raise typer.BadParameter("say what to change", param_hint="--set, --unset")
    _change(config, name, changes, None, "change", dry_run, "Changed", json)


@app.command()
def close(name: Name, dry_run: DryRun = False, config: Config = None, json: Json = False) -> None:
    """Refuse all keys of an account and of those below it. Their messages stay, and can be read from above."""
    _change(config, name, {}, True, "close", dry_run, "Closed", json)


@app.command("open")
def open_account(name: Name, dry_run: DryRun = False, config: Config = None, json: Json = False) -> None:
    """Open a closed account again."""
    _change(config, name, {}, False, "open", dry_run, "Opened", json)


def _change(
    config: Any,
    name: str,
    changes: dict[str, Any],
    closed: bool | None,
    action: str,
    dry_run: bool,
    done: str,
    json: bool,
) -> None:
    from heliograph.access.managing import changed_account
    from heliograph.cli.faults import CommandFailed
    from heliograph.cli.stores import load_config, with_store

    if name in load_config(config).accounts:
        raise CommandFailed(f"the configuration file declares the account {name}", "change it there, and send SIGHUP")

    async def work(store: Store) -> dict[str, Any]:
        before, now_us = _known(await _accounts(store), name), time.time_ns() // 1000
        after = changed_account(before, changes, closed=closed, now_us=now_us)
        if after != before and not dry_run:
            after = await _keep(store, action, before, after, now_us)
        return await _view(store, after)

    _tell(with_store(config, work), f"Would have {done.lower()}" if dry_run else done, json)


async def _keep(store: Store, action: str, before: Account | None, after: Account, now_us: int) -> Account:
    """Writes an account with its line in the trail."""
    from heliograph.access.managing import shown_account
    from heliograph.cli.actor import command_actor
    from heliograph.contracts import NEW_ACCOUNT, Administration

    trail = command_actor().entry(
        now_us,
        action,
        "account",
        after.name,
        after.id or NEW_ACCOUNT,
        before=None if before is None else shown_account(before),
        after=shown_account(after),
    )
    change = Administration(at_us=now_us, accounts=[(after, 0 if before is None else before.version)], audit=[trail])
    return (await store.administer(change)).accounts[0]


async def _accounts(store: Store) -> Accounts:
    from heliograph.access.accounts import Accounts

    return Accounts(await store.accounts())


def _known(accounts: Accounts, name: str) -> Account:
    from heliograph.cli.faults import CommandFailed

    if name not in accounts.named:
        raise CommandFailed(f"there is no account {name[:64]}", "heliograph accounts list shows them")
    return accounts.kept[accounts.named[name]]


async def _view(store: Store, account: Account) -> dict[str, Any]:
    """An account as it will hold, kept or not."""
    from heliograph.access.accounts import Accounts

    others = [one for one in await store.accounts() if one.name != account.name]
    return _shown(Accounts([*others, account]), account)


def _shown(accounts: Accounts, account: Account) -> dict[str, Any]:
    from heliograph.rules.inheritance import said_by

    held = accounts.known[account.id]
    return {
        "name": account.name,
        "parent": None if account.parent_id is None else accounts.name(account.parent_id),
        "settings": said_by(account),
        "effective": dict(held.settings),
        "created_at": _when(account.created_us),
        "closed_at": _when(held.closed_us),
        "version": account.version,
    }


def _tell(found: dict[str, Any], done: str, json: bool) -> None:
    from heliograph.cli.output import print_json

    if json:
        print_json(found)
        return
    print(f"{done} the account {found['name']}; it says {_worded(found['settings']) or 'nothing of its own'}.")


def _words(given: list[str] | None) -> dict[str, Any]:
    """Settings of ``--set``, read as the configuration file's. Raises ``BadParameter``."""
    from heliograph.config import AccountSettings
    from heliograph.config.fields import describe
    from heliograph.config.values import BadValue, converted

    known = {info.name: info for info in describe(AccountSettings)}
    words: dict[str, Any] = {}
    for one in given or ():
        name, equals, text = one.partition("=")
        info = known[_setting(name)]
        if not equals:
            raise typer.BadParameter(f"write {name}=VALUE", param_hint="--set")
        try:
            value = None if text == "" and info.default is None else converted(text, info, {}, Path(), from_text=True)
        except BadValue as error:
            raise typer.BadParameter(f"{error.what}: {error.remedy}", param_hint="--set") from None
        words[info.name] = list(value) if isinstance(value, tuple) else value
    return words


def _setting(name: str) -> str:
    from heliograph.rules.inheritance import INHERITED

    if name not in INHERITED:
        raise typer.BadParameter(f"there is no setting {name[:64]}: use {', '.join(INHERITED)}", param_hint="--set")
    return name


def _worded(settings: dict[str, Any]) -> str:
    return ", ".join(f"{name}={_value(value)}" for name, value in settings.items())


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, list | tuple) else "none" if value is None else str(value)


def _when(at_us: int | None) -> str | None:
    from datetime import UTC, datetime

    return None if at_us is None else datetime.fromtimestamp(at_us // 1_000_000, UTC).isoformat()
