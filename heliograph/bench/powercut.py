"""A power cut for SQLite: a VFS that remembers what was synced, and at a chosen operation forgets the rest.

``python -m heliograph.bench.powercut CUT_AT SEED serve --config FILE`` runs the server on such a disk and ends it
with exit code ``CUT`` at its CUT_AT-th write, sync, truncation or deletion. What a disk may do then is done: of what
was written since the last sync of each file nothing survives, or the first of it, or any part of it, in any
order, the last piece torn. A deleted file may come back until the next sync of any file (file systems that keep a
journal of their names, such as ext4 and XFS, write it with every sync).
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final, TypeAlias

import apsw

__all__ = ["CUT", "PowerCutDisk"]

CUT: Final = 99
"""Exit code of a server whose power was cut."""

_Change: TypeAlias = tuple[int, bytes | None]
"""(offset, octets) written, or (size, None) truncated."""


class _Image:
    """A file: what is on the platter, and what is only on its way there."""

    __slots__ = ("changes", "deleted", "durable")

    def __init__(self, durable: bytes | None) -> None:
        self.durable = None if durable is None else bytearray(durable)
        self.changes: list[_Change] = []
        self.deleted = False

    def sync(self) -> None:
        """Everything written so far is on the platter."""
        durable = self.durable if self.durable is not None else bytearray()
        for change in self.changes:
            _apply(durable, change)
        self.durable, self.changes = durable, []

    def survivor(self, chance: Random) -> bytes | None:
        """What is found after the cut; None: no file."""
        changes, kind = self.changes, chance.randrange(3)
        if self.deleted and chance.randrange(2):
            return None
        if kind == 0 or not changes:
            kept = []
        elif kind == 1:
            kept = changes[: chance.randrange(len(changes) + 1)]
        else:
            kept = [change for change in changes if chance.randrange(2)]
            chance.shuffle(kept)
        if self.durable is None and not kept:
            return None
        content = bytearray(self.durable or b"")
        for change in kept[:-1]:
            _apply(content, change)
        for offset, octets in kept[-1:]:
            torn = None if octets is None else octets[: chance.randrange(len(octets) + 1)]
            _apply(content, (offset, torn))
        return bytes(content)


def _apply(content: bytearray, change: _Change) -> None:
    offset, octets = change
    if octets is None:
        del content[offset:]
        return
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(octets)] = octets


class PowerCutDisk(apsw.VFS):
    """The disk, as a VFS called ``name``. ``on_cut`` is called at the ``cut_at``-th operation (0: never),

    when the files are as they are found after the cut. If it returns, every later operation fails.
    """

    def __init__(self, name: str, cut_at: int, seed: int, on_cut: Callable[[], None] = lambda: None) -> None:
        self.operations = 0
        self.dead = False
        self._cut_at = cut_at
        self._chance = Random(seed)
        self._on_cut = on_cut
        self._images: dict[str, _Image] = {}
        self.lock = threading.RLock()
        self._name = name
        super().__init__(name, "")

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - SQLite's name
        if name is None:
            return apsw.VFSFile("", name, flags)
        path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        with self.lock:
            self._alive()
            if path not in self._images:
                file = Path(path)
                self._images[path] = _Image(file.read_bytes() if file.exists() else None)
            image = self._images[path]
            image.deleted = False
        return _File(self, image, name, flags)

    def xDelete(self, name: str, syncdir: bool) -> None:  # noqa: N802
        with self.lock:
            self.happens()
            super().xDelete(name, syncdir)
            image = self._images.pop(name, None)
            if image is not None and not syncdir:
                image.deleted, image.changes = True, []
                self._images[name] = image

    def forget_deleted(self) -> None:
        """Names are on the platter too: what was deleted stays away. Call it with the lock held."""
        for path in [path for path, image in self._images.items() if image.deleted]:
            del self._images[path]

    def happens(self) -> None:
        """One operation. Call it with the lock held, before the operation is done."""
        self._alive()
        self.operations += 1
        if self.operations == self._cut_at:
            self.cut()
            raise apsw.IOError("the power was cut")

    def cut(self) -> None:
        """Cuts the power now."""
        with self.lock:
            self.dead = True
            for path, image in self._images.items():
                content = image.survivor(self._chance)
                if content is not None:
                    Path(path).write_bytes(content)
                elif Path(path).exists():
                    Path(path).unlink()
            self._on_cut()

    def _alive(self) -> None:
        if self.dead:
            raise apsw.IOError("the power was cut")


class _File(apsw.VFSFile):
    """One open file: reads see every write at once, the image knows which of them would survive."""

    def __init__(self, disk: PowerCutDisk, image: _Image, name: Any, flags: list[int]) -> None:
        self._disk = disk
        self._image = image
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        with self._disk.lock:
            self._image.changes.append((offset, bytes(data)))
            self._disk.happens()
            super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        with self._disk.lock:
            self._image.changes.append((newsize, None))
            self._disk.happens()
            super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802
        with self._disk.lock:
            self._disk.happens()
            self._image.sync()
            self._disk.forget_deleted()


def main(arguments: list[str]) -> None:
    """Runs ``serve --config FILE`` on a disk whose power will be cut."""
    from heliograph import app

    cut_at, seed, *rest = arguments
    disk = PowerCutDisk("powercut", int(cut_at), int(seed), partial(os._exit, CUT))
    server: Any = app
    server.open_store = partial(server.open_store, vfs="powercut")
    try:
        app.run_serve(Path(rest[-1]))
    finally:
        print(f"no power cut within {disk.operations} operations", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
