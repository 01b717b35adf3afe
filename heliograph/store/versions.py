"""Versions of what is configured, decided alike by every store."""

from __future__ import annotations

from msgspec.structs import replace

from heliograph.contracts import NEW_ACCOUNT, PUBLISHABLE, Administration
from heliograph.errors import VersionConflict
from heliograph.model import Account, AuditEntry, ConfigObject

__all__ = ["MadeAccounts", "configures", "end_of", "next_version"]


class MadeAccounts:
    """Accounts of one change, in its order: what stands for those that it makes, and their ids in its place."""

    def __init__(self) -> None:
        self.kept: list[Account] = []

    def placed(self, account: Account) -> Account:
        """The account under its parent."""
        parent_id = account.parent_id
        if parent_id is None or parent_id < NEW_ACCOUNT:
            return account
        return replace(account, parent_id=self._id(parent_id))

    def owned(self, one: ConfigObject) -> ConfigObject:
        """The object with its account."""
        return one if one.account_id < NEW_ACCOUNT else replace(one, account_id=self._id(one.account_id))

    def about(self, entry: AuditEntry) -> AuditEntry:
        """The entry with the account that it is about."""
        return entry if entry.account_id < NEW_ACCOUNT else replace(entry, account_id=self._id(entry.account_id))

    def _id(self, stand_in: int) -> int:
        return self.kept[stand_in - NEW_ACCOUNT].id


def configures(change: Administration) -> bool:
    """Whether processes must read what they hold in memory again: that's everything but publishable tokens."""
    held = any(one.kind != PUBLISHABLE for one, _ in change.credentials)
    return held or bool(change.accounts or change.objects or change.deleted)


def next_version(kind: str, name: str, there: int | None, expected: int | None, *, new: bool = False) -> int:
    """The version that is written where ``there`` is the one there is (None: none), and ``expected`` the writer's.

    ``new``: there must be none. Raises ``VersionConflict``.
    """
    wanted = 0 if new else expected
    if wanted is not None and wanted != (there or 0):
        raise VersionConflict(kind, name, there or 0)
    return (there or 0) + 1


def end_of(begins: str, before: str) -> str:
    """What names that begin so, and are less than ``before`` where that is not empty, are less than.

    Names have letters, digits and underscores.
    """
    end = begins + "~"
    return min(before, end) if before else end
