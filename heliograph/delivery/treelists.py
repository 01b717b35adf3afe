"""The messages of several accounts as one list, newest first: each is read by its own index, and they are merged.

An account of which a page did not reach far enough back is a *floor*: older messages of the others are not
given before its own are known. So pages hold for several accounts as they hold for one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from heliograph.contracts import ListFilter, MessagePage, MessageRecord, Store
from heliograph.errors import RequestRejected

__all__ = ["MOST_LISTED_ACCOUNTS", "message_of", "messages_of"]

MOST_LISTED_ACCOUNTS: Final = 200
"""Accounts of one list: each costs a look at its own index, whether it has messages or not."""
_LEAST: Final = 8
"""Messages that are read of each account at first; who has more of them is asked again."""


async def messages_of(store: Store, accounts: Sequence[int], asked: ListFilter) -> MessagePage:
    """As :meth:`Store.messages`, of all these accounts. Raises ``RequestRejected`` for too many of them."""
    if len(accounts) == 1:
        return await store.messages(accounts[0], asked)
    if len(accounts) > MOST_LISTED_ACCOUNTS:
        raise RequestRejected(
            "answer_too_large",
            f"A list has the messages of at most {MOST_LISTED_ACCOUNTS} accounts: name one of them as account.",
            field="account",
        )
    return await _Merged(store, accounts, asked).page()


class _Merged:
    """A page under way."""

    def __init__(self, store: Store, accounts: Sequence[int], asked: ListFilter) -> None:
        self._store = store
        self._accounts = accounts
        self._asked = asked
        self._found: list[MessageRecord] = []
        self._floors: dict[int, str] = {}
        """Account → the id down to which it is read; without one: to its end."""
        self._short: set[int] = set()
        """Accounts whose page ended because enough was looked through."""

    async def page(self) -> MessagePage:
        """At most as many as asked; fewer where a store ended a page of one of them."""
        limit = self._asked.limit
        first = max(_LEAST, 2 * limit // len(self._accounts))
        await asyncio.gather(*(self._read(one, self._asked.before, min(limit, first)) for one in self._accounts))
        while True:
            floor = max(self._floors.values(), default=None)
            known = sorted(
                (one for one in self._found if floor is None or one.message.id >= floor),
                key=lambda one: one.message.id,
                reverse=True,
            )
            if len(known) > limit or (len(known) == limit and floor is not None):
                return MessagePage(tuple(known[:limit]), known[limit - 1].message.id)
            if floor is None:
                return MessagePage(tuple(known), None)
            highest = [one for one, at in self._floors.items() if at == floor]
            if not self._short.isdisjoint(highest):
                return MessagePage(tuple(known), floor)
            for one in highest:
                await self._read(one, floor, limit - len(known))

    async def _read(self, account_id: int, before: str | None, limit: int) -> None:
        found = await self._store.messages(account_id, replace(self._asked, before=before, limit=limit))
        self._found += found.records
        if found.next is None:
            self._floors.pop(account_id, None)
            return
        self._floors[account_id] = found.next
        if len(found.records) < limit:
            self._short.add(account_id)


async def message_of(store: Store, accounts: Sequence[int], message_id: str) -> MessageRecord | None:
    """One message, whichever of these accounts has it, with all its rows."""
    if len(accounts) == 1:
        return await store.message(accounts[0], message_id)
    found = await store.records([(one, message_id) for one in accounts])
    return found.get(message_id)
