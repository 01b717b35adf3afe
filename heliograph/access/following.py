"""What a running server makes of connectors, routes and numbers that change in the store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from heliograph.access.configuring import Configuring
from heliograph.config import Config
from heliograph.config.gathering import Gathered
from heliograph.config.stored import ARRAYS, Key
from heliograph.errors import ConfigFault, HeliographError
from heliograph.telemetry import journal

__all__ = ["Following", "Take"]

Take = Callable[[Config, Config], Awaitable[Mapping[Key, ConfigFault]]]
"""Makes a configuration hold: all of it, and what of it the file declares. Gives what could not be made to.

It does not wait for links that end.
"""

_AGAIN: Final = 10
"""Looks until what does not hold is tried again: a key, a file or a variable may have come back."""


class Following:
    """Follows the store. What is wrong with one object hinders no other: ``faults`` says why it does not hold."""

    def __init__(self, config: Config, configuring: Configuring, take: Take) -> None:
        self.config = config
        """What the file declares."""
        self.faults: Mapping[Key, Sequence[ConfigFault]] = {}
        self._configuring = configuring
        self._take = take
        self._turn = asyncio.Lock()
        self._version: int | None = None
        self._taken: Gathered | None = None
        self._looks = 0
        self._task: asyncio.Task[None] | None = None

    async def reload(self, config: Config) -> None:
        """Takes a file. Raises ``ConfigError`` or ``StoreError``, with everything as it was."""
        async with self._turn:
            await self._follow(config)
            self.config = config

    async def look(self) -> None:
        """Begins to take what has changed."""
        if self._task is not None and not self._task.done():
            return
        self._looks = self._looks + 1 if self.faults else 0
        if await self._configuring.version() != self._version or self._looks >= _AGAIN:
            self._looks = 0
            self._task = asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        try:
            async with self._turn:
                await self._follow(self.config)
        except HeliographError as error:  # the store is away: the next look tries again
            journal.store_unavailable(str(error))

    async def _follow(self, config: Config) -> None:
        version = await self._configuring.version()
        found = await self._configuring.gathered(config)
        if found != self._taken or config != self.config:
            failed = await self._take(found.config, config)
            self._tell({**found.faults, **{key: (fault,) for key, fault in failed.items()}})
        self._taken, self._version = found, version

    def _tell(self, faults: Mapping[Key, Sequence[ConfigFault]]) -> None:
        """The journal hears of each when it begins, changes and ends."""
        before, self.faults = self.faults, faults
        for kind, name in sorted(faults.keys() | before.keys()):
            now = faults.get((kind, name))
            if now is None:
                journal.configuration_mended(kind, name)
            elif now != before.get((kind, name)):
                journal.configuration_faulty(kind, name, "; ".join(map(str, now)))

    def counts(self) -> dict[str, int]:
        """How many of each kind do not hold."""
        return {kind: sum(key[0] == kind for key in self.faults) for kind in ARRAYS}

    async def stop(self) -> None:
        """Follows no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
