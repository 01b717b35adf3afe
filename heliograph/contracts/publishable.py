"""Tokens for browsers in the store: rows of credentials that no process holds in memory.

They are written and revoked by ``administer``, which counts no change of the configuration for them.
Source: docs/explanation/design/0052-publishable-tokens.md
"""

from __future__ import annotations

from typing import Protocol

from heliograph.model import Credential

__all__ = ["PUBLISHABLE", "PublishableTokens"]

PUBLISHABLE = "publishable"
"""Their kind of credential."""


class PublishableTokens(Protocol):
    """The part of the store that finds them, each by an index."""

    async def publishable(self, hash: bytes) -> Credential | None:
        """The one whose text has this SHA-256, expired and revoked ones too."""
        ...

    async def publishable_of(self, account_id: int, *, begins: str, before: str, limit: int) -> list[Credential]:
        """Those of an account, by ``prefix`` from the greatest: it begins with ``begins`` and, unless ``before``
        is empty, is less than that."""
        ...

    async def open_publishable(self, account_id: int, now_us: int) -> int:
        """How many of an account are neither revoked nor expired."""
        ...
