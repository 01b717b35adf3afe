"""Times of the wire: every form, nonsense as a value, and the calendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.smpp.times import (
    BadTime,
    LocalTime,
    RelativeTime,
    SmppTime,
    format_absolute,
    format_relative,
    parse_time,
    resolve_time,
)

CASES: list[tuple[str, SmppTime]] = [
    ("", None),
    ("000001000000000R", RelativeTime(days=1)),
    ("020610233429000R", RelativeTime(2, 6, 10, 23, 34, 29)),
    ("261122195959000+", datetime(2026, 11, 22, 19, 59, 59, tzinfo=UTC)),
    ("261122195959900+", datetime(2026, 11, 22, 19, 59, 59, 900_000, tzinfo=UTC)),
    ("261122195959004+", datetime(2026, 11, 22, 18, 59, 59, tzinfo=UTC)),
    ("261122235959048-", datetime(2026, 11, 23, 11, 59, 59, tzinfo=UTC)),
    ("261122195959", LocalTime(datetime(2026, 11, 22, 19, 59, 59))),
    ("2611221959", LocalTime(datetime(2026, 11, 22, 19, 59))),
]


@pytest.mark.parametrize(("text", "time"), CASES)
def test_what_a_time_says(text: str, time: SmppTime) -> None:
    assert parse_time(text) == time


@pytest.mark.parametrize(
    "text", ["x", "261322195959000+", "260230000000000+", "261122195959049+", "261122195959000", "1 day", "２" * 12]
)
def test_nonsense_is_a_value(text: str) -> None:
    assert isinstance(parse_time(text), BadTime)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=20))
def test_no_text_raises(text: str) -> None:
    parse_time(text)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 99 * 86400))
def test_a_relative_time_is_read_as_written(seconds: int) -> None:
    time = parse_time(format_relative(seconds))
    assert isinstance(time, RelativeTime)
    now = datetime(2026, 1, 31, tzinfo=UTC)
    assert resolve_time(time, now) - now == timedelta(seconds=seconds)


@settings(max_examples=100, deadline=None)
@given(st.datetimes(datetime(2000, 1, 2), datetime(2099, 12, 30), timezones=st.just(UTC)))
def test_an_absolute_time_is_read_as_written(at: datetime) -> None:
    written = format_absolute(at)
    assert len(written) == 16
    assert parse_time(written) == at.replace(microsecond=at.microsecond // 100_000 * 100_000)


def test_a_relative_time_is_kept_in_its_range() -> None:
    assert format_relative(-5) == "000000000000000R"
    assert format_relative(1e9) == "000099235959000R"


def test_months_and_years_are_of_the_calendar() -> None:
    now = datetime(2028, 1, 31, 12, tzinfo=UTC)
    assert resolve_time(RelativeTime(months=1), now) == datetime(2028, 2, 29, 12, tzinfo=UTC)
    assert resolve_time(RelativeTime(years=1, months=13), now) == datetime(2030, 2, 28, 12, tzinfo=UTC)
    assert resolve_time(LocalTime(datetime(2028, 3, 1)), now) == datetime(2028, 3, 1, tzinfo=UTC)


def test_a_time_without_a_zone_is_not_written() -> None:
    with pytest.raises(ValueError, match="zone"):
        format_absolute(datetime(2026, 1, 1))
