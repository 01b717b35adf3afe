"""Versions of what is configured, decided alike by every store."""

from __future__ import annotations

from heliograph.contracts import PUBLISHABLE, Administration
from heliograph.errors import VersionConflict

__all__ = ["configures", "end_of", "next_version"]


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
