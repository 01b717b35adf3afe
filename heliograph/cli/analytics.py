"""``heliograph analytics``"""

from __future__ import annotations

from typing import Annotated

import typer

from heliograph.cli.options import Json, Key, Url

__all__ = ["analytics"]


def analytics(
    metric: Annotated[list[str] | None, typer.Option(help="A figure; may be repeated. All without it.")] = None,
    group_by: Annotated[
        list[str] | None,
        typer.Option(help="account, country, network, sender, connector, type or error; may be repeated."),
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="From this hour on: ISO 8601, or a day in UTC.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Until before this hour.")] = None,
    step: Annotated[str, typer.Option(help="hour, day or all: what one row spans.")] = "day",
    all_accounts: Annotated[bool, typer.Option("--all-accounts", help="Of every account (scope admin).")] = False,
    url: Url = "http://127.0.0.1:8080",
    key: Key = "",
    json: Json = False,
) -> None:
    """Count messages: accepted, delivered, failed, segments, replies, opt-outs, receipts and how long they took."""
    from heliograph.cli.api import Api
    from heliograph.cli.output import print_json, print_table

    given = {
        "metric": ",".join(metric or ()),
        "group_by": ",".join(group_by or ()),
        "from": start or "",
        "to": end or "",
        "step": step,
        "accounts": "all" if all_accounts else "",
    }
    found = Api(url, key).get("/v1/analytics", {name: value for name, value in given.items() if value})
    if json:
        print_json(found)
        return
    rows = found["rows"]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    print(f"{found['from']} to {found['to']}, messages by the time of their acceptance")
    print_table(columns, [[row.get(column) for column in columns] for row in rows], empty="Nothing was counted.")
