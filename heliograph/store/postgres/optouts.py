"""Who opted out, as a filter in memory: it says no only if a recipient surely did not.

A Bloom filter of 16 bits and 4 probes an entry (0.24 % false alarms when full; SQL answers those).
Removals stay in it until it is made anew: they cost a look-up, never a message.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

__all__ = ["OptOutFilter", "Seen"]

_BITS_AN_ENTRY = 16
_LEAST_ENTRIES = 4096
_SETTLE_S = 10.0
"""No caller's gather step is older than this when its commit runs."""

Seen = tuple[float, int, int]
"""(monotonic seconds, version of the opt-outs, oldest transaction that still ran): what was known when."""


class OptOutFilter:
    """The filter, and how far back a commit must look for what its caller could not know yet."""

    __slots__ = ("_bits", "_capacity", "_count", "_mask", "_seen")

    def __init__(self) -> None:
        self._seen: deque[Seen] = deque()
        self.refill([])

    def refill(self, pairs: Sequence[tuple[int, str]]) -> None:
        """Begins anew with these, and room for as many again."""
        capacity = _LEAST_ENTRIES
        while capacity < 2 * len(pairs):
            capacity *= 2
        self._capacity = capacity
        self._bits = bytearray(capacity * _BITS_AN_ENTRY // 8)
        self._mask = capacity * _BITS_AN_ENTRY - 1
        self._count = 0
        self.add(pairs)

    @property
    def unfilled(self) -> bool:
        """Nothing was noted yet."""
        return not self._seen

    @property
    def full(self) -> bool:
        """More entries than it was made for: time for :meth:`refill`."""
        return self._count > self._capacity

    def add(self, pairs: Iterable[tuple[int, str]]) -> None:
        """From now on these may be opted out."""
        bits, mask = self._bits, self._mask
        for pair in pairs:
            at, step = _probes(pair)
            for _ in range(4):
                place = at & mask
                bits[place >> 3] |= 1 << (place & 7)
                at += step
            self._count += 1

    def __contains__(self, pair: tuple[int, str]) -> bool:
        if not self._count:
            return False
        bits, mask = self._bits, self._mask
        at, step = _probes(pair)
        for _ in range(4):
            place = at & mask
            if not bits[place >> 3] & 1 << (place & 7):
                return False
            at += step
        return True

    def note(self, seen: Seen) -> None:
        """Remembers what was known when; the newest that is old enough for every gather step stays first."""
        self._seen.append(seen)
        while len(self._seen) > 1 and self._seen[1][0] <= seen[0] - _SETTLE_S:
            self._seen.popleft()

    @property
    def settled(self) -> Seen:
        """What every caller knew whose commit runs now."""
        return self._seen[0]

    @property
    def newest(self) -> Seen:
        """What is known now."""
        return self._seen[-1]


def _probes(pair: tuple[int, str]) -> tuple[int, int]:
    mixed = hash(pair)
    return mixed & 0xFFFF_FFFF, (mixed >> 32 & 0xFFFF_FFFF) | 1
