"""One fresh store of each kind for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from heliograph.contracts import Store
from heliograph.store import open_store
from tests.conformance.stores import KINDS, StoreKind
from tests.conformance.values import Make


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> StoreKind:
    found: StoreKind = request.param
    return found


@pytest.fixture
async def url(kind: StoreKind, tmp_path: Path) -> AsyncIterator[str]:
    async with kind.fresh(tmp_path) as fresh:
        yield fresh


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    """An open store, as the one server's."""
    opened = open_store(url, serve=True)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def make() -> Make:
    return Make()
