"""Work of the pipeline that is started and not waited for: held until it ends, and waited for when the house closes."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

__all__ = ["Errands"]


class Errands:
    """The tasks of one part, all on one loop, and what is open without one. Each task handles its own errors."""

    __slots__ = ("_open", "_quiet", "_tasks")

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = 0
        self._quiet: asyncio.Future[None] | None = None

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Begins in the next turn of the loop. The loop alone would forget a task that nobody holds."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def open(self) -> None:
        """Something begins whose end is told by a call: :meth:`close` must follow."""
        self._open += 1

    def close(self) -> None:
        """Something that was open has ended."""
        self._open -= 1
        if not self._open and self._quiet is not None and not self._quiet.done():
            self._quiet.set_result(None)

    @property
    def busy(self) -> bool:
        """Whether anything has not ended."""
        return self._open > 0 or bool(self._tasks)

    async def drain(self, timeout_s: float) -> None:
        """Waits for what has been begun, at most so long."""
        waits: set[asyncio.Future[None]] = set(self._tasks)
        if self._open:
            if self._quiet is None or self._quiet.done():
                self._quiet = asyncio.get_running_loop().create_future()
            waits.add(self._quiet)
        if waits:
            await asyncio.wait(waits, timeout=timeout_s)
