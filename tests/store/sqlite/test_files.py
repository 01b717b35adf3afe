"""The file's life: migrations, restores, locks, and another VFS."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from heliograph.errors import StoreError, StoreInUse, StoreOutdated
from heliograph.store.sqlite import SqliteStore, restore, schema
from heliograph.store.sqlite.connection import Place, connect
from heliograph.telemetry import journal
from tests.accounts import ensure_account
from tests.conformance.values import Make


async def test_an_older_file_is_migrated_after_a_backup(path: str, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    new = make.born()
    store = SqliteStore(path, serve=True)
    await store.open()
    await store.commit(make.accept(new))
    await store.close()
    next_one = schema.NEWEST + 1
    step = "CREATE TABLE later (id INTEGER PRIMARY KEY); INSERT INTO later VALUES (7);"
    later = {**schema._migrations(), next_one: step}
    monkeypatch.setattr(schema, "_migrations", lambda: later)
    monkeypatch.setattr(schema, "NEWEST", next_one)
    with pytest.raises(StoreOutdated, match="heliograph store migrate"):
        await SqliteStore(path, serve=False).open()
    told: list[tuple[str, object, object]] = []
    monkeypatch.setattr(journal, "backup_written", lambda path, octets: told.append(("backup", path, octets > 0)))
    monkeypatch.setattr(journal, "store_migrated", lambda before, after: told.append(("migrated", before, after)))
    await store.open()
    assert told == [("backup", f"{path}.before-{next_one}", True), ("migrated", next_one - 1, next_one)]
    assert await store.message(1, new.message.id) is not None
    assert await store._reader.run(lambda db: db.execute("SELECT id FROM later").get) == 7
    await store.close()
    monkeypatch.undo()
    with pytest.raises(StoreOutdated, match="newer heliograph"):
        await SqliteStore(path, serve=True).open()
    before = SqliteStore(f"{path}.before-{next_one}", serve=True)
    await before.open()
    assert await before.message(1, new.message.id) is not None
    await before.close()


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
    """What each folder held when it was synced."""
    found: list[set[str]] = []

    def sync(fd: int) -> None:
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            found.append(set(os.listdir(fd)))

    monkeypatch.setattr("heliograph.store.sqlite.folders.os.fsync", sync)
    return found


async def test_the_name_of_a_new_file_and_of_its_copies_is_durable(path: str, synced: list[set[str]]) -> None:
    name = Path(path).name
    store = SqliteStore(path, serve=True)
    await store.open()
    assert [name in folder for folder in synced] == [True]
    await store.close()
    await store.open()
    assert len(synced) == 1  # it is there already
    await store.backup(f"{path}.copy")
    await store.close()
    assert f"{name}.copy" in synced[-1]
    assert f"{name}.copy.partial" not in synced[-1]
    await asyncio.to_thread(restore, path, f"{path}.copy")
    assert {name, f"{name}.replaced"} <= synced[-1]
    assert f"{name}.restored" not in synced[-1]


async def test_the_command_migrates(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    now = schema.NEWEST
    assert await SqliteStore(path, serve=False).migrate() == (0, now)
    later = {**schema._migrations(), now + 1: "CREATE TABLE later (id INTEGER PRIMARY KEY);"}
    monkeypatch.setattr(schema, "_migrations", lambda: later)
    monkeypatch.setattr(schema, "NEWEST", now + 1)
    assert await SqliteStore(path, serve=False).migrate() == (now, now + 1)
    assert await SqliteStore(path, serve=False).migrate() == (now + 1, now + 1)


def test_a_file_that_another_makes_at_the_same_time_is_waited_for(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    maker = apsw.Connection(path)
    maker.execute("BEGIN IMMEDIATE; CREATE TABLE one (id INTEGER)")
    waits: list[float] = []

    def made_meanwhile(seconds: float) -> None:
        if not waits:
            maker.execute("COMMIT")
        waits.append(seconds)

    monkeypatch.setattr("heliograph.store.sqlite.connection.time.sleep", made_meanwhile)
    connect(Place(path=path, busy_ms=60_000), cache_kib=100).close()
    assert waits
    maker.close()


def test_a_file_that_stays_locked_is_not_waited_for_longer_than_said(path: str) -> None:
    maker = apsw.Connection(path)
    maker.execute("BEGIN IMMEDIATE; CREATE TABLE one (id INTEGER)")
    with pytest.raises(apsw.BusyError):
        connect(Place(path=path, busy_ms=20), cache_kib=100)
    maker.close()


async def test_many_processes_make_the_file_once(path: str) -> None:
    stores = [SqliteStore(path, serve=False) for _ in range(5)]
    await asyncio.gather(*(store.open() for store in stores))
    await asyncio.gather(*(ensure_account(store, "demo", n) for n, store in enumerate(stores)))
    assert len(await stores[0].accounts()) == 1
    for store in stores:
        await store.close()


async def test_a_killed_server_leaves_no_lock(path: str) -> None:
    code = (
        "import asyncio, sys\n"
        "from heliograph.store.sqlite import SqliteStore\n"
        "async def main():\n"
        "    await SqliteStore(sys.argv[1], serve=True).open()\n"
        "    print('open', flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    server = subprocess.Popen(  # noqa: ASYNC220 - only waited for in a thread
        [sys.executable, "-c", code, path], stdout=subprocess.PIPE
    )
    assert server.stdout is not None
    try:
        assert await asyncio.to_thread(server.stdout.readline) == b"open\n"
        with pytest.raises(StoreInUse, match=f"process {server.pid}"):
            await SqliteStore(path, serve=True).open()
    finally:
        os.kill(server.pid, signal.SIGKILL)
        server.wait()
        server.stdout.close()
    store = SqliteStore(path, serve=True)
    await store.open()
    await store.close()


async def test_restore_refuses_while_a_server_runs_and_what_is_no_backup(
    store: SqliteStore, path: str, tmp_path: Path, make: Make
) -> None:
    kept, lost = make.born(), make.born()
    await store.commit(make.accept(kept))
    backup = str(tmp_path / "backup")
    await store.backup(backup)
    await store.commit(make.accept(lost))
    with pytest.raises(StoreInUse):
        restore(path, backup)
    await store.close()
    bad = tmp_path / "bad"
    bad.write_bytes(b"no backup" * 1000)
    empty = tmp_path / "empty"
    empty.touch()
    for wrong in (bad, empty, tmp_path / "missing"):
        with pytest.raises(StoreError):
            restore(path, str(wrong))
    restore(path, backup)
    await store.open()
    assert await store.message(1, kept.message.id) is not None
    assert await store.message(1, lost.message.id) is None
    await store.close()
    replaced = SqliteStore(f"{path}.replaced", serve=False)
    await replaced.open()
    assert await replaced.message(1, lost.message.id) is not None
    await replaced.close()


async def test_a_backup_over_the_store_itself_is_refused(store: SqliteStore, path: str) -> None:
    with pytest.raises(StoreError, match="another name"):
        await store.backup(path)
    with pytest.raises(StoreError):
        await store.backup("/nowhere/at/all")


class CountingVFS(apsw.VFS):
    """The system's files, with a count of what was synced."""

    def __init__(self, name: str) -> None:
        self.syncs: list[str] = []
        super().__init__(name, "")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        vfs = self
        file_name = name.filename() if isinstance(name, apsw.URIFilename) else str(name)

        class File(apsw.VFSFile):
            def xSync(self, flags: int) -> None:
                vfs.syncs.append(os.path.basename(file_name))
                super().xSync(flags)

        return File("", name, flags)


async def test_another_vfs_sees_each_commit_synced(path: str, make: Make) -> None:
    vfs = CountingVFS("counting")
    store = SqliteStore(path, serve=True, vfs="counting")
    await store.open()
    new = make.born()
    before = len(vfs.syncs)
    await store.commit(make.accept(new, correlations=[make.correlation(new, "c")]))
    assert "store.db-wal" in vfs.syncs[before:]
    assert await store.message(1, new.message.id) is not None
    assert set(await store.correlate([(1, "c")])) == {(1, "c")}
    assert all(finding.ok for finding in await store.check())
    await store.backup(f"{path}.copy")
    await store.close()
    again = SqliteStore(path, serve=True)
    await again.open()
    assert await again.message(1, new.message.id) is not None
    await again.close()
