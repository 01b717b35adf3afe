"""``heliograph store``"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from heliograph.cli.options import Config, Json

if TYPE_CHECKING:
    from heliograph.contracts import StoreCheck

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Care for the store.")


@app.command()
def migrate(config: Config = None, json: Json = False) -> None:
    """Bring the store to this program's schema.

    An embedded store is copied first and its server must be stopped; on PostgreSQL the version before runs on.
    """
    from heliograph.cli.output import print_json, waiting

    before, after = _run(config, "migrating", lambda store: store.migrate(), waiting, make=True)
    if json:
        print_json({"from": before, "to": after})
    elif before == after:
        print(f"The schema is version {after} already.")
    else:
        print(f"The schema went from version {before} to {after}.")


@app.command()
def check(config: Config = None, json: Json = False) -> None:
    """Look the store over; exit code 1 when something is wrong with it."""
    from heliograph.cli.output import print_json, waiting

    findings: list[StoreCheck] = _run(config, "looking the store over", lambda store: store.check(), waiting)
    good = all(finding.ok for finding in findings)
    if json:
        print_json({"ok": good, "findings": findings})
    else:
        for finding in findings:
            print(f"{'ok   ' if finding.ok else 'WRONG'} {finding.what}")
    if not good:
        raise typer.Exit(1)


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="Where to write it.")],
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    config: Config = None,
) -> None:
    """Write a consistent copy of everything to a file, while the server runs."""
    from heliograph.cli.faults import CommandFailed
    from heliograph.cli.output import waiting

    if file.exists() and not force:
        raise CommandFailed(f"{file} exists", "choose another name, or give --force")
    if not file.absolute().parent.is_dir():
        raise CommandFailed(f"there is no folder {file.absolute().parent}", "make it first")
    _run(config, "writing the backup", lambda store: store.backup(str(file)), waiting)
    print(f"Wrote {file}, {file.stat().st_size:,} octets.")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="What backup has written.")],
    force: Annotated[bool, typer.Option("--force", help="Put it in the place of a store that exists.")] = False,
    config: Config = None,
) -> None:
    """Make the store what it was at a backup. The server must be stopped.

    What was there stays beside an embedded store, as FILE.replaced. On PostgreSQL the database must be empty.
    """
    from heliograph.cli.faults import CommandFailed
    from heliograph.cli.output import waiting
    from heliograph.cli.stores import file_of, load_config

    if not file.is_file():
        raise CommandFailed(f"there is no file {file}", "give what heliograph store backup has written")
    url = load_config(config).store.url
    place = file_of(url)
    if place is not None and place.exists() and not force:
        raise CommandFailed(f"the store {place} exists", "give --force to replace it; it is kept as .replaced")
    with waiting("restoring"):
        if place is not None:
            from heliograph.store.sqlite import restore as restore_file

            restore_file(str(place), str(file))
        else:
            from heliograph.store.postgres import restore as restore_database

            asyncio.run(restore_database(url, str(file)))
    print(f"Restored from {file}.")


def _run(config: Path | None, what: str, work: Any, waiting: Any, *, make: bool = False) -> Any:
    """Do something with the store as it is: it need not be of this program's schema, nor whole."""
    from heliograph.cli.stores import load_config, must_exist
    from heliograph.store import open_store

    found = load_config(config)
    if not make:
        must_exist(found)
    store = open_store(found.store.url, serve=False)
    with waiting(what):
        return asyncio.run(work(store))
