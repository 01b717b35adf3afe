"""The disk whose power is cut: what was synced survives, and a careless database is found out."""

from pathlib import Path
from random import Random

import apsw
import pytest

from heliograph.bench.powercut import PowerCutDisk


def _write_until_cut(path: Path, disk: str, synchronous: str) -> int:
    """Commits numbers one by one; gives the last that was confirmed."""
    confirmed = 0
    db = None
    try:
        db = apsw.Connection(str(path), vfs=disk)
        for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", f"synchronous = {synchronous}"):
            list(db.execute(f"PRAGMA {pragma}"))
        list(db.execute("PRAGMA wal_autocheckpoint = 20"))
        db.execute("CREATE TABLE IF NOT EXISTS n (n INTEGER PRIMARY KEY, filling TEXT)")
        while True:
            db.execute("INSERT INTO n VALUES (?, ?)", (confirmed + 1, "x" * 700))
            confirmed += 1
    except apsw.Error:
        pass
    finally:
        if db is not None:
            try:
                db.close(True)
            except apsw.Error:
                pass
    return confirmed


def _found(path: Path) -> int:
    """The numbers that are there after the cut; the file must be whole."""
    db = apsw.Connection(str(path))
    try:
        assert list(db.execute("PRAGMA integrity_check")) == [("ok",)]
        if not list(db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'n'")):
            return 0
        [(count, greatest)] = list(db.execute("SELECT count(*), coalesce(max(n), 0) FROM n"))
        assert count == greatest
        return int(count)
    finally:
        db.close()


def _one_cut(folder: Path, seed: int, synchronous: str) -> tuple[int, int]:
    path, name, before = folder / "cut.db", f"disk-{folder.name}-{seed}-{synchronous}", {}
    for file in folder.iterdir():
        file.unlink()
    disk = PowerCutDisk(name, Random(seed).randrange(1, 400), seed, lambda: before.update(_files(folder)))
    confirmed = _write_until_cut(path, name, synchronous)
    assert disk.dead
    for file in folder.iterdir():  # whatever was done to the files after the cut was never done
        file.unlink()
    for file_name, octets in before.items():
        (folder / file_name).write_bytes(octets)
    return confirmed, _found(path)


def _files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.parametrize("seed", range(40))
def test_what_was_confirmed_is_there_after_the_cut(tmp_path: Path, seed: int) -> None:
    confirmed, found = _one_cut(tmp_path, seed, "FULL")
    assert confirmed <= found <= confirmed + 1


def test_a_database_that_does_not_sync_is_found_out(tmp_path: Path) -> None:
    def loses(seed: int) -> bool:
        try:
            confirmed, found = _one_cut(tmp_path, seed, "OFF")
        except (AssertionError, apsw.Error):
            return True
        return found < confirmed

    assert sum(map(loses, range(20))) > 10
