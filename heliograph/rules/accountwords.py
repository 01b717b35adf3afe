"""What an account may say of itself, and what is wrong with it: the same for a file, a request and a command."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from heliograph.model import TrafficType
from heliograph.rules.wallclock import known_zones
from heliograph.rules.windows import inverted, minutes_of

__all__ = ["faults_of"]

_TYPES = tuple(kind.word for kind in TrafficType)


def faults_of(words: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(setting, what is wrong, remedy) for those of ``words`` whose types are right and whose values are not."""
    region = words.get("default_region")
    if region is not None and not _is_region(region):
        remedy = 'its ISO 3166 code in capitals, such as "DE"'
        yield "default_region", f'"{region:.20}" is no region with numbers of its own', remedy
    for word in words.get("quiet_types", ()):
        if word not in _TYPES:
            yield "quiet_types", f'"{word:.30}" is no type of message', "otp, transactional or promotional"
    zone = words.get("time_zone")
    if zone is not None and zone not in known_zones():
        yield "time_zone", f'there is no time zone "{zone:.60}"', 'such as "Europe/Berlin"'
    hours = words.get("quiet_hours")
    if hours is not None and not _are_hours(hours):
        yield "quiet_hours", f'"{hours:.30}" are no quiet hours', 'such as "21:00-08:00", and not the whole day'


def _is_region(text: str) -> bool:
    from phonenumbers import SUPPORTED_REGIONS  # costs 40 ms: only where somebody asks

    return text in SUPPORTED_REGIONS


def _are_hours(text: str) -> bool:
    begin, _, end = text.partition("-")
    try:
        return bool(inverted(minutes_of(begin), minutes_of(end)))
    except ValueError:
        return False
