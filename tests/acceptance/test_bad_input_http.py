"""What clients of the API get wrong, or do on purpose, beside a customer who goes on undisturbed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.dialogues.stage import HANDSET, Stage, eventually, stage

GOOD = {"to": HANDSET, "text": "hello"}
MANY = [GOOD] * 10_001
BAD_BODIES: dict[str, tuple[str, bytes, int, str]] = {
    "no JSON": ("/v1/messages", b"to=1&text=2", 400, "json_invalid"),
    "half of it": ("/v1/messages", json.dumps(GOOD).encode()[:-3], 400, "json_invalid"),
    "no UTF-8": ("/v1/messages", b'{"to":"\xff","text":"x"}', 400, "json_invalid"),
    "NUL octets": ("/v1/messages", b"\0" * 100, 400, "json_invalid"),
    "deep": ("/v1/messages", b'{"to":"x","metadata":{"a":' + b"[" * 60_000, 400, "json_invalid"),
    "deep in a batch": ("/v1/messages/batch", b'{"messages":' + b"[" * 5_000_000, 400, "json_invalid"),
    "deep objects": ("/v1/inspect", b'{"text":' + b'{"a":' * 10_000, 422, "field_invalid"),
    "large": ("/v1/messages", json.dumps(GOOD | {"text": "x" * 10_000_000}).encode(), 413, "body_too_large"),
    "large batch": ("/v1/messages/batch", b" " * 9_000_000, 413, "body_too_large"),
    "too many": ("/v1/messages/batch", json.dumps({"messages": MANY}).encode(), 422, "too_many_messages"),
    "none": ("/v1/messages/batch", b'{"messages":[]}', 422, "field_invalid"),
    "a number beyond all": ("/v1/messages", b'{"to":"x","validity_s":' + b"9" * 5_000 + b"}", 422, "field_invalid"),
    "the same name twice": ("/v1/webhooks", b'{"url":1,"url":2}', 422, "field_invalid"),
    "a webhook that is no URL": ("/v1/webhooks", b'{"url":"javascript:alert(1)"}', 422, "field_invalid"),
}


async def post(s: Stage, path: str, body: Any) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {s.key}"}
    async with s.http.post(s.server.url + path, data=body, headers=headers) as answer:
        assert answer.content_type == "application/problem+json"
        return answer.status, await answer.json(content_type=None)


async def test_whatever_is_posted_has_an_answer_and_loses_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        for name, (path, body, status, code) in BAD_BODIES.items():
            found, problem = await post(s, path, body)
            assert (found, problem["code"], problem["status"]) == (status, code, status), name
            assert len(problem["detail"]) < 1_000, name

        async def endless() -> Any:
            for _ in range(10_000):
                yield b" " * 10_000

        assert await post(s, "/v1/messages", endless())  # without a declared length
        for path, status, code in (
            ("/v1/messages/m0000000000000000000", 404, "not_found"),
            ("/v1/messages/%00", 404, "not_found"),
            ("/v1/messages/" + "9" * 5_000, 404, "not_found"),
            ("/v1/messages?cursor=abc", 400, "cursor_invalid"),
            ("/v1/messages?limit=0", 422, "field_invalid"),
            ("/v1/messages?limit=" + "9" * 5_000, 422, "field_invalid"),
            ("/v1/messages?state=lost", 422, "field_invalid"),
            ("/v1/messages?to=%00", 422, "field_invalid"),
            ("/v1/massages", 404, "not_found"),
        ):
            assert (await s.ask("GET", path, status=status))["code"] == code, path

        assert s.server.metrics.exposition().find(b"heliograph_troubles_total{") < 0
        accepted = await s.send()
        await s.until(accepted["id"], "delivered")
        assert s.carrier.handsets.count == 1


# --- clients without haste --------------------------------------------------------------------------

HEADERS = b"POST /v1/messages HTTP/1.1\r\nHost: x\r\n"
BODY = HEADERS + b"Content-Length: 500\r\nAuthorization: Bearer %s\r\n\r\n{"
UNREAD = b"GET /docs HTTP/1.1\r\nHost: x\r\n\r\n" * 300
LIMITS = "header_timeout_s = 1.0\nbody_timeout_s = 1.0\nwrite_timeout_s = 1.0"


def connect(url: str, octets: bytes, *, buffer: int = 0) -> socket.socket:
    """A client that says something and then does nothing, not even read."""
    raw = socket.socket()
    if buffer:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    parts = urlsplit(url)
    raw.connect((parts.hostname or "", parts.port or 0))
    raw.sendall(octets)
    return raw


def closed(s: Stage) -> dict[str, int]:
    """Connections that limits have closed, by the limit."""
    lines = s.server.metrics.exposition().decode().splitlines()
    found = [line.split() for line in lines if line.startswith("heliograph_closed_connections_total{")]
    return {name.split('"')[1]: int(float(count)) for name, count in found}


async def test_slow_clients_by_the_hundred_hold_up_nobody_and_are_closed(tmp_path: Path) -> None:
    async with stage(tmp_path, http=LIMITS) as s:
        with contextlib.ExitStack() as held:
            for octets, count, buffer in ((HEADERS, 300, 0), (BODY % s.key.encode(), 300, 0), (UNREAD, 20, 4096)):
                for _ in range(count):
                    held.enter_context(connect(s.server.url, octets, buffer=buffer))

            accepted = [await s.send(text=f"number {at}") for at in range(20)]
            for message in accepted:
                await s.until(message["id"], "delivered")

            async def all_closed() -> bool:
                return sum(closed(s).values()) >= 620

            await eventually(all_closed)
            assert closed(s) == {"header_timeout": 300, "body_timeout": 300, "write_timeout": 20}
            again = await s.send()
            await s.until(again["id"], "delivered")


@pytest.mark.parametrize(
    "octets", [b"\x16\x03\x01\x02\x00\x01", b"\0" * 4_000, b"GET http://[ HTTP/1.1\r\n\r\n", b"\r\n" * 20_000]
)
async def test_what_is_no_http_is_closed(tmp_path: Path, octets: bytes) -> None:
    async with stage(tmp_path, http=LIMITS) as s:
        parts = urlsplit(s.server.url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(octets)
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(10):
                await reader.read()
        writer.close()
        await s.until((await s.send())["id"], "delivered")
