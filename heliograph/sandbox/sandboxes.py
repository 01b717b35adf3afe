"""All sandboxes of this process: each is opened when its first test key sends, and closed when others need the room."""

from __future__ import annotations

import asyncio
from typing import Final

from heliograph.contracts import Store
from heliograph.delivery.pipeline import Pipeline
from heliograph.errors import RequestRejected
from heliograph.model import is_sandbox
from heliograph.sandbox.world import SandboxWorld, connector_name

__all__ = ["Sandboxes"]

_MOST_OPEN: Final = 64
"""Sandboxes open at once: each has a port, a link, and up to 200 messages in memory."""
_DRAIN_S: Final = 1.0


class Sandboxes:
    """Opens and closes them. ``pipeline`` is told of each before it may take messages."""

    def __init__(self, store: Store, pipeline: Pipeline, *, most_open: int = _MOST_OPEN) -> None:
        self._store = store
        self.pipeline = pipeline
        self._most_open = most_open
        self._open: dict[int, SandboxWorld] = {}
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Opens those for which messages wait; the others when somebody sends."""
        waiting = {account_id for _, _, account_id in await self._store.waiting() if is_sandbox(account_id)}
        for account_id in sorted(waiting, reverse=True)[: self._most_open]:
            await self.ensure(account_id)

    async def stop(self) -> None:
        """Closes all. What a virtual carrier leaves without an answer is waited for no longer than a second."""
        await asyncio.gather(*map(self._close, list(self._open.values())))

    async def _close(self, world: SandboxWorld) -> None:
        leaving = asyncio.create_task(self.pipeline.dispatch.remove(world.connector_id, _DRAIN_S))
        await asyncio.wait((leaving,), timeout=_DRAIN_S)
        await world.carrier.stop()
        await leaving
        self._open.pop(world.account_id, None)
        self._tell()

    async def ensure(self, account_id: int) -> SandboxWorld:
        """The sandbox's world, opened where it is not. Raises ``RequestRejected`` where too many are in use."""
        world = self._open.get(account_id)
        if world is None:
            async with self._turn:
                world = self._open.get(account_id) or await self._opened(account_id)
        world.used()
        return world

    async def _opened(self, account_id: int) -> SandboxWorld:
        if len(self._open) >= self._most_open:
            await self._make_room()
        name = connector_name(account_id)
        ids = await self._store.ensure_connectors([name])
        world = SandboxWorld(account_id, ids[name])
        await world.carrier.start()
        self._open[account_id] = world
        self._tell()
        await self.pipeline.dispatch.add(world.connector)
        return world

    async def _make_room(self) -> None:
        """Closes the one that nobody used for the longest time."""
        busy = {connector_id for connector_id, _, _ in await self._store.waiting()}
        lanes = self.pipeline.dispatch.lanes
        idle = [
            world
            for world in self._open.values()
            if world.idle and world.connector_id not in busy and not lanes[world.connector_id].depth
        ]
        if not idle:
            raise RequestRejected(
                "sandboxes_busy",
                f"{self._most_open} sandboxes are in use on this server: try again in a minute.",
                status=503,
                retry_after_s=60,
            )
        await self._close(min(idle, key=lambda one: one.last_used))

    def _tell(self) -> None:
        self.pipeline.directory.set_sandboxes({world.connector_id: world.account_id for world in self._open.values()})
