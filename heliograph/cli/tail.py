"""``heliograph messages tail``"""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any

import typer

from heliograph.cli.options import Json, Key, Url

__all__ = ["event_line", "tail"]

_TEXT_CHARACTERS = 60


def tail(
    types: Annotated[
        list[str] | None, typer.Option("--type", help="Only events of this type, such as message.received; repeatable.")
    ] = None,
    cursor: Annotated[
        str, typer.Option(help="Where to begin: now, or a cursor of an earlier answer of GET /v1/events.")
    ] = "now",
    count: Annotated[int, typer.Option("--count", "-n", min=0, help="Leave after so many events; 0: never.")] = 0,
    url: Url = "http://127.0.0.1:8080",
    key: Key = "",
    json: Json = False,
) -> None:
    """Print what happens to messages while it happens, a line an event, until Ctrl-C.

    With --json each line is the event as webhooks get it.
    """
    from heliograph.cli.api import Api
    from heliograph.cli.following import follow

    Api(url, key)  # says what is wrong with either
    with suppress(KeyboardInterrupt):
        for number, one in enumerate(follow(url.rstrip("/"), key, types=",".join(types or ()), cursor=cursor), 1):
            print(one.body.decode() if json else event_line(one.event), flush=True)
            if number == count:
                return


def event_line(event: dict[str, Any]) -> str:
    """An event in a line: time, type, message, from and to, error, text."""
    data = event["data"]
    words = [event["time"][:23], event["type"].removeprefix("message."), data["id"], f"{data['from']} → {data['to']}"]
    if data.get("error"):
        words.append(str(data["error"]))
    if text := data.get("text"):
        words.append(repr(text[:_TEXT_CHARACTERS] + ("…" if len(text) > _TEXT_CHARACTERS else "")))
    return "  ".join(words)
