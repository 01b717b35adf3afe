"""Fairness of a lane: shares for classes, turns for accounts, nobody starves."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.model import TrafficType
from heliograph.rules.fairness import FairQueue

OTP, TRANSACTIONAL, PROMOTIONAL = (int(one) for one in TrafficType)


def drain(queue: FairQueue[str], count: int) -> list[str]:
    return [item for _ in range(count) if (item := queue.pop()) is not None]


def test_an_empty_queue_gives_nothing() -> None:
    assert FairQueue[str]().pop() is None


def test_one_account_keeps_its_order() -> None:
    queue = FairQueue[str]()
    for index in range(100):
        queue.push(PROMOTIONAL, 1, str(index))
    assert drain(queue, 100) == [str(index) for index in range(100)]


def test_a_one_time_code_passes_a_hundred_thousand_promotions() -> None:
    queue = FairQueue[str]()
    for _ in range(100_000):
        queue.push(PROMOTIONAL, 1, "promotion")
    drain(queue, 1000)
    queue.push(OTP, 2, "code")
    queue.push(TRANSACTIONAL, 3, "reminder")
    assert {"code", "reminder"} <= set(drain(queue, 4))


def test_no_class_starves_while_the_others_are_full() -> None:
    queue = FairQueue[str]()
    for kind in (OTP, TRANSACTIONAL, PROMOTIONAL):
        for _ in range(5_000):
            queue.push(kind, 1, str(kind))
    got = Counter(drain(queue, 2_100))
    assert got["0"] == 1600
    assert got["1"] == 400
    assert got["2"] == 100


def test_accounts_take_turns_whatever_they_have_waiting() -> None:
    queue = FairQueue[str]()
    for _ in range(10_000):
        queue.push(PROMOTIONAL, 1, "large")
    for _ in range(100):
        queue.push(PROMOTIONAL, 2, "small")
    got = Counter(drain(queue, 220))
    assert got["small"] == 100


def test_long_messages_cost_their_segments() -> None:
    queue = FairQueue[str]()
    for _ in range(1000):
        queue.push(PROMOTIONAL, 1, "long", 8)
        queue.push(PROMOTIONAL, 2, "short", 1)
    got = Counter(drain(queue, 900))
    assert 7 <= got["short"] / got["long"] <= 9


@given(
    st.lists(st.one_of(st.tuples(st.integers(0, 2), st.integers(1, 4), st.integers(1, 255)), st.none()), max_size=300)
)
@settings(max_examples=100, deadline=None)
def test_everything_that_goes_in_comes_out_once(steps: list[tuple[int, int, int] | None]) -> None:
    queue = FairQueue[str]()
    put: list[str] = []
    got: list[str] = []
    for index, step in enumerate(steps):
        if step is None:
            item = queue.pop()
            assert (item is None) == (len(put) == len(got))
            if item is not None:
                got.append(item)
        else:
            kind, account, cost = step
            queue.push(kind, account, str(index), cost)
            put.append(str(index))
        assert len(queue) == len(put) - len(got)
    got += drain(queue, len(queue))
    assert sorted(got) == sorted(put)
