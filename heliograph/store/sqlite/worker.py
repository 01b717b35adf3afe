"""A thread with a connection of its own, that runs one job after the other."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

import apsw

from heliograph.contracts import settle
from heliograph.errors import StoreBusy
from heliograph.store.sqlite.connection import Place, connect, is_lasting, translated

__all__ = ["Worker"]

T = TypeVar("T")

_Job = Callable[[apsw.Connection], Any]

_Done = Callable[[Any, BaseException | None], None]
"""Hears in the event loop what a job gave, or what it raised."""


class Worker:
    """Runs jobs on a connection beside the event loop. The connection is opened by the first job,

    and anew after an error that may be its own. A job's transaction is rolled back when it raises.
    """

    def __init__(
        self,
        name: str,
        place: Place,
        *,
        cache_kib: int,
        connected: Callable[[apsw.Connection], object] = lambda db: None,
    ) -> None:
        """``connected`` is called with each connection that is made, in the thread."""
        self._name = name
        self._place = place
        self._cache_kib = cache_kib
        self._connected = connected
        self._jobs: SimpleQueue[tuple[_Job, tuple[_Done, asyncio.AbstractEventLoop] | None] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._db: apsw.Connection | None = None

    async def run(self, job: Callable[[apsw.Connection], T]) -> T:
        """What the job gives. SQLite's errors come as the store's."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.begin(job, lambda result, error: settle(future, result if error is None else error))
        return await future

    def later(self, job: _Job) -> None:
        """Runs a job that nobody waits for, after those that are queued. Its errors are dropped: it is care, and
        is tried again at its next occasion."""
        self.begin(job, None)

    def begin(self, job: _Job, done: _Done | None) -> None:
        """Queues a job; ``done`` hears of its end in this event loop."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        self._jobs.put((job, None if done is None else (done, asyncio.get_running_loop())))

    async def close(self) -> None:
        """Finishes the queued jobs, closes the connection, ends the thread."""
        if self._thread is not None:
            self._jobs.put(None)
            await asyncio.to_thread(self._thread.join)
            self._thread = None

    def _work(self) -> None:
        while (item := self._jobs.get()) is not None:
            job, waiter = item
            try:
                result, error = self._run(job), None
            except BaseException as raised:
                result, error = None, raised
            if waiter is not None:
                _post(*waiter, result, error)
            item = job = waiter = result = error = None  # type: ignore[assignment]
        self._disconnect()

    def _run(self, job: _Job) -> Any:
        try:
            if self._db is None:
                self._db = connect(self._place, cache_kib=self._cache_kib)
                self._connected(self._db)
            return job(self._db)
        except Exception as error:
            self._roll_back(error)
            better = translated(error, self._place.path)
            if better is error:
                raise
            raise better from error

    def _roll_back(self, error: Exception) -> None:
        try:
            if self._db is not None and self._db.in_transaction:
                self._db.execute("ROLLBACK")
        except apsw.Error:
            self._disconnect()
        if is_lasting(error):
            self._disconnect()

    def _disconnect(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            try:
                db.close()
            except apsw.Error:
                pass


def _post(done: _Done, loop: asyncio.AbstractEventLoop, result: Any, error: BaseException | None) -> None:
    if error is not None and not isinstance(error, Exception):
        error = StoreBusy(f"the store's thread was stopped: {error!r}")
    try:
        loop.call_soon_threadsafe(done, result, error)
    except RuntimeError:
        pass  # the loop is closed: nobody waits any more
