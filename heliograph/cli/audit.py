"""``heliograph audit``"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from heliograph.cli.options import Config, Json

if TYPE_CHECKING:
    from heliograph.contracts import Store

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Who changed what. Works while the server runs.")


@app.callback()
def main() -> None:
    pass


@app.command("list")
def list_entries(
    account: Annotated[str | None, typer.Option(help="Only what concerns this account.")] = None,
    actor: Annotated[str | None, typer.Option(help="Only what this key, person or user did.")] = None,
    action: Annotated[str | None, typer.Option(help="Only this: create, change, rotate, revoke, delete, …")] = None,
    object_kind: Annotated[str | None, typer.Option(help="Only things of this kind: key, account, route, …")] = None,
    object_name: Annotated[str | None, typer.Option(help="Only the thing of this name.")] = None,
    since: Annotated[datetime.datetime | None, typer.Option(help="Only from then on, in UTC.")] = None,
    until: Annotated[datetime.datetime | None, typer.Option(help="Only before then, in UTC.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Entries at most.")] = 50,
    config: Config = None,
    json: Json = False,
) -> None:
    """List changes, newest first."""
    from heliograph.cli.output import print_json, print_table
    from heliograph.cli.stores import account_named, with_store
    from heliograph.contracts import AuditFilter

    async def read(store: Store) -> list[dict[str, Any]]:
        owner = None if account is None else (await account_named(store, account)).id
        names = {one.id: one.name for one in await store.accounts()}
        asked = AuditFilter(
            accounts=None if owner is None else (owner,),
            actor=actor,
            action=action,
            object_kind=object_kind,
            object_name=object_name,
            from_us=0 if since is None else _us_of(since),
            before_us=1 << 62 if until is None else _us_of(until),
            limit=limit,
        )
        return [
            {
                "at": datetime.datetime.fromtimestamp(one.at_us // 1_000_000, datetime.UTC).isoformat(),
                "account": names.get(one.account_id),
                "actor": f"{one.actor_kind} {one.actor}",
                "address": one.address,
                "action": one.action,
                "object": f"{one.object_kind} {one.object_name}",
                "outcome": one.outcome,
                "before": one.before,
                "after": one.after,
            }
            for one in await store.audit(asked)
        ]

    found = with_store(config, read)
    if json:
        print_json({"entries": found})
        return
    columns = ("at", "account", "actor", "address", "action", "object", "outcome", "before", "after")
    print_table(columns, [list(one.values()) for one in found], empty="Nothing was changed that is kept here.")


def _us_of(at: datetime.datetime) -> int:
    return int(at.replace(tzinfo=datetime.UTC).timestamp()) * 1_000_000
