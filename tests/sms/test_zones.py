"""Time zones of numbers."""

from __future__ import annotations

import pytest

from heliograph.rules.wallclock import known_zones
from heliograph.sms.zones import zones_of


@pytest.mark.parametrize(
    ("number", "zones"),
    [
        ("+4915112345678", ("Europe/Berlin",)),
        ("+14155550123", ("America/Los_Angeles",)),
        ("+12125550123", ("America/New_York",)),
        ("+870773111632", ()),
        ("12345", ()),
        ("", ()),
    ],
)
def test_a_number_tells_its_zones(number: str, zones: tuple[str, ...]) -> None:
    assert zones_of(number) == zones


@pytest.mark.parametrize("number", ["+61412345678", "+79161234567", "+18005551234", "+5511987654321"])
def test_every_zone_of_a_number_is_one_that_the_zone_data_knows(number: str) -> None:
    assert zones_of(number)
    assert set(zones_of(number)) <= known_zones()
