"""Connectors, routes and numbers in the store: shown beside the file's, changed under the checks of the file.

Each change is worked out on the whole of them and written only if nobody else has written meanwhile, so what was
checked together is what stands there together. Source: docs/explanation/design/0050-configuration-in-the-store.md
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from heliograph.access.actors import Actor
from heliograph.access.changes import Change, Difference, differences, hidden
from heliograph.access.limiting import LIMIT
from heliograph.access.secrets import Secrets
from heliograph.access.tenancy import Tenancy, said_accounts, said_limits
from heliograph.config import Config
from heliograph.config.gathering import Gathered, gathered
from heliograph.config.stored import ARRAYS, Key, SaidAccount, Table, declared
from heliograph.contracts import Administration, Sealer, Store
from heliograph.errors import ConfigError, ConfigFault, RequestRejected, SecretLocked, StoreBusy, VersionConflict
from heliograph.model import Account, ConfigObject, LimitSet

__all__ = ["MOST", "Configuring", "Shown"]

MOST: Final[Mapping[str, int]] = {"connector": 500, "route": 2_000, "number": 5_000}
"""Of each kind in the store."""
_GUARD: Final = ("configuration", "carriers")
"""An object whose version counts the changes of all of them together."""
_TRIES: Final = 8
_ACCOUNT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class Shown(Struct, frozen=True, kw_only=True):
    """What is declared, without secrets. ``version`` is 0, and the times, of what the file declares."""

    table: Table
    managed_by: str
    version: int = 0
    created_us: int = 0
    changed_us: int = 0


class _State(Struct, frozen=True):
    """What the store has: rows, and tables whose secrets are as the rows have them."""

    version: int
    rows: Mapping[Key, ConfigObject]
    tables: Mapping[Key, Table]


class Configuring:
    """Reads and changes them. ``config`` gives what the file declares, ``environ`` is where references lead."""

    def __init__(
        self,
        store: Store,
        sealer: Sealer,
        now_us: Callable[[], int],
        config: Callable[[], Config],
        environ: Mapping[str, str],
    ) -> None:
        self._store = store
        self._secrets = Secrets(sealer, environ)
        self._now_us = now_us
        self._config = config
        self._environ = environ

    # --- read ----------------------------------------------------------------------------------------

    async def gathered(self, config: Config | None = None) -> Gathered:
        """The file's configuration (``config``, or the one that holds) with what the store declares."""
        return await self._gathered(config or self._config(), (await self._state()).tables.values())

    async def version(self) -> int:
        """How often they were changed: another number is another configuration."""
        return next((one.version for one in await self._store.objects(_GUARD[0]) if one.name == _GUARD[1]), 0)

    async def shown(self, kind: str) -> list[Shown]:
        """All of a kind: the file's in its order, then the store's by name."""
        return _all_shown(self._config(), await self._state(), kind)

    async def one(self, kind: str, name: str) -> Shown:
        """One of them, the file's where both declare it. Raises ``RequestRejected`` (404)."""
        name = name.removeprefix("+") if kind == "number" else name
        found = next((one for one in await self.shown(kind) if one.table.name == name), None)
        if found is None:
            raise RequestRejected("not_found", f"There is no {kind} of this name.", status=404)
        return found

    async def tenants(self, *, files: bool = True) -> tuple[dict[str, SaidAccount], dict[str, LimitSet]]:
        """Accounts and their limits as a file would say them, by name. Limits of keys stay with their keys."""
        accounts, declared_here = await self._store.accounts(), () if files else self._config().accounts
        return said_accounts(accounts, declared_here), said_limits(await self._store.objects(LIMIT), accounts)

    async def exported(self, *, files: bool = True) -> list[Table]:
        """What the store declares, and the file, with secrets as references or sealed. Raises ``ConfigError``."""
        config, tables = self._config(), (await self._state()).tables
        found = {table.key: _in_file_order(table) for table in (tables[key] for key in sorted(tables))}
        for table in declared(config) if files else ():
            found[table.key] = self._secrets.of_the_file(table, config)
        return list(found.values())

    async def _state(self) -> _State:
        return await asyncio.to_thread(_state_of, await self._store.objects())

    async def _gathered(self, config: Config, tables: Iterable[Table]) -> Gathered:
        """Away from the loop: thousands of them take longer than a message may wait."""
        return await asyncio.to_thread(self._gather, config, list(tables))

    def _gather(self, config: Config, tables: list[Table]) -> Gathered:
        clear, locked = [], {}
        for table in tables:
            try:
                clear.append(self._secrets.opened(table))
            except SecretLocked as error:
                clear.append(table)
                locked[table.key] = ConfigFault(table.where, str(error))
        return gathered(config, clear, self._environ, locked=locked)

    # --- change --------------------------------------------------------------------------------------

    async def change(self, wanted: Change, by: Actor, *, dry_run: bool = False) -> list[Difference]:
        """Does it, all or nothing; gives what was, or would be, different.

        Raises ``ConfigError`` with every fault, ``VersionConflict``, and ``RequestRejected`` (409 ``managed_by_file``,
        404 ``not_found``).
        """
        wanted = self._without_the_files(wanted.named())
        for _ in range(_TRIES):
            state = await self._state()
            _check_versions(wanted, state)
            tables = self._wanted(wanted, state)
            accounts = await self._store.accounts()
            new, unfit = _new_accounts(tables.values(), {one.name for one in accounts} | wanted.accounts.keys())
            tenancy = await self._tenancy(wanted, accounts, new)
            await self._check(state, tables, tenancy.faults)
            if unfit:
                raise ConfigError(unfit)
            found = differences(state.tables, tables)
            if dry_run or not (found or tenancy.differences):
                return [*found, *tenancy.differences]
            try:
                return await self._write(state, tables, found, tenancy, by)
            except VersionConflict as error:
                if (error.kind, error.name) != _GUARD and error.kind not in ("account", LIMIT):
                    raise
        raise StoreBusy("others change the configuration again and again")

    def _without_the_files(self, wanted: Change) -> Change:
        """What the file says just so needs no change. Raises ``RequestRejected`` for what it says otherwise."""
        files = {one.key: one for one in declared(self._config())}
        rest = [
            one
            for one in wanted.tables
            if one.key not in files or not self._secrets.says_the_same(one, files[one.key], self._config())
        ]
        for table in rest:
            if table.key in files:
                raise _managed_by_file(table.key)
        return replace(wanted, tables=rest, accounts=self._accounts_without_the_files(wanted.accounts))

    def _accounts_without_the_files(self, said: Mapping[str, SaidAccount]) -> dict[str, SaidAccount]:
        files = self._config().accounts
        for name, one in said.items():
            if name in files and ({**files[name].words, **one.words} != files[name].words or one.closed):
                raise _managed_by_file(("account", name))
        return {name: one for name, one in said.items() if name not in files}

    async def _check(self, state: _State, tables: Mapping[Key, Table], others: Sequence[ConfigFault]) -> None:
        """What is wrong may stay, for everything else to be changed beside it; nothing may become wrong."""
        faults = {**(await self._gathered(self._config(), tables.values())).faults, **_too_many(tables)}
        untouched = {key for key in faults if tables.get(key) == state.tables.get(key)}
        if untouched:
            before = (await self._gathered(self._config(), state.tables.values())).faults
            faults = {key: found for key, found in faults.items() if key not in untouched or before.get(key) != found}
        if faults or others:
            raise ConfigError([*(fault for key in sorted(faults) for fault in faults[key]), *others])

    def _wanted(self, wanted: Change, state: _State) -> dict[Key, Table]:
        """Everything that the store is to have, secrets as its rows have them or, where they are new, sealed."""
        tables = {} if wanted.whole else dict(state.tables)
        files = {one.key for one in declared(self._config())}
        for key in wanted.deleted:
            if tables.pop(key, None) is None:
                if key in files:
                    raise _managed_by_file(key)
                raise RequestRejected("not_found", f"There is no {key[0]} of this name.", status=404)
        faults: list[ConfigFault] = []
        seen: set[Key] = set()
        for one in wanted.tables:
            if one.key in seen:
                faults.append(ConfigFault(one.where, f"the {one.kind} is there twice", "give each a name of its own"))
            seen.add(one.key)
            tables[one.key] = self._secrets.sealed(one, state.tables.get(one.key), faults)
        if faults:
            raise ConfigError(faults)
        return tables

    async def _write(
        self, state: _State, tables: Mapping[Key, Table], found: Sequence[Difference], tenancy: Tenancy, by: Actor
    ) -> list[Difference]:
        now_us = self._now_us()
        guard = ConfigObject(kind=_GUARD[0], name=_GUARD[1], document="{}")
        change = Administration(at_us=now_us, objects=[(guard, state.version)])
        for one in found:
            key = one.kind, one.name
            version = state.rows[key].version if key in state.rows else 0
            if one.after is None:
                change.deleted.append((*key, version))
            else:
                document = json.dumps(dict(tables[key].values))
                change.objects.append((ConfigObject(kind=one.kind, name=one.name, document=document), version))
            change.audit.append(by.entry(now_us, one.action, one.kind, one.name, 0, before=one.before, after=one.after))
        tenancy.write(change, by)
        done = await self._store.administer(change)
        versions = {(one.kind, one.name): one.version for one in done.objects}
        versions.update({("account", one.name): one.version for one in done.accounts})
        return [replace(one, version=versions.get((one.kind, one.name), 0)) for one in (*found, *tenancy.differences)]

    async def _tenancy(self, wanted: Change, accounts: Sequence[Account], new: Sequence[str]) -> Tenancy:
        limits = await self._store.objects(LIMIT) if wanted.limits or wanted.whole else []
        keys = {one.prefix: one.account_id for one in await self._store.keys()} if wanted.limits else {}
        return Tenancy(wanted, accounts, limits, keys, new, self._now_us())


