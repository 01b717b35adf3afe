"""Message ids: time-ordered, unique without coordination, safe to hand to any peer.

An id is ``m`` and 19 digits of base 32 (``0-9a-v``, which sort as text in the order of their
value): 50 bits of ticks of 2 µs since 2026, then 45 random bits: 95 bits in all. The first letter
is beyond ``f``, so that no peer takes an id for a hexadecimal or decimal number. Within a process
no tick is used twice; between processes the random bits keep ids apart.
"""

from __future__ import annotations

import os
import re
import threading

__all__ = ["EPOCH_US", "IdSource", "id_from_number", "id_number", "id_time_us", "normalize_id"]

EPOCH_US = 1_767_225_600_000_000
"""2026-01-01T00:00:00Z in microseconds; ticks of 2 µs reach to 2097."""

_DIGITS = "0123456789abcdefghijklmnopqrstuv"
_PAIRS = tuple(a + b for a in _DIGITS for b in _DIGITS)
_TO_DIGITS = bytes(ord(_DIGITS[octet & 31]) for octet in range(256))
_TAIL_DIGITS = 9
_POOL_IDS = 512
_SHAPE = re.compile(r"m[0-9a-v]{19}\Z")


def _time_digits(tick: int) -> str:
    return (
        _PAIRS[tick >> 40 & 1023]
        + _PAIRS[tick >> 30 & 1023]
        + _PAIRS[tick >> 20 & 1023]
        + _PAIRS[tick >> 10 & 1023]
        + _PAIRS[tick & 1023]
    )


class IdSource:
    """Gives ids, each later than the one before, also when the wall clock steps back."""

    __slots__ = ("_high", "_high_digits", "_last_tick", "_lock", "_pool", "_pool_at")

    def __init__(self, after: str | None = None) -> None:
        """``after`` is the newest id that the store knows: the next id is later."""
        self._last_tick = 0 if after is None else id_number(after) >> 45
        self._pool = ""
        self._pool_at = 0
        self._high = -1
        self._high_digits = ""
        self._lock = threading.Lock()

    def take(self, count: int, now_us: int) -> list[str]:
        """``count`` ids in rising order; those of one call share their random tail."""
        with self._lock:
            first = max(self._last_tick + 1, (now_us - EPOCH_US) >> 1)
            self._last_tick = first + count - 1
            at = self._pool_at
            if at >= len(self._pool):
                self._pool = os.urandom(_TAIL_DIGITS * _POOL_IDS).translate(_TO_DIGITS).decode("ascii")
                at = 0
            self._pool_at = at + _TAIL_DIGITS
            tail = self._pool[at : at + _TAIL_DIGITS]
            if first >> 20 != self._high:  # changes every two seconds
                self._high = first >> 20
                self._high_digits = "m" + _time_digits(first)[:6]
            high_digits = self._high_digits
        if count == 1:
            return [high_digits + _PAIRS[first >> 10 & 1023] + _PAIRS[first & 1023] + tail]
        ticks = range(first, first + count)
        if ticks[-1] >> 20 == self._high:
            return [high_digits + _PAIRS[tick >> 10 & 1023] + _PAIRS[tick & 1023] + tail for tick in ticks]
        return ["m" + _time_digits(tick) + tail for tick in ticks]


def id_number(message_id: str) -> int:
    """The 95 bits of an id as a number."""
    return int(message_id[1:], 32)


def id_from_number(number: int) -> str:
    """The id of 95 bits: undoes :func:`id_number`."""
    tail = number & ((1 << 45) - 1)
    digits = "".join(_PAIRS[tail >> shift & 1023] for shift in (35, 25, 15, 5))
    return "m" + _time_digits(number >> 45) + digits + _DIGITS[tail & 31]


def id_time_us(message_id: str) -> int:
    """When an id was made, in microseconds since 1970 (UTC), to 2 µs."""
    return ((id_number(message_id) >> 45) << 1) + EPOCH_US


def normalize_id(text: str) -> str | None:
    """An id as we write it, from either case; None for what cannot be one of ours."""
    lowered = text.lower()
    return lowered if _SHAPE.match(lowered) else None
