"""``heliograph send``"""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from heliograph.cli.options import Json, Key, Url

__all__ = ["ENDS", "send"]

ENDS = frozenset(("delivered", "read", "undelivered", "expired", "unknown", "canceled", "rejected", "failed"))
_POLL_S = 0.2


def send(
    to: Annotated[str, typer.Argument(help="The recipient's number, with its calling code.")],
    text: Annotated[str, typer.Argument(help="What to say.")],
    sender: Annotated[str | None, typer.Option("--from", help="Sender: number, short code, or 11 letters.")] = None,
    type: Annotated[str, typer.Option(help="otp, transactional or promotional.")] = "transactional",
    encoding: Annotated[str, typer.Option(help="auto, gsm7 or ucs2.")] = "auto",
    smart: Annotated[
        bool | None, typer.Option("--smart/--no-smart", help="Replace look-alikes of GSM-7 characters, or never.")
    ] = None,
    max_segments: Annotated[
        int | None, typer.Option(min=1, max=255, help="The most segments that it may need.")
    ] = None,
    truncate: Annotated[bool, typer.Option("--truncate", help="Cut a longer text off instead of refusing it.")] = False,
    validity_s: Annotated[int | None, typer.Option(help="Seconds that carriers may try.")] = None,
    client_ref: Annotated[str | None, typer.Option(help="Your own reference.")] = None,
    send_at: Annotated[str | None, typer.Option(help="When it is to go, with the offset (RFC 3339).")] = None,
    send_at_local: Annotated[str | None, typer.Option(help="The same by the recipient's clock.")] = None,
    time_zone: Annotated[str | None, typer.Option(help="The recipient's time zone, such as Europe/Berlin.")] = None,
    at_most_once: Annotated[bool, typer.Option("--at-most-once", help="Never risk a second copy.")] = False,
    idempotency_key: Annotated[str | None, typer.Option(help="The same key never sends twice.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Stay until the message has ended.")] = False,
    wait_s: Annotated[float, typer.Option(help="How long --wait waits, in seconds.")] = 60.0,
    url: Url = "http://127.0.0.1:8080",
    key: Key = "",
    json: Json = False,
) -> None:
    """Send a message over a running server.

    With --wait the exit code is 0 for delivered and 1 for any other end.
    """
    from heliograph.cli.api import Api
    from heliograph.cli.output import print_json, waiting

    api = Api(url, key)
    body: dict[str, Any] = {"to": to, "text": text, "type": type, "encoding": encoding}
    optional: dict[str, Any] = {
        "from": sender,
        "validity_s": validity_s,
        "client_ref": client_ref,
        "at_most_once": at_most_once,
    }
    optional |= {"send_at": send_at, "send_at_local": send_at_local, "time_zone": time_zone}
    optional |= {"max_segments": max_segments, "max_segments_policy": "truncate" if truncate else None}
    body |= {name: value for name, value in optional.items() if value}
    if smart is not None:
        body["smart_encoding"] = smart
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    message = api.post("/v1/messages", body, headers)
    if wait:
        with waiting("waiting for the handset"):
            message = _until_ended(api, message, wait_s)
    if json:
        print_json(message)
    else:
        print(f"{message['id']} {message['state']} to {message['to']}, {message['segments']} segment(s)")
    if wait and message["state"] not in ("delivered", "read"):
        raise typer.Exit(1)


def _until_ended(api: Any, message: dict[str, Any], wait_s: float) -> dict[str, Any]:
    from heliograph.cli.faults import CommandFailed

    deadline = time.monotonic() + wait_s
    while message["state"] not in ENDS:
        if time.monotonic() >= deadline:
            raise CommandFailed(
                f"{message['id']} is still {message['state']} after {wait_s:g} s",
                f"heliograph messages show {message['id']} tells how it goes on",
            )
        time.sleep(_POLL_S)
        message = api.get(f"/v1/messages/{message['id']}")
    return message
