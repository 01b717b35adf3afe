"""The schema's version, and the numbered files that lead to it."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import apsw

from heliograph.errors import StoreOutdated

__all__ = ["NEWEST", "apply", "refuse_newer", "version_of"]


@cache
def _migrations() -> dict[int, str]:
    """Number → text of the file ``NNNN_….sql``."""
    folder = files(__package__).joinpath("migrations")
    return {
        int(file.name.partition("_")[0]): file.read_text("utf-8")
        for file in folder.iterdir()
        if file.name.endswith(".sql")
    }


NEWEST = max(_migrations())
"""The version that this program writes."""


def version_of(db: apsw.Connection) -> int:
    """The version of the file; 0 when it is empty."""
    version: int = db.execute("PRAGMA user_version").get
    return version


def refuse_newer(version: int, path: str) -> None:
    """Raises :class:`StoreOutdated` for a file that a later program wrote."""
    if version > NEWEST:
        raise StoreOutdated(
            f"{path} has schema {version}, this program knows {NEWEST}: run the newer heliograph, "
            f"or restore the backup that was made before the change ({path}.before-…)"
        )


def apply(db: apsw.Connection) -> tuple[int, int]:
    """Brings the file to :data:`NEWEST` in one transaction: (version before, version after)."""
    db.execute("BEGIN IMMEDIATE")
    before = version_of(db)  # again under the lock: another process may have been quicker
    for number in sorted(_migrations()):
        if number > before:
            db.execute(_migrations()[number])
    after = max(before, NEWEST)
    db.execute(f"PRAGMA user_version = {after}")
    db.execute("COMMIT")
    return before, after
