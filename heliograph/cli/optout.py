"""``heliograph optout``"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from heliograph.cli.options import Config, Json

if TYPE_CHECKING:
    from heliograph.contracts import Store

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Recipients that an account may not write to.")

_CHUNK = 1000

Account = Annotated[str, typer.Option(help="Whose list.")]
Numbers = Annotated[list[str] | None, typer.Argument(help="Numbers, with their calling codes.")]
File = Annotated[
    Path | None, typer.Option("--file", metavar="FILE", help="A file with one number a line; - is standard input.")
]


@app.command()
def add(account: Account, numbers: Numbers = None, file: File = None, config: Config = None) -> None:
    """Put numbers on the list: messages to them are refused from now on."""
    from heliograph.access.ensuring import ensure_account
    from heliograph.access.optouts import opted_out
    from heliograph.cli.actor import command_actor
    from heliograph.cli.stores import with_store
    from heliograph.model import OptOut

    given = _numbers(numbers, file)

    async def work(store: Store) -> int:
        owner = await ensure_account(store, command_actor(), account, time.time_ns() // 1000)
        recipients = _recipients(given, owner.default_region)
        added = 0
        for chunk in _chunks(recipients, "adding"):
            now_us = time.time_ns() // 1000
            rows = [OptOut(account_id=owner.id, recipient=one, created_us=now_us) for one in chunk]
            added += await store.add_opt_outs(rows, opted_out(command_actor().entry, now_us))
        return added

    print(f"{with_store(config, work, make=True)} added.")


@app.command()
def remove(account: Account, numbers: Numbers = None, file: File = None, config: Config = None) -> None:
    """Take numbers off the list."""
    from heliograph.access.optouts import opted_in
    from heliograph.cli.actor import command_actor
    from heliograph.cli.stores import account_named, with_store

    given = _numbers(numbers, file)

    async def work(store: Store) -> int:
        owner = await account_named(store, account)
        recipients = _recipients(given, owner.default_region)
        removed = 0
        for chunk in _chunks(recipients, "removing"):
            told = opted_in(command_actor().entry, time.time_ns() // 1000)
            removed += await store.remove_opt_outs([(owner.id, one) for one in chunk], told)
        return removed

    print(f"{with_store(config, work)} removed.")


@app.command("list")
def list_optouts(
    account: Account,
    limit: Annotated[int | None, typer.Option(min=1, help="How many; all without it.")] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """List the numbers on the list, in order."""
    from heliograph.cli.output import print_json, print_table
    from heliograph.cli.stores import account_named, with_store
    from heliograph.model import OptOut

    async def read(store: Store) -> list[OptOut]:
        owner = await account_named(store, account)
        found: list[OptOut] = []
        after = None
        while limit is None or len(found) < limit:
            page = await store.opt_outs(owner.id, after, min(_CHUNK, (limit or _CHUNK + len(found)) - len(found)))
            if not page:
                break
            found += page
            after = page[-1].recipient
        return found

    rows: list[dict[str, Any]] = [
        {"recipient": row.recipient, "created_at": _when(row.created_us), "source": row.source}
        for row in with_store(config, read)
    ]
    if json:
        print_json({"optouts": rows})
        return
    print_table(("recipient", "created_at", "source"), [tuple(row.values()) for row in rows], empty="Nobody opted out.")


def _numbers(numbers: list[str] | None, file: Path | None) -> list[str]:
    import sys

    given = list(numbers or ())
    if file is not None:
        text = sys.stdin.read() if str(file) == "-" else file.read_text()
        given += [line.strip() for line in text.splitlines() if line.strip()]
    if not given:
        raise typer.BadParameter("give numbers, or a file with --file", param_hint="NUMBERS")
    return given


def _recipients(given: list[str], region: str | None) -> list[str]:
    """The numbers in E.164, each once. Nothing is written when one of them is no number."""
    from heliograph.cli.faults import CommandFailed
    from heliograph.sms.numbers import BadRecipient, recipient

    found: dict[str, None] = {}
    for raw in given:
        try:
            found[recipient(raw, region).e164] = None
        except BadRecipient as error:
            raise CommandFailed(f"{raw[:40]} is no number ({error})", "write it like +14155550123") from error
    return list(found)


def _chunks(items: list[str], what: str) -> Any:
    from heliograph.cli.output import counted

    return counted([items[at : at + _CHUNK] for at in range(0, len(items), _CHUNK)], what)


def _when(at_us: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at_us // 1_000_000, UTC).isoformat()
