"""The part of the store that counts: messages by hour and kind, and what is used of limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from heliograph.model import UsageRow

__all__ = ["ACCEPTED", "COUNTED_BY", "OPTED_OUT", "Tallies", "Tally", "TallyFilter", "TallyRow"]

Tally = tuple[int, int, int, str, str, str, int, int, int, int, str, int]
"""What is counted alike: (hour_us, account_id, direction, country, network, sender, connector_id, type, event, was,
error, waited). ``hour_us`` is the hour in which the message was accepted; ``event`` a number of
``delivery.counting``; the rest as in :class:`~heliograph.model.Fact`."""

ACCEPTED = 0
"""The event of a tally that counts acceptances; the other events are states, and:"""
OPTED_OUT = 100
"""an opt-out, which the store counts with its row."""

COUNTED_BY = ("account", "country", "network", "sender", "connector", "type", "error")
"""What counts can be told apart by."""


class TallyFilter(Struct, frozen=True, kw_only=True):
    """Which counts, and what of them is told apart.

    ``from_us`` (inclusive) and ``to_us`` (exclusive) are whole hours. ``step_us`` is how much time one row
    spans, in step with 1970; 0 is all. ``by`` is of :data:`COUNTED_BY`.
    """

    accounts: tuple[int, ...]
    from_us: int
    to_us: int
    step_us: int = 0
    by: tuple[str, ...] = ()
    limit: int = 50_000


class TallyRow(Struct, frozen=True, array_like=True):
    """Counts that are alike in everything that is told apart; what is not reads None."""

    at_us: int
    account: int | None
    country: str | None
    network: str | None
    sender: str | None
    connector: int | None
    type: int | None
    error: str | None
    event: int
    was: int
    waited: int
    messages: int
    segments: int


class Tallies(Protocol):
    """Counts, and the counter's place in the outbox."""

    async def add_tallies(
        self, after: int, position: int, commits: int, tallies: Mapping[Tally, tuple[int, int]]
    ) -> bool:
        """Adds (messages, segments) and moves the counter's place from ``after`` to ``position``, in one transaction.

        Nothing is written, and False given, where the counter is not at ``after``, where the outbox has not
        exactly ``commits`` rows behind it up to ``position``, or where one of them could still come: another
        process wrote or counted, and the outbox must be read from :meth:`counts_position` on.
        """
        ...

    async def tallies(self, asked: TallyFilter) -> list[TallyRow]:
        """Counts, at most ``limit`` rows, in order of time."""
        ...

    async def counts_position(self) -> int:
        """The counter's place in the outbox."""
        ...

    async def usage(self, since_us: int) -> list[UsageRow]:
        """What every node used of limits, of periods that began then or later."""
        ...
