"""Configuration that lives in the store: accounts, keys, connectors, opt-outs. Jobs for a worker's thread."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import apsw

from heliograph.contracts import OptOutTrail
from heliograph.model import Account, Credential, Endpoint, OptOut
from heliograph.store.sqlite import counts
from heliograph.store.sqlite.administration import account_of, credentials, put_audit
from heliograph.store.sqlite.queries import ask, query, read_all, write_all
from heliograph.store.sqlite.salvage import configuration

__all__ = [
    "accounts",
    "add_opt_outs",
    "endpoints",
    "ensure_connectors",
    "first_opt_outs",
    "keys",
    "note_key_uses",
    "opt_outs",
    "remove_opt_outs",
    "webhooks_of",
]

_HOUR_US = 3_600_000_000


def accounts(db: apsw.Connection) -> list[Account]:
    return configuration(db, "accounts", "accounts", (), account_of)


def ensure_connectors(db: apsw.Connection, names: Sequence[str]) -> dict[str, int]:
    db.execute("BEGIN IMMEDIATE")
    known = dict(db.execute(query("connectors")))
    for name in names:
        if name not in known:
            db.execute(query("insert_connector"), (name,))
    known = dict(db.execute(query("connectors")))
    db.execute("COMMIT")
    return {name: known[name] for name in names}


def keys(db: apsw.Connection) -> list[Credential]:
    return credentials(db, "key")


def note_key_uses(db: apsw.Connection, prefixes: Sequence[str], at_us: int) -> None:
    db.execute("BEGIN IMMEDIATE")
    db.executemany(query("note_key_use"), [(prefix, at_us) for prefix in prefixes])
    db.execute("COMMIT")


def endpoints(db: apsw.Connection, account_id: int | None = None) -> list[Endpoint]:
    return configuration(db, "endpoints", "endpoints", (account_id,), _endpoint_of)


def webhooks_of(db: apsw.Connection, accounts: Sequence[int], after: tuple[int, str], limit: int) -> list[Endpoint]:
    asked = (json.dumps(list(accounts)), *after, limit)
    return configuration(db, "endpoints", "webhooks_of", asked, _endpoint_of)


def _endpoint_of(row: Any) -> Endpoint:
    (number, of, kind, url, events, secret, batch, position, created_us, deleted_us, tags, paused_us, old_secret,
     old_until_us) = row  # fmt: skip
    return Endpoint(
        id=number, account_id=of, kind=kind, url=url, events=tuple(json.loads(events)), secret=secret,
        batch=batch, position=position, created_us=created_us, deleted_us=deleted_us,
        tags=tuple(json.loads(tags)), paused_us=paused_us, old_secret=old_secret, old_until_us=old_until_us,
    )  # fmt: skip


def add_opt_outs(db: apsw.Connection, rows: Sequence[OptOut], told: OptOutTrail | None) -> int:
    db.execute("BEGIN IMMEDIATE")
    if told is not None:
        pairs = {(row.account_id, row.recipient) for row in rows}
        _tell(db, pairs - _opted_out(db, pairs), told)
    alike: dict[tuple[int, int], list[OptOut]] = {}
    for row in rows:
        alike.setdefault((row.created_us - row.created_us % _HOUR_US, row.account_id), []).append(row)
    counted = {
        key: write_all(db, "insert_optouts", [(o.account_id, o.recipient, o.created_us, o.source) for o in some])
        for key, some in alike.items()
    }
    added = sum(counted.values())
    if added:
        db.execute(query("bump_config"))
        counts.add_opt_outs(db, counted)
    db.execute("COMMIT")
    return added


def remove_opt_outs(db: apsw.Connection, pairs: Sequence[tuple[int, str]], told: OptOutTrail | None) -> int:
    db.execute("BEGIN IMMEDIATE")
    if told is not None:
        _tell(db, _opted_out(db, pairs), told)
    removed = write_all(db, "delete_optouts", pairs)
    if removed:
        db.execute(query("bump_config"))
    db.execute("COMMIT")
    return removed


def _opted_out(db: apsw.Connection, pairs: Iterable[tuple[int, str]]) -> set[tuple[int, str]]:
    return {(account_id, recipient) for account_id, recipient in read_all(db, "opted_out", sorted(pairs))}


def _tell(db: apsw.Connection, changed: set[tuple[int, str]], told: OptOutTrail) -> None:
    if changed:
        put_audit(db, told(sorted(changed)))


def opt_outs(db: apsw.Connection, account_id: int, after: str | None, limit: int) -> list[OptOut]:
    return _opt_outs_in(ask(db, "list_optouts", (account_id, after or "", limit)))


def first_opt_outs(db: apsw.Connection, accounts: Sequence[int], limit: int) -> list[OptOut]:
    return _opt_outs_in(ask(db, "first_optouts", (json.dumps(list(accounts)), limit)))


def _opt_outs_in(rows: Iterable[Any]) -> list[OptOut]:
    return [
        OptOut(account_id=of, recipient=recipient, created_us=created_us, source=source)
        for of, recipient, created_us, source in rows
    ]
