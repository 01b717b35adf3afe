"""Both clients behind one face: the tests call either the same way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

import pytest

from heliograph import AsyncClient, Client
from heliograph.client import Message, Retries

__all__ = ["Face", "MakeFace"]


class Face(Protocol):
    """One client, awaited."""

    async def do(self, what: str, *args: Any, **fields: Any) -> Any: ...

    async def all(self, **asked: Any) -> list[Message]: ...

    async def close(self) -> None: ...


class Blocking:
    """The ordinary client, in a thread."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        self.client = Client(*args, **settings)

    async def do(self, what: str, *args: Any, **fields: Any) -> Any:
        return await asyncio.to_thread(getattr(self.client, what), *args, **fields)

    async def all(self, **asked: Any) -> list[Message]:
        return await asyncio.to_thread(lambda: list(self.client.messages(**asked)))

    async def close(self) -> None:
        self.client.close()


class Awaited:
    """The client for asyncio."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        self.client = AsyncClient(*args, **settings)

    async def do(self, what: str, *args: Any, **fields: Any) -> Any:
        return await getattr(self.client, what)(*args, **fields)

    async def all(self, **asked: Any) -> list[Message]:
        return [one async for one in self.client.messages(**asked)]

    async def close(self) -> None:
        await self.client.close()


MakeFace = Callable[..., Face]


@pytest.fixture(params=[Blocking, Awaited], ids=["Client", "AsyncClient"])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[MakeFace]:
    """Makes clients that wait as little as they may, and closes them."""
    made: list[Face] = []

    def make(url: str, key: str, **settings: Any) -> Face:
        face: Face = request.param(url, key, **({"retries": Retries(first_s=0.001)} | settings))
        made.append(face)
        return face

    yield make
    for one in made:
        await one.close()
