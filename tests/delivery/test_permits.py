"""Permits: a row names what may be on the wire until a commit says what became of it."""

from __future__ import annotations

import pytest

from heliograph.delivery.lane.permits import Permits


def test_an_answered_message_is_named_until_the_batch_that_says_so() -> None:
    permits = Permits(10)
    permits.reserve("m1", 1)
    permits.reserve("m2", 2)
    permits.written(3)
    assert permits.release("m1", 1)
    assert not permits.release("m2", 1)
    assert set(permits.ids) == {"m1", "m2"}
    permits.leave()
    assert permits.ids == ("m2",)


@pytest.mark.parametrize(
    ("window", "segments_per_second", "commit_s", "ahead"),
    [
        (10, 0.0, 0.02, 10),
        (100, 0.0, 0.02, 64),
        (1000, 0.0, 0.02, 64),
        (100, 500.0, 0.02, 64),
        (100, 10_000.0, 0.02, 400),
        (100, 10_000.0, 0.005, 100),
        (100, 30_000.0, 0.1, 1024),
        (4000, 30_000.0, 0.1, 4000),
    ],
)
def test_as_much_is_permitted_ahead_as_the_wire_takes_during_two_commits(
    window: int, segments_per_second: float, commit_s: float, ahead: int
) -> None:
    permits = Permits(window)
    permits.adapt(50_000.0, 1.0)
    for _ in range(20):  # two seconds
        permits.adapt(segments_per_second, commit_s)
    assert permits.room(0.0) == ahead
    permits.reserve("on the wire", window)
    permits.written(window)
    assert permits.room(0.0) == ahead
    permits.reserve("ahead", ahead)
    assert permits.room(0.0) == 0


def test_a_wire_that_waits_for_permits_gets_twice_as_many_at_once() -> None:
    permits = Permits(100)
    rooms = []
    for _ in range(6):
        permits.hungry()
        rooms.append(permits.room(0.0))
    assert rooms == [128, 256, 512, 1024, 1024, 1024]
    permits.adapt(0.0, 0.02)
    assert permits.room(0.0) == 768


def test_a_paced_lane_permits_a_moment_of_its_pace_ahead() -> None:
    permits = Permits(100)
    assert permits.room(500.0) == 10
    assert permits.room(1.0) == 1


def test_a_message_that_is_permitted_again_stays_named() -> None:
    permits = Permits(10)
    permits.reserve("m1", 1)
    permits.release("m1", 1)
    permits.reserve("m1", 1)
    permits.leave()
    assert permits.ids == ("m1",)
