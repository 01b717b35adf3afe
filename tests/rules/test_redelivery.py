"""The table of second tries."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.rules import redelivery

HOUR = 3600
SECOND = 1_000_000


@pytest.mark.parametrize(
    ("tries", "wait_s"),
    [(1, 5), (2, 300), (3, 1800), (4, 2 * HOUR), (5, 5 * HOUR), (6, 10 * HOUR), (7, 10 * HOUR), (8, None)],
)
def test_the_waits_are_those_of_the_table(tries: int, wait_s: int | None) -> None:
    due = redelivery.next_try_us(tries, 1000, 1000)
    assert due == (None if wait_s is None else 1000 + wait_s * SECOND)


def test_the_last_try_comes_after_more_than_a_day() -> None:
    assert sum(redelivery.RETRY_WAITS_S) > 24 * HOUR


@given(tries=st.integers(1, 7), chance=st.floats(0, 0.999), asked=st.none() | st.floats(0, 1e9))
@settings(max_examples=50)
def test_jitter_and_retry_after_only_move_a_try_back(tries: int, chance: float, asked: float | None) -> None:
    plain = redelivery.next_try_us(tries, 0, 0)
    due = redelivery.next_try_us(tries, 0, 0, retry_after_s=asked, chance=chance)
    assert plain is not None
    assert due is not None
    assert due >= plain
    assert due <= max(plain * 1.1, 24 * HOUR * SECOND)


def test_retry_after_holds() -> None:
    assert redelivery.next_try_us(1, 0, 0, retry_after_s=120) == 120 * SECOND


def test_what_is_too_old_is_given_up() -> None:
    assert redelivery.next_try_us(3, 0, redelivery.MOST_AGE_US) is None


def test_an_endpoint_that_fails_on_gets_fewer_slots_and_then_rests() -> None:
    assert [redelivery.open_slots(failures, 1000, 16) for failures in (0, 3, 4, 5, 6, 7, 8, 100)] == [
        16, 16, 8, 4, 2, 1, 1, 1,
    ]  # fmt: skip
    assert [redelivery.rest_s(failures) for failures in (0, 7, 8, 9, 13, 14, 5000)] == [0, 0, 1, 2, 32, 60, 60]


def test_an_endpoint_gets_more_slots_as_it_takes_requests() -> None:
    assert [redelivery.open_slots(0, proof, 32) for proof in (0, 15, 16, 383, 384, 10_000)] == [8, 8, 9, 31, 32, 32]
    assert [redelivery.open_slots(0, 0, most) for most in (1, 2, 7, 8)] == [1, 1, 1, 2]


def test_a_proof_grows_with_each_request_and_a_failure_takes_half() -> None:
    assert redelivery.proof(7, 32, took=True) == 8
    assert redelivery.proof(512, 32, took=True) == 512
    assert redelivery.proof(512, 32, took=False) == 256
    assert redelivery.proof(1, 1, took=False) == 0
