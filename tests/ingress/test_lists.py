"""Lists by any filter, cursors that belong to their list, and the whole list as a file that spreadsheets cannot run."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.contracts import Acceptance, Changes, ListFilter, MessagePage, NewMessage
from heliograph.ingress.rest.export import COLUMNS, OPERATOR_COLUMNS, csv_lines, safe_cell
from heliograph.model import Content, IdSource, Message, Progress, State
from tests.ingress.house import House

SECOND = 1_000_000
NOON = 1_795_348_800 * SECOND
"""2026-11-22T12:00:00Z"""


async def keep(api: House, count: int, **fields: Any) -> list[Message]:
    """Messages of the account that the house's key is of, a second apart, oldest first."""
    made, ids = [], IdSource()
    for n in range(count):
        at_us = NOON + n * SECOND
        more = {name: value(n) if callable(value) else value for name, value in fields.items()}
        octets = str(more.pop("text", "hello")).encode()
        usual = {"id": ids.take(1, at_us)[0], "accepted_us": at_us, "sender": "INFO", "recipient": "+14155550123"}
        message = Message(account_id=1, expires_us=at_us + 3_600 * SECOND, **{**usual, **more})
        made.append(NewMessage(message, Progress(state=State.FAILED, connector_id=1, owner=1), Content(octets=octets)))
    await api.store.commit(Changes(acceptances=[Acceptance(made)]))
    return [new.message for new in made]


async def listed(api: House, **asked: str) -> list[str]:
    """All ids of a list, page by page."""
    found: list[str] = []
    while True:
        answer = await api.call("GET", f"/v1/messages?{urlencode(asked)}", key=api.operator)
        assert answer.status == 200, answer.body
        found += [one["id"] for one in answer.json["messages"]]
        if answer.json["next"] is None:
            return found
        asked["cursor"] = answer.json["next"]


async def test_every_filter_reaches_the_store(api: House) -> None:
    messages = await keep(
        api,
        12,
        sender=lambda n: ("INFO", "+4915112345678")[n % 2],
        recipient=lambda n: ("+14155550123", "12345")[n // 2 % 2],
        client_ref=lambda n: f"order {n % 3}",
        tags=lambda n: '["night","é&="]' if n % 4 == 0 else None,
    )
    ids = [message.id for message in messages]

    def every(start: int, step: int) -> list[str]:
        return ids[start::step][::-1]

    assert await listed(api, limit="5") == ids[::-1]
    assert await listed(api, **{"from": "INFO", "limit": "2"}) == every(0, 2)
    assert await listed(api, **{"from": "+4915112345678"}) == every(1, 2)
    assert await listed(api, to="12345") == sorted(ids[2::4] + ids[3::4], reverse=True)
    assert await listed(api, client_ref="order 1", limit="1") == every(1, 3)
    assert await listed(api, tag="é&=") == every(0, 4)
    assert await listed(api, tag="day") == []
    assert await listed(api, connector="main", state="failed,queued") == ids[::-1]
    assert await listed(api, state="queued") == []
    assert await listed(api, accepted_from="2026-11-22T12:00:05Z") == ids[:4:-1]
    assert await listed(api, accepted_to="2026-11-22T13:00:05+01:00", limit="2") == ids[4::-1]
    assert await listed(api, accepted_from="2026-11-23") == []
    plus = await api.call("GET", "/v1/messages?from=+4915112345678&accepted_to=2026-11-22T13:00:05+01:00")
    assert [one["id"] for one in plus.json["messages"]] == [ids[3], ids[1]]


async def test_a_cursor_is_good_for_its_list_alone(api: House) -> None:
    await keep(api, 4, tags='["night"]')
    page = (await api.call("GET", "/v1/messages?tag=night&limit=2")).json
    cursor = page["next"]
    assert len((await api.call("GET", f"/v1/messages?tag=night&limit=1&cursor={cursor}")).json["messages"]) == 1
    other = "B" if cursor[3] != "B" else "C"
    for query, key in (
        (f"tag=day&cursor={cursor}", api.key),
        (f"cursor={cursor}", api.key),
        (f"tag=night&cursor={cursor}", api.stranger),
        (f"tag=night&cursor={cursor[:3]}{other}{cursor[4:]}", api.key),
    ):
        answer = await api.call("GET", f"/v1/messages?{query}", key=key)
        assert (answer.status, answer.code) == (400, "cursor_invalid")


async def test_a_customer_is_told_nothing_of_connectors(api: House) -> None:
    await keep(api, 1)
    for name in ("main", "none"):
        answer = await api.call("GET", f"/v1/messages?connector={name}")
        assert (answer.status, answer.code) == (403, "forbidden")
    answer = await api.call("GET", "/v1/messages?connector=none", key=api.operator)
    assert (answer.status, answer.code) == (422, "field_invalid")
    assert "main" not in (await api.call("GET", "/v1/messages/export")).body.decode()
    assert "main" in (await api.call("GET", "/v1/messages/export", key=api.operator)).body.decode()
    assert (await api.call("GET", "/v1/messages/export", key=api.stranger)).body.decode().count("\n") == 1


async def test_an_export_is_the_whole_list_in_both_formats(api: House) -> None:
    messages = await keep(
        api, 250, text=lambda n: f'say "{n}",\nand more', client_ref=lambda n: f"r{n % 2}", tags='["a","b"]'
    )
    wanted = [message.id for message in messages if message.client_ref == "r1"][::-1]
    answer = await api.call("GET", "/v1/messages/export?client_ref=r1&format=ndjson")
    assert answer.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.body.decode().splitlines()]
    assert [line["id"] for line in lines] == wanted
    shown = (await api.call("GET", "/v1/messages?client_ref=r1&limit=1")).json["messages"][0]
    assert lines[0] == shown
    for path, headers in (
        ("/v1/messages/export?client_ref=r1", {}),
        ("/v1/messages?client_ref=r1", {"Accept": "text/csv"}),
    ):
        answer = await api.call("GET", path, headers=headers)
        assert answer.headers["content-type"].startswith("text/csv")
        assert "messages.csv" in answer.headers["content-disposition"]
        rows = list(csv.DictReader(io.StringIO(answer.body.decode(), newline="")))
        assert [row["id"] for row in rows] == wanted
        assert (rows[0]["text"], rows[0]["tags"], rows[0]["to"]) == (shown["text"], '["a","b"]', "'+14155550123")
        assert tuple(rows[0]) == COLUMNS
    raw = (await api.call("GET", "/v1/messages/export?cells=raw", key=api.operator)).body.decode()
    assert tuple(raw.splitlines()[0].split(",")) == COLUMNS + OPERATOR_COLUMNS
    assert ",+14155550123," in raw


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("format=xls", "field_invalid"),
        ("cells=wild", "field_invalid"),
        ("state=lost", "field_invalid"),
        ("limit=5", "field_unknown"),
        ("cursor=x", "field_unknown"),
    ],
)
async def test_a_wrong_export_is_refused_before_it_begins(api: House, query: str, code: str) -> None:
    answer = await api.call("GET", f"/v1/messages/export?{query}")
    assert (answer.status, answer.code) == (422, code)


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1", "%0A=1", "|x", '=HYPERLINK("http://x")']
)
def test_a_cell_that_a_spreadsheet_would_compute_is_text(text: str) -> None:
    assert safe_cell(text) == f"'{text}"


