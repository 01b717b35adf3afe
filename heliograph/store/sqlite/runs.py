"""The index of recipients, accounts, senders and labels, made some thousand messages at a time, after the commits.

A label is a client_ref (behind ``r``) or a tag (behind ``t``): a message that has none has no entry.

An index that is kept row by row would touch a page of its own for nearly every message (recipients
come in no order), which costs more than the message itself. A run is sorted once and appended:
a microsecond a message, the same with five million in the store. What came after the last run is
found by reading these messages, newest first.
"""

from __future__ import annotations

from collections.abc import Iterable

import apsw

from heliograph.store.sqlite.queries import ask, query

__all__ = ["RUN", "Runs"]

RUN = 4_096
"""Messages of a run: some 15 ms of writing, and a few of reading where there is no run yet."""

_PIECE = 1_024
"""Messages by which a run grows while others wait for large batches already. It costs half as much again."""


class Runs:
    """Knows how far the index reaches. Lives in the writer's thread."""

    __slots__ = ("_last_key", "_last_run", "_missing", "_ready", "_waiting")

    def __init__(self) -> None:
        self._last_run = 0
        self._missing = 0
        """Messages that the last run has still to grow by."""
        self._last_key = 0
        self._waiting = 0
        self._ready = False

    def load(self, db: apsw.Connection) -> None:
        """Reads how far the index reaches (once)."""
        if not self._ready:
            self._last_run, self._last_key = ask(db, "last_run")
            self._waiting = db.execute(query("count_after"), (self._last_key,)).get
            self._ready = True

    def late(self, keys: Iterable[int]) -> list[int]:
        """Those of new messages' keys that a run has passed already."""
        last = self._last_key
        return [key for key in keys if key <= last]

    def index_late(self, db: apsw.Connection, rows: Iterable[tuple[int, int, str]]) -> None:
        """Puts (key, account_id, recipient) of late messages into the runs that they belong to."""
        for key, account_id, recipient in rows:
            run = db.execute(query("run_of"), (key,)).get
            db.execute(query("widen_run"), (run, key))
            db.execute(query("index_late_recipient"), (run, recipient, account_id, key))
            db.execute(query("index_late_account"), (account_id, run))
            db.execute(query("index_late_sender"), (run, key))
            db.execute(query("index_labels"), (run, key - 1, key))

    @property
    def due(self) -> bool:
        """Enough messages for a run wait, or for the rest of one."""
        return self._missing > 0 or self._waiting >= RUN

    def added(self, count: int) -> bool:
        """Counts messages that were committed; True when :meth:`extend` is due."""
        self._waiting += count
        return self.due

    def extend(self, db: apsw.Connection, *, hurry: bool = False) -> None:
        """Makes the next run of what waits, or a piece of it where there is a ``hurry``, in one transaction."""
        if not self.due:
            return
        begun = self._missing > 0
        run, after = self._last_run + (not begun), self._last_key
        missing = self._missing if begun else RUN
        size = min(missing, _PIECE) if hurry else missing
        db.execute("BEGIN IMMEDIATE")
        last: int | None = db.execute(query("run_end"), (after, size)).get
        if last is not None:
            db.execute(query("widen_run"), (run, last)) if begun else db.execute(
                query("insert_run"), (run, after, last)
            )
            for name in ("index_recipients", "index_accounts", "index_senders", "index_labels"):
                db.execute(query(name), (run, after, last))
        db.execute("COMMIT")
        if last is not None:
            self._last_run, self._last_key = run, last
        self._missing = missing - size
        self._waiting = max(0, self._waiting - size)
