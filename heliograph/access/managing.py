"""Accounts made and changed: names, places in the tree and bounds, the same for requests and commands."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from heliograph.access.accounts import Accounts
from heliograph.errors import RequestRejected
from heliograph.model import Account
from heliograph.rules.accountwords import faults_of
from heliograph.rules.inheritance import INHERITED, said_by, saying
from heliograph.rules.tree import misplaced

__all__ = [
    "INHERIT",
    "MOST_NAME_CHARACTERS",
    "NAME",
    "changed_account",
    "new_account",
    "shown_account",
]

MOST_NAME_CHARACTERS: Final = 64
"""Of the whole name, with the names of those above it."""
INHERIT: Final = object()
"""Stands for a setting that an account does not say (any more)."""
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
"""An account's own name, without those above it."""


def new_account(
    accounts: Accounts, name: str, parent: Account | None, words: Mapping[str, Any], *, now_us: int
) -> Account:
    """An account to be kept: ``name`` is its own, before which stand its parent's and a dot.

    So no name tells, by being taken, of accounts elsewhere. Raises ``RequestRejected``.
    """
    if not NAME.fullmatch(name):
        raise _bad("name", "must have letters, digits, _ and - alone, and begin with a letter or digit")
    whole = name if parent is None else f"{parent.name}.{name}"
    if len(whole) > MOST_NAME_CHARACTERS:
        raise _bad("name", f"must be shorter: {whole[:20]}… has more than {MOST_NAME_CHARACTERS} characters")
    if whole in accounts.named:
        raise RequestRejected(
            "conflict", f"There is an account {whole} already: choose another name.", field="name", status=409
        )
    _check_place(accounts, parent)
    words = {name: value for name, value in words.items() if value is not INHERIT}
    _check_words(words)
    made = Account(id=0, name=whole, created_us=now_us, parent_id=None if parent is None else parent.id)
    return saying(made, words)


def changed_account(
    account: Account, changes: Mapping[str, Any], *, closed: bool | None = None, now_us: int
) -> Account:
    """The account with these settings, None for those that it shall take over again; closed, or open again.

    Raises ``RequestRejected``.
    """
    words = {name: value for name, value in {**said_by(account), **changes}.items() if value is not INHERIT}
    _check_words(words)
    made = saying(account, words)
    if closed is None:
        return made
    return replace(made, closed_us=(account.closed_us or now_us) if closed else None)


def shown_account(account: Account) -> dict[str, Any]:
    """An account as the trail keeps it."""
    return {"settings": dict(said_by(account)), "closed": account.closed_us is not None}


def _check_place(accounts: Accounts, parent: Account | None) -> None:
    tree = accounts.tree
    if parent is None:
        tops = sum(1 for one in accounts.kept.values() if one.parent_id is None)
        wrong = misplaced(level=1, below=0, tops=tops + 1)
    elif accounts.open(parent.id) is None:
        wrong = f"the account {parent.name} is closed", "open it first"
    else:
        top = (parent.id, *tree.above(parent.id))[-1]
        wrong = misplaced(level=tree.level(parent.id) + 1, below=len(tree.below(top)) + 1, tops=0)
    if wrong is not None:
        what, remedy = wrong
        raise RequestRejected("conflict", f"{what[0].upper()}{what[1:]}: {remedy}.", status=409)


def _check_words(words: Mapping[str, Any]) -> None:
    for name, what, remedy in faults_of(words):
        raise RequestRejected("field_invalid", f"{name}: {what}: give {remedy}.", field=f"settings.{name}")
    assert words.keys() <= INHERITED.keys()


def _bad(field: str, what: str) -> RequestRejected:
    return RequestRejected("field_invalid", f"{field} {what}.", field=field)
