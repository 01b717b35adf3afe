"""Lists over a tree of 10,000 accounts with 1,000,000 messages: µs a page on each store, and PostgreSQL's plan.

By hand: ``python -m tests.conformance.trees [sqlite|postgres] [messages]``
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg

from heliograph.contracts import ListFilter, Store
from heliograph.delivery.treelists import message_of, messages_of
from heliograph.model import State
from heliograph.store import open_store
from heliograph.store.postgres.queries import QUERIES
from tests.conformance.stores import KINDS
from tests.conformance.values import Make

ACCOUNTS = 10_000
CHUNK = 5_000
TREE = range(1, ACCOUNTS + 1)
STRANGERS = range(20_001, 21_001)
QUIET = range(40_001, 40_001 + ACCOUNTS)
"""A tree that sent a hundred messages before everybody else sent anything."""


async def fill(store: Store, make: Make, count: int) -> list[str]:
    """Half of the messages are the tree's, half strangers'; gives some ids of the tree's."""
    dice, ids = random.Random(7), []
    start_us = time.time_ns() // 1000 - count * 100
    news = [make.born(account_id=dice.choice(QUIET), accepted_us=start_us) for _ in range(100)]
    for at in range(0, count, CHUNK):
        for n in range(at, at + CHUNK):
            account = dice.choice(TREE if n % 2 else STRANGERS)
            news.append(
                make.born(
                    account_id=account, recipient=f"+49{dice.randrange(10**9):09}", accepted_us=start_us + n * 100
                )
            )
        await store.commit(make.accept(*news))
        ids += [new.message.id for new in news if new.message.account_id in TREE][:1]
        news = []
    return ids


async def timed(what: str, work: Callable[[], Awaitable[object]], times: int = 15) -> None:
    """Prints the median and the worst of so many runs in µs."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        await work()
        took.append((time.perf_counter() - began) * 1e6)
    took.sort()
    print(f"  {what:52} {took[times // 2]:10,.0f} µs, at most {took[-1]:10,.0f}", flush=True)


async def measure(store: Store, ids: list[str]) -> None:
    """Every kind of page."""
    for name, accounts in (("busy tree", list(TREE)), ("quiet tree", list(QUIET)), ("one account", [1])):
        for what, asked in (
            ("50", ListFilter(limit=50)),
            ("500", ListFilter(limit=500)),
            ("50 of a state that none has", ListFilter(limit=50, states=(State.FAILED,))),
            ("to a number", ListFilter(limit=50, recipient="+49123456789")),
        ):
            await timed(f"{name}: {what}", lambda accounts=accounts, asked=asked: messages_of(store, accounts, asked))
    middle = ListFilter(limit=50, before=ids[len(ids) // 2])
    await timed("busy tree: 50 in the middle", lambda: messages_of(store, list(TREE), middle))
    await timed("busy tree: a message by its id", lambda: message_of(store, list(TREE), ids[len(ids) // 2]))
    await timed("busy tree: an id of nobody", lambda: message_of(store, list(TREE), Make().id()))


async def plan(url: str) -> None:
    """What PostgreSQL does for a page of the tree."""
    connection = await asyncpg.connect(url)
    await connection.execute("ANALYZE messages")
    rows = await connection.fetch(
        "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) " + QUERIES["newest_within"], list(TREE), "n", "", 50
    )
    await connection.close()
    print("\n".join(row[0] for row in rows))


async def main() -> None:
    wanted = sys.argv[1:2] or [kind.name for kind in KINDS]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
    for kind in KINDS:
        if kind.name not in wanted:
            continue
        with tempfile.TemporaryDirectory() as folder:
            async with kind.fresh(Path(folder)) as url:
                store = open_store(url, serve=True)
                await store.open()
                began = time.monotonic()
                ids = await fill(store, Make(), count)
                print(f"{kind.name}: {count:,} messages in {time.monotonic() - began:.0f} s", flush=True)
                await measure(store, ids)
                await store.close()
                if kind.shared:
                    await plan(url)


if __name__ == "__main__":
    asyncio.run(main())