@given(st.text(max_size=12))
def test_a_safe_cell_is_the_text_or_the_text_behind_a_quote(text: str) -> None:
    assert safe_cell(text) in (text, f"'{text}")
    line = csv_lines([[text]], safe=True).decode()
    [[cell]] = csv.reader(io.StringIO(line, newline="")) if text else [[""]]
    assert cell in (text, f"'{text}")
    assert not cell.lstrip().startswith(("=", "+", "-", "@"))


async def test_a_client_that_leaves_ends_its_export(api: House) -> None:
    """Its place among the few exports at a time is free again, and no page is read any more."""
    await keep(api, 600, text="x" * 4_000)
    port = int((await api.server.start()).rpartition(":")[2])
    request = f"GET /v1/messages/export HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.key}\r\n\r\n".encode()
    clients = []
    for _ in range(2):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4_096)
        writer.write(request)
        assert b"200" in await reader.readline()
        clients.append(writer)
    busy = await api.call("GET", "/v1/messages/export")
    assert (busy.status, busy.code, busy.headers["retry-after"]) == (503, "overloaded", "5")
    for writer in clients:
        writer.close()
    async with asyncio.timeout(5):
        while (await api.call("GET", "/v1/messages/export")).status != 200:
            await asyncio.sleep(0.01)


async def test_a_client_that_reads_slowly_is_not_read_ahead_for(api: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it has not taken is not in memory: pages are read as it reads."""
    await keep(api, 4_000, text="x" * 4_000)
    page, pages = api.store.messages, 0

    async def counted(account_id: int, asked: ListFilter) -> MessagePage:
        nonlocal pages
        pages += 1
        return await page(account_id, asked)

    monkeypatch.setattr(api.store, "messages", counted)
    port = int((await api.server.start()).rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4_096)
    writer.write(f"GET /v1/messages/export HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.key}\r\n\r\n".encode())
    [connection] = await _connections(api)
    async with asyncio.timeout(20):
        while not connection.flow.write_paused:
            await asyncio.sleep(0)
    assert pages < 60
    read = 0
    while chunk := await reader.read(1 << 16):
        read += len(chunk)
        if chunk.endswith(b"0\r\n\r\n"):
            break
    assert pages == 81
    assert read > 16_000_000
    writer.close()


async def _connections(api: House) -> list[Any]:
    async with asyncio.timeout(5):
        while not (found := list(api.server._server.server_state.connections)):
            await asyncio.sleep(0.01)
    return found


async def test_an_export_has_nothing_that_came_after_it_began(api: House, monkeypatch: pytest.MonkeyPatch) -> None:
    messages = await keep(api, 250)
    page = api.store.messages

    async def and_more_come(account_id: int, asked: ListFilter) -> MessagePage:
        found = await page(account_id, asked)
        await keep(api, 1, accepted_us=NOON + 9_000 * SECOND, id=IdSource().take(1, NOON + 9_000 * SECOND)[0])
        return found

    monkeypatch.setattr(api.store, "messages", and_more_come)
    answer = await api.call("GET", "/v1/messages/export?format=ndjson")
    ids = [json.loads(line)["id"] for line in answer.body.decode().splitlines()]
    assert ids == [message.id for message in messages[::-1]]
