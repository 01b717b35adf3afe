"""Messages and opt-outs of an account, or of several as one list; and one message, whichever of them has it."""

from __future__ import annotations

from collections.abc import Sequence

from heliograph.contracts import ListFilter, MessagePage, MessageRecord, Store
from heliograph.model import OptOut

__all__ = ["message_of", "messages_of", "opt_outs_of"]


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


async def opt_outs_of(store: Store, accounts: Sequence[int], after: tuple[int, str] | None, limit: int) -> list[OptOut]:
    """Up to ``limit`` opt-outs of these accounts, by (account, recipient) behind ``after``."""
    if after is None:
        return await store.first_opt_outs(sorted(accounts), limit)
    found = await store.opt_outs(*after, limit) if after[0] in accounts else []
    rest = sorted(one for one in accounts if one > after[0])
    if rest and len(found) < limit:
        found += await store.first_opt_outs(rest, limit - len(found))
    return found
