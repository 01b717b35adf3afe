"""The store from outside, read only: what a run left there. One view for each kind of store."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, Protocol
from urllib.parse import unquote, urlsplit

import msgspec

from heliograph.bench.statistics import quantile
from heliograph.model import END, Direction, State

__all__ = ["RunRows", "StoreView", "Waits", "view"]

_OUT: Final = int(Direction.OUT)


class RunRows(msgspec.Struct, kw_only=True):
    """Messages to handsets that are newer than a mark."""

    messages: int = 0
    ended: int = 0
    segments: int = 0
    states: dict[str, int] = {}
    first_accepted_us: int = 0
    last_ended_us: int = 0
    marked: int = 0
    """With ``possible_duplicate``."""


class Waits(msgspec.Struct, kw_only=True):
    """Milliseconds from acceptance to the carrier's response, and to its receipt."""

    sent_p50_ms: float = 0.0
    sent_p95_ms: float = 0.0
    sent_p99_ms: float = 0.0
    receipt_p50_ms: float = 0.0
    receipt_p99_ms: float = 0.0


class StoreView(Protocol):
    """A store, read from another process."""

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of a SELECT; its parameters are ``$1``, ``$2``, …"""
        ...

    id_column: str
    """The column of ``messages`` that rises with time."""

    nothing: object
    """Below every value of it."""

    def wires(self) -> set[str]:
        """Ids (``id_column`` as text) that some lane may have on the wire."""
        ...


def view(url: str) -> StoreView:
    """The view of the store at a URL."""
    parts = urlsplit(url)
    return SqliteView(unquote(parts.path)[1:]) if parts.scheme == "sqlite" else PostgresView(url)


class SqliteView:
    """A SQLite file, opened for each question: no connection of ours lives while the server does its care."""

    id_column = "key"
    nothing: object = -1

    def __init__(self, path: str) -> None:
        self._path = path

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        import apsw

        db = apsw.Connection(self._path, flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            db.set_busy_timeout(10_000)
            db.execute("PRAGMA wal_autocheckpoint = 0").get  # noqa: B018 - reading leaves the file alone
            db.execute("PRAGMA query_only = 1")
            return list(db.execute(sql.replace("$", "?"), values))
        finally:
            db.close()

    def wires(self) -> set[str]:
        from heliograph.store.sqlite.rows import key_of

        rows = self.query("SELECT ids FROM wires")
        return {str(key_of(one)) for (ids,) in rows for one in ids.split(",") if one}


class PostgresView:
    """A PostgreSQL database, connected to for each question."""

    id_column = "id"
    nothing: object = ""

    def __init__(self, url: str) -> None:
        self._url = url

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        return asyncio.run(self._query(sql, values))

    async def _query(self, sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        import asyncpg

        connection = await asyncpg.connect(self._url)
        try:
            return [tuple(row) for row in await connection.fetch(sql, *values)]
        finally:
            await connection.close()

    def wires(self) -> set[str]:
        rows = self.query("SELECT ids FROM wires")
        return {one for (ids,) in rows for one in ids.split(",") if one}


def newest(store: StoreView) -> object:
    """A mark: every message of later runs is above it."""
    [(mark,)] = store.query(f"SELECT max({store.id_column}) FROM messages")
    return store.nothing if mark is None else mark


def rows_since(store: StoreView, mark: object) -> RunRows:
    """What there is above a mark."""
    found = RunRows()
    for state, messages, segments, first, last, marked in store.query(
        "SELECT state, count(*), sum(segments), min(accepted_us), max(coalesce(ended_us, 0)), "
        "sum(CASE WHEN possible_duplicate THEN 1 ELSE 0 END) "
        f"FROM messages WHERE {store.id_column} > $1 AND direction = {_OUT} GROUP BY state",
        mark,
    ):
        found.messages += messages
        found.segments += int(segments)
        found.marked += int(marked)
        found.states[State(state).word] = messages
        found.first_accepted_us = min(found.first_accepted_us or first, first)
        found.last_ended_us = max(found.last_ended_us, last)
        if state >= END:
            found.ended += messages
    return found


def waits_since(store: StoreView, mark: object, *, type: int | None = None, most: int = 200_000) -> Waits:
    """How long messages above a mark took; of one traffic type, or all."""
    only = "" if type is None else f" AND type = {int(type)}"
    rows = store.query(
        f"SELECT sent_us - accepted_us, ended_us - accepted_us FROM messages WHERE {store.id_column} > $1 "
        f"AND direction = {_OUT}{only} ORDER BY {store.id_column} DESC LIMIT {most}",
        mark,
    )
    sent, receipt = _sorted(row[0] for row in rows), _sorted(row[1] for row in rows)
    return Waits(
        sent_p50_ms=quantile(sent, 0.5) / 1000,
        sent_p95_ms=quantile(sent, 0.95) / 1000,
        sent_p99_ms=quantile(sent, 0.99) / 1000,
        receipt_p50_ms=quantile(receipt, 0.5) / 1000,
        receipt_p99_ms=quantile(receipt, 0.99) / 1000,
    )


def _sorted(values: Iterable[int | None]) -> Sequence[int]:
    def known() -> Iterator[int]:
        yield from (value for value in values if value is not None)

    return sorted(array("q", known()))
