"""Who a command's changes are said to be by."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from heliograph.access.actors import Actor
    from heliograph.contracts import Store

__all__ = ["command_actor", "tell"]


def command_actor() -> Actor:
    """The user of this terminal: an operator."""
    import getpass

    from heliograph.access.actors import Actor

    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in some containers
        user = "unknown"
    return Actor(kind="command", name=user)


async def tell(store: Store, action: str, kind: str, name: str, *, before: Any = None, after: Any = None) -> None:
    """Keeps in the audit log what a command did beside the configuration, to the store as a whole."""
    from heliograph.contracts import Administration

    now_us = time.time_ns() // 1000
    entry = command_actor().entry(now_us, action, kind, name, 0, before=before, after=after)
    await store.administer(Administration(at_us=now_us, audit=[entry]))