def _new_accounts(tables: Iterable[Table], there: Collection[str]) -> tuple[list[str], list[ConfigFault]]:
    """Accounts that are named and not there yet, and what can't name one."""
    named: dict[str, str] = {}
    for table in tables:
        names = [table.values.get("account")] if table.kind == "number" else table.values.get("accounts", ())
        if isinstance(names, list):
            named.update({name: table.where for name in names if isinstance(name, str)})
    new = sorted(named.keys() - there)
    remedy = "letters, digits, _ and -; one below another is made with heliograph accounts create"
    unfit = [name for name in new if not _ACCOUNT.fullmatch(name)]
    faults = [ConfigFault(named[name], f"{name!r:.80} cannot name a new account", remedy) for name in unfit]
    return [name for name in new if name not in unfit], faults


def _managed_by_file(key: Key) -> RequestRejected:
    return RequestRejected(
        "managed_by_file",
        f"The {key[0]} {key[1]} is declared by the configuration file: change it there, and let the server read it "
        "again (SIGHUP).",
        status=409,
    )


def _in_file_order(table: Table) -> Table:
    """The kind of a connector stands first."""
    values = dict(table.values)
    kind = {"kind": values.pop("kind")} if "kind" in values else {}
    return Table(table.kind, table.name, {**kind, **dict(sorted(values.items()))})


