"""The messages of an account, or of several as one list; and one message, whichever of them has it."""

from __future__ import annotations

from collections.abc import Sequence

from heliograph.contracts import ListFilter, MessagePage, MessageRecord, Store

__all__ = ["message_of", "messages_of"]


async def messages_of(store: Store, accounts: Sequence[int], asked: ListFilter) -> MessagePage:
    """As :meth:`Store.messages`, of all these accounts."""
    if len(accounts) == 1:
        return await store.messages(accounts[0], asked)
    return await store.messages_within(accounts, asked)


async def message_of(store: Store, accounts: Sequence[int], message_id: str) -> MessageRecord | None:
    """One message, whichever of these accounts has it, with all its rows. The first is asked first."""
    found = await store.message(accounts[0], message_id)
    if found is not None or len(accounts) == 1:
        return found
    owner = await store.owner_within(accounts, message_id)
    return None if owner is None else await store.message(owner, message_id)
