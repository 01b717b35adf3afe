"""Who a command's changes are said to be by."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from heliograph.access.actors import Actor

__all__ = ["command_actor"]


def command_actor() -> Actor:
    """The user of this terminal: an operator."""
    import getpass

    from heliograph.access.actors import Actor

    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in some containers
        user = "unknown"
    return Actor(kind="command", name=user)
