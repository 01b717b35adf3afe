"""The one way in which configuration is written: versions, its trail and the idempotency key in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from msgspec import Struct, field

from heliograph.contracts.claims import Claim
from heliograph.model import Account, AuditEntry, ConfigObject, Credential

__all__ = ["NEW_ACCOUNT", "Administered", "Administration", "Administrative", "AuditFilter", "OptOutTrail", "Recorder"]

NEW_ACCOUNT: Final = 1 << 40
"""With its place in ``accounts`` added, the id of an account that the very change makes: as parent of accounts behind
it, and as account of objects and entries."""

Expected = int | None
"""The version that the writer has seen; 0: there must be none yet; None: whichever there is."""


class Administration(Struct, kw_only=True):
    """What is written together. An account or credential with ``id`` 0 is new.

    An account is found by its id, a credential by its ``prefix``, an object by kind and name. What the store gives
    (ids, versions, ``created_us`` and ``changed_us`` of objects) is not read from the values.
    """

    at_us: int
    accounts: list[tuple[Account, Expected]] = field(default_factory=list)
    credentials: list[tuple[Credential, Expected]] = field(default_factory=list)
    objects: list[tuple[ConfigObject, Expected]] = field(default_factory=list)
    deleted: list[tuple[str, str, Expected]] = field(default_factory=list)
    """(kind, name, version) of objects that end."""
    audit: list[AuditEntry] = field(default_factory=list)
    claim: Claim | None = None


class Administered(Struct, frozen=True, kw_only=True):
    """What was written, in the order asked, with ids and versions.

    ``taken``: the claim was somebody's already, and nothing was written.
    """

    accounts: tuple[Account, ...] = ()
    credentials: tuple[Credential, ...] = ()
    objects: tuple[ConfigObject, ...] = ()
    taken: Claim | None = None


class AuditFilter(Struct, frozen=True, kw_only=True):
    """Entries to read, newest first: None is any. ``before_id`` goes on behind a page; at most ``limit``."""

    accounts: tuple[int, ...] | None = None
    actor: str | None = None
    action: str | None = None
    object_kind: str | None = None
    object_name: str | None = None
    outcome: str | None = None
    from_us: int = 0
    before_us: int = 1 << 62
    before_id: int = 1 << 62
    limit: int = 100


OptOutTrail = Callable[[Sequence[tuple[int, str]]], Sequence[AuditEntry]]
"""Words entries of the trail for (account_id, recipient) that changed; quick, without effects, in any thread."""


class Recorder(Protocol):
    """Words the entry that the trail keeps of a change, for somebody. ``before`` and ``after`` hold no secret."""

    def __call__(
        self, at_us: int, action: str, kind: str, name: str, account_id: int, *, before: Any = None, after: Any = None
    ) -> AuditEntry: ...


class Administrative(Protocol):
    """The part of the store that keeps configuration."""

    async def administer(self, change: Administration) -> Administered:
        """All of ``change`` in one transaction; every process reads its configuration anew within 2 s, unless
        publishable tokens are all that it changes: those are read when they are used.

        Raises :class:`~heliograph.errors.VersionConflict`, with nothing written, where something has another version
        than expected, is not there, or has a name or prefix that is in use.
        """
        ...

    async def objects(self, kind: str | None = None) -> list[ConfigObject]:
        """Objects of a kind, or all, by kind and name."""
        ...

    async def credentials(self, kind: str) -> list[Credential]:
        """Credentials of a kind (``key`` is that of API keys), revoked ones too, oldest first."""
        ...

    async def logins(self, kind: str, name: str) -> list[Credential]:
        """Credentials of the kind ``person`` or ``smpp`` that are called this, ended ones too, oldest first.

        A person's prefix is ``ACCOUNT_ID:NAME``, so several can have one name; what an SMPP customer is called is its
        prefix.
        """
        ...

    async def audit(self, asked: AuditFilter) -> list[AuditEntry]:
        """Entries of the trail, newest first."""
        ...

    async def purge_audit(self, before_us: int, limit: int) -> int:
        """Drops up to ``limit`` of the oldest entries that are older; gives how many."""
        ...
