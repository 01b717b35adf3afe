"""Delivery windows: open, closed, and when they open next."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.model import Window
from heliograph.rules.wallclock import wall_time
from heliograph.rules.windows import FARTHEST_DAYS, HolidayRegion, check_holidays, inverted, minutes_of, opens_at

BERLIN, AUCKLAND, NEW_YORK, LOS_ANGELES = "Europe/Berlin", "Pacific/Auckland", "America/New_York", "America/Los_Angeles"
DAY = ((540, 1200),)


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


CASES: list[tuple[Window, str, str | None]] = [
    (Window((BERLIN,), hours=DAY), "2027-01-15T07:59:59", "2027-01-15T08:00:00"),
    (Window((BERLIN,), hours=DAY), "2027-01-15T12:00:00", "2027-01-15T12:00:00"),
    (Window((BERLIN,), hours=DAY), "2027-01-15T19:00:00", "2027-01-16T08:00:00"),  # ends are outside
    (Window((BERLIN,), hours=((540, 720), (840, 1200))), "2027-01-15T11:30:00", "2027-01-15T13:00:00"),
    (Window((BERLIN,), days=(0, 1, 2, 3, 4), hours=DAY), "2027-01-15T20:00:00", "2027-01-18T08:00:00"),
    (Window((BERLIN,), days=(5,)), "2027-01-15T12:00:00", "2027-01-15T23:00:00"),
    (Window((BERLIN,), hours=DAY, holidays="DE-BY"), "2027-01-06T09:00:00", "2027-01-07T08:00:00"),  # Epiphany
    (Window((BERLIN,), hours=DAY, holidays="DE"), "2027-01-06T09:00:00", "2027-01-06T09:00:00"),  # not in all
    (Window((NEW_YORK,), hours=DAY, holidays="US"), "2027-07-05T15:00:00", "2027-07-06T13:00:00"),  # the day after
    (Window((NEW_YORK, LOS_ANGELES), hours=DAY), "2027-01-15T14:00:00", "2027-01-15T17:00:00"),
    (Window((NEW_YORK, LOS_ANGELES), hours=DAY), "2027-01-16T01:00:00", "2027-01-16T17:00:00"),
    (Window((BERLIN, AUCKLAND), hours=((540, 600),)), "2027-01-15T00:00:00", None),
    (Window((BERLIN,), days=()), "2027-01-15T00:00:00", None),
    (Window(()), "2027-01-15T00:00:00", "2027-01-15T00:00:00"),
    # the clocks change: from 02:00 on means from 03:00 on, and the day still opens at its hour
    (Window((BERLIN,), hours=((120, 180),)), "2027-03-28T00:30:00", "2027-03-29T00:00:00"),
    (Window((BERLIN,), hours=DAY), "2027-03-27T22:00:00", "2027-03-28T07:00:00"),
    (Window((BERLIN,), hours=((150, 180),)), "2027-10-31T00:00:00", "2027-10-31T00:30:00"),
]


@pytest.mark.parametrize(("window", "at", "opens"), CASES)
def test_when_a_window_opens(window: Window, at: str, opens: str | None) -> None:
    assert opens_at(window, utc(at)) == (None if opens is None else utc(opens))


zones = st.lists(st.sampled_from((BERLIN, AUCKLAND, NEW_YORK, LOS_ANGELES, "Asia/Kolkata")), min_size=1, max_size=2)
edges = st.lists(st.integers(0, 1440), min_size=2, max_size=6, unique=True).map(sorted)


@settings(max_examples=80, deadline=None)
@given(
    names=zones,
    days=st.sets(st.integers(0, 6), min_size=1),
    edges=edges,
    at_us=st.integers(utc("2027-01-01T00:00:00"), utc("2028-01-01T00:00:00")),
)
def test_it_is_open_when_it_opens_and_nowhere_before(names: Any, days: Any, edges: Any, at_us: int) -> None:
    hours = tuple((edges[n], edges[n + 1]) for n in range(0, len(edges) - 1, 2))
    window = Window(tuple(names), tuple(sorted(days)), hours)

    def is_open(now_us: int) -> bool:
        for name in window.zones:
            local = wall_time(now_us, name)
            minutes = local.hour * 60 + local.minute
            if local.weekday() not in window.days or not any(a <= minutes < b for a, b in window.hours):
                return False
        return True

    opens = opens_at(window, at_us)
    if opens is None:
        assert not any(is_open(at_us + hours * 3_600_000_000) for hours in range(24 * FARTHEST_DAYS))
        return
    assert opens >= at_us
    assert opens_at(window, opens) == opens
    step = max(1, (opens - at_us) // 200)
    assert not any(is_open(now) for now in range(at_us, opens - 3_600_000_000, step))
    if wall_time(opens, window.zones[0]).month not in (3, 4, 9, 10, 11):  # apart from where the clocks change
        assert is_open(opens)
        assert not any(is_open(now) for now in range(at_us, opens, step))


@pytest.mark.parametrize("text", ["", "9:00", "09:60", "24:01", "25:00", "-1:00", "09:0a", "0900", "٠٩:٠٠", "09:00 "])
def test_what_is_no_time_of_the_day_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        minutes_of(text)


def test_times_of_the_day_and_what_quiet_hours_leave() -> None:
    assert [minutes_of(text) for text in ("00:00", "08:30", "24:00")] == [0, 510, 1440]
    assert inverted(1260, 480) == ((480, 1260),)
    assert inverted(720, 840) == ((0, 720), (840, 1440))
    assert inverted(0, 480) == ((480, 1440),)
    assert inverted(0, 1440) == ()
    assert inverted(480, 480) == ()


@pytest.mark.parametrize("region", ["XX", "DE-XX", "", "Germany!"])
def test_a_region_without_known_holidays_is_told(region: str) -> None:
    with pytest.raises(HolidayRegion):
        check_holidays(region)
