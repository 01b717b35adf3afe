"""When a message is to go: what was asked for, and the instant that follows from it.

A schedule is written once and never changed: another date is another schedule of the same message,
under the sequence number of the event that told it. So each event shows the date that held then.
"""

from __future__ import annotations

from msgspec import Struct

__all__ = ["Schedule", "Window", "schedule_at"]


class Window(Struct, frozen=True, array_like=True):
    """When a handset may be written to, by the wall clocks of its time zones: all of them have to allow it.

    ``days`` counts from Monday = 0; ``hours`` are (from, to) in minutes of the day, in order, without overlap;
    ``holidays`` is a region (``DE``, ``DE-BY``) whose public holidays are left out, or None.
    """

    zones: tuple[str, ...]
    days: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)
    hours: tuple[tuple[int, int], ...] = ((0, 1440),)
    holidays: str | None = None


class Schedule(Struct, frozen=True, kw_only=True):
    """One date of a message. Times are microseconds since 1970 UTC.

    ``sequence`` is its event's; ``at_us`` when it was said; ``send_us`` when the message is due; ``asked_us``
    the instant that was asked for, before the window moved it (None where nothing but a window was asked).
    ``local`` is the wall time that was asked for, in the first of ``zones``, read with ``zone_version`` of the
    zone data.
    """

    message_id: str
    account_id: int
    sequence: int
    at_us: int
    send_us: int
    expires_us: int
    asked_us: int | None = None
    local: str | None = None
    zone: str | None = None
    zone_version: str | None = None
    window: Window | None = None


def schedule_at(schedules: tuple[Schedule, ...], sequence: int) -> Schedule | None:
    """The one that held after the event ``sequence``; None where there was none yet."""
    held = None
    for schedule in schedules:
        if schedule.sequence <= sequence:
            held = schedule
    return held
