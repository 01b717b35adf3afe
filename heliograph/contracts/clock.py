"""Time as the pipeline sees it: wall time for dates, monotonic time for waits."""

from __future__ import annotations

import time
from typing import Protocol

__all__ = ["Clock", "SystemClock"]


class Clock(Protocol):
    """Two clocks that must never be mixed up: a step of the first moves no wait."""

    def now_us(self) -> int:
        """Wall time: microseconds since 1970 UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never step, from an arbitrary start."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now_us(self) -> int:
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        return time.monotonic()
