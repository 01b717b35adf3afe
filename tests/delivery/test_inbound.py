"""What handsets say: owners, parts, and answers after the commit."""

from __future__ import annotations

from pathlib import Path

import pytest

from heliograph.contracts import ListFilter
from heliograph.delivery.inbound import UNASSIGNED
from heliograph.model import Direction, State
from tests.delivery.support import HandClock, House, MemoryCarrier, house

HANDSET = "+4915112345678"


async def received(here: House, account_id: int, count: int = 1) -> list[str]:
    async def messages():  # type: ignore[no-untyped-def]
        return (await here.store.messages(account_id, ListFilter(states=(State.RECEIVED,)))).records

    found = await messages()
    await here.until(lambda: True)
    for _ in range(500):
        if len(found) >= count:
            break
        found = await messages()
    texts = []
    for one in reversed(found):
        record = await here.store.message(account_id, one.message.id)
        assert record is not None
        assert record.content is not None
        assert record.message.direction == Direction.IN
        texts.append(record.content.octets.decode())
    return texts


async def test_a_reply_belongs_to_the_account_that_owns_the_number(tmp_path: Path) -> None:
    carrier = MemoryCarrier(1)
    async with house(tmp_path / "s.db", [carrier]) as here:
        carrier.reply(HANDSET, "12345", "yes", handle="m1")
        await here.until(lambda: carrier.acknowledged)
        assert carrier.acknowledged == [("m1", True)]
        assert await received(here, here.account.id) == ["yes"]


async def test_a_number_on_another_connector_is_not_ours(tmp_path: Path) -> None:
    carrier = MemoryCarrier(1)
    carrier.assigns_recent_writer = False
    async with house(tmp_path / "s.db", [carrier], numbers=[("12345", (2,))]) as here:
        carrier.reply(HANDSET, "12345", "yes")
        await here.until(lambda: carrier.acknowledged)
        assert await received(here, here.account.id, 0) == []
        assert await received(here, UNASSIGNED) == ["yes"]


async def test_a_reply_to_a_shared_sender_belongs_to_who_wrote_last(tmp_path: Path) -> None:
    carrier = MemoryCarrier(1)
    async with house(tmp_path / "s.db", [carrier], numbers=[]) as here:
        await here.send(sender="+4915199999999")
        carrier.reply(HANDSET, "+4915199999999", "thanks")
        await here.until(lambda: carrier.acknowledged)
        assert await received(here, here.account.id) == ["thanks"]


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2), (2, 3, 1)])
async def test_parts_in_any_order_make_one_message(tmp_path: Path, order: tuple[int, ...]) -> None:
    carrier = MemoryCarrier(1)
    parts = {1: "one ", 2: "two ", 3: "three"}
    async with house(tmp_path / "s.db", [carrier]) as here:
        for number in (*order, order[0]):  # the last one is a repetition
            carrier.reply(HANDSET, "12345", parts[number], handle=number, concat=(7, 1, 3, number))
        await here.until(lambda: len(carrier.acknowledged) == 4)
        assert await received(here, here.account.id) == ["one two three"]


async def test_a_set_that_comes_twice_is_one_message(tmp_path: Path) -> None:
    carrier = MemoryCarrier(1)
    async with house(tmp_path / "s.db", [carrier]) as here:
        for repetition in range(2):
            for number in (1, 2):
                carrier.reply(HANDSET, "12345", f"part{number}", handle=1, concat=(9, 1, 2, number))
            await here.until(lambda done=repetition: len(carrier.acknowledged) == 2 * (done + 1))
        assert await received(here, here.account.id) == ["part1part2"]


async def test_a_set_that_never_completes_is_delivered_as_far_as_it_came(tmp_path: Path) -> None:
    carrier = MemoryCarrier(1)
    clock = HandClock()
    async with house(tmp_path / "s.db", [carrier], clock=clock) as here:
        carrier.reply(HANDSET, "12345", "only this", concat=(9, 1, 2, 2))
        await here.until(lambda: carrier.acknowledged)
        assert await here.pipeline.inbound.give_up_parts(3600) == 0
        clock.move(3601)
        assert await here.pipeline.inbound.give_up_parts(3600) == 1
        assert await received(here, here.account.id) == ["only this"]
        found = (await here.store.messages(here.account.id, ListFilter())).records
        assert found[0].message.tags == '["partial"]'
