"""How fast a lane may send: segments per second, cut when the carrier complains, given back little by little.

A pace is the generic cell rate algorithm: one instant, the next free slot, is all its state. It has no clock; ``now``
is monotonic seconds. A throttling answer halves the pace and rests the lane for a moment; each second without another
gives back a twentieth (additive increase, multiplicative decrease).

A carrier that tells its congestion_state (SMPP 5.0) is eased off before it has to complain: see `Pace.congested`.
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

OPTIMUM: Final = 80
"""congestion_state from which a carrier is as busy as it likes to be: a cut pace stays as it is (5.0 §4.8.4.18)."""

NEARING: Final = 90
"""congestion_state from which a carrier will soon have more than it can take: the pace is eased off."""

_EASE: Final = 0.025
"""Part of the pace that each step of congestion_state from ``NEARING`` on takes off in a second: 2.5 % at 90, a
quarter at 99; at 100 the half goes, as for a throttling answer."""

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
        "_counted_rate",
        "_counting_from",
        "_cut_at",
        "_eased_at",
        "_free_at",
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
        self._eased_at = float("-inf")
        self._free_at = float("-inf")
        """When a pace without a limit of its own, once cut, loses the limit again."""
        self._counted = 0
        self._counted_rate = 0.0
        self._counting_from = float("-inf")
        self._set_rate(segments_per_second)

    def take(self, now: float, want: int) -> int:
        """How many of ``want`` segments may leave now: they count as sent."""
        interval = self._interval
        if not interval and now >= self._next:
            if now - self._counting_from > 1.0:
                self._count_anew(now)
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
        self._cut(now, 0.5)

    def congested(self, now: float, state: int) -> None:
        """The carrier told its ``congestion_state`` (0 to 100) with a response.

        Below ``OPTIMUM`` it changes nothing: a pace that was cut recovers as always. From there on a cut pace does not
        grow; from ``NEARING`` on it shrinks, once a second, the more the closer to 100. There is no rest: the carrier
        took what it was sent.
        """
        if state < OPTIMUM:
            return
        if self._recover_at != float("inf"):
            self._hold(now)
        if state < NEARING or now - self._eased_at < QUIET_S:
            return
        self._eased_at = now
        self._cut(now, 0.5 if state >= 100 else 1 - _EASE * (state - NEARING + 1))

    def _cut(self, now: float, factor: float) -> None:
        """What is left is ``factor`` of the pace, or of what just left where there is no limit."""
        if not self.rate:
            self._set_rate(max(1.0, self._counted_rate, self._counted / max(now - self._counting_from, QUIET_S)))
            self._next = max(self._next, now - (self.burst - 1) * self._interval)
        whole = self._base or self.rate
        self._set_rate(max(self.rate * factor, min(whole, 1.0), whole / LEAST_SHARE))
        self._hold(now)

    def _hold(self, now: float) -> None:
        """The pace stays for a moment before it grows."""
        self._recover_at = now + QUIET_S
        self._free_at = now + RECOVERY_STEPS * QUIET_S

    def _count_anew(self, now: float) -> None:
        """Without a limit: how much left in the last second or so is what a cut begins with."""
        past_s = now - self._counting_from
        self._counted_rate = self._counted / past_s if past_s < 2 * QUIET_S else 0.0
        self._counting_from, self._counted = now, 0

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
            self._set_rate(rate if now < self._free_at else 0.0)
            if not self.rate:
                self._recover_at = float("inf")

    def _set_rate(self, rate: float) -> None:
        self.rate = rate
        self._interval = 1.0 / rate if rate else 0.0
        self.burst = max(1, int(rate * _BURST_S) if self._burst is None else self._burst)
