"""``heliograph store``"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from heliograph.cli.options import Config, Json

if TYPE_CHECKING:
    from heliograph.contracts import Store, StoreCheck

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Care for the store.")


@app.command()
def migrate(config: Config = None, json: Json = False) -> None:
    """Bring the store to this program's schema.

    An embedded store is copied first and its server must be stopped; on PostgreSQL the version before runs on.
    """
    from heliograph.cli.actor import tell
    from heliograph.cli.output import print_json, waiting
    from heliograph.cli.stores import with_store

    before, after = _run(config, "migrating", lambda store: store.migrate(), waiting, make=True)
    if before != after:
        with_store(
            config,
            lambda store: tell(store, "migrate", "store", "schema", before={"schema": before}, after={"schema": after}),
        )
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
    findings += _of_configuration(config)
    good = all(finding.ok for finding in findings)
    if json:
        print_json({"ok": good, "findings": findings})
    else:
        for finding in findings:
            print(f"{'ok   ' if finding.ok else 'WRONG'} {finding.what}")
    if not good:
        raise typer.Exit(1)


def _of_configuration(config: Path | None) -> list[StoreCheck]:
    """Whether the secrets of what is configured in the store can be opened; nothing of a store that is not whole."""
    from heliograph.access.documents import findings
    from heliograph.access.preparedseals import prepared_findings
    from heliograph.cli.stores import load_config, sealer_of, with_store
    from heliograph.errors import StoreError

    keys = sealer_of(load_config(config))

    async def look(store: Store) -> list[StoreCheck]:
        return [*findings(await store.objects(), keys), *await prepared_findings(store, keys)]

    try:
        return with_store(config, look)
    except StoreError:
        return []


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
    print("The master key is not in it: keep a copy of the key elsewhere, or its secrets open nowhere.")


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
    _note_restored(config, file.name)
    _tell_locked(config)


def _note_restored(config: Path | None, file: str) -> None:
    """What was restored says so from now on."""
    import sys

    from heliograph.cli.actor import tell
    from heliograph.cli.stores import with_store
    from heliograph.errors import StoreOutdated

    try:
        with_store(config, lambda store: tell(store, "restore", "store", file))
    except StoreOutdated:
        print("The audit log does not tell of it: the backup has an older schema.", file=sys.stderr)


def _tell_locked(config: Path | None) -> None:
    """Says it where the secrets of what was restored cannot be opened here."""
    import sys

    from heliograph.access.rekeying import all_sealed_under
    from heliograph.cli.stores import load_config, sealer_of, with_store
    from heliograph.errors import StoreOutdated

    known = sealer_of(load_config(config)).key_ids
    try:
        under = with_store(config, all_sealed_under)
    except StoreOutdated:  # from before secrets were sealed
        return
    for key in sorted(set(under) - {"", *known}):
        print(
            f"{under[key]} secrets are sealed under the master key {key}, which is not here: serve will not start "
            "until it is (security.master_key, or the .key file beside the database).",
            file=sys.stderr,
        )


@app.command()
def rekey(
    forget: Annotated[
        bool, typer.Option("--forget", help="Make no key; drop those that open nothing any more.")
    ] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Seal every secret in the store under a new master key, while the server runs or not.

    Beside the database the new key is made here; otherwise it is security.master_key, the old one stands in
    other_master_keys, and every running server has been told (SIGHUP). One that was interrupted is gone on with.
    """
    from heliograph.access.rekeying import Rekeyed
    from heliograph.access.rekeying import rekey as change
    from heliograph.cli.actor import command_actor
    from heliograph.cli.output import print_json, waiting
    from heliograph.cli.stores import load_config, must_exist, opened, sealer_of

    found = load_config(config)
    must_exist(found)

    async def work() -> Rekeyed:
        keys = sealer_of(found)
        async with opened(found, keys) as store:
            return await change(store, keys, forget=forget, by=command_actor().entry)

    with waiting("sealing"):
        done = asyncio.run(work())
    if json:
        print_json({"key": done.key_id, "changed": done.changed, "left": done.left, "dropped": done.dropped})
    else:
        print(f"Sealed the secrets of {done.changed} webhooks, connectors and tokens under the key {done.key_id}.")
        for key, count in done.left.items():
            print(f"{count} secrets are {f'still sealed under {key}' if key else 'still in clear'}: run this again.")
        for key in done.dropped:
            print(f"Dropped the key {key}.")
    if done.left:
        raise typer.Exit(1)


def _run(config: Path | None, what: str, work: Any, waiting: Any, *, make: bool = False) -> Any:
    """Do something with the store as it is: it need not be of this program's schema, nor whole."""
    from heliograph.cli.stores import load_config, must_exist, sealer_of
    from heliograph.store import open_store

    found = load_config(config)
    if not make:
        must_exist(found)
    store = open_store(found.store.url, serve=False, sealer=sealer_of(found))
    with waiting(what):
        return asyncio.run(work(store))
