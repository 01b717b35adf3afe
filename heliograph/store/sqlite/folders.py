"""Names on the disk: a file that was made or renamed is found after a power cut once its folder was synced."""

from __future__ import annotations

import os

__all__ = ["sync_folder"]


def sync_folder(path: str) -> None:
    """Makes the names in the folder of ``path`` durable. Raises ``OSError``."""
    folder = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
