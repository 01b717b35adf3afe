"""Accounts that the configuration file names or declares are in the audit log when a server makes or changes them."""

from __future__ import annotations

import json
from pathlib import Path

from heliograph.app import Heliograph
from heliograph.config import load
from heliograph.contracts import AuditFilter
from heliograph.store.sqlite import SqliteStore

CONFIG = """\
[http]
listen = "127.0.0.1:0"
[store]
url = "sqlite:///{folder}/store.db"
[[numbers]]
number = "12345"
account = "named"
[accounts.declared]
default_region = "{region}"
"""


async def trail(folder: Path) -> list[tuple[str, str, str, str]]:
    """(actor's kind, actor, action, account), oldest first."""
    store = SqliteStore(str(folder / "store.db"), serve=False)
    await store.open()
    found = await store.audit(AuditFilter())
    await store.close()
    assert {one.object_kind for one in found} == {"account"}
    changed = [json.loads(one.after or "")["settings"]["default_region"] for one in found if one.action == "change"]
    assert changed == ["CH", "DE"][-len(changed) :]
    return [(one.actor_kind, one.actor, one.action, one.object_name) for one in reversed(found)]


async def test_a_file_that_is_read_is_told_once(tmp_path: Path) -> None:
    path = tmp_path / "heliograph.toml"
    path.write_text(CONFIG.format(folder=tmp_path, region="DE"))
    begun = [("create", "declared"), ("change", "declared"), ("create", "named")]
    for _ in range(2):
        async with Heliograph(load(path, {})):
            assert [one[2:] for one in await trail(tmp_path)] == begun
    async with Heliograph(load(path, {})) as server:
        path.write_text(CONFIG.format(folder=tmp_path, region="CH"))
        await server.reload(load(path, {}))
        told = await trail(tmp_path)
    assert [one[2:] for one in told] == [*begun, ("change", "declared")]
    assert {one[:2] for one in told} == {("file", "configuration")}
