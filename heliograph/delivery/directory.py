"""What is configured, as the pipeline reads it: replaced as a whole when the configuration changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from heliograph.contracts import Connector
from heliograph.model import Account, Number, Route
from heliograph.rules.routing import RouteTable, next_connector
from heliograph.rules.schedule import Quiet

__all__ = ["Directory"]


class Directory:
    """Accounts, numbers and routes in memory. One object for the life of the process; its contents change."""

    def __init__(self) -> None:
        self.accounts: Mapping[int, Account] = {}
        self.routes = RouteTable()
        self._routes: dict[str, Route] = {}
        self._reference_octets: dict[int, int] = {}
        self._national: frozenset[int] = frozenset()
        self._owners: dict[str, Number] = {}
        self._senders: dict[int, str] = {}
        self.quiet: Mapping[int, Quiet] = {}
        """Accounts with quiet hours of their own."""

    def set_accounts(self, accounts: Sequence[Account]) -> None:
        """Every account there is."""
        self.accounts = {account.id: account for account in accounts}

    def set_quiet(self, quiet: Mapping[int, Quiet]) -> None:
        """Every account that has quiet hours."""
        self.quiet = dict(quiet)

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
        """Every route, in the order in which they were declared."""
        self.routes = RouteTable(routes)
        self._routes = {route.name: route for route in routes}

    def connector_after(self, route: str, connector_id: int) -> int | None:
        """The connector that a route tries after this one; None at its end, or where the route is gone."""
        found = self._routes.get(route)
        return None if found is None else next_connector(found, connector_id)

    def set_numbers(self, numbers: Sequence[Number]) -> None:
        """Every number that handsets can write to, with its account."""
        self._owners = {number.number.lstrip("+"): number for number in numbers}
        self._senders = {}
        for number in numbers:
            self._senders.setdefault(number.account_id, number.number)

    def owner(self, number: str, connector_id: int) -> int | None:
        """The account that owns ``number`` on this connector."""
        found = self._owners.get(number.lstrip("+"))
        if found is None or (found.connectors and connector_id not in found.connectors):
            return None
        return found.account_id

    def default_sender(self, account_id: int) -> str | None:
        """The first number of an account: what it sends from when it names no sender."""
        return self._senders.get(account_id)
