"""What is configured, as the pipeline reads it: replaced as a whole when the configuration changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from heliograph.contracts import Connector
from heliograph.model import Account, Number, Route, is_sandbox
from heliograph.rules.inheritance import quiet_of, resolved, tree_of
from heliograph.rules.magic import SANDBOX_SENDER
from heliograph.rules.routing import Choice, RouteTable, for_trees, next_connector
from heliograph.rules.schedule import Quiet
from heliograph.rules.tree import Tree

__all__ = ["Directory"]


class Directory:
    """Accounts, numbers and routes in memory. One object for the life of the process; its contents change."""

    def __init__(self) -> None:
        self.accounts: Mapping[int, Account] = {}
        self.tree = Tree({})
        """Who is above whom."""
        self._table = RouteTable()
        self._declared: Sequence[Route] = ()
        self._routes: dict[str, Route] = {}
        self.sandboxes: Mapping[int, int] = {}
        """Virtual connectors, each with the sandbox that it is for."""
        self._worlds: dict[int, Choice] = {}
        self._reference_octets: dict[int, int] = {}
        self._national: frozenset[int] = frozenset()
        self._owners: dict[str, Number] = {}
        self._senders: dict[int, str] = {}
        self.quiet: Mapping[int, Quiet] = {}
        """Accounts with quiet hours of their own."""

    def set_accounts(self, accounts: Sequence[Account]) -> None:
        """Every account there is, as it is kept: what holds for each, by itself or from above, is worked out here."""
        before, self.tree = self.tree, tree_of(accounts)
        self.accounts = resolved(accounts, self.tree)
        quiet = {one.id: quiet_of(one.settings) for one in self.accounts.values()}
        self.quiet = {account_id: hours for account_id, hours in quiet.items() if hours is not None}
        if self.tree != before:
            self._set_ways()

    def set_connectors(self, connectors: Sequence[Connector]) -> None:
        """Every connector: the size of its concatenation references, and whether it takes national tables."""
        self._reference_octets = {one.id: one.reference_octets for one in connectors}
        self._national = frozenset(one.id for one in connectors if one.national_tables)

    def takes_national_tables(self, connectors: Sequence[int]) -> bool:
        """Whether a message that may go over any of these connectors can be written in national tables."""
        return self._national.issuperset(connectors)

    def reference_octets(self, connector_id: int) -> int:
        """1 or 2: the size of concatenation references on a connector."""
        return self._reference_octets.get(connector_id, 1)

    def set_routes(self, routes: Sequence[Route]) -> None:
        """Every route, in the order in which they were declared. What they say of virtual connectors is left out."""
        self._declared = tuple(routes)
        self._set_ways()

    def _set_ways(self) -> None:
        """A route for an account is for all below it."""
        real = [replace(route, connectors=self._real(route.connectors)) for route in self._declared]
        self._table = RouteTable(for_trees(real, self.tree))
        self._routes = {route.name: route for route in real}

    def set_sandboxes(self, sandboxes: Mapping[int, int]) -> None:
        """Every virtual connector, with the one account (a sandbox) whose messages it takes.

        Raises ``ValueError`` for an account that is none.
        """
        if not all(map(is_sandbox, sandboxes.values())):
            raise ValueError("a virtual connector takes messages of sandboxes only")
        self.sandboxes = dict(sandboxes)
        self._worlds = {
            account_id: Choice("sandbox", (connector_id,), "the key is a test key")
            for connector_id, account_id in sandboxes.items()
        }
        self.set_routes(self._declared)

    def _real(self, connectors: Sequence[int]) -> tuple[int, ...]:
        return tuple(one for one in connectors if one not in self.sandboxes)

    def choose(self, account_id: int, e164_digits: str) -> Choice | None:
        """The way to a number (digits without plus), or None: routes, or the one virtual connector of a sandbox.

        This is where intake keeps live messages and those of sandboxes apart.
        """
        if account_id < 0:
            return self._worlds.get(account_id)
        return self._table.choose(account_id, e164_digits)

    def connector_after(self, account_id: int, route: str, connector_id: int) -> int | None:
        """The connector that a route tries after this one; None at its end, or where the route is gone.

        A sandbox has one connector, and nothing behind it.
        """
        found = None if account_id < 0 else self._routes.get(route)
        return None if found is None else next_connector(found, connector_id)

    def set_numbers(self, numbers: Sequence[Number]) -> None:
        """Every number that handsets can write to, with its account."""
        self._owners = {number.number.lstrip("+"): number for number in numbers}
        self._senders = {}
        for number in numbers:
            self._senders.setdefault(number.account_id, number.number)

    def owner(self, number: str, connector_id: int) -> int | None:
        """The account that owns ``number`` on this connector; on a virtual one every number is its sandbox's."""
        if connector_id in self.sandboxes:
            return self.sandboxes[connector_id]
        found = self._owners.get(number.lstrip("+"))
        if found is None or (found.connectors and connector_id not in found.connectors):
            return None
        return found.account_id

    def default_sender(self, account_id: int) -> str | None:
        """The first number of an account: what it sends from when it names no sender.

        A sandbox has its account's, and one of its own where there is none.
        """
        return self._senders.get(account_id) if account_id > 0 else self._senders.get(-account_id, SANDBOX_SENDER)
