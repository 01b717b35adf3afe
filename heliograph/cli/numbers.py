"""``heliograph numbers``"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from heliograph.cli.declaring import DryRun, IfVersion, add_common, put
from heliograph.cli.options import Config, Json

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Numbers that people reply to. What changes holds within 2 s.")


@app.command("put")
def put_number(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="The long number or short code, digits.")],
    account: Annotated[str | None, typer.Option(help="Whose it is; an account of a new name is made.")] = None,
    connector: Annotated[
        list[str] | None, typer.Option(help="A connector on which it is reached; none means any. Repeatable.")
    ] = None,
    if_version: IfVersion = None,
    dry_run: DryRun = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Make a number, or change of one what is given."""
    changes: dict[str, Any] = {} if account is None else {"account": account}
    if connector:
        changes["connectors"] = connector
    put("number", number, changes, config=config, if_version=if_version, dry_run=dry_run, json=json)


add_common(app, "number", ("account", "connectors"))
