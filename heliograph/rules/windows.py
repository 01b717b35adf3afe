"""Delivery windows: when a handset may be written to, by its own wall clock.

Pure functions of a window and an instant. Public holidays come from the ``holidays`` package, by
ISO 3166 region (``DE``) or subdivision (``DE-BY``).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Final

from heliograph.model import Window
from heliograph.rules.wallclock import instant_us, wall_time

__all__ = ["FARTHEST_DAYS", "HolidayRegion", "check_holidays", "inverted", "minutes_of", "opens_at"]

FARTHEST_DAYS: Final = 400
"""How far ahead anything is planned: no window is looked for beyond."""

_DAY_MINUTES: Final = 1440
_ROUNDS: Final = 1000


def opens_at(window: Window, at_us: int) -> int | None:
    """The first instant from ``at_us`` on at which the window is open in all of its zones.

    ``at_us`` itself where it is open; None where it does not open within 400 days.
    """
    farthest = at_us + FARTHEST_DAYS * 86_400_000_000
    now = at_us
    for _ in range(_ROUNDS):
        latest = now
        for name in window.zones:
            opens = _opens_in(window, name, now)
            if opens is None:
                return None
            latest = max(latest, opens)
        if latest == now:
            return now
        if latest > farthest:
            return None
        now = latest
    return None


def _opens_in(window: Window, name: str, at_us: int) -> int | None:
    """The same for one zone."""
    first = wall_time(at_us, name).date()
    for ahead in range(FARTHEST_DAYS + 1):
        day = first + timedelta(days=ahead)
        for begin_us, end_us in _open_hours(window, name, day):
            if at_us < end_us:
                return max(at_us, begin_us)
    return None


def _open_hours(window: Window, name: str, day: date) -> Iterator[tuple[int, int]]:
    if day.weekday() not in window.days or (window.holidays and _is_holiday(window.holidays, day)):
        return
    for begin, end in window.hours:
        yield instant_us(_at(day, begin), name), instant_us(_at(day, end), name)


def _at(day: date, minutes: int) -> datetime:
    return datetime.combine(day, time()) + timedelta(minutes=minutes)


# --- holidays -------------------------------------------------------------------------------------


class HolidayRegion(ValueError):
    """No public holidays are known of this region."""


@lru_cache(maxsize=256)
def _holidays_of(region: str) -> Any:
    import holidays  # costs 70 ms: only where a window asks for them

    country, _, part = region.partition("-")
    try:
        return holidays.country_holidays(country, subdiv=part or None)
    except NotImplementedError:
        raise HolidayRegion(region) from None


@lru_cache(maxsize=4096)
def _is_holiday(region: str, day: date) -> bool:
    return day in _holidays_of(region)


def check_holidays(region: str) -> None:
    """Raises :class:`HolidayRegion` where no public holidays are known of a region."""
    _holidays_of(region)


# --- hours ----------------------------------------------------------------------------------------


def minutes_of(text: str) -> int:
    """``08:30`` as minutes of the day; ``24:00`` is its end. Raises ValueError."""
    hours, colon, minutes = text.partition(":")
    if not colon or len(hours) != 2 or len(minutes) != 2 or not (hours + minutes).isascii() or not text[:2].isdigit():
        raise ValueError(text)
    value = int(hours) * 60 + int(minutes)
    if int(minutes) > 59 or value > _DAY_MINUTES:
        raise ValueError(text)
    return value


def inverted(begin: int, end: int) -> tuple[tuple[int, int], ...]:
    """The hours that a quiet time leaves: ``21:00`` to ``08:00`` leaves 08:00 to 21:00."""
    pieces = [(0, begin), (end, _DAY_MINUTES)] if begin < end else [(end, begin)]
    return tuple((start, stop) for start, stop in pieces if start < stop)
