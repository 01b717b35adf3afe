"""The captured outbox: what handsets show, and what they write."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest

from heliograph.sandbox.world import KEPT_MESSAGES
from tests.sandbox.stage import Stage, eventually, stage

MAGIC, OTHER = "+9991000000", "+9991000001"


async def listed(s: Stage, key: str, query: str = "") -> Any:
    return await s.get(key, f"/v1/sandbox/messages{query}")


async def test_it_shows_what_handsets_show(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        key, other = await s.key(), await s.key("other")
        texts = ["Hello", "Grüße — “quoted”", "Привет 🎉", "long " * 70]
        sent = [await s.send(key, MAGIC, text=text, **{"from": "Shop"}) for text in texts]
        octets = base64.b64encode(b"\x00\xff").decode()
        binary = await s.send(key, OTHER, text=None, data=octets, flash=True)
        for message in (*sent, binary):
            await s.reaches(key, message["id"], "delivered")
        page = await listed(s, key)
        assert page["more"] is False
        shown = {message["id"]: message for message in page["messages"]}
        assert len(shown) == 5
        for message, text in zip(sent, texts, strict=True):
            one = shown[message["id"]]
            assert (one["to"], one["from"]) == (MAGIC, "Shop")
            assert one["encoding"] == message["encoding"]
            assert one["segments"] == message["segments"]
            if "text_changes" not in message:
                assert one["text"] == text
        assert shown[sent[1]["id"]]["text"] == 'Grüße - "quoted"'
        one = shown[binary["id"]]
        assert (one["to"], one["from"], one["text"], one["data"]) == (OTHER, "+999000000000", None, octets)
        assert (await listed(s, other))["messages"] == []
        only = await listed(s, key, "?to=%2B9991000001")
        assert [message["id"] for message in only["messages"]] == [binary["id"]]


async def test_a_cursor_goes_on_where_the_page_ended(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        key, other = await s.key(), await s.key("other")
        first = await listed(s, key)
        assert (first["messages"], first["more"]) == ([], False)
        for number in range(3):
            await s.reaches(key, (await s.send(key, MAGIC, text=f"number {number}"))["id"], "delivered")
        page = await listed(s, key, f"?cursor={first['cursor']}&limit=2")
        assert [message["text"] for message in page["messages"]] == ["number 0", "number 1"]
        assert page["more"] is True
        page = await listed(s, key, f"?cursor={page['cursor']}")
        assert [message["text"] for message in page["messages"]] == ["number 2"]
        assert page["more"] is False
        for bad in (f"?cursor={page['cursor']}&to=%2B9991000000", "?cursor=x"):
            status, said = await s.ask(key, "GET", f"/v1/sandbox/messages{bad}")
            assert (status, said["code"]) == (400, "cursor_invalid")
        status, said = await s.ask(other, "GET", f"/v1/sandbox/messages?cursor={page['cursor']}")
        assert (status, said["code"]) == (400, "cursor_invalid")


async def test_it_keeps_the_newest(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        key = await s.key()
        begin = (await listed(s, key))["cursor"]
        await s.reaches(key, (await s.send(key, MAGIC, text="the first"))["id"], "delivered")
        early = (await listed(s, key))["cursor"]
        batch = {"messages": [{"to": MAGIC, "text": f"more {at}"} for at in range(KEPT_MESSAGES + 5)]}
        assert (await s.ask(key, "POST", "/v1/messages/batch", batch))[0] == 202
        await s.server.sandboxes._open[-1].carrier.received(KEPT_MESSAGES + 6, 30)
        found = [message["text"] for message in (await listed(s, key, "?limit=200"))["messages"]]
        assert len(found) == KEPT_MESSAGES
        assert "the first" not in found
        status, said = await s.ask(key, "GET", f"/v1/sandbox/messages?cursor={early}")
        assert (status, said["code"]) == (410, "cursor_too_old")
        assert (await listed(s, key, f"?cursor={begin}&limit=1"))["more"] is True
    async with stage(tmp_path) as s:
        status, said = await s.ask(key, "GET", f"/v1/sandbox/messages?cursor={begin}")
        assert (status, said["code"]) == (410, "cursor_too_old")


async def test_a_handset_writes(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        key, other = await s.key(), await s.key("other")
        await s.reaches(key, (await s.send(key, MAGIC, **{"from": "777"}))["id"], "delivered")
        await s.reaches(other, (await s.send(other, MAGIC, **{"from": "777"}))["id"], "delivered")
        for text in ("Yes, please", "long words 🎉 " * 30):
            body = {"from": "+999 100 0000", "to": "777", "text": text}
            status, said = await s.ask(key, "POST", "/v1/sandbox/replies", body)
            assert (status, said) == (202, {"from": MAGIC, "to": "777", "text": text})

        async def heard() -> Any:
            found = (await s.get(key, "/v1/messages?from=%2B9991000000"))["messages"]
            return found if len(found) == 2 else None

        found = await eventually(heard)
        assert {message["text"] for message in found} == {"Yes, please", "long words 🎉 " * 30}
        assert all(message["sandbox"] is True and message["to"] == "777" for message in found)
        assert (await s.get(other, "/v1/messages?from=%2B9991000000"))["messages"] == []


async def test_the_same_reply_with_the_same_key_is_written_once(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        key = await s.key()
        headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "once"}
        body = {"from": MAGIC, "to": "777", "text": "Yes"}
        replayed = []
        for _ in range(2):
            async with s.http.post(f"{s.server.url}/v1/sandbox/replies", json=body, headers=headers) as answer:
                assert answer.status == 202
                replayed.append(answer.headers.get("idempotent-replayed"))
        assert replayed == [None, "true"]
        world = s.server.sandboxes._open[-1]
        await world.carrier.settled(20)
        assert world.carrier.log.counts["mo"] == 1


@pytest.mark.parametrize(
    ("path", "body", "code", "field"),
    [
        ("replies", {"from": "x", "to": "777", "text": "a"}, "number_malformed", "from"),
        ("replies", {"from": "+141555", "to": "777", "text": "a"}, "number_impossible", "from"),
        ("replies", {"from": "+9991", "to": "777", "text": "a"}, "number_impossible", "from"),
        ("replies", {"from": MAGIC, "to": "a" * 40, "text": "a"}, "sender_invalid", "to"),
        ("replies", {"from": MAGIC, "to": "777", "text": ""}, "field_invalid", "text"),
        ("replies", {"from": MAGIC, "to": "777", "text": "a" * 10_001}, "field_invalid", "text"),
        ("replies", {"from": MAGIC, "to": "777"}, "field_missing", "text"),
        ("replies", {"from": MAGIC, "to": "777", "text": "a", "at": 1}, "field_unknown", "at"),
        ("clock", {"advance_s": 0}, "field_invalid", "advance_s"),
        ("clock", {"advance_s": 34_560_001}, "field_invalid", "advance_s"),
        ("clock", {"advance_s": "1h"}, "field_invalid", "advance_s"),
        ("clock", {}, "field_missing", "advance_s"),
    ],
)
async def test_what_cannot_be_is_refused(tmp_path: Path, path: str, body: Any, code: str, field: str) -> None:
    async with stage(tmp_path) as s:
        status, said = await s.ask(await s.key(), "POST", f"/v1/sandbox/{path}", body)
        assert (status, said["code"], said["field"]) == (422, code, field)


async def test_parameters_have_bounds(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        key = await s.key()
        for query, code in (
            ("limit=0", "field_invalid"),
            ("limit=201", "field_invalid"),
            ("limit=000201", "field_invalid"),
            ("to=x", "number_malformed"),
            ("from=777", "field_unknown"),
        ):
            status, said = await s.ask(key, "GET", f"/v1/sandbox/messages?{query}")
            assert (status, said["code"]) == (422, code)


async def test_a_live_key_has_no_sandbox(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        key = await s.key(test=False)
        asked = [
            ("GET", "messages", None),
            ("POST", "replies", {"from": MAGIC, "to": "777", "text": "a"}),
            ("POST", "clock", {"advance_s": 1}),
        ]
        for method, path, body in asked:
            status, said = await s.ask(key, method, f"/v1/sandbox/{path}", body)
            assert (status, said["code"]) == (403, "test_key_required")
        assert not s.server.sandboxes._open
        reader = await s.key(scopes=("messages:read",))
        calls = [s.ask(reader, method, f"/v1/sandbox/{path}", body) for method, path, body in asked]
        statuses = await asyncio.gather(*calls)
        assert [status for status, _ in statuses] == [200, 403, 403]
