"""Sealing the secrets of endpoints so that nothing of them is left in the file. Jobs for a worker's thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import apsw

from heliograph.contracts import Sealer
from heliograph.store.sealing import STEP, SecretRow, key_of, sealed_anew
from heliograph.store.sqlite.queries import query
from heliograph.store.sqlite.salvage import configuration

__all__ = ["rows", "seal_clear", "seal_step", "settle"]


def rows(db: apsw.Connection) -> list[SecretRow]:
    """Every endpoint's secrets, deleted ones too. Raises ``ConfigurationUnreadable``."""
    return configuration(db, "endpoints", "secrets", ("", -1), _secrets_of)


def _secrets_of(row: SecretRow) -> SecretRow:
    return row


def seal_clear(db: apsw.Connection, sealer: Sealer) -> int:
    """Where a secret stands in clear, writes the table anew; gives how many endpoints are sealed by it.

    The whole table in one transaction: what earlier changes have left in the free parts of its pages goes with it.
    """
    if not any(key_of(text) == "" for row in rows(db) for text in row[2:] if text is not None):
        return 0
    with _overwriting(db):
        db.execute("BEGIN IMMEDIATE")
        changed = sealed_anew(rows(db), sealer, every=False)  # never none: rows are not deleted
        db.executemany(query("seal_secrets"), [after for _, after in changed])
        whole = list(db.execute(query("whole_endpoints")))
        db.execute(query("clear_endpoints"))
        db.executemany(f"INSERT INTO endpoints VALUES ({','.join('?' * len(whole[0]))})", whole)
        db.execute("COMMIT")
    return len(changed)


def seal_step(db: apsw.Connection, *, sealer: Sealer, after: str) -> tuple[int, str | None]:
    """Seals some endpoints behind that id under the present key: (how many, the last id; None: that was all)."""
    with _overwriting(db):
        db.execute("BEGIN IMMEDIATE")
        some = list(db.execute(query("secrets"), (after, STEP)))
        changed = sealed_anew(some, sealer, every=True)
        db.executemany(query("seal_secrets"), [after for _, after in changed])
        db.execute("COMMIT")
    return len(changed), some[-1][0] if len(some) == STEP else None


def settle(db: apsw.Connection) -> None:
    """Lets every server look, and empties the log of what stood there before."""
    db.execute(query("bump_config"))
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").get  # noqa: B018


@contextmanager
def _overwriting(db: apsw.Connection) -> Iterator[None]:
    """What is deleted or replaced meanwhile is overwritten in the file."""
    db.execute("PRAGMA secure_delete = ON").get  # noqa: B018
    try:
        yield
    finally:
        db.execute("PRAGMA secure_delete = OFF").get  # noqa: B018
