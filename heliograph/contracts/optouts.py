"""The part of the store that knows who wants no more messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from heliograph.contracts.administration import OptOutTrail
from heliograph.model import OptOut

__all__ = ["OptOuts"]


class OptOuts(Protocol):
    """Opt-outs by account and recipient."""

    on_opt_outs: Callable[[], None] | None
    """Called on the loop, within 1 s of it, when any process added opt-outs; ``may_be_opted_out`` knows them then."""

    async def opted_out(self, pairs: Sequence[tuple[int, str]]) -> set[tuple[int, str]]:
        """Those of the (account_id, recipient) that opted out."""
        ...

    def may_be_opted_out(self, account_id: int, recipient: str) -> bool:
        """False only if it surely is not: a filter in memory, kept fresh (also of other processes' writes,
        within 1 s; the commit checks again what was written since)."""
        ...

    async def add_opt_outs(self, rows: Iterable[OptOut], told: OptOutTrail | None = None) -> int:
        """Adds them; gives how many are new. These are counted with them (``delivery.counting``).

        ``told`` is asked for the entries of the trail that are written with them, for the new ones alone: in pieces,
        where there are many.
        """
        ...

    async def remove_opt_outs(self, pairs: Iterable[tuple[int, str]], told: OptOutTrail | None = None) -> int:
        """Removes them; gives how many there were. ``told`` as in :meth:`add_opt_outs`."""
        ...

    async def first_opt_outs(self, accounts: Sequence[int], limit: int) -> list[OptOut]:
        """The first of all opt-outs of these accounts, by (account, recipient)."""
        ...

    async def opt_outs(self, account_id: int, after: str | None, limit: int) -> list[OptOut]:
        """In order of recipient."""
        ...
