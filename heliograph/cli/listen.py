"""``heliograph webhooks listen``: webhooks for who has no public address."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from heliograph.cli.options import Key, Url

__all__ = ["listen"]

_TRIES = 3
_TIMEOUT_S = 15.0


def listen(
    forward_to: Annotated[str, typer.Option("--forward-to", metavar="ADDRESS", help="Where events are posted to.")],
    types: Annotated[list[str] | None, typer.Option("--type", help="Only events of this type; repeatable.")] = None,
    cursor_file: Annotated[
        Path | None, typer.Option(help="Keeps how far it came in this file, and goes on from there.")
    ] = None,
    secret: Annotated[str, typer.Option(help="What requests are signed with; made and printed where not given.")] = "",
    count: Annotated[int, typer.Option("--count", "-n", min=0, help="Leave after so many events; 0: never.")] = 0,
    url: Url = "http://127.0.0.1:8080",
    key: Key = "",
) -> None:
    """Read events and post each to a local address, signed like a webhook, until Ctrl-C.

    An event that is not taken after three tries is said and left behind.
    """
    from heliograph.cli.api import Api
    from heliograph.cli.faults import CommandFailed
    from heliograph.cli.following import follow
    from heliograph.cli.tail import event_line
    from heliograph.delivery.standard_webhooks import new_secret, secret_key

    Api(url, key)  # says what is wrong with either
    if not secret:
        secret = new_secret()
        print(f"secret {secret}", flush=True)
    try:
        secret_key(secret)
    except ValueError as error:
        raise CommandFailed(f"--secret: {error}", "give whsec_ and base64, or none") from error
    cursor = cursor_file.read_text().strip() if cursor_file is not None and cursor_file.exists() else "now"
    with suppress(KeyboardInterrupt):
        for number, one in enumerate(follow(url.rstrip("/"), key, types=",".join(types or ()), cursor=cursor), 1):
            event = one.event
            print(f"{_forward(forward_to, secret, event['id'], one.body)}  {event_line(event)}", flush=True)
            if cursor_file is not None:
                cursor_file.write_text(one.cursor)
            if number == count:
                return


def _forward(address: str, secret: str, event_id: str, body: bytes) -> str:
    """What the address said: a status, or ``failed``."""
    import urllib3

    from heliograph.delivery.standard_webhooks import StandardWebhooks
    from heliograph.model import Endpoint

    voice = StandardWebhooks(timeout_s=_TIMEOUT_S)
    endpoint = Endpoint(id="listen", account_id=0, kind="webhook", url=address, events=(), secret=secret)
    said = "failed"
    for number in range(_TRIES):
        post = voice.repeat(event_id, body, endpoint, time.time_ns() // 1000)
        with suppress(urllib3.exceptions.HTTPError):
            answer = urllib3.request(
                "POST", address, body=body, headers=dict(post.headers), timeout=_TIMEOUT_S, retries=False
            )
            said = str(answer.status)
            if 200 <= answer.status < 300:
                return said
        time.sleep(number)
    return said
