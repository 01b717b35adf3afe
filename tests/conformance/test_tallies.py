"""Counts move in step with the counter's place, and come back by whatever they are told apart by."""

from __future__ import annotations

import pytest

from heliograph.contracts import ACCEPTED, OPTED_OUT, Changes, Store, Tally, TallyFilter, TallyRow
from heliograph.delivery.counting import Counting
from heliograph.delivery.figures import Totals, grouped
from heliograph.model import OptOut, State
from tests.conformance.values import HOUR, NOW, SECOND, Make
from tests.store.settling import settled

DAY = 24 * HOUR
FIRST = NOW - NOW % DAY


def tally(hour: int = 0, account: int = 1, event: int = ACCEPTED, **more: object) -> Tally:
    usual = {"direction": 0, "country": "DE", "network": "", "sender": "A", "connector": 1, "type": 1}
    usual |= {"was": 0, "error": "", "waited": -1}
    of = usual | more
    return (
        FIRST + hour * HOUR, account, of["direction"], of["country"], of["network"], of["sender"], of["connector"],
        of["type"], event, of["was"], of["error"], of["waited"],
    )  # type: ignore[return-value]  # fmt: skip


def asked(*by: str, accounts: tuple[int, ...] = (1,), step_us: int = 0, hours: int = 48) -> TallyFilter:
    return TallyFilter(accounts=accounts, from_us=FIRST, to_us=FIRST + hours * HOUR, step_us=step_us, by=by)


async def committed(store: Store, make: Make, count: int) -> list[int]:
    found = []
    for _ in range(count):
        new = make.born()
        found.append((await store.commit(make.accept(new, facts=[make.fact(new)]))).position)
    await settled(store, found[-1])
    return found


async def test_counts_are_added_where_the_counter_is_and_nowhere_else(store: Store, make: Make) -> None:
    first, second, third = await committed(store, make, 3)
    one = {tally(): (2, 5)}
    assert await store.counts_position() == 0
    assert not await store.add_tallies(first, second, 1, one)
    assert not await store.add_tallies(0, second, 1, one)
    assert not await store.add_tallies(0, second, 3, one)
    assert await store.tallies(asked()) == []
    assert await store.add_tallies(0, second, 2, one)
    assert await store.counts_position() == second
    assert not await store.add_tallies(0, second, 2, one)
    assert await store.add_tallies(second, third, 1, one)
    [row] = await store.tallies(asked())
    assert (row.event, row.messages, row.segments) == (ACCEPTED, 4, 10)


async def test_counts_are_told_apart_as_asked(store: Store, make: Make) -> None:
    [position] = await committed(store, make, 1)
    counts = {
        tally(0): (1, 1),
        tally(1, country="FR"): (2, 2),
        tally(25, country="FR", sender="B", connector=2, type=0): (4, 4),
        tally(3, account=2): (8, 8),
        tally(48): (16, 16),
        tally(5, event=State.FAILED, error="no_route"): (32, 32),
        tally(5, event=State.DELIVERED, was=State.UNKNOWN, waited=9): (64, 64),
    }
    assert await store.add_tallies(0, position, 1, counts)

    async def sums(*by: str, **more: object) -> list[tuple[object, ...]]:
        rows = await store.tallies(asked(*by, **more))  # type: ignore[arg-type]
        return [(*(getattr(row, name) for name in ("at_us", *by)), row.messages) for row in rows if not row.event]

    assert await sums() == [(0, 7)]
    assert await sums("country") == [(0, "DE", 1), (0, "FR", 6)]
    assert await sums("country", step_us=DAY) == [(FIRST, "DE", 1), (FIRST, "FR", 2), (FIRST + DAY, "FR", 4)]
    assert await sums(step_us=HOUR, hours=2) == [(FIRST, 1), (FIRST + HOUR, 2)]
    assert await sums("sender", "connector", "type") == [(0, "A", 1, 1, 3), (0, "B", 2, 0, 4)]
    assert await sums("account", accounts=(1, 2, 3)) == [(0, 1, 7), (0, 2, 8)]
    assert await sums(accounts=()) == []
    rows = await store.tallies(asked("error"))
    assert TallyRow(0, None, None, None, None, None, None, "no_route", State.FAILED, 0, -1, 32, 32) in rows
    assert TallyRow(0, None, None, None, None, None, None, "", State.DELIVERED, State.UNKNOWN, 9, 64, 64) in rows
    assert len(await store.tallies(asked("country"))) == 4


async def test_opt_outs_are_counted_with_their_rows(store: Store) -> None:
    rows = [OptOut(account_id=1, recipient=f"+{n}", created_us=FIRST + n * 20 * 60 * SECOND) for n in range(6)]
    assert await store.add_opt_outs([*rows, OptOut(account_id=2, recipient="+1", created_us=FIRST)]) == 7
    assert await store.add_opt_outs([*rows, OptOut(account_id=1, recipient="+9", created_us=FIRST)]) == 1
    await store.remove_opt_outs([(1, "+1")])
    found = await store.tallies(asked(step_us=HOUR))
    assert [(row.at_us, row.event, row.messages) for row in found] == [
        (FIRST, OPTED_OUT, 4),
        (FIRST + HOUR, OPTED_OUT, 3),
    ]


@pytest.mark.parametrize("crash", [False, True])
async def test_the_counter_counts_each_fact_once(store: Store, make: Make, crash: bool) -> None:
    """Told or read, with another process that writes, and after a crash at the worst moment."""
    counting = Counting(store)
    await counting.start()
    store.on_facts = lambda position, facts, lives: counting.told(position, facts)
    await committed(store, make, 5)
    await counting.keep()
    store.on_facts = None
    await committed(store, make, 2)  # another process: nobody is told
    store.on_facts = lambda position, facts, lives: counting.told(position, facts)
    await committed(store, make, 3)
    if not crash:
        await counting.keep()
        await counting._catch_up()
        assert counting.lag == 0
    await counting.stop()
    again = Counting(store)
    await again.start()
    await again.stop()
    every = TallyFilter(accounts=(1,), from_us=0, to_us=NOW * 4)
    [totals] = grouped(await store.tallies(every), ()).values()
    assert totals == Totals(accepted=10, segments=10, sent=10, segments_sent=10)


async def test_a_catch_up_loses_nothing_that_is_told_meanwhile(store: Store, make: Make) -> None:
    counting = Counting(store)
    store.on_facts = lambda position, facts, lives: counting.told(position, facts)
    await committed(store, make, 3)
    read = store.outbox

    async def slow(after: int, limit: int) -> object:
        found = await read(after, limit)
        if not found.rows:
            await committed(store, make, 2)
        return found

    store.outbox = slow  # type: ignore[method-assign, assignment]
    await counting.start()
    await counting.stop()
    assert await store.counts_position() == (await read(0, 100)).rows[-1][0]
    [totals] = grouped(await store.tallies(TallyFilter(accounts=(1,), from_us=0, to_us=NOW * 4)), ()).values()
    assert totals.accepted == 5
    await store.commit(Changes())
