"""Configuration written with its trail: jobs for a worker's thread. Source: heliograph/contracts/administration.py"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import apsw
from msgspec.structs import astuple, replace

from heliograph.contracts import Administered, Administration, AuditFilter
from heliograph.errors import VersionConflict
from heliograph.model import Account, AuditEntry, ConfigObject, Credential
from heliograph.store.sqlite.queries import query, read_all, write_all
from heliograph.store.sqlite.rows import claim_of
from heliograph.store.sqlite.salvage import configuration
from heliograph.store.versions import MadeAccounts, configures, end_of, next_version

__all__ = [
    "account_of",
    "administer",
    "audit",
    "credential_of",
    "credentials",
    "every_credential",
    "objects",
    "open_publishable",
    "publishable",
    "publishable_of",
    "purge_audit",
    "put_audit",
]


def account_of(row: Any) -> Account:
    """An account from the columns of ``ACCOUNT``."""
    number, name, created_us, recipients, region, smart, national, parent_id, settings, version, closed_us = row
    return Account(
        id=number, name=name, created_us=created_us, recipients=recipients, default_region=region,
        smart_encoding=bool(smart), national_tables=bool(national), parent_id=parent_id,
        settings=json.loads(settings), version=version, closed_us=closed_us,
    )  # fmt: skip


def credential_of(row: Any) -> Credential:
    """A credential from the columns of ``CREDENTIAL``."""
    (number, account_id, prefix, digest, scopes, created_us, expires_us, revoked_us, name, addresses, last_used_us,
     kind, settings, version) = row  # fmt: skip
    return Credential(
        id=number, account_id=account_id, prefix=prefix, hash=digest, scopes=tuple(json.loads(scopes)),
        created_us=created_us, expires_us=expires_us, revoked_us=revoked_us, name=name,
        addresses=tuple(json.loads(addresses)), last_used_us=last_used_us, kind=kind, settings=json.loads(settings),
        version=version,
    )  # fmt: skip


def administer(db: apsw.Connection, change: Administration) -> Administered:
    """One transaction; the worker takes it back where this raises."""
    db.execute("BEGIN IMMEDIATE")
    if (claim := change.claim) is not None:
        if taken := read_all(db, "taken_claims", [(claim.account_id, claim.scope, claim.key, claim.created_us)]):
            db.execute("ROLLBACK")
            return Administered(taken=claim_of(taken[0]))
        write_all(db, "put_claims", [astuple(claim)])
    made = MadeAccounts()
    for account, expected in change.accounts:
        made.kept.append(_put_account(db, made.placed(account), expected))
    done = Administered(
        accounts=tuple(made.kept),
        credentials=tuple(_put_credential(db, *one) for one in change.credentials),
        objects=tuple(_put_object(db, made.owned(one), seen, change.at_us) for one, seen in change.objects),
    )
    for kind, name, expected in change.deleted:
        _delete_object(db, kind, name, expected)
    put_audit(db, [made.about(entry) for entry in change.audit])
    if configures(change):
        db.execute(query("bump_config"))
    db.execute("COMMIT")
    return done


def put_audit(db: apsw.Connection, entries: Iterable[AuditEntry]) -> None:
    """Adds entries to the trail, inside the transaction of what they tell of."""
    write_all(db, "insert_audit", [astuple(replace(entry, id=None)) for entry in entries])


def _put_account(db: apsw.Connection, account: Account, expected: int | None) -> Account:
    name, new = account.name, not account.id
    there = db.execute(query("account_version"), (account.id, name if new else None)).get
    if there is None and not new:
        raise VersionConflict("account", name, 0)
    version = next_version("account", name, there, expected, new=new)
    if new:
        db.execute(query("insert_account"), (name, account.created_us, *_settings_of(account)))
        account = replace(account, id=db.last_insert_rowid())
    else:
        db.execute(query("set_account"), (account.id, *_settings_of(account)))
    db.execute(query("place_account"), (account.id, account.parent_id, account.closed_us, version))
    return replace(account, version=version)


def _settings_of(account: Account) -> tuple[str, str | None, bool, bool, str]:
    """What every write of an account says."""
    return (
        account.recipients, account.default_region, account.smart_encoding, account.national_tables,
        json.dumps(dict(account.settings)),
    )  # fmt: skip


def _put_credential(db: apsw.Connection, one: Credential, expected: int | None) -> Credential:
    there, number = db.execute(query("credential_version"), (one.prefix,)).fetchone() or (None, 0)
    if one.id and there is None:
        raise VersionConflict("credential", one.prefix, 0)
    version = next_version("credential", one.prefix, there, expected, new=not one.id)
    kept = replace(one, id=number or None, version=version)
    values = list(astuple(kept))
    values[4], values[9], values[12] = json.dumps(one.scopes), json.dumps(one.addresses), json.dumps(dict(one.settings))
    db.execute(query("put_credential"), values)
    return replace(one, id=number or db.last_insert_rowid(), version=version)


def _put_object(db: apsw.Connection, one: ConfigObject, expected: int | None, at_us: int) -> ConfigObject:
    there, created_us = db.execute(query("object_version"), (one.kind, one.name)).fetchone() or (None, at_us)
    version = next_version(one.kind, one.name, there, expected)
    kept = replace(one, version=version, created_us=created_us, changed_us=at_us)
    db.execute(query("put_object"), astuple(kept))
    return kept


def _delete_object(db: apsw.Connection, kind: str, name: str, expected: int | None) -> None:
    there, _ = db.execute(query("object_version"), (kind, name)).fetchone() or (None, 0)
    if there is None:
        raise VersionConflict(kind, name, 0)
    next_version(kind, name, there, expected)
    db.execute(query("delete_object"), (kind, name))


def objects(db: apsw.Connection, kind: str | None) -> list[ConfigObject]:
    return [ConfigObject(**dict(zip(ConfigObject.__struct_fields__, row, strict=True)))
            for row in db.execute(query("objects"), (kind,))]  # fmt: skip


def credentials(db: apsw.Connection, kind: str) -> list[Credential]:
    return configuration(db, "keys", "credentials", (kind,), credential_of)


def every_credential(db: apsw.Connection) -> list[Credential]:
    return configuration(db, "keys", "every_credential", (), credential_of)


def logins(db: apsw.Connection, kind: str, name: str) -> list[Credential]:
    return configuration(db, "keys", "logins", (kind, name), credential_of)


def publishable(db: apsw.Connection, digest: bytes) -> Credential | None:
    return next(iter(configuration(db, "keys", "publishable", (digest,), credential_of)), None)


def publishable_of(db: apsw.Connection, account_id: int, begins: str, before: str, limit: int) -> list[Credential]:
    span = (account_id, begins, end_of(begins, before), limit)
    return configuration(db, "keys", "publishable_of", span, credential_of)


def open_publishable(db: apsw.Connection, account_id: int, now_us: int) -> int:
    count: int = db.execute(query("open_publishable"), (account_id, now_us)).get
    return count


def audit(db: apsw.Connection, asked: AuditFilter) -> list[AuditEntry]:
    wanted = astuple(asked)[1:]
    if asked.accounts is None:
        rows = db.execute(query("audit"), wanted)
    else:
        rows = db.execute(query("audit_of"), (*wanted, json.dumps(asked.accounts)))
    return [AuditEntry(**dict(zip(AuditEntry.__struct_fields__, row, strict=True))) for row in rows]


def purge_audit(db: apsw.Connection, before_us: int, limit: int) -> int:
    db.execute("BEGIN IMMEDIATE")
    db.execute(query("purge_audit"), (before_us, limit))
    dropped: int = db.changes()
    db.execute("COMMIT")
    return dropped
