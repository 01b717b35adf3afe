"""Counts on SQLite: added by the counter in step with its place, read by whoever asks. Jobs for a worker's thread."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import apsw

from heliograph.contracts import COUNTED_BY, OPTED_OUT, Tally, TallyFilter, TallyRow
from heliograph.store.sqlite.queries import ask, query, write_all

__all__ = ["add", "add_opt_outs", "read"]

_ALL_US = 1 << 62
"""A step that everything is in."""


def add(db: apsw.Connection, after: int, position: int, commits: int, tallies: Mapping[Tally, tuple[int, int]]) -> bool:
    """See :meth:`heliograph.contracts.Store.add_tallies`."""
    db.execute("BEGIN IMMEDIATE")
    there: int = db.execute(query("counts_position")).get
    if there != after or db.execute(query("commits_between"), (after, position)).get != commits:
        db.execute("ROLLBACK")
        return False
    write_all(db, "put_tallies", [(*tally, *counted) for tally, counted in tallies.items()])
    db.execute(query("set_counts_position"), (position,))
    db.execute("COMMIT")
    return True


def add_opt_outs(db: apsw.Connection, added: Mapping[tuple[int, int], int]) -> None:
    """Counts opt-outs by (hour_us, account_id), inside the transaction that adds them."""
    rows = [
        (hour_us, account_id, 0, "", "", "", 0, -1, OPTED_OUT, 0, "", -1, count, 0)
        for (hour_us, account_id), count in added.items()
        if count
    ]
    write_all(db, "put_tallies", rows)


def read(db: apsw.Connection, asked: TallyFilter) -> list[TallyRow]:
    """See :meth:`heliograph.contracts.Store.tallies`."""
    parameters: dict[str, Any] = {
        "accounts": json.dumps(asked.accounts),
        "from_us": asked.from_us,
        "to_us": asked.to_us,
        "step": asked.step_us or _ALL_US,
        "limit": asked.limit,
        **{f"by_{column}": column in asked.by for column in COUNTED_BY},
    }
    return [TallyRow(*row) for row in ask(db, "tallies", parameters)]
