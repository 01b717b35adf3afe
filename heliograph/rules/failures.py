"""How long to wait after failed attempts to say who one is: at first not at all, then longer each time, then locked.

Source: docs/explanation/design/0051-failed-authentication.md
"""

from __future__ import annotations

import math
from typing import Final

from msgspec import Struct

__all__ = ["ADDRESS", "EVERYBODY", "NAME", "FailureRule", "Failures", "after_failure", "standing"]

_SECOND_US: Final = 1_000_000


class FailureRule(Struct, frozen=True, kw_only=True):
    """``free`` failures cost nothing; then waits of 1, 2, 4, … s; with ``lock_at`` failures a lock of ``lock_s``.

    One failure is forgotten every ``forget_s``; no more than ``lock_at`` are remembered.
    """

    free: int
    lock_at: int
    lock_s: int
    forget_s: float


class Failures(Struct):
    """What is remembered of one address or name. ``until_us``: the end of its wait."""

    count: float = 0.0
    at_us: int = 0
    until_us: int = 0


ADDRESS: Final = FailureRule(free=10, lock_at=15, lock_s=900, forget_s=240.0)
"""Of one address: after an hour without failures it is one that never failed."""
NAME: Final = ADDRESS
"""Of one key, system id or person, from wherever it was tried."""
EVERYBODY: Final = FailureRule(free=1_000, lock_at=1_005, lock_s=60, forget_s=1.0)
"""Of all together: one failure a second is the noise of the Internet."""


def standing(rule: FailureRule, failures: Failures, now_us: int) -> float:
    """How many failures are remembered now."""
    return max(0.0, failures.count - (now_us - failures.at_us) / (rule.forget_s * _SECOND_US))


def after_failure(rule: FailureRule, failures: Failures, now_us: int) -> bool:
    """Counts a failure; True where it locks what was not locked."""
    lock_us = rule.lock_s * _SECOND_US
    before = failures.until_us > now_us and failures.until_us - failures.at_us >= lock_us
    failures.count = min(rule.lock_at, standing(rule, failures, now_us) + 1.0)
    failures.at_us = now_us
    steps = math.ceil(failures.count) - rule.free
    locked = steps >= rule.lock_at - rule.free
    if locked:
        failures.until_us = now_us + lock_us
    elif steps >= 0:
        failures.until_us = max(failures.until_us, now_us + (1 << steps) * _SECOND_US)
    return locked and not before
