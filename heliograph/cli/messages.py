"""``heliograph messages``"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from heliograph.cli.options import Json, Key, Url

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Look at messages, over a running server.")


@app.command("list")
def list_messages(
    state: Annotated[list[str] | None, typer.Option(help="Only messages in this state; may be repeated.")] = None,
    to: Annotated[str | None, typer.Option(help="Only messages to this number.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="Where the page before ended.")] = None,
    url: Url = "http://127.0.0.1:8080",
    key: Key = "",
    json: Json = False,
) -> None:
    """List messages, newest first."""
    from heliograph.cli.api import Api
    from heliograph.cli.output import print_json, print_table

    query = {"state": ",".join(state or ()), "to": to, "cursor": cursor, "limit": str(limit)}
    page = Api(url, key).get("/v1/messages", {name: value for name, value in query.items() if value})
    if json:
        print_json(page)
        return
    columns = ("id", "accepted_at", "direction", "from", "to", "state", "segments", "text")
    rows = [[_short(message.get(column)) for column in columns] for message in page["messages"]]
    print_table(columns, rows, empty="No messages.")
    if page["next"]:
        print(f"More with --cursor {page['next']}")


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


def _print_list(what: str, rows: list[dict[str, Any]]) -> None:
    from heliograph.cli.output import print_table

    if not rows:
        return
    print(f"\n{what}")
    columns = list(dict.fromkeys(name for row in rows for name in row))
    print_table(columns, [[row.get(column) for column in columns] for row in rows], empty="none")


def _short(value: Any) -> Any:
    text = value if isinstance(value, str) else None
    return value if text is None or len(text) <= 40 else text[:39] + "…"
