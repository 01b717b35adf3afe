"""``heliograph apply`` and ``heliograph export``"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from heliograph.cli.declaring import DryRun, make_change, tell, with_configuring
from heliograph.cli.options import Config, Json

if TYPE_CHECKING:
    from heliograph.access.changes import Difference
    from heliograph.access.configuring import Configuring

__all__ = ["apply", "export"]


def apply(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="TOML with accounts, limits, connectors, routes and numbers."),
    ],
    prune: Annotated[bool, typer.Option("--prune", help="Delete from the store what the file does not have.")] = False,
    dry_run: DryRun = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Make the store declare what a file says: all of it, or with a fault nothing.

    Works while the server runs, and holds within 2 s. What the configuration file of the server declares alike stays
    there. Run it again, and nothing changes.
    """
    from heliograph.access.changes import Change
    from heliograph.config.applied import AppliedFile
    from heliograph.errors import ConfigError

    applied = AppliedFile(file)
    wanted = Change(tables=applied.tables, accounts=applied.accounts, limits=applied.limits, whole=prune)

    async def work(configuring: Configuring) -> list[Difference]:
        try:
            return await make_change(configuring, wanted, dry_run=dry_run)
        except ConfigError as error:
            raise applied.located(error) from None

    tell(with_configuring(config, work, make=True), dry_run=dry_run, json=json)


def export(
    of_the_store: Annotated[
        bool, typer.Option("--store-only", help="Leave out what the configuration file declares.")
    ] = False,
    config: Config = None,
) -> None:
    """Print accounts, limits, connectors, routes and numbers, of the file and of the store, as TOML that apply takes.

    Keys with their limits, and people, are no part of it. Secrets are references (env:, file:) or sealed under the
    master key: who does not have it reads nothing.
    """
    from heliograph.config.applied import toml_of

    async def work(configuring: Configuring) -> str:
        tables = await configuring.exported(files=not of_the_store)
        return toml_of(tables, *await configuring.tenants(files=not of_the_store))

    print(with_configuring(config, work), end="")
