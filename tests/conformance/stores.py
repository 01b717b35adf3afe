"""The stores that the suite runs on. Another one joins by an entry in :data:`KINDS`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from heliograph.store import postgres, sqlite
from tests.store.postgres.server import fresh_database

__all__ = ["KINDS", "StoreKind"]


@dataclass(frozen=True)
class StoreKind:
    """A kind of store. ``fresh`` gives the url of an empty one; ``restored`` the url of one made of a backup.

    ``shared`` says that several servers may use one store, each with a number of its own.
    """

    name: str
    fresh: Callable[[Path], AbstractAsyncContextManager[str]]
    restored: Callable[[Path, str], Awaitable[str]]
    shared: bool = False


@asynccontextmanager
async def _sqlite(folder: Path) -> AsyncIterator[str]:
    yield f"sqlite:///{folder / 'store.db'}"


async def _restored_sqlite(folder: Path, backup: str) -> str:
    path = folder / "restored.db"
    sqlite.restore(str(path), backup)
    return f"sqlite:///{path}"


@asynccontextmanager
async def _postgres(folder: Path) -> AsyncIterator[str]:
    yield await fresh_database()


async def _restored_postgres(folder: Path, backup: str) -> str:
    url = await fresh_database()
    await postgres.restore(url, backup)
    return url


KINDS = [
    StoreKind("sqlite", _sqlite, _restored_sqlite),
    StoreKind("postgres", _postgres, _restored_postgres, shared=True),
]
