"""How much of a limit is left: a bucket for each second, a window for each day and month, and steps of a quota.

Pure: time is an argument, nothing is kept but a bucket's level. Source: docs/explanation/design/0045-limits.md
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

__all__ = ["PERIODS", "STEPS", "Bucket", "period_of", "seconds_until", "steps_reached"]

STEPS: Final = (50, 80, 100)
"""Percent of a quota that are worth telling."""

PERIODS: Final = ("day", "month")
_ROUND: Final = 1e-9
"""Seconds that rounding may be off."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_US: Final = 86_400_000_000


class Bucket:
    """A rate in units a second, with room for one second's worth.

    What is larger than the room is taken from a full bucket, which then owes the rest: nothing is too large to come
    through, and over any T seconds at most ``rate * T`` and one more take (or room, if that is more) do. Kept as the
    moment at which it will be full again (the generic cell rate algorithm: ITU-T I.371 §A), so a look is one
    comparison.
    """

    __slots__ = ("_full_at", "_unit_s", "rate")

    def __init__(self, rate: float, now: float) -> None:
        """``rate`` is more than 0; ``now`` are monotonic seconds, here and everywhere below."""
        self.rate = rate
        self._unit_s = 1.0 / rate
        self._full_at = now

    def level(self, now: float) -> float:
        """What could be taken now; below 0 while it owes."""
        ahead = self._full_at - now
        return self.rate * (1.0 - ahead) if ahead > 0.0 else self.rate

    def take(self, amount: float, now: float) -> float:
        """Takes it where it is there: 0.0. Otherwise takes nothing, and gives in how many seconds it could."""
        full_at, needs = self._full_at, amount * self._unit_s
        if full_at <= now:
            full_at = now
        elif (wait_s := (needs if needs < 1.0 else 1.0) + full_at - now - 1.0) > _ROUND:
            return wait_s
        self._full_at = full_at + needs
        return 0.0

    def give_back(self, amount: float) -> None:
        """What was taken was not needed."""
        self._full_at -= amount * self._unit_s


def period_of(period: str, now_us: int) -> tuple[int, int]:
    """(begin, end) in µs of the day or calendar month of UTC in which ``now_us`` lies; the end is exclusive."""
    if period == "day":
        start = now_us - now_us % _DAY_US
        return start, start + _DAY_US
    moment = _EPOCH + timedelta(microseconds=now_us)
    first = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    following = (first + timedelta(days=32)).replace(day=1)
    return _us(first), _us(following)


def _us(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def steps_reached(used: int, quota: int) -> Sequence[int]:
    """Those of :data:`STEPS` that a use has reached. Of a quota of 0 none is told: nothing is ever used of it."""
    return [step for step in STEPS if quota > 0 and used * 100 >= quota * step]


def seconds_until(end_us: int, now_us: int) -> int:
    """Whole seconds until then, at least 1: what ``Retry-After`` says."""
    return max(1, math.ceil((end_us - now_us) / 1_000_000))
