"""``heliograph sandbox``"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from heliograph.cli.durations import seconds_of
from heliograph.cli.options import Json, Key, Url

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True, help="Look into the sandbox of a test key, let handsets answer and time pass in it."
)


@app.command()
def messages(
    to: Annotated[str | None, typer.Option(help="Only what is on the handset of this number.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="Where an answer before ended: only what arrived since.")] = None,
    url: Url = "http://127.0.0.1:8080",
    key: Key = "",
    json: Json = False,
) -> None:
    """List what arrived on the handsets of the sandbox, oldest first, as they show it."""
    from heliograph.cli.api import Api
    from heliograph.cli.output import print_json, print_table

    query = {"to": to, "limit": str(limit), "cursor": cursor}
    page = Api(url, key).get("/v1/sandbox/messages", {name: value for name, value in query.items() if value})
    if json:
        print_json(page)
        return
    columns = ("at", "from", "to", "encoding", "segments", "text", "id")
    rows = [[_cell(message.get(column)) for column in columns] for message in page["messages"]]
    print_table(columns, rows, empty="Nothing arrived on any handset.")
    print(f"{'More' if page['more'] else 'What arrives later'} with --cursor {page['cursor']}")


@app.command()
def reply(
    handset: Annotated[str, typer.Argument(metavar="FROM", help="The handset's number.")],
    to: Annotated[str, typer.Argument(metavar="TO", help="The sender that it answers.")],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What it writes.")],
    url: Url = "http://127.0.0.1:8080",
    key: Key = "",
    json: Json = False,
) -> None:
    """Let a handset of the sandbox write to a sender."""
    from heliograph.cli.api import Api
    from heliograph.cli.output import print_json

    said = Api(url, key).post("/v1/sandbox/replies", {"from": handset, "to": to, "text": text})
    if json:
        print_json(said)
    else:
        print(f"{said['from']} writes to {said['to']}.")


@app.command()
def clock(
    advance: Annotated[str, typer.Option(help="How much time is to pass, as 90s, 30m, 2h or 3d; at most 400d.")],
    url: Url = "http://127.0.0.1:8080",
    key: Key = "",
    json: Json = False,
) -> None:
    """Let time pass in the sandbox: dates come, validity ends, late receipts arrive."""
    from heliograph.cli.api import Api
    from heliograph.cli.output import print_json

    passed = Api(url, key).post("/v1/sandbox/clock", {"advance_s": seconds_of(advance, "--advance")})
    if json:
        print_json(passed)
        return
    print(f"{passed['due']} due now, {passed['nearer']} nearer, {passed['ended']} ended by time.")


def _cell(value: Any) -> Any:
    text = value if isinstance(value, str) else None
    return value if text is None or len(text) <= 60 else text[:59] + "…"
