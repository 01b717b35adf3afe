"""The store: where the truth is kept. One contract, SQLite and PostgreSQL fulfil it.

Everything that changes a message goes through :meth:`Store.commit`: the store collects what waits,
writes it as one transaction, makes it durable (fsync), and then answers every waiter. Reads are
batched. Every tenant's read takes its ``account_id`` and finds nothing of anybody else's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from heliograph.contracts.administration import Administrative
from heliograph.contracts.care import Care
from heliograph.contracts.changes import Changes, Committed, Told
from heliograph.contracts.configured import Configured
from heliograph.contracts.lanes import Lanes
from heliograph.contracts.lookups import Lookups
from heliograph.contracts.optouts import OptOuts
from heliograph.contracts.outbox import Outbox
from heliograph.contracts.publishable import PublishableTokens
from heliograph.contracts.records import Records
from heliograph.contracts.tallies import Tallies
from heliograph.contracts.unreadable import Unreadables
from heliograph.model import Fact, Live

__all__ = ["Store"]


class Store(
    Lanes,
    Lookups,
    OptOuts,
    Outbox,
    Tallies,
    Records,
    Configured,
    Administrative,
    PublishableTokens,
    Unreadables,
    Care,
    Protocol,
):
    """Where the truth is kept. ``open`` before everything else; methods are called on one event loop.

    Raises :class:`~heliograph.errors.StoreBusy` where a later try can succeed (full disk, locked or
    read-only database, connection lost, write queue full) and recovers by itself, without restart.
    """

    node_id: int
    """This process among those that share the store (from 1); owners in rows are node ids."""

    on_facts: Callable[[int, Sequence[Fact], Sequence[Live]], None] | None
    """Called on the loop once for each transaction that had facts, in order of their outbox position,
    before any waiter is answered: (position, facts, lives), the last two one for one (lives may be
    shorter than facts, or empty, where a caller gave none)."""

    async def open(self) -> None:
        """Connects, checks the schema (``StoreOutdated``), takes the ``serve`` lock where there is one.

        Raises ``StoreInUse`` when another ``serve`` holds it.
        """
        ...

    async def close(self) -> None:
        """Finishes what is queued, then disconnects."""
        ...

    async def commit(self, changes: Changes) -> Committed:
        """Durable when it returns. All of ``changes`` in one transaction, less what :class:`Committed` names."""
        ...

    def keep(self, changes: Changes, told: Told) -> None:
        """:meth:`commit` for what cannot wait a turn of the event loop longer: ``told`` is called in the very turn that
        hears of the end. Raises ``StoreBusy`` when too much waits already; then ``told`` hears nothing.
        """
        ...

    @property
    def trouble(self) -> str | None:
        """Why nothing can be written now, in words: the last transaction failed as ``StoreBusy`` and none succeeded

        since, or one has been under way for longer than 5 s. None: nothing speaks against the next one.
        """
        ...

    async def probe(self) -> None:
        """A transaction that changes nothing anybody sees, durable when it returns; it ends a ``trouble`` that is over.

        Raises ``StoreBusy`` where nothing can be written.
        """
        ...
