"""The stores that the suite runs on. Another one joins by an entry in :data:`KINDS`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from heliograph.store.sqlite import restore

__all__ = ["KINDS", "StoreKind"]


@dataclass(frozen=True)
class StoreKind:
    """A kind of store. ``fresh`` gives the url of an empty one; ``restored`` the url of one made of a backup."""

    name: str
    fresh: Callable[[Path], AbstractAsyncContextManager[str]]
    restored: Callable[[Path, str], Awaitable[str]]


@asynccontextmanager
async def _sqlite(folder: Path) -> AsyncIterator[str]:
    yield f"sqlite:///{folder / 'store.db'}"


async def _restored_sqlite(folder: Path, backup: str) -> str:
    path = folder / "restored.db"
    restore(str(path), backup)
    return f"sqlite:///{path}"


KINDS = [StoreKind("sqlite", _sqlite, _restored_sqlite)]
