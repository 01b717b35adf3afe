"""When a message is to go, as bodies say it: read, bounded, and handed on as a wish."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Final

from msgspec import Meta, Struct

from heliograph.delivery.views import DAYS
from heliograph.errors import RequestRejected
from heliograph.model import Window
from heliograph.rules.schedule import ANY_TIME, Wish
from heliograph.rules.windows import HolidayRegion, check_holidays, minutes_of

__all__ = ["DATE_FIELDS", "DateBody", "WithinBody", "wish_of"]

_INSTANT: Final = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(\.\d{1,6})?\d*([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_LOCAL: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?", re.ASCII)
_REGION: Final = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,6})?", re.ASCII)
_MOST_HOURS: Final = 8
_FIRST_YEAR: Final = 2000
_LAST_YEAR: Final = 9000
"""Years whose wall times have an instant in every zone."""

Name = Annotated[str, Meta(max_length=64)]


class WithinBody(Struct, frozen=True, forbid_unknown_fields=True):
    """When the handset may be written to, by its own clock; ``{}`` is any time, whatever the account's quiet hours."""

    days: Annotated[list[Name], Meta(min_length=1, max_length=7)] | None = None
    hours: Annotated[list[Name], Meta(min_length=1, max_length=_MOST_HOURS)] | None = None
    holidays: Annotated[str, Meta(max_length=16)] | None = None


class DateBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another date of a scheduled message; a window that is not given stays."""

    send_at: Name | None = None
    send_at_local: Name | None = None
    time_zone: Name | None = None
    deliver_within: WithinBody | None = None


DATE_FIELDS: Final = ("send_at", "send_at_local", "time_zone", "deliver_within", "days", "hours", "holidays")


def wish_of(send_at: str | None, send_at_local: str | None, time_zone: str | None, within: WithinBody | None) -> Wish:
    """What is asked. Raises ``RequestRejected``."""
    if send_at is not None and send_at_local is not None:
        raise _invalid("send_at_local", "Give send_at or send_at_local, not both.")
    if send_at is not None and within is None and time_zone is not None:
        raise _invalid("time_zone", "time_zone belongs to send_at_local or deliver_within: send_at has its own offset.")
    if send_at is None and send_at_local is None and within is None:
        raise RequestRejected("field_missing", "time_zone needs send_at_local or deliver_within.", field="send_at")
    return Wish(
        at_us=None if send_at is None else _instant(send_at),
        local=None if send_at_local is None else _local(send_at_local),
        time_zone=time_zone,
        window=None if within is None else _window(within, time_zone),
    )


def _instant(text: str) -> int:
    found = _INSTANT.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        day, clock, fraction, offset = found.groups()
        at = datetime.fromisoformat(f"{day}T{clock}{'+00:00' if offset in 'Zz' else offset}")
        return int(at.timestamp()) * 1_000_000 + int(((fraction or ".0")[1:] + "000000")[:6])
    except (ValueError, OverflowError):
        raise _invalid(
            "send_at", "send_at must be a time with its offset (RFC 3339), such as 2027-03-01T09:00:00+01:00."
        ) from None


def _local(text: str) -> datetime:
    try:
        if not _LOCAL.fullmatch(text):
            raise ValueError
        local = datetime.fromisoformat(text)
        if not _FIRST_YEAR <= local.year <= _LAST_YEAR:
            raise RequestRejected(
                "send_at_out_of_range", "send_at_local has passed, or is too far ahead.", field="send_at_local"
            )
        return local
    except ValueError:
        raise _invalid(
            "send_at_local", "send_at_local must be a time without an offset, such as 2027-03-01T09:00."
        ) from None


def _window(within: WithinBody, time_zone: str | None) -> Window:
    if within == WithinBody():
        return ANY_TIME
    return Window(
        zones=() if time_zone is None else (time_zone,),
        days=tuple(range(7)) if within.days is None else _days(within.days),
        hours=((0, 1440),) if within.hours is None else _hours(within.hours),
        holidays=None if within.holidays is None else _holidays(within.holidays),
    )


def _days(words: list[str]) -> tuple[int, ...]:
    try:
        return tuple(sorted({DAYS.index(word) for word in words}))
    except ValueError:
        raise _invalid("deliver_within.days", f"A day must be one of {', '.join(DAYS)}.") from None


def _hours(texts: list[str]) -> tuple[tuple[int, int], ...]:
    found: list[tuple[int, int]] = []
    for text in texts:
        begin, _, end = text.partition("-")
        try:
            found.append((minutes_of(begin), minutes_of(end)))
        except ValueError:
            raise _invalid("deliver_within.hours", "Hours must be like 09:00-20:00; a day ends at 24:00.") from None
    found.sort()
    ends = [end for _, end in found]
    if any(begin >= end for begin, end in found) or any(
        following[0] < end for end, following in zip(ends, found[1:], strict=False)
    ):
        raise _invalid("deliver_within.hours", "Hours must begin before they end, within a day, and not overlap.")
    return tuple(found)


def _holidays(region: str) -> str:
    try:
        if not _REGION.fullmatch(region):
            raise HolidayRegion(region)
        check_holidays(region)
    except HolidayRegion:
        raise _invalid(
            "deliver_within.holidays", "No public holidays are known of this region: give one like DE or DE-BY."
        ) from None
    return region


def _invalid(field: str, sentence: str) -> RequestRejected:
    return RequestRejected("field_invalid", sentence, field=field)
