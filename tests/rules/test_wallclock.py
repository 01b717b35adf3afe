"""Wall times to instants and back, in every zone, across every kind of change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.rules.wallclock import ZONE_VERSION, UnknownZone, instant_us, known_zones, wall_time, zone

ZONES = sorted(known_zones())


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


def test_the_version_is_one_of_the_zone_data() -> None:
    assert ZONE_VERSION[:2] == "20"
    assert {"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Etc/UTC"} <= known_zones()


CHANGES = [
    ("Europe/Berlin", "2027-03-28T01:59:59", "2027-03-28T00:59:59"),
    ("Europe/Berlin", "2027-03-28T02:00:00", "2027-03-28T01:00:00"),
    ("Europe/Berlin", "2027-03-28T02:59:59", "2027-03-28T01:00:00"),
    ("Europe/Berlin", "2027-03-28T03:00:00", "2027-03-28T01:00:00"),
    ("Europe/Berlin", "2027-10-31T02:30:00", "2027-10-31T00:30:00"),
    ("Europe/Berlin", "2027-10-31T03:00:00", "2027-10-31T02:00:00"),
    ("America/New_York", "2027-03-14T02:30:00", "2027-03-14T07:00:00"),
    ("America/New_York", "2027-11-07T01:00:00", "2027-11-07T05:00:00"),
    ("Australia/Lord_Howe", "2027-10-03T02:29:59", "2027-10-02T15:30:00"),  # half an hour
    ("Australia/Lord_Howe", "2027-04-04T01:30:00", "2027-04-03T14:30:00"),
    ("Pacific/Apia", "2011-12-30T12:00:00", "2011-12-30T10:00:00"),  # a day that never was
    ("Asia/Kolkata", "2027-03-28T02:30:00", "2027-03-27T21:00:00"),  # none at all
]


@pytest.mark.parametrize(("name", "local", "instant"), CHANGES)
def test_gaps_end_at_their_end_and_folds_begin_with_the_first(name: str, local: str, instant: str) -> None:
    assert instant_us(datetime.fromisoformat(local), name) == utc(instant)


@settings(max_examples=300, deadline=None)
@given(
    name=st.sampled_from(ZONES),
    local=st.datetimes(min_value=datetime(2024, 1, 1), max_value=datetime(2030, 1, 1)),
)
def test_the_instant_shows_the_wall_time_or_the_first_one_after_it(name: str, local: datetime) -> None:
    at_us = instant_us(local, name)
    shown = wall_time(at_us, name)
    assert shown >= local
    if shown != local:  # a gap: a moment before, the clocks showed less
        assert wall_time(at_us - 1_000_000, name) < local
        assert shown - local < timedelta(hours=25)
    else:  # not the second occurrence
        for hours in (0.5, 1, 2):
            assert wall_time(at_us - int(hours * 3_600_000_000), name) != local


@settings(max_examples=200, deadline=None)
@given(
    name=st.sampled_from(ZONES),
    local=st.datetimes(min_value=datetime(2026, 1, 1), max_value=datetime(2028, 1, 1)),
    later=st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=3)),
)
def test_a_later_wall_time_is_never_an_earlier_instant_but_in_a_fold(
    name: str, local: datetime, later: timedelta
) -> None:
    first, second = instant_us(local, name), instant_us(local + later, name)
    assert second >= first - 3_600_000_000 * 2
    if wall_time(first, name) == local and later > timedelta(hours=3):
        assert second > first


@pytest.mark.parametrize("name", ["", "Berlin", "Europe/Berlim", "../../etc/passwd", "/etc/localtime", "europe/berlin"])
def test_what_is_no_zone_is_told(name: str) -> None:
    with pytest.raises(UnknownZone):
        zone(name)
