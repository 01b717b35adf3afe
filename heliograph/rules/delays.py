"""Delays in buckets: four to each doubling, so that a share of them is known to an eighth of its value."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["MOST", "bucket_of", "quantile_ms"]

_FINE = 8
"""Below so many milliseconds each has a bucket of its own."""
MOST = 127
"""The last bucket: from 49 days on."""


def bucket_of(delay_us: int) -> int:
    """The bucket of a delay, from 0 to :data:`MOST`. A clock that was set back makes none below 0."""
    ms = delay_us // 1000
    if ms < _FINE:
        return max(ms, 0)
    bits = ms.bit_length()
    return min(MOST, _FINE + ((bits - 4) << 2) + (ms >> (bits - 3) & 3))


def _edge_ms(bucket: int) -> int:
    """The least delay of a bucket, in ms."""
    if bucket < _FINE:
        return bucket
    doubling, quarter = divmod(bucket - _FINE, 4)
    return (4 + quarter) << (doubling + 1)


def quantile_ms(counts: Mapping[int, int], share: float) -> int | None:
    """The delay that ``share`` (0 to 1) of them do not exceed, in ms; None where there are none.

    Inside its bucket the delays are taken as spread evenly.
    """
    total = sum(counts.values())
    if total <= 0:
        return None
    wanted, before = share * total, 0
    for bucket in sorted(counts):
        count = counts[bucket]
        if count and before + count >= wanted:
            low, high = _edge_ms(bucket), _edge_ms(bucket + 1)
            return round(low + (high - low) * (wanted - before) / count)
        before += count
    return _edge_ms(max(counts) + 1)
