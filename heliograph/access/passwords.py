"""Passwords that people chose, and those of SMPP customers: argon2id, away from the event loop, a few at a time.

Source: RFC 9106; OWASP, Password Storage Cheat Sheet (read 2026-11-23).
"""

from __future__ import annotations

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from heliograph.errors import RequestRejected

__all__ = ["MEMORY_KIB", "MOST_PASSWORD_OCTETS", "PASSES", "Passwords", "Verdict"]

MEMORY_KIB: Final = 19_456
"""19 MiB: two at a time take no more than a small machine can spare."""
PASSES: Final = 2
_LANES: Final = 1
_SALT_OCTETS: Final = 16
_HASH_OCTETS: Final = 32

MOST_PASSWORD_OCTETS: Final = 1_024
"""A longer one is work for nothing: it is refused before it is hashed."""

_AT_ONCE: Final = 2
_MOST_WAITING: Final = 32
"""Some two seconds of work; who comes then is asked to come again."""


class Verdict:
    """Words of :meth:`Passwords.check`."""

    WRONG: Final = "wrong"
    RIGHT: Final = "right"
    OLD: Final = "old"
    """Right, and hashed with other parameters than today's: hash it again."""


class Passwords:
    """Hashes and checks. One object for a process; ``close`` it at its end."""

    def __init__(self, *, memory_kib: int = MEMORY_KIB, passes: int = PASSES) -> None:
        self._hasher = PasswordHasher(
            time_cost=passes,
            memory_cost=memory_kib,
            parallelism=_LANES,
            hash_len=_HASH_OCTETS,
            salt_len=_SALT_OCTETS,
        )
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="password")
        self._nobody: str | None = None
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """The text to keep: algorithm, parameters, salt and hash. Raises ``RequestRejected`` 503 under a flood."""
        return await self._away(password)

    async def check(self, password: str, kept: str | None) -> str:
        """One of :class:`Verdict`. ``kept`` None is a name that nobody has: the same work, and wrong.

        Raises ``RequestRejected`` 503 where too many wait.
        """
        return await self._away(password, kept, check=True)

    def close(self) -> None:
        """Ends the threads; what is under way is finished first."""
        self._pool.shutdown()

    async def _away(self, password: str, kept: str | None = None, *, check: bool = False) -> str:
        if self._waiting >= _AT_ONCE + _MOST_WAITING:
            raise RequestRejected(
                "overloaded", "Too many passwords are being checked: try again.", status=503, retry_after_s=2
            )
        self._waiting += 1
        work = asyncio.get_running_loop().run_in_executor(
            self._pool, *((self._check, password, kept) if check else (self._hash, password))
        )
        work.add_done_callback(self._done)
        return await asyncio.shield(work)

    def _done(self, work: asyncio.Future[str]) -> None:
        self._waiting -= 1
        if not work.cancelled():
            work.exception()  # nobody may be waiting for it any more

    def _hash(self, password: str) -> str:
        return self._hasher.hash(password)

    def _check(self, password: str, kept: str | None) -> str:
        nobodys = self._for_nobody()
        try:
            self._hasher.verify(kept or nobodys, password)
        except (Argon2Error, InvalidHashError):
            return Verdict.WRONG
        if kept is None:
            return Verdict.WRONG
        return Verdict.OLD if self._hasher.check_needs_rehash(kept) else Verdict.RIGHT

    def _for_nobody(self) -> str:
        """A hash of what nobody knows, made before the first check of any name: unknown takes as long as wrong."""
        if self._nobody is None:
            self._nobody = self._hasher.hash(secrets.token_hex(16))
        return self._nobody
