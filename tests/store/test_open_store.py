"""Which store a url names, and what is said of one that names none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from heliograph.errors import ConfigError
from heliograph.store import open_store
from heliograph.store.sqlite import SqliteStore


async def test_relative_and_absolute_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for url, path in (("sqlite:///here.db", "here.db"), (f"sqlite:///{tmp_path}/with%20space.db", "with space.db")):
        store = open_store(url, serve=True, max_waiting=10)
        assert isinstance(store, SqliteStore)
        await store.open()
        await store.close()
        assert (tmp_path / path).is_file()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://localhost/db", "'mysql' is no kind of store"),
        ("heliograph.db", "'heliograph.db' is no kind of store"),
        ("sqlite:heliograph.db", "sqlite:///relative.db"),
        ("sqlite://host/heliograph.db", "sqlite:////absolute.db"),
        ("sqlite:///", "names no file"),
    ],
)
def test_urls_that_name_no_store(url: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        open_store(url, serve=True)


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("heliograph.store.postgres")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(ConfigError, match=r"heliograph\[postgres\]"):
        open_store("postgresql://localhost/db", serve=True)
