"""Wall times and instants, by zone data of a known version.

The data comes from the ``tzdata`` package and nowhere else: what the machine has may be older or newer, and
nobody would know which rules a date was read with.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from importlib import resources
from typing import Final
from zoneinfo import ZoneInfo

import tzdata

__all__ = ["ZONE_VERSION", "UnknownZone", "instant_us", "known_zones", "wall_time", "zone"]

ZONE_VERSION: Final[str] = tzdata.IANA_VERSION
"""The version of the zone data, such as ``2026f``."""

_SECOND: Final = timedelta(seconds=1)


class UnknownZone(ValueError):
    """No time zone has this name."""


@cache
def known_zones() -> frozenset[str]:
    """The names of all time zones."""
    return frozenset(resources.files(tzdata).joinpath("zones").read_text("utf-8").split())


@lru_cache(maxsize=700)
def zone(name: str) -> ZoneInfo:
    """A time zone by its IANA name. Raises :class:`UnknownZone`."""
    if name not in known_zones():
        raise UnknownZone(name)
    with resources.files(tzdata).joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def wall_time(at_us: int, name: str) -> datetime:
    """What the clocks of a zone show at an instant, as a naive time."""
    seconds, rest = divmod(at_us, 1_000_000)
    return datetime.fromtimestamp(seconds, zone(name)).replace(tzinfo=None, microsecond=rest)


def instant_us(local: datetime, name: str) -> int:
    """The instant at which the clocks of a zone first show ``local`` (naive), in microseconds.

    A time that comes twice (a fold) is its first occurrence; one that the clocks skip (a gap) is the first
    instant after the gap.
    """
    where = zone(name)
    first = local.replace(tzinfo=where, fold=0).astimezone(UTC)
    if first.astimezone(where).replace(tzinfo=None) == local:
        return _us(first)
    before = local.replace(tzinfo=where, fold=1).astimezone(UTC)
    return _us(_change(before, first, where))


def _change(before: datetime, after: datetime, where: ZoneInfo) -> datetime:
    """The second at which a zone's offset changes between two instants."""
    old = before.astimezone(where).utcoffset()
    before, after = before.replace(microsecond=0), after.replace(microsecond=0) + _SECOND
    while after - before > _SECOND:
        middle = before + (after - before) // 2
        middle = middle.replace(microsecond=0)
        if middle.astimezone(where).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after


def _us(at: datetime) -> int:
    return int(at.replace(microsecond=0).timestamp()) * 1_000_000 + at.microsecond
