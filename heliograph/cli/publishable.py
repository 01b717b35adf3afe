"""``heliograph publishable-tokens``"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from heliograph.cli.durations import seconds_of
from heliograph.cli.options import Config, Json, Key, Url

if TYPE_CHECKING:
    from heliograph.access.publishable import PublishableKeeper
    from heliograph.access.sealing import MasterKeys
    from heliograph.contracts import Store
    from heliograph.model import Account, Credential

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True, help="Tokens for web pages, each good for one message. What is revoked is so at once."
)
_MOST_LISTED = 1_000


@app.command()
def create(
    to: Annotated[str, typer.Argument(help="The recipient's number, with its calling code.")],
    text: Annotated[str, typer.Argument(help="What to say.")],
    origin: Annotated[
        list[str],
        typer.Option(help="Whose pages may start it, as browsers spell it: https://shop.example. Repeatable."),
    ],
    sender: Annotated[str | None, typer.Option("--from", help="Sender: number, short code, or 11 letters.")] = None,
    type: Annotated[str, typer.Option(help="otp, transactional or promotional.")] = "transactional",
    expires_in: Annotated[str, typer.Option(help="How long it is good for, as 10m or 2h; up to 24h.")] = "10m",
    client_ref: Annotated[str | None, typer.Option(help="Your own reference.")] = None,
    idempotency_key: Annotated[str | None, typer.Option(help="The same key never makes two.")] = None,
    url: Url = "http://127.0.0.1:8080",
    key: Key = "",
    json: Json = False,
) -> None:
    """Prepare a message over a running server, and print its token: alone on the last line, and never again."""
    import sys

    from heliograph.cli.api import Api
    from heliograph.cli.output import print_json

    message = {"to": to, "text": text, "type": type, "from": sender, "client_ref": client_ref}
    body = {
        "message": {name: value for name, value in message.items() if value is not None},
        "origins": origin,
        "expires_in": seconds_of(expires_in, "--expires-in"),
    }
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    made = Api(url, key).post("/v1/publishable-tokens", body, headers)
    if json:
        print_json(made)
        return
    if "token" not in made:
        print(f"Token {made['id']} was made before, and shown then.", file=sys.stderr)
        return
    print(f"Token {made['id']} is good until {made['expires_at']}, for {', '.join(made['origins'])}.", file=sys.stderr)
    print(made["token"])


@app.command("list")
def list_tokens(
    account: Annotated[str | None, typer.Option(help="Only tokens of this account.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=_MOST_LISTED, help="The most of each account.")] = 100,
    config: Config = None,
    json: Json = False,
) -> None:
    """List tokens, newest first, until a day after their end: never the tokens themselves."""
    from heliograph.cli.output import print_json, print_table
    from heliograph.cli.stores import account_named, load_config, sealer_of, with_store

    keys = sealer_of(load_config(config))

    async def read(store: Store) -> list[dict[str, Any]]:
        accounts = await store.accounts() if account is None else [await account_named(store, account)]
        return [row for one in accounts for row in await _rows(store, keys, one, limit)]

    found = with_store(config, read)
    if json:
        print_json({"tokens": found})
        return
    rows = [[",".join(value) if isinstance(value, list) else value for value in one.values()] for one in found]
    columns = ("id", "account", "state", "to", "origins", "made_by", "created_at", "expires_at")
    print_table(columns, rows, empty="No tokens: heliograph publishable-tokens create makes one.")


async def _rows(store: Store, keys: MasterKeys, account: Account, limit: int) -> list[dict[str, Any]]:
    from heliograph.access.publishable import PUBLISHABLE_PREFIX, state_of
    from heliograph.delivery.instants import iso

    tokens = await store.publishable_of(account.id, begins=PUBLISHABLE_PREFIX, before="", limit=limit)
    outcomes = await _keeper(store, keys).outcomes(tokens)
    return [
        {
            "id": one.prefix,
            "account": account.name,
            "state": state_of(one, outcomes.get(one.prefix), _now_us()),
            "to": _recipient(one, keys),
            "origins": list(one.settings["origins"]),
            "made_by": one.settings["made_by"],
            "created_at": iso(one.created_us),
            "expires_at": iso(one.expires_us or 0),
        }
        for one in sorted(tokens, key=lambda one: one.created_us, reverse=True)
    ]


def _recipient(token: Credential, keys: MasterKeys) -> str | None:
    """Who it is for, where the master key opens that."""
    import msgspec

    from heliograph.access.publishable import message_in
    from heliograph.errors import SecretLocked

    try:
        return str(msgspec.json.decode(message_in(token, keys))["to"])
    except SecretLocked:
        return None


@app.command()
def revoke(
    token: Annotated[str, typer.Argument(metavar="ID", help="The token's id, as the list shows it, or the whole.")],
    config: Config = None,
) -> None:
    """Revoke a token for ever, everywhere at once."""
    from heliograph.cli.actor import command_actor
    from heliograph.cli.faults import CommandFailed
    from heliograph.cli.stores import load_config, sealer_of, with_store
    from heliograph.errors import RequestRejected
    from heliograph.model import sandbox_of

    keys = sealer_of(load_config(config))

    async def work(store: Store) -> str:
        from heliograph.access.publishable import id_of

        name, keeper = id_of(token), _keeper(store, keys)
        for account in await store.accounts():
            for side in (account, sandbox_of(account)):
                try:
                    return (await keeper.revoke(command_actor(), side, name)).prefix
                except RequestRejected:
                    continue
        raise CommandFailed(f"there is no token {name}", "heliograph publishable-tokens list shows their ids")

    print(f"Revoked {with_store(config, work)}.")


def _keeper(store: Store, keys: MasterKeys) -> PublishableKeeper:
    from heliograph.access.publishable import PublishableKeeper

    return PublishableKeeper(store, keys, _now_us)


def _now_us() -> int:
    return time.time_ns() // 1000
