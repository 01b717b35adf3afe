"""Buckets are never exceeded, periods are whole days and months of UTC, steps come in order."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.rules.allowance import Bucket, period_of, seconds_until, steps_reached

_TRIES = st.lists(st.tuples(st.floats(0, 3), st.integers(1, 40)), min_size=1, max_size=60)


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 20), _TRIES)
def test_no_span_of_time_has_more_than_its_rate_and_one_take(rate: int, tries: list[tuple[float, int]]) -> None:
    bucket, now, taken = Bucket(rate, 0.0), 0.0, []
    for pause, amount in tries:
        now += pause
        if bucket.take(amount, now) == 0.0:
            taken.append((now, amount))
    most = max([rate, *(amount for _, amount in taken)])
    for index, (begin, _) in enumerate(taken):
        total = 0
        for at, amount in taken[index:]:
            total += amount
            assert total <= rate * (at - begin) + most + 1e-6


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 50), st.lists(st.integers(1, 200), max_size=10), st.integers(1, 200))
def test_who_waits_as_told_may_come(rate: int, before: list[int], amount: int) -> None:
    bucket = Bucket(rate, 0.0)
    for one in before:
        bucket.take(one, 0.0)
    wait = bucket.take(amount, 0.0)
    if wait > 0.01:
        assert bucket.take(amount, wait * 0.9) > 0
    if wait:
        assert bucket.take(amount, wait + 1e-6) == 0.0


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 50), st.lists(st.integers(1, 50), max_size=10))
def test_what_is_given_back_was_never_taken(rate: int, amounts: list[int]) -> None:
    bucket = Bucket(rate, 0.0)
    for one in [one for one in amounts if bucket.take(one, 0.0) == 0.0]:
        bucket.give_back(one)
    assert bucket.level(0.0) == pytest.approx(rate)


def test_a_bucket_never_holds_more_than_a_second() -> None:
    bucket = Bucket(5, 0.0)
    assert bucket.level(1e6) == 5
    bucket.give_back(3)
    assert bucket.level(1e6) == 5


def at(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp()) * 1_000_000  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("period", "now", "begin", "end"),
    [
        ("day", (2026, 11, 23, 13, 5), (2026, 11, 23), (2026, 11, 24)),
        ("day", (2026, 11, 23), (2026, 11, 23), (2026, 11, 24)),
        ("month", (2026, 12, 31, 23, 59), (2026, 12, 1), (2027, 1, 1)),
        ("month", (2028, 2, 29, 1), (2028, 2, 1), (2028, 3, 1)),
        ("month", (2026, 1, 1), (2026, 1, 1), (2026, 2, 1)),
    ],
)
def test_periods_are_those_of_utc(
    period: str, now: tuple[int, ...], begin: tuple[int, ...], end: tuple[int, ...]
) -> None:
    assert period_of(period, at(*now)) == (at(*begin), at(*end))


@pytest.mark.parametrize(
    ("used", "quota", "steps"),
    [(0, 10, []), (4, 10, []), (5, 10, [50]), (8, 10, [50, 80]), (10, 10, [50, 80, 100]), (2, 3, [50]), (5, 0, [])],
)
def test_steps_are_reached_at_their_share(used: int, quota: int, steps: list[int]) -> None:
    assert list(steps_reached(used, quota)) == steps


def test_a_wait_is_whole_seconds_and_never_none() -> None:
    assert [seconds_until(end, 0) for end in (0, 1, 1_000_000, 1_000_001)] == [1, 1, 1, 2]
