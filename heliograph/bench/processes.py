"""Processes of a run: started, awaited, measured and ended by their own ids."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

__all__ = ["BenchError", "Child", "MemoryWatch", "cpu_seconds", "free_port", "python", "resident_mib", "tree"]

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_LOOK_S: Final = 0.02


class BenchError(Exception):
    """A run could not be made; the sentence says why."""


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of ours."""
    return [sys.executable, "-m", module, *arguments]


def free_port() -> int:
    """A port of the loopback that nobody listens on now."""
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Child:
    """A process in a session of its own. What it prints goes to ``output``."""

    def __init__(
        self, name: str, command: Sequence[str], output: Path, *, cores: frozenset[int] | None = None,
        environment: Mapping[str, str] | None = None, folder: Path | None = None,
    ) -> None:  # fmt: skip
        self.name = name
        self.output = output
        self._read = output.stat().st_size if output.exists() else 0
        self._kept: list[str] = []
        self._errors = output.with_suffix(".err")
        with output.open("ab") as out, self._errors.open("ab") as errors:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=errors,
                start_new_session=True,
                cwd=folder,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
            )
        self.pid = self._process.pid
        if cores is not None:
            os.sched_setaffinity(self.pid, cores)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def lines(self) -> list[str]:
        """Whole lines printed that nobody has taken yet."""
        kept, self._kept = self._kept, []
        with self.output.open("rb") as file:
            file.seek(self._read)
            octets = file.read()
        whole = octets[: octets.rfind(b"\n") + 1]
        self._read += len(whole)
        return kept + whole.decode(errors="replace").splitlines()

    def line(self, start: str, timeout_s: float) -> str:
        """The next line that begins so; what stands behind it stays. Raises :class:`BenchError`."""
        until = time.monotonic() + timeout_s
        while True:
            ended = not self.alive
            lines = self.lines()
            for at, line in enumerate(lines):
                if line.startswith(start):
                    self._kept = lines[at + 1 :]
                    return line
            if ended:
                raise BenchError(f"{self.name} ended with {self._process.returncode}: {self.complaint()}")
            if time.monotonic() > until:
                raise BenchError(f"{self.name} did not print {start!r} within {timeout_s:g} s: {self.complaint()}")
            time.sleep(_LOOK_S)

    def complaint(self) -> str:
        """The end of what it wrote to standard error."""
        return self._errors.read_text(errors="replace")[-2000:].strip() or "it said nothing"

    def ask(self, number: signal.Signals = signal.SIGUSR1, timeout_s: float = 60.0) -> dict[str, Any]:
        """Sends a signal that makes it print a JSON object; that object."""
        self.lines()
        self.signal(number)
        answer: dict[str, Any] = json.loads(self.line("{", timeout_s))
        return answer

    def result(self, timeout_s: float) -> dict[str, Any]:
        """The JSON object that it prints, when it has ended."""
        answer: dict[str, Any] = json.loads(self.line("{", timeout_s))
        self.wait(timeout_s)
        return answer

    def signal(self, number: signal.Signals) -> None:
        if self.alive:
            os.kill(self.pid, number)

    def wait(self, timeout_s: float) -> int:
        """Its exit code. Raises :class:`BenchError` where it does not end."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise BenchError(f"{self.name} did not end within {timeout_s:g} s") from None

    def stop(self, timeout_s: float = 30.0) -> int:
        """SIGTERM, and the exit code; SIGKILL where that is not enough."""
        self.signal(signal.SIGTERM)
        try:
            return self.wait(timeout_s)
        except BenchError:
            self.kill()
            raise

    def kill(self) -> None:
        """SIGKILL to it and everything it started, at one moment: nothing of theirs runs on."""
        family = tree(self.pid) if self.alive else []
        for pid in family:
            with _gone():
                os.kill(pid, signal.SIGSTOP)
        for pid in family:
            with _gone():
                os.kill(pid, signal.SIGKILL)
        self._process.wait(10)
        for pid in family[1:]:  # not our children: they are over when the kernel says so
            _await_end(pid)


def _await_end(pid: int, timeout_s: float = 10.0) -> None:
    """Waits until a process that is no child of ours has ended."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        select.select([handle], [], [], timeout_s)
    finally:
        os.close(handle)


@contextmanager
def _gone() -> Iterator[None]:
    """A process may end while it is looked at."""
    try:
        yield
    except (ProcessLookupError, FileNotFoundError):
        pass


def _stat(pid: int) -> list[str]:
    """Fields of ``/proc/PID/stat`` from the state on (proc(5) field 3 is first)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def tree(pid: int) -> list[int]:
    """A process and all that descend from it."""
    parents: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with _gone():
                parents.setdefault(int(_stat(int(entry))[1]), []).append(int(entry))
    found = [pid]
    for one in found:
        found.extend(parents.get(one, ()))
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, its descendants, and those of them that have ended."""
    ticks = 0
    for one in tree(pid):
        with _gone():
            ticks += sum(map(int, _stat(one)[11:15]))
    return ticks / _TICKS


def resident_mib(pid: int) -> float:
    """Memory of a process and its descendants (what they share is counted each time)."""
    pages = 0
    for one in tree(pid):
        with _gone():
            pages += int(Path(f"/proc/{one}/statm").read_text().split()[1])
    return pages * _PAGE / 1_048_576


class MemoryWatch:
    """Looks at the memory of a process tree five times a second, in a thread."""

    def __init__(self, pid: int) -> None:
        self.peak_mib = 0.0
        self.series: list[float] = []
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._over.wait(0.2):
            now = resident_mib(self._pid)
            self.series.append(now)
            self.peak_mib = max(self.peak_mib, now)

    def stop(self) -> None:
        self._over.set()
        self._thread.join()


def cores_of(words: str) -> frozenset[int]:
    """``0,2`` or ``0-1`` as numbers of cores."""
    found: set[int] = set()
    for word in words.split(","):
        first, _, last = re.sub(r"\s", "", word).partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)
