"""Configuration written with its trail, on PostgreSQL. Source: heliograph/contracts/administration.py"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import asyncpg
from msgspec.structs import astuple, replace

from heliograph.contracts import PUBLISHABLE, Administered, Administration, AuditFilter, Claim
from heliograph.errors import VersionConflict
from heliograph.model import Account, AuditEntry, ConfigObject, Credential
from heliograph.store.postgres.connection import Connection, translated
from heliograph.store.postgres.queries import QUERIES
from heliograph.store.postgres.reads import Reads
from heliograph.store.unreadable import configured
from heliograph.store.versions import MadeAccounts, configures, end_of, next_version

__all__ = ["Administering", "account_of", "credential_of", "put_audit", "read_configured"]

T = TypeVar("T")

_TAKEN: tuple[type[BaseException], ...] = (asyncpg.UniqueViolationError,)


class Administering(Reads):
    """Accounts, credentials and objects with versions, and the trail of their changes."""

    async def administer(self, change: Administration) -> Administered:
        """See :class:`heliograph.contracts.Administrative`."""
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                claim = change.claim
                if claim is not None and (taken := await _taken(connection, claim)) is not None:
                    return Administered(taken=taken)
                made = MadeAccounts()
                for account, expected in change.accounts:
                    made.kept.append(await _put_account(connection, made.placed(account), expected))
                at_us = change.at_us
                done = Administered(
                    accounts=tuple(made.kept),
                    credentials=tuple([await _put_credential(connection, *one) for one in change.credentials]),
                    objects=tuple(
                        [await _put_object(connection, made.owned(one), seen, at_us) for one, seen in change.objects]
                    ),
                )
                for kind, name, expected in change.deleted:
                    await _delete_object(connection, kind, name, expected)
                await put_audit(connection, [made.about(entry) for entry in change.audit])
                if configures(change):
                    await connection.execute(QUERIES["bump_config"])
                return done

    async def objects(self, kind: str | None = None) -> list[ConfigObject]:
        """Objects of a kind, or all, by kind and name."""
        return [ConfigObject(**dict(row)) for row in await self._fetch("objects", kind)]

    async def credentials(self, kind: str) -> list[Credential]:
        """Credentials of a kind, oldest first."""
        return read_configured("api_keys", await self._fetch("credentials", kind), credential_of)

    async def logins(self, kind: str, name: str) -> list[Credential]:
        """Credentials of a kind that are called this, oldest first."""
        return read_configured("api_keys", await self._fetch("logins", kind, name), credential_of)

    async def publishable(self, hash: bytes) -> Credential | None:
        """The token whose text has this hash."""
        found = read_configured("api_keys", await self._fetch("publishable", hash), credential_of)
        return found[0] if found else None

    async def publishable_of(self, account_id: int, *, begins: str, before: str, limit: int) -> list[Credential]:
        """Tokens of an account, the greatest name first."""
        rows = await self._fetch("publishable_of", account_id, begins, end_of(begins, before), limit)
        return read_configured("api_keys", rows, credential_of)

    async def open_publishable(self, account_id: int, now_us: int) -> int:
        """How many of an account are neither revoked nor expired."""
        return int(await self._value("open_publishable", account_id, now_us))

    async def audit(self, asked: AuditFilter) -> list[AuditEntry]:
        """Entries of the trail, newest first."""
        wanted = astuple(asked)[1:]
        if asked.accounts is None:
            rows = await self._fetch("audit", *wanted)
        else:
            rows = await self._fetch("audit_of", *wanted, list(asked.accounts))
        return [AuditEntry(**dict(row)) for row in rows]

    async def purge_audit(self, before_us: int, limit: int) -> int:
        """Drops up to ``limit`` of the oldest entries."""
        with translated():
            async with self._pool.acquire() as connection:
                status = await connection.execute(QUERIES["purge_audit"], before_us, limit)
        return int(status.rsplit(" ", 1)[1])


def read_configured(table: str, rows: list[Any], decode: Callable[[Any], T]) -> list[T]:
    """What configures the server, from rows with an id. Raises :class:`heliograph.errors.ConfigurationUnreadable`."""
    return configured(table, rows, decode, lambda at: rows[at]["id"])


def account_of(row: Any) -> Account:
    """An account from its row."""
    return Account(**{**dict(row), "settings": json.loads(row["settings"])})


def _settings_of(account: Account) -> tuple[Any, ...]:
    """What every write of an account says."""
    return *astuple(account)[3:7], json.dumps(dict(account.settings))


def credential_of(row: Any) -> Credential:
    """A credential from its row."""
    lists = {"scopes": tuple(row["scopes"]), "addresses": tuple(row["addresses"])}
    return Credential(**{**dict(row), **lists, "settings": json.loads(row["settings"])})


async def put_audit(connection: Connection, entries: Iterable[AuditEntry]) -> None:
    """Adds entries to the trail, inside the transaction of what they tell of."""
    rows = [(*values[:5], *values[6:]) for values in map(astuple, entries)]
    if rows:
        await connection.executemany(QUERIES["insert_audit"], rows)


async def _taken(connection: Connection, claim: Claim) -> Claim | None:
    """Takes a claim; gives the one that somebody else has."""
    one = [[value] for value in astuple(claim)]
    if await connection.fetch(QUERIES["take_claims"], *one):
        return None
    rows = await connection.fetch(QUERIES["claims"], *one[:3], 0)
    return Claim(**dict(rows[0])) if rows else claim


async def _put_account(connection: Connection, account: Account, expected: int | None) -> Account:
    name, new = account.name, not account.id
    there = await connection.fetchval(QUERIES["account_version"], account.id, name if new else None)
    if there is None and not new:
        raise VersionConflict("account", name, 0)
    version = next_version("account", name, there, expected, new=new)
    if new:
        number = await connection.fetchval(QUERIES["add_account"], name, account.created_us, *_settings_of(account))
        if number is None:  # made by another process since we looked
            raise VersionConflict("account", name, 1)
        account = replace(account, id=number)
    else:
        await connection.execute(QUERIES["set_account"], account.id, *_settings_of(account))
    await connection.execute(QUERIES["place_account"], account.id, account.parent_id, account.closed_us, version)
    return replace(account, version=version)


async def _put_credential(connection: Connection, one: Credential, expected: int | None) -> Credential:
    row = await connection.fetchrow(QUERIES["credential_version"], one.prefix)
    there, number = row or (None, 0)
    if one.id and there is None:
        raise VersionConflict("credential", one.prefix, 0)
    version = next_version("credential", one.prefix, there, expected, new=not one.id)
    scopes, addresses, settings = list(one.scopes), list(one.addresses), json.dumps(dict(one.settings))
    if there is None:
        insert = QUERIES["insert_publishable" if one.kind == PUBLISHABLE else "insert_credential"]
        try:
            number = await connection.fetchval(
                insert, one.account_id, one.prefix, one.hash, scopes, one.created_us,
                one.expires_us, one.revoked_us, one.name, addresses, one.kind, settings, version,
            )  # fmt: skip
        except _TAKEN as error:
            raise VersionConflict("credential", one.prefix, 1) from error
    else:
        await connection.execute(
            QUERIES["update_credential"], one.prefix, one.hash, scopes, one.expires_us, one.revoked_us, one.name,
            addresses, settings, version,
        )  # fmt: skip
    return replace(one, id=number, version=version)


async def _put_object(connection: Connection, one: ConfigObject, expected: int | None, at_us: int) -> ConfigObject:
    row = await connection.fetchrow(QUERIES["object_version"], one.kind, one.name)
    there, created_us = row or (None, at_us)
    version = next_version(one.kind, one.name, there, expected)
    kept = replace(one, version=version, created_us=created_us, changed_us=at_us)
    try:
        await connection.execute(QUERIES["insert_object" if there is None else "update_object"], *astuple(kept))
    except _TAKEN as error:
        raise VersionConflict(one.kind, one.name, 1) from error
    return kept


async def _delete_object(connection: Connection, kind: str, name: str, expected: int | None) -> None:
    row = await connection.fetchrow(QUERIES["object_version"], kind, name)
    if row is None:
        raise VersionConflict(kind, name, 0)
    next_version(kind, name, row[0], expected)
    await connection.execute(QUERIES["delete_object"], kind, name)
