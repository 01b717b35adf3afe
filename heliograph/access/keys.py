"""API keys: 256 random bits behind a readable prefix, shown once, kept as a hash, found in memory."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable

from msgspec import Struct

from heliograph.contracts import Store
from heliograph.errors import ConfigError, ConfigFault
from heliograph.model import CUSTOMER_SCOPES, SCOPES, Account, ApiKey

__all__ = ["KeyRing", "Principal", "check_scopes", "make_key"]

_PREFIX_CHARACTERS = 16
_MOST_CHARACTERS = 128


class Principal(Struct, frozen=True):
    """Who is calling: an account, by one of its keys. ``key`` is the key's readable prefix."""

    account: Account
    scopes: frozenset[str]
    key: str
    expires_us: int | None = None


def make_key(
    account_id: int, scopes: tuple[str, ...] = CUSTOMER_SCOPES, *, now_us: int, expires_us: int | None = None
) -> tuple[str, ApiKey]:
    """A new key: its text, which nobody can read again, and what is kept of it."""
    text = "hg_live_" + secrets.token_hex(32)
    key = ApiKey(
        id=0,
        account_id=account_id,
        prefix=text[:_PREFIX_CHARACTERS],
        hash=hashlib.sha256(text.encode()).digest(),
        scopes=scopes,
        created_us=now_us,
        expires_us=expires_us,
    )
    return text, key


def check_scopes(scopes: tuple[str, ...]) -> None:
    """Raises ``ConfigError`` naming every scope that does not exist."""
    faults = [
        ConfigFault("--scopes", f"there is no scope {scope}", f"choose from {', '.join(SCOPES)}")
        for scope in scopes
        if scope not in SCOPES
    ]
    if faults:
        raise ConfigError(faults)


class KeyRing:
    """Every key that may be used, by the hash of its text; read anew when the configuration changed."""

    def __init__(self, store: Store, now_us: Callable[[], int]) -> None:
        self._store = store
        self._now_us = now_us
        self._principals: dict[bytes, Principal] = {}
        self._version = -1

    async def refresh(self) -> bool:
        """Reads keys and accounts again if any process changed them; True when it did."""
        version = await self._store.config_version()
        if version == self._version:
            return False
        accounts = {account.id: account for account in await self._store.accounts()}
        self._principals = {
            key.hash: Principal(accounts[key.account_id], frozenset(key.scopes), key.prefix, key.expires_us)
            for key in await self._store.keys()
            if key.revoked_us is None and key.account_id in accounts
        }
        self._version = version
        return True

    def find(self, token: str) -> Principal | None:
        """Whose key this is; None for one that is unknown, revoked or expired."""
        if len(token) > _MOST_CHARACTERS:
            return None
        principal = self._principals.get(hashlib.sha256(token.encode()).digest())
        if principal is None or principal.expires_us is None:
            return principal
        return principal if principal.expires_us > self._now_us() else None
