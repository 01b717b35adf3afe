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


def rate_after(pace: Pace, state: int, seconds: int, begun: float = 10.0) -> float:
    """The pace after a carrier told the same state ten times a second for so long, while segments left."""
    for tenth in range(seconds * 10):
        now = begun + tenth / 10
        pace.take(now, 1000)
        pace.congested(now, state)
    return pace.rate


@pytest.mark.parametrize("state", [0, 29, 30, 49, 50, 79])
def test_a_carrier_with_little_to_do_is_sent_the_whole_pace(state: int) -> None:
    assert rate_after(Pace(100), state, 20) == 100
    assert rate_after(Pace(0), state, 20) == 0


@pytest.mark.parametrize("state", [80, 89])
def test_at_the_optimum_a_whole_pace_stays_whole_and_a_cut_one_does_not_grow(state: int) -> None:
    assert rate_after(Pace(100), state, 20) == 100
    cut = Pace(100)
    cut.throttled(9.0)
    assert rate_after(cut, state, 60, begun=9.5) == 50
    free = Pace(0)
    free.take(8.0, 400)
    free.throttled(9.0)
    assert rate_after(free, state, 60, begun=9.5) == 200


def test_near_congestion_the_pace_shrinks_once_a_second_the_more_the_closer() -> None:
    rates = [rate_after(Pace(100), state, 1) for state in (90, 95, 99, 100)]
    assert rates == pytest.approx([97.5, 85, 75, 50])
    assert rate_after(Pace(100), 95, 3) == pytest.approx(100 * 0.85**3)


def test_congestion_rests_no_lane_and_never_stops_one() -> None:
    pace = Pace(100)
    assert rate_after(pace, 100, 60) == pytest.approx(100 / LEAST_SHARE)
    assert pace.ready_at(70.0) < 70.0 + 1 / pace.rate


def test_the_pace_comes_back_when_the_congestion_is_over() -> None:
    pace = Pace(100)
    assert rate_after(pace, 100, 3) == pytest.approx(12.5)
    assert rate_after(pace, 40, 10, begun=13.0) == pytest.approx(12.5 + 10 * 5, abs=5)
    assert rate_after(pace, 40, 20, begun=23.0) == 100


def test_without_a_limit_congestion_begins_from_what_left_and_the_limit_goes_again() -> None:
    pace = Pace(0)
    for tenth in range(30):
        pace.take(10 + tenth / 10, 20)
    pace.congested(13.0, 95)
    assert pace.rate == pytest.approx(200 * 0.85, rel=0.1)
    assert rate_after(pace, 20, 10, begun=13.1) > 200 * 0.85
    assert rate_after(pace, 20, 15, begun=23.1) == 0


@settings(max_examples=100, deadline=None)
@given(
    st.floats(1, 500),
    st.lists(st.tuples(st.floats(0, 0.5), st.integers(0, 300), st.integers(0, 100)), min_size=1, max_size=60),
)
def test_no_congestion_state_ever_lifts_the_pace_above_its_limit(
    limit: float, steps: list[tuple[float, int, int]]
) -> None:
    pace, now, granted = Pace(limit), 0.0, 0
    for wait_s, want, state in steps:
        now += wait_s
        granted += pace.take(now, want)
        pace.congested(now, state)
        assert min(limit, 1) - 1e-9 <= pace.rate <= limit
    assert granted <= Pace(limit).burst + now * limit + 1
