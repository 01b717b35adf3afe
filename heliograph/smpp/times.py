"""The times of schedule_delivery_time, validity_period and final_date. Source: SMPP 3.4 §7.1.1.

Absolute ``YYMMDDhhmmsstnnp`` (t tenths of a second; nn quarter hours that local time is ahead ``+`` of or behind ``-``
UTC), or relative ``YYMMDDhhmmss000R``. Clients of version 3.3 send local time without an offset.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

import msgspec

__all__ = [
    "BadTime",
    "LocalTime",
    "RelativeTime",
    "SmppTime",
    "format_absolute",
    "format_relative",
    "parse_time",
    "resolve_time",
]

_QUARTERS_MAX: Final = 48
_RELATIVE_MAX: Final = timedelta(days=99, hours=23, minutes=59, seconds=59)
"""Two digits of days; months would make the length depend on the calendar of the peer."""
_FULL: Final = re.compile(r"(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(\d)(\d{2})([-+R])", re.ASCII)
_LOCAL: Final = re.compile(r"(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})?", re.ASCII)


class RelativeTime(msgspec.Struct, frozen=True):
    """A span from the moment the SMSC takes the message; years and months are of the calendar."""

    years: int = 0
    months: int = 0
    days: int = 0
    hours: int = 0
    minutes: int = 0
    seconds: int = 0


class LocalTime(msgspec.Struct, frozen=True):
    """A time without an offset: what it means is known only to who knows the peer's zone."""

    at: datetime
    """Naive."""


class BadTime(msgspec.Struct, frozen=True):
    """What stands there is no time; answer ESME_RINVSCHED or ESME_RINVEXPIRY by the field."""

    reason: str


SmppTime: TypeAlias = datetime | RelativeTime | LocalTime | BadTime | None


def parse_time(text: str) -> SmppTime:
    """What a time field says: None when it is empty, an aware datetime in UTC, or one of the other values.

    Years are 2000 to 2099.
    """
    if not text:
        return None
    match = _FULL.fullmatch(text)
    if match is None:
        local = _LOCAL.fullmatch(text)
        if local is None:
            return BadTime("is neither empty, YYMMDDhhmmsstnn+ nor YYMMDDhhmmss000R")
        at = _datetime([int(part or 0) for part in local.groups()])
        return at if isinstance(at, BadTime) else LocalTime(at)
    numbers = [int(part) for part in match.groups()[:8]]
    sign = match[9]
    if sign == "R":
        return RelativeTime(*numbers[:6])
    if numbers[7] > _QUARTERS_MAX:
        return BadTime("is more than 12 hours from UTC")
    at = _datetime(numbers[:6], numbers[6])
    if isinstance(at, BadTime):
        return at
    offset = timedelta(minutes=15 * numbers[7])
    return (at - offset if sign == "+" else at + offset).replace(tzinfo=UTC)


def _datetime(numbers: list[int], tenths: int = 0) -> datetime | BadTime:
    year, month, day, hour, minute, second = numbers
    try:
        return datetime(2000 + year, month, day, hour, minute, second, 100_000 * tenths)
    except ValueError as error:
        return BadTime(str(error))


def resolve_time(time: datetime | RelativeTime | LocalTime, now: datetime) -> datetime:
    """The moment that a parsed time means at ``now`` (aware). A `LocalTime` is read in the zone of ``now``.

    A relative time is added by the calendar: a month after January 31 is the last of February.
    """
    if isinstance(time, LocalTime):
        return time.at.replace(tzinfo=now.tzinfo)
    if isinstance(time, datetime):
        return time
    months = now.month - 1 + time.months + 12 * time.years
    year, month = now.year + months // 12, months % 12 + 1
    day = min(now.day, monthrange(year, month)[1])
    span = timedelta(days=time.days, hours=time.hours, minutes=time.minutes, seconds=time.seconds)
    return now.replace(year=year, month=month, day=day) + span


def format_absolute(at: datetime) -> str:
    """``YYMMDDhhmmsst00+`` in UTC. ``at`` is aware and of the years 2000 to 2099, else ValueError."""
    utc = at.astimezone(UTC)
    if at.tzinfo is None or not 2000 <= utc.year <= 2099:
        raise ValueError("an SMPP time needs a zone and a year from 2000 to 2099")
    return f"{utc:%y%m%d%H%M%S}{utc.microsecond // 100_000}00+"


def format_relative(span_s: float) -> str:
    """``0000DDhhmmss000R`` for a span of 0 s to 99 days, cut to whole seconds and to that range."""
    seconds = int(max(0, min(span_s, _RELATIVE_MAX.total_seconds())))
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    day, hour = divmod(hours, 24)
    return f"0000{day:02}{hour:02}{minute:02}{second:02}000R"