def _state_of(objects: Sequence[ConfigObject]) -> _State:
    rows = {(one.kind, one.name): one for one in objects if one.kind in ARRAYS}
    version = next((one.version for one in objects if (one.kind, one.name) == _GUARD), 0)
    return _State(version, rows, {key: Table(*key, json.loads(one.document)) for key, one in rows.items()})


def _check_versions(wanted: Change, state: _State) -> None:
    for key, expected in wanted.expected.items():
        there = state.rows[key].version if key in state.rows else 0
        if expected is not None and expected != there:
            raise VersionConflict(*key, there)


def _too_many(tables: Mapping[Key, Table]) -> dict[Key, tuple[ConfigFault, ...]]:
    faults: dict[Key, tuple[ConfigFault, ...]] = {}
    for kind, most in MOST.items():
        if len(over := sorted(key for key in tables if key[0] == kind)) > most:
            what = f"would be one of {len(over)} {ARRAYS[kind]} in the store"
            faults[over[-1]] = (ConfigFault(tables[over[-1]].where, what, f"at most {most}: delete others first"),)
    return faults


def _all_shown(config: Config, state: _State, kind: str) -> list[Shown]:
    files = [one for one in declared(config) if one.kind == kind]
    known = {one.key for one in files}
    return [
        *(Shown(table=one, managed_by="file") for one in files),
        *(
            _shown(state.rows[key], one)
            for key, one in sorted(state.tables.items())
            if key[0] == kind and key not in known
        ),
    ]


def _shown(row: ConfigObject, table: Table) -> Shown:
    return Shown(
        table=Table(table.kind, table.name, hidden(table)),
        managed_by="store",
        version=row.version,
        created_us=row.created_us,
        changed_us=row.changed_us,
    )
