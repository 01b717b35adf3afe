"""How times read in public: ISO 8601 in UTC with microseconds."""

from __future__ import annotations

import time
from typing import Final

__all__ = ["iso"]

_SECONDS_KEPT: Final = 4096
"""Worded seconds that stay in memory: an hour of them, more than one batch ever touches."""

_thousandths: Final = tuple(f"{number:03d}" for number in range(1000))
_last_thousandths: Final = tuple(f"{number:03d}Z" for number in range(1000))
_seconds: dict[int, str] = {}


def iso(at_us: int) -> str:
    """Microseconds since 1970 as ``2026-03-01T12:00:00.000000Z``."""
    try:
        worded = _seconds[at_us // 1_000_000]
    except KeyError:
        worded = _word_second(at_us // 1_000_000)
    rest = at_us % 1_000_000
    return worded + _thousandths[rest // 1000] + _last_thousandths[rest % 1000]


def _word_second(second: int) -> str:
    if len(_seconds) >= _SECONDS_KEPT:
        _seconds.clear()
    _seconds[second] = worded = time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second))
    return worded
