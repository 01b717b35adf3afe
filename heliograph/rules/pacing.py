"""How fast a lane may send: segments per second, cut when the carrier complains, given back little by little.

A pace is the generic cell rate algorithm: one instant, the next free slot, is all its state. It has no clock; ``now``
is monotonic seconds. A throttling answer halves the pace and rests the lane for a moment; each second without another
gives back a twentieth (additive increase, multiplicative decrease).
"""

from __future__ import annotations

from typing import Final

__all__ = ["Pace"]

PAUSE_S: Final = 0.5
"""How long a lane rests after a throttling answer."""

QUIET_S: Final = 1.0
"""Throttling answers this soon after a cut speak of what was on the wire before it: they cut no further."""

RECOVERY_STEPS: Final = 20
"""Seconds without a complaint that bring back the whole pace from nothing."""

LEAST_SHARE: Final = 64
"""A pace is never cut below this part of what it was: a lane that stands still would never learn that it may go."""

_BURST_S: Final = 0.05
_ROUNDING: Final = 1e-4
"""Of a slot: instants are large beside the time between two segments."""


class Pace:
    """At most ``segments_per_second`` (0: no limit), with a burst of 50 ms of it, and at least one segment.

    In any window of ``w`` seconds at most ``burst + w * segments_per_second`` are granted.
    """

    __slots__ = (
        "_base",
        "_burst",
        "_counted",
        "_counting_from",
        "_cut_at",
        "_interval",
        "_next",
        "_recover_at",
        "burst",
        "rate",
    )

    def __init__(self, segments_per_second: float = 0.0, *, burst: int | None = None) -> None:
        self.rate = 0.0
        """Segments a second right now; 0: no limit."""
        self.burst = 1
        """Segments that may leave at once after a rest."""
        self._base = segments_per_second
        self._burst = burst
        self._interval = 0.0
        self._next = float("-inf")
        self._cut_at = float("-inf")
        self._recover_at = float("inf")
        self._counted = 0
        self._counting_from = float("-inf")
        self._set_rate(segments_per_second)

    def take(self, now: float, want: int) -> int:
        """How many of ``want`` segments may leave now: they count as sent."""
        interval = self._interval
        if not interval and now >= self._next:
            if now - self._counting_from > 1.0:
                self._counting_from, self._counted = now, 0
            self._counted += want
            return want
        if now >= self._recover_at:
            self._recover(now)
            interval = self._interval
        first = max(self._next, now - (self.burst - 1) * interval)
        if first > now or want <= 0:
            return 0
        if not interval:
            return want
        granted = min(want, int((now - first) / interval + _ROUNDING) + 1)
        self._next = first + granted * interval
        return granted

    def ready_at(self, now: float) -> float:
        """When a segment may leave: ``now``, or the instant to come back at."""
        return self._next if self._next > now else now

    def throttled(self, now: float) -> None:
        """The carrier said that this was too fast."""
        self._next = max(self._next, now + PAUSE_S)
        if now - self._cut_at < QUIET_S:
            return
        self._cut_at = now
        self._recover_at = now + QUIET_S
        if not self.rate:
            self._set_rate(max(1.0, self._counted / max(now - self._counting_from, QUIET_S)))
        whole = self._base or self.rate
        self._set_rate(max(self.rate / 2, min(whole, 1.0), whole / LEAST_SHARE))

    def _recover(self, now: float) -> None:
        """One step back up for each second since the last cut or step; without a limit, on until it is no more one."""
        steps = int((now - self._recover_at) / QUIET_S) + 1
        self._recover_at += steps * QUIET_S
        rate = self.rate + steps * max((self._base or self.rate) / RECOVERY_STEPS, 0.05)
        if self._base:
            self._set_rate(min(rate, self._base))
            if self.rate >= self._base:
                self._recover_at = float("inf")
        else:
            self._set_rate(rate if now - self._cut_at < RECOVERY_STEPS * QUIET_S else 0.0)
            if not self.rate:
                self._recover_at = float("inf")

    def _set_rate(self, rate: float) -> None:
        self.rate = rate
        self._interval = 1.0 / rate if rate else 0.0
        self.burst = max(1, int(rate * _BURST_S) if self._burst is None else self._burst)
