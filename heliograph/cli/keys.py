"""``heliograph keys``"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from heliograph.cli.actor import command_actor
from heliograph.cli.durations import seconds_of
from heliograph.cli.options import Config, Json

if TYPE_CHECKING:
    from heliograph.access.keykeeping import KeyKeeper
    from heliograph.contracts import Store
    from heliograph.model import Credential

__all__ = ["app", "create_key"]

app = typer.Typer(no_args_is_help=True, help="API keys. Works while the server runs, and takes effect within 2 s.")

Beginning: TypeAlias = Annotated[
    str, typer.Argument(metavar="PREFIX", help="The key's beginning, as the list shows it, or the whole key.")
]
Allow: TypeAlias = Annotated[
    list[str] | None, typer.Option(help="An address or a range (CIDR) from which alone it may be used. Repeatable.")
]


async def create_key(
    store: Store,
    account: str,
    scopes: tuple[str, ...],
    *,
    expires_us: int | None = None,
    name: str = "",
    addresses: tuple[str, ...] = (),
    test: bool = False,
) -> tuple[str, Any]:
    """A new key of an account, which is made when there is none: its text, and what is kept of it."""
    from heliograph.access.ensuring import ensure_account
    from heliograph.access.keykeeping import KeyWish

    owner = await ensure_account(store, command_actor(), account, _now_us())
    wish = KeyWish(name=name, scopes=scopes, expires_us=expires_us, addresses=addresses, test=test)
    kept, text = await _keeper(store).create(command_actor(), owner.id, wish)
    return text or "", kept


def _keeper(store: Store) -> KeyKeeper:
    from heliograph.access.keykeeping import KeyKeeper

    return KeyKeeper(store, _now_us)


def _now_us() -> int:
    return time.time_ns() // 1000


@app.command()
def create(
    account: Annotated[
        str,
        typer.Option(help="Whose key; the account is made when there is none. A test key's is `sandbox` by default."),
    ] = "",
    scopes: Annotated[str, typer.Option(help="What it may do, with commas; by default what customers do.")] = "",
    expires_in: Annotated[str | None, typer.Option(help="When it ends, as 12h or 90d; never without it.")] = None,
    name: Annotated[str, typer.Option(help="What it is for, up to 64 characters.")] = "",
    allow: Allow = None,
    test: Annotated[
        bool, typer.Option("--test", help="A test key: what it sends goes to virtual carriers, never to a real one.")
    ] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Make a key and print it: alone on the last line, and never again."""
    import sys

    from heliograph.access import ranges_of
    from heliograph.access.keys import MOST_NAME_CHARACTERS, check_scopes
    from heliograph.cli.output import print_json
    from heliograph.cli.stores import with_store
    from heliograph.model import CUSTOMER_SCOPES

    chosen = tuple(scope for word in scopes.split(",") if (scope := word.strip())) or CUSTOMER_SCOPES
    check_scopes(chosen, test=test)
    account = account or ("sandbox" if test else "")
    if not account.strip():
        raise typer.BadParameter("give the account a name", param_hint="--account")
    if len(name) > MOST_NAME_CHARACTERS or not (name.isprintable()):
        raise typer.BadParameter(f"up to {MOST_NAME_CHARACTERS} characters that can be printed", param_hint="--name")
    addresses = ranges_of(allow or ())
    ends_us = None
    if expires_in is not None:
        ends_us = time.time_ns() // 1000 + seconds_of(expires_in, "--expires-in") * 1_000_000
    text, kept = with_store(
        config,
        lambda store: create_key(store, account, chosen, expires_us=ends_us, name=name, addresses=addresses, test=test),
        make=True,
    )
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
                "name": key.name,
                "account": names.get(key.account_id, "?"),
                "scopes": list(key.scopes),
                "addresses": list(key.addresses),
                "created_at": _when(key.created_us),
                "expires_at": _when(key.expires_us),
                "revoked_at": _when(key.revoked_us),
                "last_used_at": _when(key.last_used_us),
            }
            for key in await store.keys()
            if account is None or names.get(key.account_id) == account
        ]

    found = with_store(config, read)
    if json:
        print_json({"keys": found})
        return
    rows = [[",".join(value) if isinstance(value, list) else value for value in key.values()] for key in found]
    columns = (
        "prefix", "name", "account", "scopes", "addresses", "created_at", "expires_at", "revoked_at", "last_used_at",
    )  # fmt: skip
    print_table(columns, rows, empty="No keys: heliograph keys create makes one.")


@app.command()
def rotate(
    prefix: Beginning,
    overlap: Annotated[
        str, typer.Option(help="How long the old key stays valid, as 2h or 7d; 0s: not at all.")
    ] = "24h",
    config: Config = None,
    json: Json = False,
) -> None:
    """Make a key that may do the same, print it alone on the last line, and end the old one after a while."""
    import sys

    from heliograph.cli.faults import CommandFailed
    from heliograph.cli.output import print_json
    from heliograph.cli.stores import with_store
    from heliograph.errors import RequestRejected

    overlap_us = seconds_of(overlap, "--overlap", least=0) * 1_000_000

    async def work(store: Store) -> tuple[Credential, str, Credential]:
        old = await _known(store, prefix)
        try:
            kept, text = await _keeper(store).rotate(command_actor(), old.prefix, overlap_us)
        except RequestRejected as error:
            raise CommandFailed(f"the key {old.prefix}… is over", "heliograph keys create makes a new one") from error
        return await _known(store, old.prefix), text or "", kept

    old, text, kept = with_store(config, work)
    if json:
        ends_at = _when(old.expires_us)
        print_json({"prefix": kept.prefix, "old_prefix": old.prefix, "old_expires_at": ends_at, "key": text})
        return
    print(f"Key {kept.prefix}… follows {old.prefix}…, which ends at {_when(old.expires_us)}.", file=sys.stderr)
    print(text)


@app.command()
def restrict(prefix: Beginning, allow: Allow = None, config: Config = None) -> None:
    """Say from which addresses a key may be used; without --allow from anywhere again."""
    from heliograph.access import ranges_of
    from heliograph.cli.stores import with_store

    addresses = ranges_of(allow or ())

    async def work(store: Store) -> str:
        key = await _known(store, prefix)
        await _keeper(store).change(command_actor(), key.prefix, None, addresses=addresses)
        return key.prefix

    print(f"{with_store(config, work)}… may be used from {', '.join(addresses) or 'anywhere'}.")


@app.command()
def revoke(prefix: Beginning, config: Config = None) -> None:
    """Revoke a key for ever."""
    from heliograph.cli.stores import with_store

    async def work(store: Store) -> str:
        key = await _known(store, prefix)
        await _keeper(store).revoke(command_actor(), key.prefix)
        return key.prefix

    print(f"Revoked {with_store(config, work)}….")


async def _known(store: Store, prefix: str) -> Credential:
    from heliograph.cli.faults import CommandFailed

    for key in await store.keys():
        if prefix.startswith(key.prefix):
            return key
    raise CommandFailed(f"there is no key {prefix[:16]}…", "heliograph keys list shows their beginnings")


def _when(at_us: int | None) -> str | None:
    from datetime import UTC, datetime

    return None if at_us is None else datetime.fromtimestamp(at_us // 1_000_000, UTC).isoformat()
