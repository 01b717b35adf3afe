"""A histogram of seconds that costs a bisection and an addition."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Final

__all__ = ["LATENCY_BOUNDS_S", "ROWS_BOUNDS", "Histogram"]

LATENCY_BOUNDS_S: Final = (
    0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0,
)  # fmt: skip
"""From a commit on a quick disk to a handset that was switched off for an hour."""

ROWS_BOUNDS: Final = (1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_500.0, 10_000.0)


class Histogram:
    """Counts values between fixed bounds. ``counts`` has one entry a bound and one for what is above all."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float] = LATENCY_BOUNDS_S) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        """Counts ``value`` as often as ``times`` says: one call for a batch that waited together."""
        self.counts[bisect_left(self.bounds, value)] += times
        self.total += value * times

    def observe_all(self, values: Sequence[float]) -> None:
        """Counts these: one look at each bound instead of one at each value, where they are many."""
        if len(values) < len(self.bounds):
            for value in values:
                self.observe(value)
            return
        ordered, before = sorted(values), 0
        for at, bound in enumerate(self.bounds):
            below = bisect_right(ordered, bound, before)
            self.counts[at] += below - before
            before = below
        self.counts[-1] += len(ordered) - before
        self.total += sum(ordered)

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative counts by upper bound, as Prometheus has them; the last is ``+Inf``."""
        seen = 0
        rows: list[tuple[str, float]] = []
        for bound, count in zip((*self.bounds, None), self.counts, strict=True):
            seen += count
            rows.append(("+Inf" if bound is None else repr(bound), float(seen)))
        return rows
