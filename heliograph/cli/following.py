"""Following an account's events live: what ``messages tail`` and ``webhooks listen`` read."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import urllib3

from heliograph.cli.faults import CommandFailed

__all__ = ["Followed", "follow"]

_QUIET_S = 40.0
"""The server says that it lives every 15 s: after this long without a word the line is dead."""
_PAUSE_S = 1.0
_MOST_PAUSE_S = 30.0
_LINE_OCTETS = 1 << 20


class Followed(NamedTuple):
    """An event, and the cursor behind it."""

    cursor: str
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        """The event as JSON reads."""
        found: dict[str, Any] = msgspec.json.decode(self.body)
        return found


def follow(url: str, key: str, *, types: str = "", cursor: str = "now") -> Iterator[Followed]:
    """Every event behind a cursor, for ever; a lost server is waited for. Raises ``CommandFailed`` when refused."""
    pool = urllib3.PoolManager(timeout=urllib3.Timeout(connect=10.0, read=_QUIET_S), retries=False)
    pause_s = _PAUSE_S
    connected = False
    while True:
        try:
            for one in _stream(pool, url, key, types, cursor):
                connected, pause_s = True, _PAUSE_S
                cursor = one.cursor or cursor
                if one.body:
                    yield one
        except urllib3.exceptions.HTTPError as error:
            if not connected:
                raise CommandFailed(
                    f"no answer from {url}", "check --url, and that heliograph serve runs there"
                ) from error
        time.sleep(pause_s)
        pause_s = min(_MOST_PAUSE_S, pause_s * 2)


def _stream(pool: urllib3.PoolManager, url: str, key: str, types: str, cursor: str) -> Iterator[Followed]:
    """One connection's events, until it ends. An empty body is a sign of life."""
    from heliograph.cli.api import refused

    fields = {"cursor": cursor} | ({"types": types} if types else {})
    headers = {"Authorization": f"Bearer {key}", "Accept": "text/event-stream"}
    answer = pool.request("GET", f"{url}/v1/events", fields=fields, headers=headers, preload_content=False)
    try:
        if 400 <= answer.status < 500 and answer.status != 429:
            raise refused(answer.status, _problem(answer.read(_LINE_OCTETS)))
        if answer.status != 200:
            return
        yield Followed("", b"")
        yield from _events(answer)
    finally:
        answer.close()


def _events(answer: urllib3.BaseHTTPResponse) -> Iterator[Followed]:
    """What the stream's blocks say. Source: WHATWG HTML, "Interpreting an event stream"."""
    buffer = b""
    while chunk := answer.read1(65_536):
        buffer += chunk
        if len(buffer) > 8 * _LINE_OCTETS:
            raise CommandFailed("the server sent no event stream", "check --url")
        *blocks, buffer = buffer.split(b"\n\n")
        for block in blocks:
            fields = dict(line.split(b": ", 1) for line in block.split(b"\n") if b": " in line)
            yield Followed(fields.get(b"id", b"").decode(), fields.get(b"data", b""))


def _problem(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        return None
