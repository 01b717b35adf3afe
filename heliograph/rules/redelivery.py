"""When to tell a webhook again, and how far to trust one that fails."""

from __future__ import annotations

from typing import Final

__all__ = ["MOST_AGE_US", "RETRY_WAITS_S", "fails_on", "next_try_us", "open_slots", "proof", "rest_s"]

RETRY_WAITS_S: Final = (5.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0, 36_000.0)
"""The wait before each further try: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 10 h."""

MOST_AGE_US: Final = 72 * 3600 * 1_000_000
"""An event that was owed for so long is given up, whatever tries it has left (Retry-After can stretch them)."""

_JITTER: Final = 0.1
"""A wait grows by up to a tenth: what failed together does not come back together."""
_MOST_RETRY_AFTER_S: Final = 24 * 3600.0
"""What we believe of a ``Retry-After``."""
_TRUSTED: Final = 4
"""Failures in a row that change nothing: single events fail on good endpoints too."""
_PROVEN: Final = 16
"""Requests that an endpoint takes before it may have one more open."""
_RESTING: Final = 8
"""Failures in a row after which an endpoint rests between tries."""
_MOST_REST_S: Final = 60.0


def next_try_us(
    tries: int, first_us: int, now_us: int, *, retry_after_s: float | None = None, chance: float = 0.0
) -> int | None:
    """When to tell again after ``tries`` failed tries (from 1), or None to give up.

    ``first_us`` is when the first try was made, ``retry_after_s`` what the answer asked for: it moves the
    time back, never forward. ``chance`` in [0, 1) is the jitter's draw.
    """
    if tries > len(RETRY_WAITS_S):
        return None
    wait_s = RETRY_WAITS_S[tries - 1] * (1 + _JITTER * chance)
    if retry_after_s is not None:
        wait_s = max(wait_s, min(retry_after_s, _MOST_RETRY_AFTER_S))
    due_us = now_us + int(wait_s * 1_000_000)
    return due_us if due_us - first_us <= MOST_AGE_US else None


def fails_on(failures: int) -> bool:
    """Whether so many failures in a row say something of the endpoint, and not of an event."""
    return failures >= _TRUSTED


def open_slots(failures: int, proof: int, most: int) -> int:
    """Requests that an endpoint may have open at once: a quarter of ``most``, growing with its ``proof`` to all.

    So one that hangs before it has taken anything holds up few requests. After several ``failures`` in a row it is
    half of that, then a quarter, … then one.
    """
    slots = min(most, max(1, most // 4) + proof // _PROVEN)
    return max(1, slots >> (failures - _TRUSTED + 1)) if fails_on(failures) else slots


def proof(before: int, most: int, *, took: bool) -> int:
    """What an endpoint has shown after one more request: how many it took; a failure takes half of that away."""
    return min(before + 1, most * _PROVEN) if took else before // 2


def rest_s(failures: int) -> float:
    """How long an endpoint is left alone after so many failures in a row: 0, then 1 s doubling to a minute."""
    return 0.0 if failures < _RESTING else min(_MOST_REST_S, 2.0 ** min(failures - _RESTING, 10))
