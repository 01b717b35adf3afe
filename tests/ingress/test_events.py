"""``GET /v1/events`` by cursor and live, against the real store and server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from heliograph.contracts import SystemClock
from heliograph.delivery.eventlog import EventLog, Place
from heliograph.delivery.tails import Tails
from heliograph.errors import RequestRejected
from tests.ingress.house import House, house
from tests.keys import revoke_key

DAY_US = 86_400_000_000


async def send(api: House, *numbers: int, key: str | None = "") -> list[str]:
    """Sends to these numbers, one request each; gives the ids of the events."""
    ids = []
    for number in numbers:
        answer = await api.call(
            "POST", "/v1/messages", {"to": f"+1415555{number:04}", "from": "12345", "text": "hi"}, key=key
        )
        assert answer.status == 202
        ids.append(answer.json["id"] + "-1")
    return ids


async def read(api: House, query: str = "", key: str | None = "") -> Any:
    answer = await api.call("GET", "/v1/events" + query, key=key)
    assert answer.status == 200, answer.body
    return answer.json


async def test_pages_hold_every_event_of_the_account_once_and_in_order(api: House) -> None:
    ids: list[str] = []
    for start in range(0, 12, 3):
        ids += await send(api, *range(start, start + 3))
        await send(api, 90 + start, key=api.stranger)
    seen: list[str] = []
    cursor, more = "", True
    while more:
        page = await read(api, f"?limit=5{cursor}")
        seen += [event["id"] for event in page["events"]]
        cursor, more = f"&cursor={page['cursor']}", page["more"]
    assert seen == ids
    later = await send(api, 50)
    page = await read(api, f"?{cursor[1:]}")
    assert [event["id"] for event in page["events"]] == later


async def test_events_of_one_transaction_are_cut_into_pages_without_a_gap(api: House) -> None:
    batch = {"messages": [{"to": f"+1415555{n:04}", "from": "12345", "text": "hi"} for n in range(7)]}
    made = (await api.call("POST", "/v1/messages/batch", batch)).json["results"]
    first = await read(api, "?limit=3")
    second = await read(api, f"?limit=3&cursor={first['cursor']}")
    third = await read(api, f"?limit=3&cursor={second['cursor']}")
    found = [event["subject"] for page in (first, second, third) for event in page["events"]]
    assert found == [one["id"] for one in made]


async def test_an_event_reads_as_it_does_with_its_message(api: House) -> None:
    (event_id,) = await send(api, 1)
    (event,) = (await read(api))["events"]
    told = (await api.call("GET", f"/v1/messages/{event_id[:-2]}/events")).json["events"]
    assert told == [event]


async def test_only_wanted_types_come_and_now_begins_behind_everything(api: House) -> None:
    await send(api, 1)
    assert (await read(api, "?types=message.delivered"))["events"] == []
    now = await read(api, "?cursor=now")
    assert (now["events"], now["more"]) == ([], False)
    later = await send(api, 2)
    page = await read(api, f"?types=message.queued,message.sent&cursor={now['cursor']}")
    assert [event["id"] for event in page["events"]] == later


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ("?cursor=", "field_invalid", "cursor"),
        ("?cursor=7", "cursor_invalid", "cursor"),
        (f"?cursor={'f' * 16}.0.0", "cursor_invalid", "cursor"),
        ("?cursor=1.0.1", "cursor_invalid", "cursor"),
        ("?cursor=" + "A" * 64, "cursor_invalid", "cursor"),
        ("?types=message.eaten", "field_invalid", "types"),
        ("?types=" + "message.sent," * 33, "field_invalid", "types"),
        ("?limit=0", "field_invalid", "limit"),
        ("?limit=501", "field_invalid", "limit"),
        ("?limit=%C2%B2", "field_invalid", "limit"),
        ("?after=1", "field_unknown", "after"),
    ],
)
async def test_what_cannot_be_asked_is_refused(api: House, query: str, code: str, field: str) -> None:
    await send(api, 1)
    answer = await api.call("GET", "/v1/events" + query)
    assert (answer.code, answer.json["field"]) == (code, field)


async def test_a_cursor_lives_as_long_as_the_events_behind_it(api: House) -> None:
    log = EventLog(api.store, SystemClock(), DAY_US)
    newest = await log.newest()
    log.check(newest, "cursor")
    with pytest.raises(RequestRejected, match="begin anew"):
        log.check(Place(newest.position, 0, newest.at_us - DAY_US), "cursor")


async def test_a_cursor_that_is_too_old_is_told_from_one_that_is_none(api: House) -> None:
    old = api.services.cursors.give(Place(1, 0, 1), "events", 1)
    answer = await api.call("GET", f"/v1/events?cursor={old}")
    assert (answer.status, answer.code) == (410, "cursor_too_old")


async def test_a_cursor_is_good_for_its_account_alone_and_tells_nothing_of_others(api: House) -> None:
    await send(api, 1)
    mine = (await read(api, "?cursor=now"))["cursor"]
    for number in range(8):
        await send(api, number, key=api.stranger)
    later = (await read(api, "?cursor=now"))["cursor"]
    assert len(mine) == len(later)
    assert mine[:8] != later[:8]
    for headers in ({}, {"Accept": "text/event-stream"}):
        answer = await api.call("GET", f"/v1/events?cursor={mine}", key=api.stranger, headers=headers)
        assert (answer.status, answer.code, answer.json["field"]) == (400, "cursor_invalid", "cursor")
    answer = await api.call("GET", "/v1/events", headers={"Accept": "text/event-stream", "Last-Event-ID": mine[:-1]})
    assert (answer.code, answer.json["field"]) == ("cursor_invalid", "Last-Event-ID")
    assert (await read(api, f"?cursor={mine}"))["events"] == []


class Stream:
    """A live stream, read by hand."""

    def __init__(self, reader: asyncio.StreamReader, status: int) -> None:
        self._reader = reader
        self.status = status
        self._buffer = b""

    async def event(self) -> dict[str, str]:
        """The next event's fields."""
        while True:
            while b"\n\n" not in self._buffer:
                size = int(await self._reader.readline(), 16)
                if not size:
                    raise EOFError
                self._buffer += (await self._reader.readexactly(size + 2))[:-2]
            block, _, self._buffer = self._buffer.partition(b"\n\n")
            fields = dict(line.split(": ", 1) for line in block.decode().split("\n"))
            if "data" in fields:
                return fields


