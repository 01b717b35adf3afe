"""What is declared, put where the house uses it: connectors are made, routes, numbers and accounts are known.

What did not change is the same object before and after, so nobody touches its links.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from heliograph.access import KeyRing
from heliograph.access.actors import Actor
from heliograph.access.ensuring import ensure_account
from heliograph.access.managing import shown_account
from heliograph.config import AccountSettings, Config, ConnectorConfig, NumberSettings, RouteSettings
from heliograph.config.stored import Key
from heliograph.connectors import KINDS
from heliograph.contracts import Administration, Clock, Connector, Store
from heliograph.delivery.directory import Directory
from heliograph.errors import ConfigError, ConfigFault, StoreBusy, VersionConflict
from heliograph.model import Account, Number, Route

__all__ = ["Furnishing"]

_FILE: Final = Actor(kind="file", name="configuration")
"""Who is said to have changed an account that the file declares or names."""
_TRIES: Final = 5
_Made = dict[str, tuple[ConnectorConfig, Connector]]


class Furnishing:
    """Connectors, routes, numbers and accounts of a configuration, as one process has them."""

    def __init__(self, store: Store, directory: Directory, keys: KeyRing, clock: Clock) -> None:
        self.names: dict[int, str] = {}
        """Connectors by their number. One object for the life of the process; its contents change."""
        self._store = store
        self._directory = directory
        self._keys = keys
        self._clock = clock
        self._made: _Made = {}

    @property
    def connectors(self) -> list[Connector]:
        """All that are made, in declared order."""
        return [connector for _, connector in self._made.values()]

    async def take(self, config: Config, files: Config) -> tuple[Sequence[tuple[str, str]], dict[Key, ConfigFault]]:
        """Makes ``config`` hold. Gives (connector, ``added``, ``changed`` or ``removed``), and what cannot be made.

        ``files`` is what of it the file declares: where that cannot be made this raises, with everything as it was.
        """
        ids = await self._store.ensure_connectors(_named(config))
        before, (made, failed) = self._made, self._make(config, files, ids)
        accounts = await self._ensure_accounts(config)
        self._directory.set_routes([_route(one, ids, accounts) for one in config.routes])
        self._directory.set_numbers([_number(one, ids, accounts) for one in config.numbers])
        self._directory.set_connectors([one for _, one in made.values()])
        self._made = made
        self.names.clear()
        self.names.update({number: name for name, number in ids.items()})
        return _differences(before, made), failed

    def _make(self, config: Config, files: Config, ids: dict[str, int]) -> tuple[_Made, dict[Key, ConfigFault]]:
        made: _Made = {}
        failed: dict[Key, ConfigFault] = {}
        for declared in config.connectors:
            known = self._made.get(declared.name)
            try:
                if known is None or known[0] != declared:
                    known = declared, KINDS[declared.kind].make(declared.settings, ids[declared.name])
                made[declared.name] = known
            except (ConfigError, OSError, ValueError) as error:
                if declared in files.connectors:
                    raise
                failed["connector", declared.name] = ConfigFault(f"connectors.{declared.name}", str(error))
        return made, failed

    async def _ensure_accounts(self, config: Config) -> dict[str, Account]:
        """Every account that the configuration names, with the settings that it declares."""
        named = {*config.accounts, *(one.account for one in config.numbers)}
        named.update(name for route in config.routes for name in route.accounts)
        named.update(name for one in config.issuers for name in (one.account, *one.accounts) if name is not None)
        there = {account.name: account for account in await self._store.accounts()}
        for name in sorted(named):
            account = there.get(name)
            if account is None:
                account = await ensure_account(self._store, _FILE, name, self._clock.now_us())
            if (declared := config.accounts.get(name)) is not None:
                await self._declare(account, declared)
        await self._keys.refresh()  # the directory hears of them, too
        return {account.name: account for account in self._keys.accounts.kept.values()}

    async def _declare(self, account: Account, declared: AccountSettings) -> None:
        """The account says what the file declares, and the audit log that the file does."""
        for _ in range(_TRIES):
            wanted = replace(
                account,
                recipients=declared.recipients,
                default_region=declared.default_region,
                smart_encoding=declared.smart_encoding,
                national_tables=declared.national_tables,
                settings=declared.words,
            )
            if wanted == account:
                return
            now_us = self._clock.now_us()
            before, after = shown_account(account), shown_account(wanted)
            entry = _FILE.entry(now_us, "change", "account", account.name, account.id, before=before, after=after)
            change = Administration(at_us=now_us, accounts=[(wanted, account.version)], audit=[entry])
            try:
                await self._store.administer(change)
                return
            except VersionConflict:  # another node reads the same file
                account = await ensure_account(self._store, _FILE, account.name, now_us)
        raise StoreBusy(f"the account {account.name} is changed all the time", retry_after_s=1)


def _named(config: Config) -> list[str]:
    """Every connector that is there or that something leads to, in declared order."""
    names = [one.name for one in config.connectors]
    for leads in (*(one.connectors for one in config.routes), *(one.connectors for one in config.numbers)):
        names += leads
    return list(dict.fromkeys(names))


def _route(one: RouteSettings, ids: dict[str, int], accounts: dict[str, Account]) -> Route:
    return Route(
        name=one.name,
        prefixes=one.prefixes,
        connectors=tuple(ids[name] for name in one.connectors),
        accounts=tuple(accounts[name].id for name in one.accounts),
    )


def _number(one: NumberSettings, ids: dict[str, int], accounts: dict[str, Account]) -> Number:
    return Number(
        number=one.number,
        account_id=accounts[one.account].id,
        connectors=tuple(ids[name] for name in one.connectors),
    )


def _differences(before: _Made, after: _Made) -> list[tuple[str, str]]:
    """(connector, what became of it), in the order of their names."""
    words = {
        **dict.fromkeys(before.keys() - after.keys(), "removed"),
        **dict.fromkeys(after.keys() - before.keys(), "added"),
        **{name: "changed" for name in before.keys() & after.keys() if before[name] is not after[name]},
    }
    return sorted(words.items())
