"""How times read in public."""

from __future__ import annotations

import pytest

from heliograph.delivery import instants
from heliograph.delivery.instants import iso

AT = 1_772_366_400_000_000  # 2026-03-01T12:00:00Z
SECOND = 1_000_000


@pytest.mark.parametrize(
    ("at_us", "worded"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (AT, "2026-03-01T12:00:00.000000Z"),
        (AT + 1, "2026-03-01T12:00:00.000001Z"),
        (AT + 999_999, "2026-03-01T12:00:00.999999Z"),
        (951_782_400_050_060, "2000-02-29T00:00:00.050060Z"),
    ],
)
def test_times_are_iso_in_utc_with_microseconds(at_us: int, worded: str) -> None:
    assert iso(at_us) == worded


def test_worded_seconds_do_not_pile_up() -> None:
    for second in range(instants._SECONDS_KEPT + 10):
        iso(second * SECOND)
    assert len(instants._seconds) <= instants._SECONDS_KEPT
