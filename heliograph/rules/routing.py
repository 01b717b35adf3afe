"""Which connectors a message may take: the longest prefix of its recipient decides.

Routes are compiled once for each configuration. Source: docs/explanation/flow.md
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from heliograph.model import Route
from heliograph.rules.tree import MOST_LEVELS, Tree

__all__ = ["Choice", "RouteTable", "choose", "for_trees", "next_connector"]


class Choice(Struct, frozen=True):
    """A route, its connectors (ids, the first is tried first), and why it was chosen, as an operator reads it."""

    route: str
    connectors: tuple[int, ...]
    reason: str


class _Leads(NamedTuple):
    """Where a range of numbers leads: everybody, and accounts that have a better route of their own."""

    general: Choice | None = None
    accounts: Mapping[int, Choice] = {}


_AFTER_DIGITS: Final = ":"
"""The character behind ``9``: a prefix with it is behind every number that begins with the prefix."""


class RouteTable:
    """Routes, compiled: prefixes cut the numbers, in the order of text, into ranges that each lead to one place."""

    __slots__ = ("_begins", "_leads")

    def __init__(self, routes: Iterable[Route] = ()) -> None:
        """In declared order: of routes that are equally good the first one wins. Prefixes are digits, or empty."""
        entries = _by_prefix(routes)
        begins, leads = [""], [_Leads()]
        around = [leads[0]]
        for border, prefix in sorted([*((p, p) for p in entries), *((p + _AFTER_DIGITS, p) for p in entries if p)]):
            if border.endswith(_AFTER_DIGITS):
                around.pop()
            else:
                around.append(_within(around[-1], entries[prefix]))
            begins.append(border)
            leads.append(around[-1])
        self._begins = begins
        self._leads = leads

    def choose(self, account_id: int, e164_digits: str) -> Choice | None:
        """The route to a number (digits without plus), or None. A longer prefix beats a route of the account's own."""
        general, accounts = self._leads[bisect_right(self._begins, e164_digits) - 1]
        return accounts.get(account_id, general) if accounts else general


def _by_prefix(routes: Iterable[Route]) -> dict[str, _Leads]:
    entries: dict[str, tuple[list[Choice], dict[int, Choice]]] = {}
    for route in routes:
        for prefix in dict.fromkeys(prefix.removeprefix("+") for prefix in route.prefixes):
            general, accounts = entries.setdefault(prefix, ([], {}))
            matched = f"prefix {prefix} is the longest that matches" if prefix else "no longer prefix matches"
            reason = f"route {route.name}: {matched}"
            if not route.accounts:
                general.append(Choice(route.name, route.connectors, reason))
            for account in route.accounts:
                own = Choice(route.name, route.connectors, f"{reason}, and it is for this account")
                accounts.setdefault(account, own)
    return {prefix: _Leads(general[0] if general else None, own) for prefix, (general, own) in entries.items()}


def _within(outer: _Leads, inner: _Leads) -> _Leads:
    """A longer prefix inside a shorter one: what it says for everybody holds for accounts too, unless it names them."""
    if inner.general is not None:
        return inner
    return _Leads(outer.general, {**outer.accounts, **inner.accounts})


def for_trees(routes: Iterable[Route], tree: Tree) -> list[Route]:
    """The same routes, and behind them those that accounts have from the accounts above them, the nearest first.

    So a route for an account is for everyone below it, and gives way to one that names them.
    """
    declared = list(routes)
    named = {account for route in declared for account in route.accounts}
    heirs: dict[tuple[int, int], list[int]] = {}
    for account in named:
        for below in tree.below(account):
            heirs.setdefault((tree.above(below).index(account) + 1, account), []).append(below)
    return declared + [
        replace(route, accounts=tuple(found))
        for distance in range(1, MOST_LEVELS)
        for route in declared
        if (found := [one for account in route.accounts for one in heirs.get((distance, account), ())])
    ]


def choose(routes: RouteTable, account_id: int, e164_digits: str) -> Choice | None:
    """See :meth:`RouteTable.choose`."""
    return routes.choose(account_id, e164_digits)


def next_connector(route: Choice | Route, current: int) -> int | None:
    """The connector that is tried after ``current``; None after the last.

    Where the route changed meanwhile and ``current`` is not in it any more, its first.
    """
    connectors = route.connectors
    if current not in connectors:
        return connectors[0] if connectors else None
    at = connectors.index(current) + 1
    return connectors[at] if at < len(connectors) else None
