"""The group commit on its own, with a writer that only remembers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from time import perf_counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.contracts import Acceptance, Changes, Claim, Committed, Correlation, InboundPart, NewMessage, Update
from heliograph.errors import StoreBusy, StoreError
from heliograph.model import Content, Fact, Live, Message, Progress, SegmentProgress, State
from heliograph.store import groupcommit
from heliograph.store.batch import Batch, Rows
from heliograph.store.groupcommit import GroupCommit, awaiting


def new(message_id: str, recipient: str = "+4915112345678", state: int = State.QUEUED) -> NewMessage:
    message = Message(id=message_id, account_id=1, sender="A", recipient=recipient, accepted_us=1, expires_us=2)
    return NewMessage(message, Progress(state=state), Content(octets=b"hi"))


def update(message_id: str, base: int, state: int = State.SENT) -> Update:
    return Update(message_id, 1, base, Progress(state=state, version=base + 1))


def fact(message_id: str, sequence: int = 1) -> Fact:
    return Fact(message_id, 1, sequence, 30, 5, 0, 1, 0, 1, "DE", None, "A", False, 1)


def claim(key: str, made: str = "{}") -> Claim:
    return Claim(account_id=1, scope="http", key=key, body_hash=b"h" * 32, created_us=1, expires_us=9, made=made)


class Writer:
    """Remembers what it was given; ``gate`` holds a transaction open, ``fault`` fails it."""

    def __init__(self) -> None:
        self.news: list[list[str]] = []
        self.updates: list[dict[str, Update]] = []
        self.rows: list[Rows] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.fault: Callable[[Batch], None] = lambda batch: None
        self.during: Callable[[Batch], None] = lambda batch: None

    async def __call__(self, batch: Batch) -> None:
        await self.gate.wait()
        self.fault(batch)
        self.during(batch)
        batch.refuse_taken({})
        self.news.append([n.message.id for n in batch.news()])
        self.updates.append(batch.updates)
        self.rows.append(batch.rows())
        batch.position = len(self.rows)


def accept(*ids: str, claimed: Claim | None = None) -> Changes:
    return Changes(acceptances=[Acceptance([new(i) for i in ids], claim=claimed)])


async def test_what_waits_becomes_one_transaction() -> None:
    writer = Writer()
    group = GroupCommit(awaiting(writer))
    await group.commit(accept("m0"))
    writer.gate.clear()
    first = group.commit(accept("m1"))
    await asyncio.sleep(0)
    others = [group.commit(accept(f"m{i}")) for i in range(2, 6)]
    writer.gate.set()
    answers = await asyncio.gather(first, *others)
    assert writer.news == [["m0"], ["m1"], ["m2", "m3", "m4", "m5"]]
    assert [a.position for a in answers] == [2, 3, 3, 3, 3]
    assert group.waiting_rows == 0


def spin(turns: int, each: Callable[[], object]) -> None:
    """So many turns of the loop in each of which there is something to do."""
    until = perf_counter() + 2 * groupcommit._QUIET_S
    each()
    while perf_counter() < until:
        pass
    if turns > 1:
        asyncio.get_running_loop().call_soon(spin, turns - 1, each)


async def test_a_transaction_waits_for_a_turn_that_brings_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groupcommit, "_PATIENCE_S", 60.0)
    writer = Writer()
    group = GroupCommit(awaiting(writer))
    answers: list[asyncio.Future[Committed]] = []
    names = (f"m{n}" for n in range(20))
    for round in (1, 2):
        spin(10, lambda: answers.append(group.commit(accept(next(names)))))
        while len(answers) < 10 * round:
            await asyncio.sleep(0)
        await asyncio.gather(*answers)
    assert [len(ids) for ids in writer.news] == [10, 10]


@pytest.mark.parametrize("crowded", [False, True])
async def test_a_loop_that_never_rests_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, crowded: bool) -> None:
    """Nor is one that large calls crowd, however long one would wait otherwise."""
    monkeypatch.setattr(groupcommit, "_PATIENCE_S", 60.0 if crowded else 0.0)
    writer = Writer()
    group = GroupCommit(awaiting(writer), stages=True)
    if crowded:
        group.keep(accept("small"), lambda _: None)
        group.keep(accept(*[f"b{n}" for n in range(1_000)]), lambda _: None)
    turns = iter(range(1_000_000))
    answer = group.commit(accept("m1"))

    def work() -> None:
        if not answer.done():
            next(turns)
            spin(1, lambda: None)
            asyncio.get_running_loop().call_soon(work)

    work()
    async with asyncio.timeout(30):
        await answer
    assert next(turns) < 1_000
    await group.close()


async def test_response_and_receipt_cost_one_update() -> None:
    writer = Writer()
    group = GroupCommit(awaiting(writer))
    await asyncio.gather(
        group.commit(Changes(updates=[update("m1", 1)])),
        group.commit(Changes(updates=[update("m1", 2, State.DELIVERED)])),
    )
    (merged,) = writer.updates
    assert merged["m1"].base_version == 1
    assert merged["m1"].progress.version == 3
    assert merged["m1"].progress.state == State.DELIVERED


async def test_second_update_on_the_same_version_is_stale_and_takes_its_rows_along() -> None:
    writer = Writer()
    group = GroupCommit(awaiting(writer))
    one, two = await asyncio.gather(
        group.commit(Changes(updates=[update("m1", 1)], facts=[fact("m1")])),
        group.commit(
            Changes(
                updates=[update("m1", 1), update("m2", 1)],
                facts=[fact("m1", 7), fact("m2")],
                correlations=[Correlation(1, "c1", 1, "m1", 1, 1), Correlation(1, "c2", 1, "m2", 1, 1)],
                segments=[("m1", 1, SegmentProgress(number=1))],
            )
        ),
    )
    assert (one.stale, two.stale) == (set(), {"m1"})
    (rows,) = writer.rows
    assert [(f.message_id, f.sequence) for f in rows.facts] == [("m1", 1), ("m2", 1)]
    assert list(rows.correlations) == [(1, "c2")]
    assert rows.segments == {}


async def test_stale_in_the_store_is_told_to_every_call_that_updates_the_message() -> None:
    writer = Writer()
    writer.during = lambda batch: batch.refuse_stale({"m1"})
    group = GroupCommit(awaiting(writer))
    answers = await asyncio.gather(
        group.commit(Changes(updates=[update("m1", 1)], facts=[fact("m1")])),
        group.commit(Changes(updates=[update("m1", 2)])),
        group.commit(Changes(updates=[update("m2", 1)], facts=[fact("m2")])),
    )
    assert [a.stale for a in answers] == [{"m1"}, {"m1"}, set()]
    assert [f.message_id for f in writer.rows[0].facts] == ["m2"]


async def test_one_key_twice_in_one_transaction_is_won_by_the_first() -> None:
    writer = Writer()
    group = GroupCommit(awaiting(writer))
    one, two = await asyncio.gather(
        group.commit(accept("m1", claimed=claim("k", "first"))),
        group.commit(Changes(acceptances=accept("m2", claimed=claim("k", "second")).acceptances, facts=[fact("m2")])),
    )
    assert one.lost == {}
    assert two.lost[0].made == "first"
    assert writer.news == [["m1"]]
    assert writer.rows[0].facts == []


async def test_opted_out_acceptance_gives_its_key_to_the_next() -> None:
    writer = Writer()
    writer.during = lambda batch: batch.refuse_opted_out({(1, "+49")})
    group = GroupCommit(awaiting(writer))
    refused = Changes(acceptances=[Acceptance([new("m1", "+49"), new("m2", "+50")], claim=claim("k"))])
    one, two = await asyncio.gather(group.commit(refused), group.commit(accept("m3", claimed=claim("k"))))
    assert one.opted_out == {0: frozenset({"+49"})}
    assert two.lost == {}
    assert writer.news == [["m3"]]


async def test_ended_messages_are_not_guarded_by_opt_outs() -> None:
    changes = Changes(acceptances=[Acceptance([new("m1", "+49", State.REJECTED), new("m2", "+50")])])
    assert Batch([changes]).recipients() == {(1, "+50")}


async def test_bad_rows_fail_alone_and_the_journal_says_why(caplog: pytest.LogCaptureFixture) -> None:
    writer = Writer()

    def fault(batch: Batch) -> None:
        if "bad" in [n.message.id for n in batch.news()]:
            raise ValueError("cannot bind")

    writer.fault = fault
    group = GroupCommit(awaiting(writer))
    futures = [group.commit(accept(name)) for name in ("m1", "m2", "bad", "m3", "m4")]
    answers = await asyncio.gather(*futures, return_exceptions=True)
    assert [type(a) for a in answers] == [Committed, Committed, StoreError, Committed, Committed]
    assert [i for ids in writer.news for i in ids] == ["m1", "m2", "m3", "m4"]
    (line,) = caplog.records
    assert "cannot be kept" in line.message
    assert line.exc_info is not None
    assert str(line.exc_info[1]) == "cannot bind"


async def test_busy_store_is_told_to_all_and_the_next_one_tries_again() -> None:
    writer = Writer()

    def full(batch: Batch) -> None:
        raise StoreBusy("disk full", retry_after_s=3)

    writer.fault = full
    group = GroupCommit(awaiting(writer))
    errors = await asyncio.gather(group.commit(accept("m1")), group.commit(accept("m2")), return_exceptions=True)
    assert all(isinstance(e, StoreBusy) and e.retry_after_s == 3 for e in errors)
    assert errors[0] is not errors[1]
    writer.fault = lambda batch: None
    assert isinstance(await group.commit(accept("m3")), Committed)
    assert writer.news == [["m3"]]


async def test_a_full_queue_refuses_new_messages_before_news_of_old_ones() -> None:
    writer = Writer()
    writer.gate.clear()
    group = GroupCommit(awaiting(writer), max_waiting=4)
    kept = [group.commit(accept("m1", "m2", "m3"))]  # three rows and the call
    with pytest.raises(StoreBusy):
        group.commit(accept("m4"))
    kept.append(group.commit(Changes(updates=[update("m1", 1)])))
    kept.append(group.commit(Changes(updates=[update("m2", 1)])))
    with pytest.raises(StoreBusy):
        group.commit(Changes(updates=[update("m3", 1)]))
    writer.gate.set()
    await asyncio.gather(*kept)
    await group.commit(accept("m4", "m5", "m6", "m7", "m8"))  # more than the bound, but alone


async def test_transactions_are_bounded() -> None:
    writer = Writer()
    group = GroupCommit(awaiting(writer), max_rows=5)
    await asyncio.gather(*(group.commit(accept(f"m{i}", f"n{i}")) for i in range(4)))
    assert [len(ids) for ids in writer.news] == [2, 2, 2, 2]


async def test_bulk_lets_all_others_go_first_and_goes_one_call_a_transaction() -> None:
    writer = Writer()
    writer.gate.clear()
    group = GroupCommit(awaiting(writer))
    calls = [group.commit(accept("first"))]
    await asyncio.sleep(0)  # the first transaction has begun: what follows waits behind it
    calls += [group.commit(accept(*(f"{job}{n}" for n in range(600)))) for job in ("a", "b")]
    calls += [group.commit(accept("small")), group.commit(Changes(updates=[update("old", 1)]))]
    writer.during = lambda batch: (
        calls.append(group.commit(accept(f"later{len(writer.news)}"))) if len(calls) < 7 else None
    )
    writer.gate.set()
    for call in calls:  # grows meanwhile
        await call
    told = [(ids[0], len(ids)) for ids in writer.news]
    assert told == [("first", 1), ("small", 602), ("later1", 1), ("b0", 600)]  # every second one has bulk
    assert list(writer.updates[1]) == ["old"]


async def test_bulk_comes_even_when_the_others_never_end() -> None:
    writer = Writer()
    writer.gate.clear()
    group = GroupCommit(awaiting(writer), max_rows=500)
    calls = [group.commit(accept("first"))]
    await asyncio.sleep(0)
    calls.append(group.commit(accept(*(f"bulk{n}" for n in range(5_000)))))
    calls += [group.commit(accept(*(f"{call}-{n}" for n in range(200)))) for call in range(5)]
    writer.gate.set()
    await asyncio.gather(*calls)
    assert [len(ids) for ids in writer.news] == [1, 5_400, 400, 200]


async def test_bulk_with_permits_keeps_its_place() -> None:
    writer = Writer()
    writer.gate.clear()
    group = GroupCommit(awaiting(writer), max_rows=700)
    calls = [group.commit(accept("first"))]
    await asyncio.sleep(0)
    large, small = accept(*(f"large{n}" for n in range(600))), accept(*(f"small{n}" for n in range(200)))
    large.wires, small.wires = {1: ("m1",)}, {1: ("m2",)}
    calls += [group.commit(large), group.commit(small)]
    writer.gate.set()
    await asyncio.gather(*calls)
    assert [ids[0] for ids in writer.news] == ["first", "large0", "small0"]


async def test_references_of_bulk_keep_their_place_and_come_before_it() -> None:
    writer = Writer()
    writer.gate.clear()
    group = GroupCommit(awaiting(writer), max_rows=700)
    calls = [group.commit(accept("first"))]
    await asyncio.sleep(0)
    pair = (1, "A", "+4915112345678")
    large, small = accept(*(f"large{n}" for n in range(600))), accept("small")
    large.references, small.references = {pair: 7}, {pair: 8}
    calls += [group.commit(large), group.commit(small)]
    writer.gate.set()
    await asyncio.gather(*calls)
    assert [ids[0] for ids in writer.news] == ["first", "small", "large0"]
    assert [rows.references for rows in writer.rows] == [{}, {pair: 8}, {}]
    assert group.waiting_rows == 0


async def test_bulk_whose_references_cannot_be_kept_is_refused() -> None:
    writer = Writer()

    def full(batch: Batch) -> None:
        raise StoreBusy("disk full")

    writer.fault = full
    group = GroupCommit(awaiting(writer))
    large = accept(*(f"large{n}" for n in range(600)))
    large.references = {(1, "A", "+4915112345678"): 7}
    with pytest.raises(StoreBusy):
        await group.commit(large)
    assert group.waiting_rows == 0
    await group.close()


async def test_close_finishes_what_is_queued_and_takes_nothing_new() -> None:
    writer = Writer()
    writer.gate.clear()
    group = GroupCommit(awaiting(writer))
    waiting = group.commit(accept("m1"))
    closing = asyncio.ensure_future(group.close())
    await asyncio.sleep(0)
    with pytest.raises(StoreBusy):
        group.commit(accept("m2"))
    writer.gate.set()
    await closing
    assert isinstance(await waiting, Committed)


async def test_a_cancelled_waiter_harms_nobody() -> None:
    writer = Writer()
    group = GroupCommit(awaiting(writer))
    gone, stays = group.commit(accept("m1")), group.commit(accept("m2"))
    gone.cancel()
    assert isinstance(await stays, Committed)
    assert writer.news == [["m1", "m2"]]


def part(number: int) -> InboundPart:
    return InboundPart(
        connector_id=1,
        sender="s",
        recipient="r",
        reference=5,
        reference_octets=1,
        total=3,
        number=number,
        arrived_us=1,
        data_coding=0,
        octets=b"x",
    )


async def test_rows_are_merged_in_the_order_of_the_calls() -> None:
    writer = Writer()
    group = GroupCommit(awaiting(writer))
    await asyncio.gather(
        group.commit(Changes(positions={"e": 9}, references={(1, "s", "r"): 255}, parts=[part(1)], wires={1: ("m1",)})),
        group.commit(Changes(positions={"e": 4}, references={(1, "s", "r"): 0}, parts_done=[part(1).set_key])),
        group.commit(Changes(parts=[part(2)], wires={1: ()})),
    )
    (rows,) = writer.rows
    assert rows.positions == {"e": 9}
    assert rows.references == {(1, "s", "r"): 0}
    assert rows.parts_done == [part(1).set_key]
    assert [p.number for p in rows.parts[part(2).set_key]] == [2]
    assert rows.wires == {1: ()}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 5)), max_size=12))
def test_merged_updates_end_as_one_by_one_would(asked: list[tuple[str, int]]) -> None:
    """Whatever versions callers believe in: the merged batch keeps what a row at the merged base would keep."""
    calls = [Changes(updates=[update(name, base)]) for name, base in asked]
    batch = Batch(calls)
    at: dict[str, int] = {}
    for (name, base), answer in zip(asked, batch.answers, strict=True):
        expected = at.setdefault(name, base) == base
        assert (name in answer.stale) is not expected
        if expected:
            at[name] = base + 1
    assert {name: u.progress.version for name, u in batch.updates.items()} == at


async def test_facts_are_told_before_the_waiters_are_answered() -> None:
    writer = Writer()
    group = GroupCommit(awaiting(writer))
    told: list[tuple[int, list[str], list[str], bool]] = []
    future: asyncio.Future[Committed]

    def hear(position: int, facts: Sequence[Fact], lives: Sequence[Live]) -> None:
        told.append((position, [f.message_id for f in facts], [one.message.id for one in lives], future.done()))

    group.on_facts = hear
    one = new("m2")
    group.commit(Changes(facts=[fact("m1")]))
    future = group.commit(Changes(facts=[fact("m2")], lives=[Live(one.message, one.progress)]))
    await future
    assert told == [(1, ["m2", "m1"], ["m2"], False)]
    await group.commit(Changes(positions={"e": 1}))
    assert len(told) == 1


async def test_a_listener_that_fails_costs_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    group = GroupCommit(awaiting(Writer()))

    def fail(rows: int, took_s: float) -> None:
        raise ValueError(rows)

    group.observe = fail
    assert isinstance(await group.commit(accept("m1")), Committed)
    assert "a listener to commits failed" in caplog.text


async def test_trouble_lasts_from_a_transaction_that_failed_to_the_next_that_did_not() -> None:
    writer = Writer()
    group = GroupCommit(awaiting(writer))

    def full(batch: Batch) -> None:
        raise StoreBusy("the disk is full")

    writer.fault = full
    with pytest.raises(StoreBusy):
        await group.commit(accept("a"))
    assert group.trouble == "the disk is full"
    with pytest.raises(StoreBusy):
        await group.probe()
    writer.fault = lambda batch: None
    await group.probe()
    assert group.trouble is None


async def test_one_callers_fault_is_no_trouble() -> None:
    writer = Writer()

    def guilty(batch: Batch) -> None:
        raise ValueError("a row that cannot be kept")

    writer.fault = guilty
    group = GroupCommit(awaiting(writer))
    with pytest.raises(StoreError):
        await group.commit(accept("a"))
    assert group.trouble is None


async def test_a_transaction_that_does_not_end_is_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    writer = Writer()
    monkeypatch.setattr(groupcommit, "_SLOW_S", 0.0)
    writer.gate.clear()
    group = GroupCommit(awaiting(writer))
    waiting = group.commit(accept("a"))
    await asyncio.sleep(0)
    assert "waiting for the disk" in str(group.trouble)
    writer.gate.set()
    await waiting
    await group.close()
    assert group.trouble is None


async def test_who_is_told_hears_it_in_the_turn_that_hears_of_the_end() -> None:
    writer = Writer()
    group = GroupCommit(awaiting(writer))
    told: list[object] = []
    group.keep(accept("m1"), told.append)
    future = group.commit(accept("m2"))
    future.add_done_callback(lambda _: told.append("a turn later"))
    await future
    assert [type(one) for one in told[:1]] == [Committed]
    assert told[1:] == ["a turn later"]


async def test_one_who_is_told_and_fails_costs_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    group = GroupCommit(awaiting(Writer()))

    def fail(outcome: object) -> None:
        raise ValueError(outcome)

    group.keep(accept("m1"), fail)
    assert isinstance(await group.commit(accept("m2")), Committed)
    assert "a waiter for a commit failed" in caplog.text


async def test_small_acceptances_go_before_what_must_keep_its_place() -> None:
    writer = Writer()
    writer.gate.clear()
    group = GroupCommit(awaiting(writer), max_rows=150)
    calls = [group.commit(accept("first"))]
    await asyncio.sleep(0)
    calls += [group.commit(Changes(updates=[update(f"o{call}-{n}", 1) for n in range(100)])) for call in range(3)]
    calls.append(group.commit(accept("small")))
    writer.gate.set()
    await asyncio.gather(*calls)
    assert writer.news == [["first"], ["small"], [], []]
    assert [list(one)[:1] for one in writer.updates] == [[], ["o0-0"], ["o1-0"], ["o2-0"]]


@pytest.mark.parametrize(
    "other",
    [
        Changes(acceptances=[Acceptance((), claim("k"))], updates=[update("m1", 2)]),
        Changes(acceptances=[Acceptance([new("m9")])], parts_done=[(1, "s", "r", 5, 1, 3)]),
        Changes(acceptances=[Acceptance((), deliveries_done=["d"])]),
    ],
    ids=["an update under a claim", "an inbound message of parts", "a delivery that is over"],
)
async def test_acceptances_of_anything_else_keep_their_place(other: Changes) -> None:
    writer = Writer()
    writer.gate.clear()
    group = GroupCommit(awaiting(writer), max_rows=2)
    calls = [group.commit(accept("first"))]
    await asyncio.sleep(0)
    calls += [group.commit(Changes(updates=[update("m1", 1)])), group.commit(other)]
    writer.gate.set()
    await asyncio.gather(*calls)
    assert [list(one) for one in writer.updates][1] == ["m1"]
    assert writer.updates[1]["m1"].base_version == 1
    assert len(writer.rows) == 3


async def test_a_store_that_cannot_begin_is_told_to_the_waiter() -> None:
    def begin(batch: Batch, ended: object) -> None:
        raise StoreBusy("no connection")

    group = GroupCommit(begin)
    with pytest.raises(StoreBusy, match="no connection"):
        await group.commit(accept("m1"))
    await group.close()
