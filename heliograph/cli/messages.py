"""``heliograph messages``"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from heliograph.cli import tail
from heliograph.cli.options import Json, Key, Url

if TYPE_CHECKING:
    from heliograph.cli.api import Api

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Look at messages and change what has not left, over a running server.")
app.command("tail")(tail.tail)


State = Annotated[list[str] | None, typer.Option(help="Only messages in this state; may be repeated.")]
To = Annotated[str | None, typer.Option(help="Only messages to this number.")]
From = Annotated[str | None, typer.Option("--from", help="Only messages from this sender.")]
Tag = Annotated[str | None, typer.Option(help="Only messages that have this tag.")]
ClientRef = Annotated[str | None, typer.Option(help="Only messages that you gave this name.")]
Since = Annotated[
    str | None, typer.Option(metavar="TIME", help="Only messages accepted then or later: ISO 8601, or a day in UTC.")
]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Only messages accepted before then.")]
Connector = Annotated[str | None, typer.Option(help="Only messages of this connector (scope routes:read).")]


@app.command("list")
def list_messages(
    state: State = None,
    to: To = None,
    sender: From = None,
    tag: Tag = None,
    client_ref: ClientRef = None,
    accepted_from: Since = None,
    accepted_to: Until = None,
    connector: Connector = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="Where the page before ended; with the same filter.")] = None,
    url: Url = "http://127.0.0.1:8080",
    key: Key = "",
    json: Json = False,
) -> None:
    """List messages, newest first."""
    from heliograph.cli.api import Api
    from heliograph.cli.output import print_json

    query = _query(state, to, sender, tag, client_ref, accepted_from, accepted_to, connector)
    page = _page(Api(url, key), query, limit, cursor)
    if json:
        print_json(page)
        return
    _print_page(
        page, ("id", "accepted_at", "direction", "from", "to", "state", "segments", "text"), empty="No messages."
    )


@app.command()
def export(
    format: Annotated[str, typer.Option(help="csv or ndjson.")] = "csv",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where to; without it standard output.")
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="CSV cells as they are, for programs, not for spreadsheets.")
    ] = False,
    state: State = None,
    to: To = None,
    sender: From = None,
    tag: Tag = None,
    client_ref: ClientRef = None,
    accepted_from: Since = None,
    accepted_to: Until = None,
    connector: Connector = None,
    url: Url = "http://127.0.0.1:8080",
    key: Key = "",
) -> None:
    """Write messages into a file, newest first: all that the filter wants."""
    import sys

    from heliograph.cli.api import Api
    from heliograph.cli.output import waiting

    query = _query(state, to, sender, tag, client_ref, accepted_from, accepted_to, connector)
    query |= {"format": format, **({"cells": "raw"} if raw else {})}
    pieces = Api(url, key).stream("/v1/messages/export", query)
    if output is None:
        for piece in pieces:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return
    first = next(pieces, b"")  # a refusal leaves the file that is there
    octets = len(first)
    with waiting("exporting"), output.open("wb") as file:
        file.write(first)
        for piece in pieces:
            octets += file.write(piece)
    print(f"{octets:,} octets in {output}.", file=sys.stderr)


def _query(
    state: list[str] | None,
    to: str | None,
    sender: str | None,
    tag: str | None,
    client_ref: str | None,
    accepted_from: str | None,
    accepted_to: str | None,
    connector: str | None,
) -> dict[str, str]:
    """The options of a list as parameters of the API."""
    given = {
        "state": ",".join(state or ()) or None,
        "to": to,
        "from": sender,
        "tag": tag,
        "client_ref": client_ref,
        "accepted_from": accepted_from,
        "accepted_to": accepted_to,
        "connector": connector,
    }
    return {name: value for name, value in given.items() if value is not None}


def _page(api: Api, query: dict[str, str], limit: int, cursor: str | None) -> dict[str, Any]:
    """A full page, also where the server needs several requests to find so many."""
    found: list[Any] = []
    while True:
        more = {"limit": str(limit - len(found)), **({"cursor": cursor} if cursor else {})}
        page = api.get("/v1/messages", query | more)
        found += page["messages"]
        cursor = page["next"]
        if cursor is None or len(found) >= limit:
            return {"messages": found, "next": cursor}


@app.command()
def show(
    id: Annotated[str, typer.Argument(help="The message's id.")],
    url: Url = "http://127.0.0.1:8080",
    key: Key = "",
    json: Json = False,
) -> None:
    """Show one message and everything that happened to it."""
    from urllib.parse import quote

    from heliograph.cli.api import Api
    from heliograph.cli.output import print_json, print_table

    api = Api(url, key)
    path = f"/v1/messages/{quote(id, safe='')}"
    message, events = api.get(path), api.get(f"{path}/events")["events"]
    if json:
        print_json({**message, "events": events})
        return
    plain = {name: value for name, value in message.items() if not isinstance(value, list | dict)}
    print_table(("", ""), [(name, value) for name, value in plain.items() if value is not None], empty="")
    for name, what in (("segment_list", "segments"), ("attempts", "attempts")):
        _print_list(what, message.get(name) or [])
    rows = [(event["sequence"], event["time"], event["type"], event["data"].get("error")) for event in events]
    print("\nevents")
    print_table(("sequence", "time", "type", "error"), rows, empty="none")


@app.command()
def due(
    before: Annotated[str | None, typer.Option(help="Only messages due before this time (RFC 3339).")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="Where the page before ended.")] = None,
    url: Url = "http://127.0.0.1:8080",
    key: Key = "",
    json: Json = False,
) -> None:
    """List what waits for its date, soonest first."""
    from heliograph.cli.api import Api
    from heliograph.cli.output import print_json

    query = {"before": before, "cursor": cursor, "limit": str(limit)}
    page = Api(url, key).get("/v1/messages/due", {name: value for name, value in query.items() if value})
    if json:
        print_json(page)
        return
    _print_page(page, ("id", "send_at", "from", "to", "type", "segments", "text"), empty="Nothing is scheduled.")


@app.command()
def cancel(
    id: Annotated[str, typer.Argument(help="The message's id.")],
    url: Url = "http://127.0.0.1:8080",
    key: Key = "",
    json: Json = False,
) -> None:
    """Cancel a message that no carrier has yet."""
    _change(id, "cancel", {}, url, key, json)


@app.command()
def reschedule(
    id: Annotated[str, typer.Argument(help="The message's id.")],
    send_at: Annotated[str | None, typer.Option(help="When it is to go, with the offset (RFC 3339).")] = None,
    send_at_local: Annotated[str | None, typer.Option(help="The same by the recipient's clock.")] = None,
    time_zone: Annotated[str | None, typer.Option(help="The recipient's time zone, such as Europe/Berlin.")] = None,
    url: Url = "http://127.0.0.1:8080",
    key: Key = "",
    json: Json = False,
) -> None:
    """Give a scheduled message another date."""
    asked = {"send_at": send_at, "send_at_local": send_at_local, "time_zone": time_zone}
    _change(id, "reschedule", {name: value for name, value in asked.items() if value is not None}, url, key, json)


def _change(id: str, how: str, body: dict[str, str], url: str, key: str, json: bool) -> None:
    from urllib.parse import quote

    from heliograph.cli.api import Api
    from heliograph.cli.output import print_json

    message = Api(url, key).post(f"/v1/messages/{quote(id, safe='')}/{how}", body)
    if json:
        print_json(message)
    else:
        print(" ".join(filter(None, (message["id"], message["state"], message.get("send_at")))))


def _print_list(what: str, rows: list[dict[str, Any]]) -> None:
    from heliograph.cli.output import print_table

    if not rows:
        return
    print(f"\n{what}")
    columns = list(dict.fromkeys(name for row in rows for name in row))
    print_table(columns, [[row.get(column) for column in columns] for row in rows], empty="none")


def _print_page(page: Any, columns: Sequence[str], *, empty: str) -> None:
    from heliograph.cli.output import print_table

    rows = [[_short(message.get(column)) for column in columns] for message in page["messages"]]
    print_table(columns, rows, empty=empty)
    if page["next"]:
        print(f"More with --cursor {page['next']}")


def _short(value: Any) -> Any:
    text = value if isinstance(value, str) else None
    return value if text is None or len(text) <= 40 else text[:39] + "…"
