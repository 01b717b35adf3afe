"""The dates of messages: written with them, read with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import apsw
import msgspec

from heliograph.model import Live, Schedule, TrafficType
from heliograph.store.sqlite.queries import JsonRows, ask, keys_of, read_all, write_all
from heliograph.store.sqlite.rows import key_of, live_of
from heliograph.store.sqlite.salvage import SPOILT, messages
from heliograph.store.unreadable import Faults

__all__ = ["add_schedules", "moved_zones", "put_schedules", "schedules_of", "waiting_rows"]

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Schedule).decode


def put_schedules(db: apsw.Connection, schedules: Sequence[Schedule]) -> None:
    """Writes them; a message's validity follows from its last one."""
    rows = [(key_of(one.message_id), one.sequence, one.zone_version, _encode(one).decode()) for one in schedules]
    write_all(db, "put_schedules", rows)
    write_all(db, "put_validity", [(key_of(one.message_id), one.expires_us) for one in schedules])


def schedules_of(db: apsw.Connection, faults: Faults, ids: Iterable[str]) -> Mapping[str, tuple[Schedule, ...]]:
    """Message id → its schedules in order, for those that have any (that can be read: the date that holds stands

    in the message's own row).
    """
    ids = list(ids)
    try:
        return _schedules(db, ids)
    except SPOILT:
        return _one_by_one(db, faults, ids)


def _one_by_one(db: apsw.Connection, faults: Faults, ids: Iterable[str]) -> Mapping[str, tuple[Schedule, ...]]:
    found: dict[str, tuple[Schedule, ...]] = {}
    for one in ids:
        try:
            found |= _schedules(db, [one])
        except SPOILT as error:
            faults.tell("schedules", one, error)
    return found


def _schedules(db: apsw.Connection, ids: Iterable[str]) -> dict[str, tuple[Schedule, ...]]:
    found: dict[str, dict[int, Schedule]] = {}
    for fields in read_all(db, "schedules", [(key_of(one),) for one in ids]):
        schedule = _decode(fields)
        found.setdefault(schedule.message_id, {})[schedule.sequence] = schedule
    return {one: tuple(each[sequence] for sequence in sorted(each)) for one, each in found.items()}


def add_schedules(db: apsw.Connection, faults: Faults, lives: Sequence[Live]) -> None:
    """Gives each of these its schedules."""
    if not lives:
        return
    found = schedules_of(db, faults, (live.message.id for live in lives))
    if found:
        for live in lives:
            live.schedules = found.get(live.message.id, ())


def moved_zones(
    db: apsw.Connection, faults: Faults, version: str, after: str | None, due_before_us: int, limit: int
) -> list[Live]:
    """Scheduled messages whose wall time was read with other zone data, in the order of their ids."""
    start = -1 if after is None else key_of(after)
    lives, _ = messages(db, faults, "moved_zones", (version, start, due_before_us, limit), live_of)
    add_schedules(db, faults, lives)
    return lives


def waiting_rows(db: apsw.Connection, account_id: int, after: tuple[int, str], before_us: int, limit: int) -> JsonRows:
    """Rows of {MESSAGE}, {CONTENT} of scheduled messages, soonest first: the index has them by lane and class.

    Keys stand in the place of those of a lane and class where one cannot be read.
    """
    after_us, after_id = after
    start = (after_us, key_of(after_id) if after_id else -1)
    pages: list[Any] = []
    for connector_id in ask(db, "backlog_connectors"):
        for kind in TrafficType:
            asked = (connector_id, int(kind), account_id, *start, before_us, limit)
            try:
                pages += ask(db, "scheduled", asked)
            except SPOILT:
                pages += ask(db, keys_of("scheduled"), asked)
    pages.sort(key=lambda page: page[:2])
    return [row for _, _, row in pages[:limit]]
