"""Lists over many accounts: each is looked at by its own index, in one statement for all of them.

What no index knows is searched window by window. How long a window must be to hold so many messages is reckoned from
the newest of them, because there is no index of all accounts together that could be counted along.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from heliograph.contracts import ListFilter
from heliograph.model import Live
from heliograph.model.ids import id_time_us
from heliograph.store.postgres.listing import MOST_WINDOWS, WINDOW, Way
from heliograph.store.postgres.partitions import first_id

__all__ = ["WideList"]

_SAMPLE: Final = 200
"""Messages from which the density of a tree's traffic is reckoned."""

Fetch = Callable[..., Awaitable[Sequence[Any]]]


class WideList:
    """One page. ``fetch`` runs a named query; ``by_message`` one with arrays of (account, message id); ``lives`` makes

    messages of those rows that can be read.
    """

    def __init__(
        self,
        fetch: Fetch,
        by_message: Fetch,
        lives: Callable[[Sequence[Any]], list[Live]],
        accounts: Sequence[int],
        asked: ListFilter,
    ) -> None:
        self._lives = lives
        self._fetch = fetch
        self._by_message = by_message
        self._accounts = list(accounts)
        self._asked = asked
        self._way = Way.of(0, asked)

    async def page(self) -> tuple[Sequence[Live], str | None]:
        """(messages, the id before which the next page begins)."""
        asked, way = self._asked, self._way
        if way.label is not None:
            return self._ended(await self._found("label_within", self._most_labels()))
        if asked.recipient is not None:
            return self._ended(await self._found("recipient_within"))
        if way.searched or asked.from_us is not None or asked.to_us is not None:
            return await self._searched()
        ids = [(row[0], row[1]) for row in await self._newest(way.before, asked.limit)]
        rows = await self._by_message("live", ids)
        return self._ended(sorted(rows, key=_id_of, reverse=True))

    def _ended(self, rows: Sequence[Any]) -> tuple[Sequence[Live], str | None]:
        """What can't be read leaves its place on the page empty."""
        return self._lives(rows), _id_of(rows[-1]) if len(rows) >= self._asked.limit else None

    async def _searched(self) -> tuple[Sequence[Live], str | None]:
        """Window by window, until there is enough or a page has looked through so many."""
        limit, before = self._asked.limit, self._way.before
        found: list[Any] = []
        floor: str | None = None
        for _ in range(MOST_WINDOWS):
            floor = await self._floor(before)
            values = self._way.values(before, floor, limit - len(found))
            found += await self._fetch("search_within", self._accounts, *values[1:12])
            if len(found) >= limit or floor is None:
                break
            before = floor
        lives, following = self._ended(found)
        return lives, following or floor

    async def _floor(self, before: str) -> str | None:
        """Where a window ends that holds about ``WINDOW`` messages of theirs; None: where everything ends."""
        newest = await self._newest(before, _SAMPLE)
        if len(newest) < _SAMPLE:
            return None
        first_us, last_us = id_time_us(newest[0][1]), id_time_us(newest[-1][1])
        floor = min(first_id(last_us - (first_us - last_us) * WINDOW // _SAMPLE), newest[-1][1])
        return floor if floor > self._way.lowest else None

    async def _newest(self, before: str, limit: int) -> Sequence[Any]:
        return await self._fetch("newest_within", self._accounts, before, self._way.lowest, limit)

    async def _found(self, query: str, *more: object) -> Sequence[Any]:
        values = self._way.values(self._way.before, None, self._asked.limit)
        wanted = values if more else values[:12]
        rows: Sequence[Any] = await self._fetch(query, self._accounts, *wanted[1:], *more)
        return rows

    def _most_labels(self) -> int | None:
        asked = self._asked
        bare = not self._way.searched and asked.recipient is None and asked.from_us is None and asked.to_us is None
        return asked.limit if bare else None


def _id_of(row: Any) -> str:
    return str(row["id"])
