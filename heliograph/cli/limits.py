"""``heliograph limits``"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from heliograph.cli.options import Config, Json

if TYPE_CHECKING:
    from heliograph.access.limitkeeping import LimitKeeper
    from heliograph.contracts import Store
    from heliograph.model import ConfigObject, LimitSet

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    help="What accounts and keys may use at most. Works while the server runs, and holds within 2 s.",
)

Name: TypeAlias = Annotated[str, typer.Argument(metavar="NAME", help="account:NAME or key:ID.")]
DryRun: TypeAlias = Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")]
Words: TypeAlias = Annotated[
    list[str],
    typer.Argument(
        metavar="LIMIT=VALUE...",
        help="As requests_per_second=50, segments_per_day=20000, spend_per_month=500, price=0.05 or prices.+49=0.07. "
        "What is not named is without limit.",
    ),
]


@app.command("list")
def list_limits(config: Config = None, json: Json = False) -> None:
    """List limits."""
    from heliograph.cli.actor import command_actor
    from heliograph.cli.output import print_json, print_table
    from heliograph.cli.stores import with_store

    async def work(store: Store) -> list[dict[str, Any]]:
        return [await _shown(store, one) for one in await _keeper(store).list(command_actor())]

    found = with_store(config, work)
    if json:
        print_json({"limits": found})
        return
    rows = [[one["name"], _worded(one["limits"]), _worded(one["used"])] for one in found]
    print_table(("name", "limits", "used"), rows, empty="No limits: limits set makes some.")


@app.command("set")
def set_limits(name: Name, words: Words, dry_run: DryRun = False, config: Config = None, json: Json = False) -> None:
    """Set all limits of an account or a key."""
    from heliograph.cli.actor import command_actor
    from heliograph.cli.output import print_json
    from heliograph.cli.stores import with_store

    limits = _read(words)

    async def work(store: Store) -> dict[str, Any]:
        _, after = await _keeper(store).put(command_actor(), name, limits, dry_run=dry_run)
        return await _shown(store, after)

    found = with_store(config, work)
    if json:
        print_json(found)
        return
    print(f"{'Would limit' if dry_run else 'Limited'} {name}: {_worded(found['limits'])}.")


@app.command()
def remove(name: Name, dry_run: DryRun = False, config: Config = None) -> None:
    """Remove all limits of an account or a key."""
    from heliograph.cli.actor import command_actor
    from heliograph.cli.stores import with_store

    async def work(store: Store) -> ConfigObject:
        return await _keeper(store).remove(command_actor(), name, dry_run=dry_run)

    with_store(config, work)
    print(f"{name} {'would be' if dry_run else 'is'} without limits.")


def _keeper(store: Store) -> LimitKeeper:
    from heliograph.access.limitkeeping import LimitKeeper

    return LimitKeeper(store, lambda: time.time_ns() // 1000)


def _read(words: list[str]) -> LimitSet:
    """``LIMIT=VALUE`` as limits. Raises ``BadParameter``."""
    import msgspec

    from heliograph.model import LimitSet

    given: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not value:
            raise typer.BadParameter(f"write {name[:64]}=VALUE", param_hint="LIMIT=VALUE")
        if name.startswith("prices."):
            given.setdefault("prices", {})[name.removeprefix("prices.")] = value
        else:
            given[name] = value
    try:
        return msgspec.convert(given, LimitSet, strict=False)
    except msgspec.ValidationError as error:
        raise typer.BadParameter(str(error).replace("`", ""), param_hint="LIMIT=VALUE") from None


async def _shown(store: Store, one: ConfigObject) -> dict[str, Any]:
    import msgspec

    from heliograph.access.accounts import Accounts
    from heliograph.access.limiting import limits_in, subject_of
    from heliograph.rules.allowance import PERIODS, period_of
    from heliograph.rules.prices import MILLIONTHS

    now_us = time.time_ns() // 1000
    subject = subject_of(one.name, Accounts(await store.accounts()))
    limits = msgspec.to_builtins(limits_in(one))
    used: dict[str, Any] = {}
    for row in await store.usage(period_of("month", now_us)[0]):
        current = row.period in PERIODS and row.start_us == period_of(row.period, now_us)[0]
        if row.subject == subject and current:
            amounts = (("requests", row.requests), ("segments", row.segments), ("spend", row.spend / MILLIONTHS))
            for kind, amount in amounts:
                if (name := f"{kind}_per_{row.period}") in limits:
                    used[name] = used.get(name, 0) + amount
    return {"name": one.name, "limits": limits, "used": used, "version": one.version}


def _worded(values: dict[str, Any]) -> str:
    flat = {
        f"{name}.{inner}" if inner else name: shown
        for name, value in values.items()
        for inner, shown in (value.items() if isinstance(value, dict) else [("", value)])
    }
    return ", ".join(f"{name}={value}" for name, value in flat.items())
