"""Looking for rows that cannot be read: all of them, step by step."""

from __future__ import annotations

from typing import Any

import apsw

from heliograph.contracts import SET_ASIDE, StoreCheck
from heliograph.errors import ConfigurationUnreadable
from heliograph.store.sqlite.admin import accounts, endpoints
from heliograph.store.sqlite.administration import every_credential
from heliograph.store.sqlite.queries import query
from heliograph.store.sqlite.rows import record_of
from heliograph.store.sqlite.salvage import messages
from heliograph.store.sqlite.shows import completed, outbox
from heliograph.store.sqlite.transaction import staged_in
from heliograph.store.unreadable import Found, check_text

__all__ = ["unreadable"]

_STEP = 1_000
_BEFORE_ALL = -(1 << 63)


def unreadable(db: apsw.Connection) -> list[StoreCheck]:
    """What ``store check`` says of messages, with all that belongs to them, and of the outbox."""
    found = Found()
    after = _BEFORE_ALL
    while (last := db.execute(query("step_end"), (after, _STEP)).get) is not None:
        records, _ = messages(db, found, "step", (after, last), _read, alone="one_record")
        completed(db, found, records)
        after = last
    position = 0
    while rows := outbox(db, found, position, _STEP).rows:
        position = rows[-1][0]
    staged_in(db, found)
    return _configured(db) + found.findings(db.execute(query("count_aside"), (SET_ASIDE,)).get)


def _configured(db: apsw.Connection) -> list[StoreCheck]:
    """The first row of each table that no server would start with."""
    findings = []
    for read in (accounts, every_credential, endpoints):
        try:
            read(db)
        except ConfigurationUnreadable as error:
            findings.append(StoreCheck(False, str(error)))
    return findings


def _read(row: list[Any]) -> Any:
    record = record_of(row, attempts=True, on_wire=False)
    check_text(record.content)
    return record
