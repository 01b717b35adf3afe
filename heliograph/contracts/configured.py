"""The part of the store that processes read their configuration from; what changes it is in ``administration``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from heliograph.model import Account, Credential, Endpoint

__all__ = ["Configured"]


class Configured(Protocol):
    """Accounts, connectors' numbers, API keys and endpoints, and the secrets in them."""

    async def config_version(self) -> int:
        """Counts every change of accounts, keys, endpoints and opt-outs by any process."""
        ...

    async def accounts(self) -> list[Account]: ...

    async def ensure_connectors(self, names: Sequence[str]) -> dict[str, int]:
        """The number of each connector name, made where there is none (from 1)."""
        ...

    async def keys(self) -> list[Credential]: ...

    async def note_key_uses(self, prefixes: Iterable[str], at_us: int) -> None:
        """Keeps when keys were used last. No change of the configuration: nobody reads keys anew for it."""
        ...

    async def endpoints(self, account_id: int | None = None) -> list[Endpoint]:
        """Endpoints that are not deleted, their secrets opened. Raises ``SecretLocked``."""
        ...

    async def webhooks_of(
        self, accounts: Sequence[int], *, after: tuple[int, str] = (0, ""), limit: int
    ) -> list[Endpoint]:
        """Webhooks of these accounts, not deleted ones, by (``created_us``, id) behind ``after``; without secrets."""
        ...

    async def seal(self, *, every: bool = False) -> int:
        """Seals secrets that stand in clear, with ``every`` also those under another key than the present one.

        Gives how many endpoints it changed. Each of its steps stands by itself: it may be ended anywhere
        and called again. Nothing is sealed while a server runs that could not open it.
        """
        ...

    async def sealed_under(self) -> Mapping[str, int]:
        """Key id ("": in clear) → secrets of endpoints, deleted ones too."""
        ...
