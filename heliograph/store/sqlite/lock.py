"""One ``serve`` a file, held by a lock on a small file beside the database.

The database itself is never opened by other means than SQLite: closing any other descriptor of it
would drop SQLite's locks in this process.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress

from heliograph.errors import StoreBusy, StoreInUse

__all__ = ["ServeLock"]


class ServeLock:
    """Held from :meth:`take` until :meth:`free`, or until the process ends in whatever way."""

    def __init__(self, database: str) -> None:
        self._path = f"{database}.lock"
        self._fd: int | None = None

    def take(self) -> None:
        """Raises :class:`StoreInUse` where another holds it."""
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreBusy(f"the lock {self._path} cannot be opened: {error.strerror}") from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = _holder(fd)
            os.close(fd)
            raise StoreInUse(
                f"another heliograph serve{holder} uses this store ({self._path} is locked): "
                "stop it first, or give this one a store.url of its own"
            ) from error
        with suppress(OSError):  # a full disk must not keep us from serving
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd = fd

    def free(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _holder(fd: int) -> str:
    try:
        text = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
    except OSError:
        return ""
    return f" (process {text})" if text.isdigit() else ""
