"""A pace is never exceeded, is cut when the carrier complains, and comes back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.rules.pacing import LEAST_SHARE, PAUSE_S, Pace


def test_without_a_limit_everything_may_leave() -> None:
    pace = Pace(0)
    assert pace.take(5.0, 1_000_000) == 1_000_000
    assert pace.ready_at(5.0) == 5.0


def test_a_slow_pace_gives_one_segment_at_a_time_and_says_when_the_next_may_leave() -> None:
    pace = Pace(2)
    assert pace.take(10.0, 5) == 1
    assert pace.take(10.0, 5) == 0
    assert pace.ready_at(10.0) == 10.5
    assert pace.take(10.5, 5) == 1
    assert pace.ready_at(99.0) == 99.0


def test_a_burst_is_50_ms_of_the_pace_and_does_not_grow_with_idle_time() -> None:
    pace = Pace(1000)
    assert pace.burst == 50
    assert pace.take(1_000.0, 500) == 50
    assert pace.take(5_000.0, 500) == 50


def test_nothing_wanted_costs_nothing() -> None:
    pace = Pace(1)
    assert pace.take(1.0, 0) == 0
    assert pace.take(1.0, 1) == 1


def test_a_clock_that_steps_back_gives_nothing_away() -> None:
    pace = Pace(10, burst=1)
    assert pace.take(100.0, 1) == 1
    assert pace.take(50.0, 1) == 0


def test_a_complaint_halves_the_pace_once_for_all_that_was_on_the_wire_and_rests_the_lane() -> None:
    pace = Pace(100)
    pace.take(10.0, 100)
    for late in range(50):
        pace.throttled(10.0 + late * 0.001)
    assert pace.rate == 50
    assert pace.take(10.2, 10) == 0
    assert pace.ready_at(10.2) == pytest.approx(10.049 + PAUSE_S)
    assert pace.take(pace.ready_at(10.2), 10) > 0


def test_the_pace_comes_back_by_a_twentieth_a_second_and_no_further() -> None:
    pace = Pace(100)
    pace.throttled(10.0)
    pace.take(11.0, 1)
    assert pace.rate == pytest.approx(55)
    pace.take(15.5, 1)
    assert pace.rate == pytest.approx(75)
    pace.take(500.0, 1)
    assert pace.rate == 100


def test_complaints_never_bring_a_pace_to_a_standstill() -> None:
    pace = Pace(640)
    for second in range(100):
        pace.throttled(float(2 * second))
    assert pace.rate == 640 / LEAST_SHARE
    slow = Pace(0.5)
    for second in range(100):
        slow.throttled(float(2 * second))
    assert slow.rate == 0.5


def test_without_a_limit_a_complaint_sets_one_from_what_was_sent_and_quiet_takes_it_away() -> None:
    pace = Pace(0)
    for tick in range(100):
        pace.take(10.0 + tick / 100, 10)
    pace.throttled(10.99)
    assert 400 <= pace.rate <= 600
    assert pace.take(11.0, 10) == 0
    assert pace.take(12.0, 10_000) < 100
    pace.take(60.0, 1)
    assert pace.rate == 0
    assert pace.take(60.1, 10_000) == 10_000


@given(
    rate=st.floats(0.2, 5_000),
    burst=st.none() | st.integers(1, 50),
    asks=st.lists(
        st.tuples(st.floats(0, 1.5) | st.just(0.0), st.integers(0, 300), st.booleans() | st.just(False)), max_size=60
    ),
    start=st.floats(0, 1e6),
)
@settings(max_examples=150, deadline=None)
def test_no_window_holds_more_than_the_pace_and_the_burst(
    rate: float, burst: int | None, asks: list[tuple[float, int, bool]], start: float
) -> None:
    pace = Pace(rate, burst=burst)
    most_at_once = pace.burst
    now = start
    granted: list[tuple[float, int]] = []
    for wait, want, complains in asks:
        now += wait
        if complains:
            pace.throttled(now)
        count = pace.take(now, want)
        assert 0 <= count <= want
        granted.append((now, count))
    for first, (begun, _) in enumerate(granted):
        total = 0
        for at, count in granted[first:]:
            total += count
            assert total <= most_at_once + (at - begun) * rate * (1 + 1e-6) + 1e-3


@given(rate=st.floats(0.2, 10_000), now=st.floats(0, 1e6), want=st.integers(1, 100))
@settings(max_examples=100, deadline=None)
def test_who_comes_back_when_told_gets_a_segment(rate: float, now: float, want: int) -> None:
    pace = Pace(rate)
    for _ in range(5):
        now = pace.ready_at(now)
        assert pace.take(now, want) >= 1
