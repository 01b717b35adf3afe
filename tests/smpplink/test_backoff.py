"""Waits between connections."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.smpp import constants as c
from heliograph.smpplink.backoff import Backoff


def waits(statuses: list[int], chance: float = 0.5) -> list[float]:
    backoff = Backoff(1, 60, 60, lambda: chance)
    return [backoff.wait_s(status) for status in statuses]


def test_waits_double_up_to_their_bound() -> None:
    assert waits([0] * 9, chance=0.0) == [1, 2, 4, 8, 16, 32, 45, 45, 45]
    assert waits([0] * 3, chance=1.0) == [1.5, 3, 6]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from((0, c.ESME_RALYBND, c.ESME_RTHROTTLED)), max_size=30), st.floats(0, 1))
def test_waits_stay_in_their_range(statuses: list[int], chance: float) -> None:
    assert all(1 <= wait <= 60 for wait in waits(statuses, chance))


def test_wrong_credentials_wait_a_minute_at_least() -> None:
    for status in (c.ESME_RBINDFAIL, c.ESME_RINVPASWD, c.ESME_RINVSYSID):
        assert all(60 <= wait <= 90 for wait in waits([status] * 5))


def test_a_peer_that_is_full_or_out_of_order_waits_like_one_that_is_away() -> None:
    for status in (c.ESME_RSYSERR, c.ESME_RMSGQFUL, c.ESME_RTHROTTLED):
        assert waits([status] * 5) == waits([0] * 5)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=10, max_size=10))
def test_already_bound_waits_longer_and_never_shorter(chances: list[float]) -> None:
    backoff = Backoff(1, 60, 60, iter(chances).__next__)
    got = [backoff.wait_s(c.ESME_RALYBND) for _ in range(10)]
    assert got == sorted(got)
    assert got[0] >= 2


def test_a_link_that_held_starts_anew() -> None:
    backoff = Backoff(1, 60, 60, lambda: 0.0)
    for _ in range(5):
        backoff.wait_s(c.ESME_RALYBND)
    backoff.succeeded()
    assert backoff.wait_s() == 1