@asynccontextmanager
async def stream(api: House, query: str = "", **headers: str) -> AsyncIterator[Stream]:
    if not api.port:
        api.port = int((await api.server.start()).rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    sent = api.headers("", {"Accept": "text/event-stream", **headers})
    lines = [f"GET /v1/events{query} HTTP/1.1", "Host: x", *(f"{name}: {value}" for name, value in sent.items())]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n")
    try:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        yield Stream(reader, int(head.split()[1]))
    finally:
        writer.close()


def listen(api: House) -> None:
    """As the house does: every commit is told to the tails."""
    tails = api.services.tails
    api.store.on_facts = lambda position, facts, lives: tails.told(facts)


async def test_a_live_stream_tells_what_happens_and_goes_on_where_it_broke_off(api: House) -> None:
    listen(api)
    await send(api, 1)
    async with stream(api) as live:
        first, second = await send(api, 2, 3)
        event = await asyncio.wait_for(live.event(), 5)
        assert (json.loads(event["data"])["id"], event["event"]) == (first, "message.queued")
    third = (await send(api, 4))[0]
    async with stream(api, **{"Last-Event-ID": event["id"]}) as again:
        told = [json.loads((await asyncio.wait_for(again.event(), 5))["data"])["id"] for _ in range(2)]
    assert told == [second, third]


async def test_an_account_has_so_many_streams_and_one_that_left_makes_room(tmp_path: Path) -> None:
    async with house(tmp_path) as api:
        api.services.tails._per_account = 2
        async with stream(api), stream(api), stream(api) as third:
            assert third.status == 429
        while api.services.tails.listening:
            await asyncio.sleep(0.01)
        async with stream(api) as again:
            assert again.status == 200


async def test_streams_end_when_the_house_closes(api: House) -> None:
    async with stream(api) as live:
        api.services.tails.close()
        with pytest.raises(EOFError):
            await asyncio.wait_for(live.event(), 5)


async def test_a_stream_ends_when_its_key_is_revoked(api: House) -> None:
    listen(api)
    async with stream(api) as live:
        await revoke_key(api.store, api.key[:16], SystemClock().now_us())
        await api.services.keys.refresh()
        with pytest.raises(EOFError):
            await asyncio.wait_for(live.event(), 5)


async def test_who_does_not_read_costs_one_page(api: House) -> None:
    """A tail reads its next page when the one before was taken, and not before."""
    tails = Tails(api.services.tails.log)
    await send(api, *range(5))
    tail = tails.open(1, Place(0, 0, 0), None)
    pages = tail.pages(lambda: True)
    page = await anext(pages)
    assert len(page.events) == 5
    await send(api, *range(5, 8))
    assert len((await anext(pages)).events) == 3
    tail.close()
    assert [page async for page in pages] == []
