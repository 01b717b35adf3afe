"""``heliograph keys``"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from heliograph.cli.options import Config, Json

if TYPE_CHECKING:
    from heliograph.contracts import Store

__all__ = ["app", "create_key"]

app = typer.Typer(no_args_is_help=True, help="API keys. Works while the server runs, and takes effect within 2 s.")


async def create_key(
    store: Store, account: str, scopes: tuple[str, ...], *, expires_us: int | None = None
) -> tuple[str, Any]:
    """A new key of an account, which is made when there is none: its text, and what is kept of it."""
    from heliograph.access import make_key

    now_us = time.time_ns() // 1000
    owner = await store.ensure_account(account, now_us)
    text, kept = make_key(owner.id, scopes, now_us=now_us, expires_us=expires_us)
    return text, await store.add_key(kept)


@app.command()
def create(
    account: Annotated[str, typer.Option(help="Whose key; the account is made when there is none.")],
    scopes: Annotated[str, typer.Option(help="What it may do, with commas; by default what customers do.")] = "",
    expires_days: Annotated[int | None, typer.Option(min=1, help="Days until it ends; for ever without it.")] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Make a key and print it: alone on the last line, and never again."""
    import sys

    from heliograph.access.keys import check_scopes
    from heliograph.cli.output import print_json
    from heliograph.cli.stores import with_store
    from heliograph.model import CUSTOMER_SCOPES

    chosen = tuple(scope for word in scopes.split(",") if (scope := word.strip())) or CUSTOMER_SCOPES
    check_scopes(chosen)
    if not account.strip():
        raise typer.BadParameter("give the account a name", param_hint="--account")
    expires_us = None if expires_days is None else time.time_ns() // 1000 + expires_days * 86_400_000_000
    text, kept = with_store(config, lambda store: create_key(store, account, chosen, expires_us=expires_us), make=True)
    if json:
        print_json({"account": account, "prefix": kept.prefix, "scopes": chosen, "key": text})
        return
    print(f"Key {kept.prefix}… of account {account} may do: {', '.join(chosen)}.", file=sys.stderr)
    print(text)


@app.command("list")
def list_keys(
    account: Annotated[str | None, typer.Option(help="Only keys of this account.")] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """List keys: their beginnings, never the keys themselves."""
    from heliograph.cli.output import print_json, print_table
    from heliograph.cli.stores import account_named, with_store

    async def read(store: Store) -> list[dict[str, Any]]:
        if account is not None:
            await account_named(store, account)
        names = {one.id: one.name for one in await store.accounts()}
        return [
            {
                "prefix": key.prefix,
                "account": names.get(key.account_id, "?"),
                "scopes": list(key.scopes),
                "created_at": _when(key.created_us),
                "expires_at": _when(key.expires_us),
                "revoked_at": _when(key.revoked_us),
            }
            for key in await store.keys()
            if account is None or names.get(key.account_id) == account
        ]

    found = with_store(config, read)
    if json:
        print_json({"keys": found})
        return
    rows = [[",".join(value) if isinstance(value, list) else value for value in key.values()] for key in found]
    columns = ("prefix", "account", "scopes", "created_at", "expires_at", "revoked_at")
    print_table(columns, rows, empty="No keys: heliograph keys create makes one.")


@app.command()
def revoke(
    prefix: Annotated[str, typer.Argument(help="The key's beginning, as the list shows it, or the whole key.")],
    config: Config = None,
) -> None:
    """Revoke a key for ever."""
    from heliograph.cli.faults import CommandFailed
    from heliograph.cli.stores import with_store

    async def work(store: Store) -> str | None:
        known = [key.prefix for key in await store.keys() if prefix.startswith(key.prefix)]
        if not known or not await store.revoke_key(known[0], time.time_ns() // 1000):
            return None
        return known[0]

    revoked = with_store(config, work)
    if revoked is None:
        raise CommandFailed(f"there is no key {prefix[:16]}…", "heliograph keys list shows their beginnings")
    print(f"Revoked {revoked}….")


def _when(at_us: int | None) -> str | None:
    from datetime import UTC, datetime

    return None if at_us is None else datetime.fromtimestamp(at_us // 1_000_000, UTC).isoformat()
