"""A store in a fresh file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from heliograph.store.sqlite import SqliteStore
from tests.conformance.values import Make


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "store.db")


@pytest.fixture
async def store(path: str) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore(path, serve=True, busy_ms=50)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def make() -> Make:
    return Make()
