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
"""Messages of a run: a few milliseconds of writing, and of reading where there is no run yet."""


class Runs:
    """Knows how far the index reaches. Lives in the writer's thread."""

    __slots__ = ("_last_key", "_last_run", "_ready", "_waiting")

    def __init__(self) -> None:
        self._last_run = 0
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
    def full(self) -> bool:
        """Enough messages for a run wait."""
        return self._waiting >= RUN

    def added(self, count: int) -> bool:
        """Counts messages that were committed; True when a run is full."""
        self._waiting += count
        return self.full

    def extend(self, db: apsw.Connection) -> None:
        """Makes the next run of what waits, in a transaction of its own."""
        if not self.full:
            return
        run, after = self._last_run + 1, self._last_key
        db.execute("BEGIN IMMEDIATE")
        last: int | None = db.execute(query("run_end"), (after, RUN)).get
        if last is not None:
            db.execute(query("insert_run"), (run, after, last))
            db.execute(query("index_recipients"), (run, after, last))
            db.execute(query("index_accounts"), (run,))
            db.execute(query("index_senders"), (run, after, last))
            db.execute(query("index_labels"), (run, after, last))
        db.execute("COMMIT")
        if last is not None:
            self._last_run, self._last_key = run, last
        self._waiting = max(0, self._waiting - RUN)
