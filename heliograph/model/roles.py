"""What people may do: a role is a name for scopes, on an account and everything below it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["ROLES", "scopes_of_role"]

_READ: Final = ("messages:read",)
_TEXTS: Final = ("messages:read", "inspect")
_SENDS: Final = ("messages:send", "messages:read", "inspect")

ROLES: Final[Mapping[str, tuple[str, ...]]] = {
    "owner": (*_SENDS, "webhooks", "accounts"),
    "developer": (*_SENDS, "webhooks"),
    "operator": (*_TEXTS, "webhooks"),
    "marketer": _SENDS,
    "viewer": _READ,
}
"""Role → scopes. None has ``admin``: who runs the house does that with a key of their own."""


def scopes_of_role(role: str) -> frozenset[str]:
    """What a role may do; nothing, for one that does not exist (any more)."""
    return frozenset(ROLES.get(role, ()))
