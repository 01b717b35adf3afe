"""Text that is no UTF-8 spoils a whole answer of SQLite: the row is named all the same."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from heliograph.contracts import Acceptance, Changes
from heliograph.errors import ConfigurationUnreadable
from heliograph.store.sqlite import SqliteStore
from tests.accounts import ensure_account
from tests.conformance.values import NOW, Make

BAD = "CAST(x'7Bff' AS TEXT)"


@pytest.mark.parametrize(
    ("table", "column", "where", "named"),
    [
        ("accounts", "name", "id = 2", "2"),
        ("endpoints", "url", "id = 'two'", "two"),
        ("endpoints", "events", "id = 'two'", "two"),
        ("endpoints", "id", "id = 'two'", "{\N{REPLACEMENT CHARACTER}"),
    ],
)
async def test_a_row_whose_text_is_none_is_named(
    tmp_path: Path, table: str, column: str, where: str, named: str
) -> None:
    path = tmp_path / "s.db"
    store = SqliteStore(str(path), serve=True)
    await store.open()
    for name in ("one", "two", "three"):
        await ensure_account(store, name, NOW)
    made = [Make.endpoint(name, created_us=NOW + at) for at, name in enumerate(("one", "two", "three"))]
    await store.commit(Changes(acceptances=[Acceptance([], endpoints=made)]))
    db = apsw.Connection(str(path))
    db.execute(f"UPDATE {table} SET {column} = {BAD} WHERE {where}")
    db.close()
    with pytest.raises(ConfigurationUnreadable) as told:
        await (store.accounts() if table == "accounts" else store.endpoints())
    assert str(told.value).startswith(f"the row {named} of {table} cannot be read (")
    assert str(told.value) in [finding.what for finding in await store.check() if not finding.ok]
    await store.close()
