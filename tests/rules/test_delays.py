"""Buckets of delays: narrow enough to tell a share of them to an eighth."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.rules.delays import MOST, bucket_of, quantile_ms

DELAYS = st.lists(st.integers(0, 40 * 86_400 * 1_000_000), min_size=1, max_size=60)


@given(DELAYS)
def test_buckets_are_in_the_order_of_delays(delays: list[int]) -> None:
    buckets = [bucket_of(delay) for delay in sorted(delays)]
    assert buckets == sorted(buckets)
    assert all(0 <= bucket <= MOST for bucket in buckets)


@given(DELAYS, st.sampled_from((0.5, 0.95, 1.0)))
def test_a_share_is_near_the_delay_that_it_stands_for(delays: list[int], share: float) -> None:
    told = quantile_ms(Counter(map(bucket_of, delays)), share)
    exact = sorted(delays)[-(-len(delays) * round(share * 100) // 100) - 1] // 1000
    assert told is not None
    assert exact * 0.79 - 1 <= told <= exact * 1.26 + 1


@pytest.mark.parametrize(
    ("delay_us", "bucket"), [(-5, 0), (999, 0), (1_000, 1), (7_999, 7), (8_000, 8), (1 << 62, MOST)]
)
def test_the_ends_of_the_scale(delay_us: int, bucket: int) -> None:
    assert bucket_of(delay_us) == bucket


def test_nothing_has_no_share() -> None:
    assert quantile_ms({}, 0.5) is None
    assert quantile_ms({3: 1}, 0.5) == 4
