"""Permits: a row names what may be on the wire until a commit says what became of it."""

from __future__ import annotations

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


def test_a_message_that_is_permitted_again_stays_named() -> None:
    permits = Permits(10)
    permits.reserve("m1", 1)
    permits.release("m1", 1)
    permits.reserve("m1", 1)
    permits.leave()
    assert permits.ids == ("m1",)
