"""``heliograph routes``"""

from __future__ import annotations

from typing import Annotated

import typer

from heliograph.cli.declaring import DryRun, IfVersion, add_common, put
from heliograph.cli.options import Config, Json

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True, help="Routes: which connectors carry which numbers. What changes holds within 2 s."
)


@app.command("put")
def put_route(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name; messages keep it.")],
    connector: Annotated[
        list[str] | None, typer.Option(help="A connector; several are tried in this order. Repeatable.")
    ] = None,
    prefix: Annotated[
        list[str] | None, typer.Option(help='Beginning of the numbers, digits; "" is every number. Repeatable.')
    ] = None,
    account: Annotated[
        list[str] | None, typer.Option(help="An account that it is for; none means all. Repeatable.")
    ] = None,
    if_version: IfVersion = None,
    dry_run: DryRun = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Make a route, or change of one what is given."""
    given = {"connectors": connector, "prefixes": prefix, "accounts": account}
    changes = {key: value for key, value in given.items() if value}
    put("route", name, changes, config=config, if_version=if_version, dry_run=dry_run, json=json)


add_common(app, "route", ("prefixes", "connectors", "accounts"))
