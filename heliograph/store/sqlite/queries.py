"""The named queries of ``queries.sql``, and statements for many rows at once.

Beside a busy event loop SQLite's cost is the GIL: the driver gives it up at every step of a
statement and gets it back when the loop lets go. So everything that is frequent takes one step: many rows
are written by one statement with many ``VALUES``, and many rows are read as one row of JSON.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from itertools import chain
from typing import Any, TypeAlias

import apsw
import msgspec

__all__ = ["CHUNKS", "JsonRows", "Row", "ask", "keys_of", "query", "read_all", "write_all", "write_flat"]

Row: TypeAlias = tuple[Any, ...]
JsonRows: TypeAlias = list[Any]

CHUNKS = (128, 96, 64, 48, 32, 24, 16, 12, 8, 6, 4, 3, 2, 1)
"""How many rows one statement may have: few different texts, so that each stays prepared."""

_decode = msgspec.json.Decoder(list[Any]).decode


_KEYS = {
    re.compile(r"json_array\(\{MESSAGE\}[^)]*\)"): "m.key",
    re.compile(r"json_array\(\{ORPHAN\}, \{CORRELATION\}\)"): "o.id",
    re.compile(r"\{ORPHAN\}"): "o.id",
    re.compile(r"\{DELIVERY\}"): "d.rowid",
}
"""What a query gives of each row that it gives whole → the row's number."""


def keys_of(name: str) -> str:
    """The query that gives only the numbers of the rows that another one gives whole, in the same order."""
    return f"{name}.keys"


@cache
def _queries() -> dict[str, str]:
    """Name → text. ``{name}`` of a fragment that stands before is replaced by it."""
    found: dict[str, str] = {}
    text = files(__package__).joinpath("queries.sql").read_text("utf-8")
    for block in text.split("-- name: ")[1:]:
        name, _, body = block.partition("\n")
        lines = (line for line in body.splitlines() if not line.lstrip().startswith("--"))
        sql = "\n".join(lines).strip()
        keys = sql
        for whole, number in _KEYS.items():
            keys = whole.sub(number, keys)
        for known, fragment in found.items():
            if known.isupper():
                sql = sql.replace("{" + known + "}", fragment)
                keys = keys.replace("{" + known + "}", fragment)
        found[name.strip()] = sql
        if keys != sql and not name.strip().isupper():
            found[keys_of(name.strip())] = keys
    return found


def query(name: str) -> str:
    """The text of a named query."""
    return _queries()[name]


@cache
def _many(name: str, width: int, count: int) -> str:
    """The text of a query whose ``{rows}`` are ``count`` rows of ``width`` parameters."""
    row = "(" + ",".join("?" * width) + ")"
    return query(name).replace("{rows}", ",".join([row] * count))


def write_flat(db: apsw.Connection, name: str, values: list[Any], width: int) -> int:
    """Runs a query with ``{rows}`` for rows of ``width`` values that stand one behind the other.

    Gives how many rows it changed.
    """
    changed, at, left = 0, 0, len(values) // width
    for size in CHUNKS:
        while left >= size:
            end = at + size * width
            db.execute(_many(name, width, size), values[at:end])
            changed += db.changes()
            at = end
            left -= size
    return changed


def write_all(db: apsw.Connection, name: str, rows: Sequence[Row]) -> int:
    """The same for rows that are tuples."""
    return write_flat(db, name, list(chain.from_iterable(rows)), len(rows[0])) if rows else 0


def read_all(db: apsw.Connection, name: str, rows: Sequence[Row], after: Row = ()) -> JsonRows:
    """Runs a query with ``{rows}`` that answers with one row of JSON, for all of them.

    The last piece is filled up with its last row, so an answer may hold a row twice.
    ``after`` are parameters behind the rows.
    """
    found: JsonRows = []
    if not rows:
        return found
    width = len(rows[0])
    for at in range(0, len(rows), CHUNKS[0]):
        piece = list(rows[at : at + CHUNKS[0]])
        size = 1 << (len(piece) - 1).bit_length()
        piece += piece[-1:] * (size - len(piece))
        found += _decode(db.execute(_many(name, width, size), (*chain.from_iterable(piece), *after)).get)
    return found


def ask(db: apsw.Connection, name: str, parameters: Row | dict[str, Any] = ()) -> JsonRows:
    """Runs a query that answers with one row of JSON."""
    found: JsonRows = _decode(db.execute(query(name), parameters).get)
    return found
