"""What is wanted of what the store declares, and what that makes different: values, without secrets to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from heliograph.access.documents import is_sealed
from heliograph.config.stored import KEPT, Key, SaidAccount, Table, name_of
from heliograph.model import LimitSet

__all__ = ["Change", "Difference", "differences", "hidden"]


class Change(Struct, frozen=True, kw_only=True):
    """What is wanted. ``tables`` are written, ``deleted`` end; ``whole``: everything else that the store has ends, too,

    but for accounts, which never end, and limits of keys, which stay with their keys.

    ``expected``: the versions that the writer has seen (0: it must not be there; None: whichever there is).
    """

    tables: Sequence[Table] = ()
    accounts: Mapping[str, SaidAccount] = {}
    limits: Mapping[str, LimitSet] = {}
    deleted: Sequence[Key] = ()
    whole: bool = False
    expected: Mapping[Key, int | None] = {}

    def named(self) -> Change:
        """The same, with names as they are kept. Raises ``ConfigError`` for what cannot be one."""
        return replace(
            self,
            tables=[Table(one.kind, name_of(one.kind, one.name), one.values) for one in self.tables],
            deleted=[(kind, name_of(kind, name)) for kind, name in self.deleted],
            expected={(kind, name_of(kind, name)): version for (kind, name), version in self.expected.items()},
        )


class Difference(Struct, frozen=True, kw_only=True):
    """What a change does to one of them: ``create``, ``change`` or ``delete``. A secret says only that it is set."""

    action: str
    kind: str
    name: str
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    version: int = 0
    """What it has since; 0 for what ended, and before it is written."""


def differences(before: Mapping[Key, Table], after: Mapping[Key, Table]) -> list[Difference]:
    """By kind and name; nothing for what stays as it is."""
    found = []
    for key in sorted({*before, *after}):
        old, new = before.get(key), after.get(key)
        if old is not None and new is not None and old.values == new.values:
            continue
        action = "create" if old is None else "delete" if new is None else "change"
        found.append(
            Difference(
                action=action,
                kind=key[0],
                name=key[1],
                before=None if old is None else hidden(old),
                after=None if new is None else hidden(new, old),
            )
        )
    return found


def hidden(table: Table, before: Table | None = None) -> dict[str, Any]:
    """The values of a table; a sealed secret only says that it is set, and whether it is another than ``before``."""
    values = dict(table.values)
    for key, value in table.values.items():
        if is_sealed(value):
            changed = before is not None and before.values.get(key) != value
            values[key] = {**KEPT, "changed": True} if changed else dict(KEPT)
    return values
