"""Messages of a query: all in one go, and where one of them cannot be read, one by one.

SQLite answers with one text of JSON for all rows. A value that is no text, or text that is no UTF-8, spoils the whole
answer: then the same query is asked for keys alone, and each message is read by its key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from typing import Any, Final, TypeVar

import apsw
import msgspec

from heliograph.contracts import FAULTS, SET_ASIDE, Unreadable
from heliograph.model import Live
from heliograph.store.sqlite.queries import Row, ask, keys_of, query, read_all
from heliograph.store.sqlite.rows import head_of, id_of, key_of
from heliograph.store.unreadable import Faults, configured

__all__ = [
    "SPOILT",
    "all_messages",
    "configuration",
    "messages",
    "messages_of_keys",
    "others",
    "others_of",
    "set_aside",
]

T = TypeVar("T")

SPOILT: Final = (*FAULTS, apsw.SQLError)
"""What a damaged value raises: while it is read, or in SQLite, which can write no JSON of it."""

_KEY = "key "
"""Stands before the number of a row whose id cannot be told."""

_decode = msgspec.json.Decoder(list[Any]).decode

_Decode = Callable[[list[Any]], T]


def messages(
    db: apsw.Connection,
    faults: Faults,
    name: str,
    parameters: Row | dict[str, Any],
    decode: _Decode[T],
    *,
    alone: str = "one_message",
    instead: Callable[[Live], T] | None = None,
) -> tuple[list[T], list[int]]:
    """(what the query gives, the keys of all that it should give).

    The keys are there only where something could not be read; ``alone`` reads one message by its key, and ``instead``
    makes what stands for it of its own row alone.
    """
    try:
        return [decode(row) for row in ask(db, name, parameters)], []
    except SPOILT:
        keys = ask(db, keys_of(name), parameters)
        return messages_of_keys(db, faults, keys, decode, alone=alone, instead=instead), keys


def all_messages(
    db: apsw.Connection,
    faults: Faults,
    name: str,
    rows: Sequence[Row],
    decode: _Decode[T],
    *,
    alone: str = "one_message",
    instead: Callable[[Live], T] | None = None,
) -> list[T]:
    """What a query for rows of parameters gives, as far as it can be read."""
    try:
        return [decode(row) for row in read_all(db, name, rows)]
    except SPOILT:
        keys = read_all(db, keys_of(name), rows)
        return messages_of_keys(db, faults, keys, decode, alone=alone, instead=instead)


def others(
    db: apsw.Connection, faults: Faults, table: str, name: str, parameters: Row, decode: _Decode[T], *, alone: str
) -> list[T]:
    """What a query gives of another table, as far as it can be read."""
    try:
        return [decode(row) for row in ask(db, name, parameters)]
    except SPOILT:
        return others_of(db, faults, table, ask(db, keys_of(name), parameters), decode, alone=alone)


def others_of(
    db: apsw.Connection, faults: Faults, table: str, numbers: Iterable[int], decode: _Decode[T], *, alone: str
) -> list[T]:
    """The rows of these numbers that can be read; the others are told."""
    found: list[T] = []
    for number in dict.fromkeys(numbers):
        try:
            found.append(decode(_alone(db, alone, number)))
        except SPOILT as error:
            faults.tell(table, str(number), error)
    return found


def configuration(db: apsw.Connection, table: str, name: str, parameters: Row, decode: Callable[[Any], T]) -> list[T]:
    """What a query gives of a table that configures the server.

    Raises :class:`heliograph.errors.ConfigurationUnreadable`.
    """

    def name_of(at: int) -> str:
        ids: list[Any] = db.execute(f"SELECT CAST(id AS BLOB) FROM ({query(name)})", parameters).fetchall()
        return str(ids[at][0], errors="replace")

    # An error that somebody keeps would keep the cursor, and with it what this connection sees of the store.
    with closing(db.execute(query(name), parameters)) as rows:
        return configured(table, rows, decode, name_of)


def messages_of_keys(
    db: apsw.Connection,
    faults: Faults,
    keys: Iterable[int],
    decode: _Decode[T],
    *,
    alone: str = "one_message",
    instead: Callable[[Live], T] | None = None,
) -> list[T]:
    """The messages of these keys that can be read; the others are told."""
    found: list[T] = []
    for key in dict.fromkeys(keys):
        try:
            found.append(decode(_alone(db, alone, key)))
        except SPOILT as error:
            head = _head(db, key)
            faults.tell("messages", _name(db, key), error, head)
            if head is not None and instead is not None:
                found.append(instead(head))
    return found


def _alone(db: apsw.Connection, name: str, key: int) -> list[Any]:
    row: list[Any] = _decode(db.execute(query(name), (key,)).get)
    return row


def _head(db: apsw.Connection, key: int) -> Live | None:
    """The message by its own row, which may be whole where what belongs to it is not."""
    try:
        return head_of(_alone(db, "one_head", key))
    except SPOILT:
        return None


def _name(db: apsw.Connection, key: int) -> str:
    try:
        return id_of(key, db.execute(query("tail_of"), (key,)).get)
    except SPOILT:
        return f"{_KEY}{key}"


def set_aside(db: apsw.Connection, found: Unreadable) -> None:
    """Nothing tries this row any more, until an operator has mended it: a message belongs to nobody, and what a webhook

    is owed is a dead letter.
    """
    name = found.id
    if found.table == "deliveries":
        db.execute(query("bury_delivery"), (int(name),))
        return
    key = int(name.removeprefix(_KEY)) if name.startswith(_KEY) else key_of(name)
    db.execute(query("set_aside"), (SET_ASIDE, key))
