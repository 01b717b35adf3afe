"""Versions of what is configured, decided alike by every store."""

from __future__ import annotations

from heliograph.errors import VersionConflict

__all__ = ["next_version"]


def next_version(kind: str, name: str, there: int | None, expected: int | None, *, new: bool = False) -> int:
    """The version that is written where ``there`` is the one there is (None: none), and ``expected`` the writer's.

    ``new``: there must be none. Raises ``VersionConflict``.
    """
    wanted = 0 if new else expected
    if wanted is not None and wanted != (there or 0):
        raise VersionConflict(kind, name, there or 0)
    return (there or 0) + 1
