"""Quantiles, of values and of the buckets that ``/metrics`` shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["bucket_quantile", "quantile"]


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which this share (0 to 1) of the ordered values lies; 0 when there are none."""
    return ordered[int((len(ordered) - 1) * share)] if ordered else 0.0


def bucket_quantile(buckets: Mapping[float, float], share: float) -> float:
    """The same of a Prometheus histogram: upper bound → how many were at most that. Linear inside a bucket."""
    bounds = sorted(buckets)
    wanted = (buckets[bounds[-1]] if bounds else 0.0) * share
    if not wanted:
        return 0.0
    below, under = 0.0, 0.0
    for bound in bounds:
        if buckets[bound] >= wanted:
            if bound == float("inf"):
                return under
            return under + (bound - under) * (wanted - below) / (buckets[bound] - below)
        below, under = buckets[bound], bound
    return under
