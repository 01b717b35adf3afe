"""When a message is to go: from what was asked to an instant, or to a refusal that says what to do.

Pure functions of values and ``now``. Source: docs/explanation/design/0011-schedules.md
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from heliograph.errors import RequestRejected
from heliograph.model import Schedule, Window
from heliograph.rules.wallclock import ZONE_VERSION, UnknownZone, instant_us, zone
from heliograph.rules.windows import FARTHEST_DAYS, opens_at

__all__ = ["ANY_TIME", "Plan", "Quiet", "Wish", "plan", "read_again"]

_LATE_US: Final = 600 * 1_000_000
"""An instant that passed no longer ago is meant to be now: clocks differ, requests take time."""

_FARTHEST_US: Final = FARTHEST_DAYS * 86_400 * 1_000_000

ANY_TIME: Final = Window(zones=())
"""A window that is always open: what ``"deliver_within": {}`` asks for."""


class Wish(Struct, frozen=True, kw_only=True):
    """What somebody asks: an instant, or a wall time (naive), or neither; and a window, whose zones may be open.

    ``time_zone`` None: the recipient's.
    """

    at_us: int | None = None
    local: datetime | None = None
    time_zone: str | None = None
    window: Window | None = None


class Quiet(Struct, frozen=True, kw_only=True):
    """An account's own window, for the traffic types that it names. ``time_zone`` where a number has none."""

    types: tuple[int, ...]
    hours: tuple[tuple[int, int], ...]
    time_zone: str = "Etc/UTC"


class Plan(Struct, frozen=True, kw_only=True):
    """What becomes of a wish: when the message is due, and what its schedule keeps."""

    send_us: int
    asked_us: int | None = None
    local: str | None = None
    zone: str | None = None
    zone_version: str | None = None
    window: Window | None = None

    def schedule(
        self, message_id: str, account_id: int, *, sequence: int, at_us: int, send_us: int, validity_us: int
    ) -> Schedule:
        """The row of it. ``send_us`` is when it goes: not before ``at_us``."""
        return Schedule(
            message_id=message_id,
            account_id=account_id,
            sequence=sequence,
            at_us=at_us,
            send_us=send_us,
            expires_us=send_us + validity_us,
            asked_us=self.asked_us,
            local=self.local,
            zone=self.zone,
            zone_version=self.zone_version,
            window=self.window,
        )


def plan(wish: Wish | None, quiet: Quiet | None, zones_of_number: Callable[[], tuple[str, ...]], now_us: int) -> Plan:
    """When to send. Raises ``RequestRejected`` where no instant follows."""
    wish = wish or Wish()
    zones = _zones(wish, zones_of_number)
    asked_us, where = wish.at_us, None
    if wish.local is not None:
        asked_us, where = _instant(wish.local, zones)
    field = "send_at" if wish.local is None else "send_at_local"
    if asked_us is not None:
        _bound(asked_us, now_us, field)
    window = _window(wish.window, quiet, zones)
    start_us = now_us if asked_us is None else max(asked_us, now_us)
    send_us = start_us if window is None else opens_at(window, start_us)
    if send_us is None or send_us > now_us + _FARTHEST_US:
        raise RequestRejected(
            "window_never_opens",
            f"Within {FARTHEST_DAYS} days there is no time that deliver_within allows: widen it, or give time_zone.",
            field="deliver_within",
        )
    return Plan(
        send_us=send_us,
        asked_us=asked_us,
        local=None if wish.local is None else wish.local.isoformat(),
        zone=where,
        zone_version=None if where is None else ZONE_VERSION,
        window=window,
    )


def read_again(old: Schedule, *, sequence: int, now_us: int) -> Schedule:
    """A wall time read with today's zone data: the same schedule under today's version where nothing moved,

    otherwise a new one under ``sequence``, due ``now`` where its time has passed meanwhile.
    """
    assert old.local is not None
    assert old.zone is not None
    asked_us = instant_us(datetime.fromisoformat(old.local), old.zone)
    start_us = max(asked_us, now_us)
    opens_us = start_us if old.window is None else opens_at(old.window, start_us)
    send_us = old.send_us if opens_us is None else opens_us
    if send_us == old.send_us:
        return replace(old, zone_version=ZONE_VERSION)
    return replace(
        old,
        sequence=sequence,
        at_us=now_us,
        asked_us=asked_us,
        send_us=max(send_us, now_us + 1),
        expires_us=send_us + old.expires_us - old.send_us,
        zone_version=ZONE_VERSION,
    )


def _zones(wish: Wish, zones_of_number: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
    """The zones whose clocks count; () where nobody knows."""
    if wish.time_zone is None:
        return zones_of_number()
    try:
        zone(wish.time_zone)
    except UnknownZone:
        raise RequestRejected(
            "time_zone_unknown",
            f"There is no time zone {wish.time_zone[:64]}: give a name such as Europe/Berlin.",
            field="time_zone",
        ) from None
    return (wish.time_zone,)


def _instant(local: datetime, zones: tuple[str, ...]) -> tuple[int, str]:
    """The one instant that all zones agree on, and the zone that it was read in."""
    found = {instant_us(local, name): name for name in reversed(zones)}
    if len(found) != 1:
        what = "has clocks that differ" if found else "has no time zone that is known"
        raise RequestRejected(
            "time_zone_required",
            f"The recipient's number {what}: give time_zone beside send_at_local.",
            field="time_zone",
        )
    return found.popitem()


def _bound(asked_us: int, now_us: int, field: str) -> None:
    if asked_us < now_us - _LATE_US:
        raise RequestRejected(
            "send_at_out_of_range", f"{field} has passed: give a time to come, or leave it out.", field=field
        )
    if asked_us > now_us + _FARTHEST_US:
        raise RequestRejected(
            "send_at_out_of_range", f"{field} may be {FARTHEST_DAYS} days ahead: send it again later.", field=field
        )


def _window(asked: Window | None, quiet: Quiet | None, zones: tuple[str, ...]) -> Window | None:
    if asked is None:
        return None if quiet is None else Window(zones=zones or (quiet.time_zone,), hours=quiet.hours)
    if asked == ANY_TIME:
        return None
    if asked.zones:
        return asked
    if not zones:
        raise RequestRejected(
            "time_zone_required",
            "The recipient's number has no time zone that is known: give time_zone beside deliver_within.",
            field="time_zone",
        )
    return replace(asked, zones=zones)
