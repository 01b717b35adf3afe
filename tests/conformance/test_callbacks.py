"""What two nodes on one store make at the same moment is made once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from heliograph.contracts import Store, SystemClock
from heliograph.delivery.webhooks import CALLBACKS, Webhooks
from heliograph.model import Endpoint
from heliograph.store import open_store
from tests.accounts import ensure_account


def together(reads: Callable[..., Awaitable[list[Endpoint]]], barrier: asyncio.Barrier) -> Callable[..., Any]:
    """Nobody reads the second time before everybody has read once."""
    first = True

    async def read(*arguments: Any) -> list[Endpoint]:
        nonlocal first
        found = await reads(*arguments)
        if first:
            first = False
            await barrier.wait()
        return found

    return read


async def test_two_nodes_make_one_endpoint_for_the_callbacks_of_an_account(
    store: Store, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = open_store(url, serve=False)
    await other.open()
    try:
        account = await ensure_account(store, "shop", 1)
        barrier = asyncio.Barrier(2)
        nodes = [Webhooks(one, SystemClock(), lambda: 0) for one in (store, other)]
        for one in (store, other):
            monkeypatch.setattr(one, "endpoints", together(one.endpoints, barrier))
        secrets = await asyncio.gather(*(node.callbacks_secret(account.id) for node in nodes))
        assert [one.kind for one in await store.endpoints(account.id)] == [CALLBACKS]
        assert len(set(secrets)) == 1
        await store.purge("claims", 1 << 60, 1000)  # it holds for as long as the account
        later = Webhooks(store, SystemClock(), lambda: 0)
        await later.ensure_callbacks(account.id)
        assert len(await store.endpoints(account.id)) == 1
    finally:
        await other.close()
