"""Every magic number does what its row of the table, and so the page, says: sent to over real SMPP."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from heliograph.model import State
from heliograph.rules.errorcodes import ERROR_CODES
from heliograph.rules.magic import MAGIC, Magic, magic_of, sandbox_number
from heliograph.simulator.outcomes import outcome_of
from tests.sandbox.stage import Stage, eventually, stage

NOT_A_CARRIERS = {"content_gone", "no_route", "opted_out", "unreadable"}
"""Words that we give alone."""


async def told(s: Stage, key: str, one: Magic) -> tuple[Magic, Any, list[str], list[str]]:
    """(row, the message, its events, the replies of its handset)."""
    sender = f"Shop {one.code}"[:11] if not one.reply else "+12025550100"
    message = await s.send(key, one.example, **{"from": sender})
    found = await s.reaches(key, message["id"], one.state.word)
    path = f"/v1/messages?from=%2B{one.example[1:]}"

    async def replied() -> list[str]:
        return [reply["text"] for reply in (await s.get(key, path))["messages"]]

    async def events() -> list[str]:
        said = await s.get(key, f"/v1/messages/{message['id']}/events")
        types = [event["type"].removeprefix("message.") for event in said["events"]]
        return types if ("contradiction" in types) or not one.contradicted else []

    replies = await eventually(replied) if one.reply else await replied()
    return one, found, await eventually(events), replies


async def test_every_number_does_what_the_table_says(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        key = await s.key()
        once = await s.send(key, MAGIC["107"].example, at_most_once=True, **{"from": "Once"})
        results = await asyncio.gather(*(told(s, key, one) for one in MAGIC.values()))
        found = await s.reaches(key, once["id"], "unknown")
        assert (found["error"], found["attempts"][0]["error"]) == ("outcome_unknown", "outcome_unknown")
    for one, message, events, replies in results:
        assert (one.name, message["state"], message["error"]) == (one.name, one.state.word, one.error)
        assert message["sandbox"] is True
        assert (one.name, len(message["attempts"])) == (one.name, one.tries)
        assert (one.name, message["possible_duplicate"]) == (one.name, one.duplicate)
        assert (one.name, "contradiction" in events) == (one.name, one.contradicted)
        assert (one.name, replies) == (one.name, [one.reply] if one.reply else [])
    assert len(results) == len(MAGIC)


async def test_what_comes_later_comes_when_the_clock_is_moved(tmp_path: Path) -> None:
    later = [one for one in MAGIC.values() if one.later_state is not None]
    assert len(later) == 3
    async with stage(tmp_path) as s:
        for one in later:
            key = await s.key(one.name)
            message = await s.send(key, one.example)
            await s.reaches(key, message["id"], "sent")
            status, said = await s.ask(key, "POST", "/v1/sandbox/clock", {"advance_s": one.later_s})
            assert status == 200, said
            assert one.later_state is not None
            found = await s.reaches(key, message["id"], one.later_state.word)
            assert found["error"] == one.later_error


def test_every_code_that_a_carrier_can_give_has_a_number() -> None:
    told = {one.error for one in MAGIC.values()} | {one.later_error for one in MAGIC.values()}
    assert told - {None} == set(ERROR_CODES) - NOT_A_CARRIERS


def test_every_end_that_a_carrier_can_make_has_a_number() -> None:
    ends = {State.DELIVERED, State.UNDELIVERED, State.EXPIRED, State.REJECTED, State.FAILED, State.CANCELED}
    assert {one.state for one in MAGIC.values()} == {*ends, State.UNKNOWN, State.SENT}


def test_the_table_is_of_one_piece() -> None:
    assert len({one.name for one in MAGIC.values()}) == len(MAGIC)
    for code, one in MAGIC.items():
        assert code == one.code
        assert sandbox_number(one.example) == one.example
        assert magic_of(one.example) is one
        assert outcome_of(one.does)
        assert bool(one.later_s) == (one.later_state is not None)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("+9991000000", "+9991000000"),
        ("009991000000", "+9991000000"),
        ("+999 (100) 00-00.00", "+999100000000"),
        ("+999100000000000", "+999100000000000"),
        ("+999100000", None),
        ("+9991000000000000", None),
        ("9991000000", None),
        ("+14155550123", None),
        ("+999100000x", None),
        ("+9991000000" + " " * 60, None),
        ("", None),
        ("+٩٩٩1000000", None),
    ],
)
def test_numbers_of_the_sandbox_are_read_as_people_write_them(written: str, read: str | None) -> None:
    assert sandbox_number(written) == read


async def test_a_number_that_stands_for_nothing_is_refused_and_real_ones_arrive(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        key = await s.key()
        status, said = await s.ask(key, "POST", "/v1/messages", {"to": "+9999990000", "text": "x"})
        assert (status, said["code"], said["field"]) == (422, "number_unknown", "to")
        message = await s.send(key, "+14155550123")
        await s.reaches(key, message["id"], "delivered")
