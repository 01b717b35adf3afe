"""``heliograph oauth``"""

from __future__ import annotations

import datetime
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from heliograph.cli.options import Config, Json

if TYPE_CHECKING:
    from heliograph.access.rotation import Rotated
    from heliograph.config.issuers import IssuerSettings
    from heliograph.contracts import Store

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True, help="Access tokens by OAuth. Works while the server runs, and takes effect within 2 s."
)


@app.command()
def keys(config: Config = None, json: Json = False) -> None:
    """List the keys that access tokens are signed with, youngest first."""
    from heliograph.cli.output import print_json, print_table
    from heliograph.cli.stores import load_config, sealer_of, with_store

    sealer = sealer_of(load_config(config))

    async def read(store: Store) -> list[dict[str, Any]]:
        from heliograph.access.signing import SigningKeys

        found = SigningKeys(store, sealer, _now_us)
        await found.load()
        return [
            {
                "id": one.kid,
                "algorithm": one.document.algorithm,
                "made_at": _iso(one.kept.created_us),
                "verifies_until": None if one.ends_us is None else _iso(one.ends_us),
            }
            for one in reversed(list(found))
        ]

    rows = with_store(config, read)
    if json:
        print_json({"keys": rows})
        return
    cells = [[*list(row.values())[:3], _state(row["verifies_until"])] for row in rows]
    print_table(("id", "algorithm", "made", "state"), cells, empty="There is none yet: the first token makes one.")


@app.command()
def rotate(
    algorithm: Annotated[
        str | None, typer.Option(help="ES256 or RS256; by default that of the key that signs now.")
    ] = None,
    at_once: Annotated[
        bool, typer.Option("--at-once", help="End every token that is out: for a key that somebody else may have.")
    ] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Make a key that signs from now on. The old one still verifies until the last of its tokens is over."""
    from heliograph.access.keysets import ALGORITHMS
    from heliograph.cli.output import print_json, waiting
    from heliograph.cli.stores import load_config, sealer_of, with_store

    if algorithm is not None and algorithm not in ALGORITHMS:
        raise typer.BadParameter(f"choose {' or '.join(ALGORITHMS)}", param_hint="--algorithm")
    sealer = sealer_of(load_config(config))

    async def change(store: Store) -> Rotated:
        from heliograph.access import rotation
        from heliograph.cli.actor import command_actor

        return await rotation.rotate(store, sealer, command_actor(), _now_us(), algorithm=algorithm, at_once=at_once)

    with waiting("making a key"):
        done = with_store(config, change)
    if json:
        print_json(done)
        return
    print(f"The {done.algorithm} key {done.kid} signs from now on.")
    for kid in done.ending:
        print(f"{kid} still verifies the tokens that it signed.")
    for kid in done.dropped:
        print(f"Dropped {kid}.")


@app.command()
def issuers(config: Config = None, json: Json = False) -> None:
    """Ask each issuer of the configuration for its keys; exit code 1 where one gives none."""
    import asyncio

    from heliograph.cli.output import print_json, print_table, waiting
    from heliograph.cli.stores import load_config

    declared = load_config(config).issuers
    with waiting("asking"):
        rows = asyncio.run(_asked(declared))
    if json:
        print_json({"issuers": rows})
    else:
        print_table(
            ("name", "issuer", "keys", "trouble"), [list(row.values()) for row in rows], empty="There are none."
        )
    if any(row["trouble"] for row in rows):
        raise typer.Exit(1)


async def _asked(declared: Sequence[IssuerSettings]) -> list[dict[str, Any]]:
    from heliograph.access.issuers import Trust, fetched_keys
    from heliograph.contracts import HttpFailure
    from heliograph.outbound import Fetching

    rows, fetching = [], Fetching()
    for one in declared:
        keys, trouble = 0, None
        try:
            keys = len(await fetched_keys(Trust(**vars(one)), fetching.get))
        except (HttpFailure, ValueError) as error:
            trouble = error.detail if isinstance(error, HttpFailure) else str(error)
        rows.append({"name": one.name, "issuer": one.issuer, "keys": keys, "trouble": trouble})
    await fetching.close()
    return rows


def _state(until: str | None) -> str:
    return "signs" if until is None else f"verifies until {until}"


def _now_us() -> int:
    return time.time_ns() // 1000


def _iso(at_us: int) -> str:
    return datetime.datetime.fromtimestamp(at_us // 1_000_000, datetime.UTC).isoformat()
