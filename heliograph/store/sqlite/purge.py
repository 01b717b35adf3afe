"""Retention: what ended long ago is deleted in small steps.

A reader's thread looks for what is old enough; the writer's deletes it, so that looking holds nobody up.
Messages are looked through in the order of their keys, a window at a time, from where the last call
stopped until they are too young; the call that finds the end gives 0, and the next begins anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import apsw

from heliograph.model import DEAD_FROM_US
from heliograph.store.sqlite.queries import ask, query
from heliograph.store.sqlite.worker import Worker

__all__ = ["KINDS", "Purge"]

KINDS = ("contents", "records", "outbox", "orphans", "claims", "references", "dead_letters", "publishable")

_WINDOW = 5_000
_CARE = 2_000
"""Rows of correlations that one step deletes at most behind the messages."""

_DELETES = {
    "contents": ("delete_contents",),
    "records": (
        "delete_contents",
        "delete_segments",
        "delete_attempts",
        "delete_events",
        "delete_schedules",
        "delete_messages",
    ),
}
_WINDOWS = {
    "contents": ("content_window", "ended_contents", "young_contents"),
    "records": ("window", "ended_messages", ""),
}
_PLAIN = {"claims": ("expired_claims", "delete_claims"), "references": ("old_references", "delete_references")}
_BY_INDEX = {"orphans": "purge_orphans", "publishable": "purge_publishable"}

_DELETES_OF_RUN = ("delete_run_accounts", "delete_run_recipients", "forget_senders", "forget_labels", "delete_run")


class Purge:
    """Deletes in steps. ``done_until`` of each kind is how far this round has come."""

    def __init__(self, writer: Worker, reader: Worker) -> None:
        self._writer = writer
        self._reader = reader
        self._reached: dict[str, int] = {}

    async def step(self, kind: str, before_us: int, limit: int) -> int:
        """Deletes up to ``limit`` of what ended before then; 0 when there is no more."""
        if kind in _DELETES:
            return await self._messages(kind, before_us, limit)
        if kind in _PLAIN:
            return await self._plain(kind, before_us, limit)
        if kind == "outbox":
            return await self._writer.run(lambda db: _outbox(db, before_us, limit))
        if kind in _BY_INDEX:
            return await self._writer.run(lambda db: _changed(db, _BY_INDEX[kind], (before_us, limit)))
        if kind == "dead_letters":
            span = (DEAD_FROM_US, DEAD_FROM_US + before_us, limit)
            return await self._writer.run(lambda db: _changed(db, "purge_dead_letters", span))
        raise ValueError(f"nothing is called {kind!r}; there are {', '.join(KINDS)}")

    async def dead_letters_of(self, endpoint_id: str, limit: int) -> int:
        """Deletes the oldest dead letters of an endpoint; gives how many."""
        return await self._writer.run(lambda db: _changed(db, "drop_dead_letters", (endpoint_id, limit)))

    async def _plain(self, kind: str, before_us: int, limit: int) -> int:
        looks, deletes = _PLAIN[kind]
        old = await self._reader.run(lambda db: ask(db, looks, (before_us, limit)))
        if not old:
            return 0
        return await self._writer.run(lambda db: _changed(db, deletes, (before_us, json.dumps(old))))

    async def _messages(self, kind: str, before_us: int, limit: int) -> int:
        while True:
            keys, reached = await self._reader.run(self._look(kind, before_us, limit))
            if keys:
                await self._writer.run(lambda db, keys=keys: _delete(db, kind, keys))  # type: ignore[misc]
            if kind == "records":
                await self._writer.run(_tidy)
            if reached is None:
                self._reached.pop(kind, None)
            else:
                self._reached[kind] = reached
            if keys or reached is None:
                return len(keys)

    def _look(self, kind: str, before_us: int, limit: int) -> Callable[[apsw.Connection], tuple[list[int], int | None]]:
        """A job: (keys that may go, where to go on or None at the end)."""
        window, ended, young = _WINDOWS[kind]
        start = self._reached.get(kind, 0)

        def job(db: apsw.Connection) -> tuple[list[int], int | None]:
            last, count, *oldest = ask(db, window, (start, _WINDOW))
            if last is None:
                return [], None
            keys = ask(db, ended, (start, last, before_us, limit))
            if len(keys) == limit:
                return keys, keys[-1]
            too_young = oldest[0] >= before_us if oldest else db.execute(query(young), (start, last, before_us)).get
            return keys, None if count < _WINDOW or too_young else last

        return job


def _changed(db: apsw.Connection, name: str, parameters: tuple[Any, ...]) -> int:
    db.execute(query(name), parameters)
    return db.changes()


def _delete(db: apsw.Connection, kind: str, keys: list[int]) -> None:
    parameters = (json.dumps(keys),)
    db.execute("BEGIN IMMEDIATE")
    for name in _DELETES[kind]:
        db.execute(query(name), parameters)
    db.execute("COMMIT")


def _outbox(db: apsw.Connection, before_us: int, limit: int) -> int:
    passed: int = db.execute(query("passed_position")).get
    return _changed(db, "purge_outbox", (passed, before_us, limit))


def _tidy(db: apsw.Connection) -> None:
    """Deletes correlations and one run of the index where no message is left."""
    oldest: int = db.execute(query("oldest_bucket")).get
    run: int | None = db.execute(query("empty_run")).get
    db.execute("BEGIN IMMEDIATE")
    db.execute(query("delete_correlations"), (oldest, _CARE))
    if run is not None:
        for name in _DELETES_OF_RUN:
            db.execute(query(name), (run,))
    db.execute("COMMIT")
