"""What the store has of an account, and whether the store is sound: read beside the running server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import apsw

__all__ = ["rows_of", "settled", "soundness"]

Rows = dict[str, list[tuple[object, ...]]]


def rows_of(store: Path, account: str) -> Rows:
    """Every row of the account, by table.

    Left out is what moves by itself: when keys were used, the runs of the lists, which turn over, and counts, which
    follow what they count.
    """
    with apsw.Connection(str(store), flags=apsw.SQLITE_OPEN_READONLY) as db:
        [(owner,)] = db.execute("SELECT id FROM accounts WHERE name = ?", (account,)).fetchall()
        found: Rows = {}
        for table in _tables(db):
            columns = [name for _, name, *_ in db.execute(f'PRAGMA table_info("{table}")')]
            by = "account_id" if "account_id" in columns else "id" if table == "accounts" else None
            if by is None or table.startswith("run_") or table == "tallies":
                continue
            wanted = ", ".join(f'"{name}"' for name in columns if "used" not in name)
            rows = db.execute(f'SELECT {wanted} FROM "{table}" WHERE {by} = ?', (owner,)).fetchall()
            found[table] = sorted(rows, key=repr)
        return found


async def settled(store: Path, account: str) -> Rows:
    """The account's rows once they keep still."""
    before = rows_of(store, account)
    async with asyncio.timeout(60):
        while True:
            await asyncio.sleep(0.5)
            now = rows_of(store, account)
            if now == before:
                return now
            before = now


def soundness(store: Path) -> tuple[str, tuple[str, ...]]:
    """(what SQLite says of the file, its tables)."""
    with apsw.Connection(str(store), flags=apsw.SQLITE_OPEN_READONLY) as db:
        [(verdict,)] = db.execute("PRAGMA integrity_check").fetchall()
        return str(verdict), tuple(_tables(db))


def _tables(db: apsw.Connection) -> list[str]:
    asked = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' ORDER BY name"
    return [str(name) for (name,) in db.execute(asked)]
