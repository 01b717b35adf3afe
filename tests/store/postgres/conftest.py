"""Fixtures: a fresh database and an open store on it, for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from heliograph.store.postgres import PostgresStore
from tests.store.postgres.server import fresh_database


@pytest.fixture
async def url() -> str:
    return await fresh_database()


@pytest.fixture
async def store(url: str) -> AsyncIterator[PostgresStore]:
    opened = PostgresStore(url)
    await opened.open()
    yield opened
    await opened.close()
