"""What the commands for connectors, routes and numbers share: reading, changing, and saying what is different."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, TypeVar

import typer

from heliograph.cli.options import Config, Json

if TYPE_CHECKING:
    from heliograph.access.changes import Change, Difference
    from heliograph.access.configuring import Configuring, Shown

__all__ = ["DryRun", "IfVersion", "add_common", "make_change", "put", "tell", "with_configuring"]

T = TypeVar("T")

DryRun: TypeAlias = Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")]
IfVersion: TypeAlias = Annotated[
    int | None,
    typer.Option(min=0, help="Only if it still has this version, as show tells it; 0: only if there is none yet."),
]


def with_configuring(path: Path | None, work: Callable[[Configuring], Awaitable[T]], *, make: bool = False) -> T:
    """Do something with what a configuration and its store declare. ``make`` a store where there is none."""
    import os
    import time

    from heliograph.access.configuring import Configuring
    from heliograph.cli.stores import load_config, must_exist, opened, sealer_of

    config = load_config(path)
    sealer = sealer_of(config)
    if not make:
        must_exist(config)

    async def run() -> T:
        async with opened(config, sealer) as store:
            return await work(Configuring(store, sealer, lambda: time.time_ns() // 1000, lambda: config, os.environ))

    return asyncio.run(run())


async def make_change(configuring: Configuring, change: Change, *, dry_run: bool) -> list[Difference]:
    """Makes a change as the user of this terminal. Raises ``CommandFailed`` where somebody else was quicker."""
    from heliograph.cli.actor import command_actor
    from heliograph.cli.faults import CommandFailed
    from heliograph.errors import VersionConflict

    try:
        return await configuring.change(change, command_actor(), dry_run=dry_run)
    except VersionConflict as error:
        has = f"has version {error.version}" if error.version else "is not there"
        raise CommandFailed(f"the {error.kind} {error.name} {has}", "look at it again with show") from error


def tell(found: Sequence[Difference], *, dry_run: bool, json: bool) -> None:
    """Says what is, or would be, different."""
    from heliograph.cli.output import print_json

    if json:
        print_json({"dry_run": dry_run, "changes": found})
        return
    if not found:
        print("Nothing changes: everything is so already.")
    elif dry_run:
        print("Would be changed:")
    for one in found:
        for line in _lines(one):
            print(line)


def _lines(one: Difference) -> list[str]:
    sign = {"create": "+", "change": "~", "delete": "-"}[one.action]
    before, after = dict(one.before or {}), dict(one.after or {})
    if one.action != "change":
        return [f"{sign} {one.kind} {one.name}"]
    changed = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    return [
        f"{sign} {one.kind} {one.name}",
        *(f"    {key}: {_word(before.get(key))} → {_word(after.get(key))}" for key in changed),
    ]


def _word(value: Any) -> str:
    if value is None:
        return "as by default"
    if isinstance(value, Mapping) and value.get("set") is True:
        return "another secret" if value.get("changed") else "a secret"
    return str(value)


def put(
    kind: str,
    name: str,
    changes: Mapping[str, Any],
    *,
    config: Path | None,
    if_version: int | None,
    dry_run: bool,
    json: bool,
) -> None:
    """Makes one, or changes of it what ``changes`` has (None: as by default)."""
    from heliograph.access.changes import Change
    from heliograph.config.stored import Table, name_of
    from heliograph.errors import RequestRejected

    async def work(configuring: Configuring) -> list[Difference]:
        key = kind, name_of(kind, name)
        try:
            there = dict((await configuring.one(*key)).table.values)
        except RequestRejected:
            there = {}
        values = {name: value for name, value in {**there, **changes}.items() if value is not None}
        change = Change(tables=[Table(*key, values)], expected={key: if_version})
        return await make_change(configuring, change, dry_run=dry_run)

    tell(with_configuring(config, work, make=True), dry_run=dry_run, json=json)


def add_common(app: typer.Typer, kind: str, columns: Sequence[str]) -> None:
    """Adds ``list``, ``show`` and ``delete``; ``columns`` are the settings that the list has."""
    plural = f"{kind}s"

    def list_them(config: Config = None, json: Json = False) -> None:
        from heliograph.cli.output import print_json, print_table

        found = [_view(one) for one in with_configuring(config, lambda configuring: configuring.shown(kind))]
        if json:
            print_json({plural: found})
            return
        rows = [(one["name"], *(_cell(one["settings"].get(c)) for c in columns), one["managed_by"]) for one in found]
        print_table(("name", *columns, "managed by"), rows, empty=f"No {plural}: {plural} put makes one.")

    def show(
        name: Annotated[str, typer.Argument(metavar="NAME", help="Which one.")],
        config: Config = None,
        json: Json = False,
    ) -> None:
        from heliograph.cli.output import print_json

        found = _view(with_configuring(config, lambda configuring: configuring.one(kind, name)))
        if json:
            print_json(found)
            return
        print(f"{kind} {found['name']}, managed by {found['managed_by']}, version {found['version']}")
        for key, value in found["settings"].items():
            print(f"  {key}: {_word(value)}")

    def delete(
        name: Annotated[str, typer.Argument(metavar="NAME", help="Which one.")],
        if_version: IfVersion = None,
        dry_run: DryRun = False,
        config: Config = None,
        json: Json = False,
    ) -> None:
        from heliograph.access.changes import Change

        change = Change(deleted=[(kind, name)], expected={(kind, name): if_version})
        found = with_configuring(config, lambda configuring: make_change(configuring, change, dry_run=dry_run))
        tell(found, dry_run=dry_run, json=json)

    app.command("list", help=f"List {plural}: the file's and the store's.")(list_them)
    app.command("show", help=f"Show a {kind}; a secret only says that it is set.")(show)
    app.command("delete", help=f"Delete a {kind} of the store; one that something leads to stays.")(delete)


def _view(shown: Shown) -> dict[str, Any]:
    return {
        "name": shown.table.name,
        "managed_by": shown.managed_by,
        "version": shown.version,
        "settings": dict(shown.table.values),
    }


def _cell(value: Any) -> object:
    return ",".join(map(str, value)) if isinstance(value, list) else value
