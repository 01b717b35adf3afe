"""Configuration that lives in the store, and the trail of its changes."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["AuditEntry", "ConfigObject"]


class ConfigObject(Struct, frozen=True, kw_only=True):
    """Something that is configured: a connector, a route, a number, limits, an issuer, …

    ``(kind, name)`` is unique; ``account_id`` 0 is the operator's. ``document`` is a JSON object without secrets in
    clear. ``version`` counts from 1 and is given by the store.
    """

    kind: str
    name: str
    document: str
    account_id: int = 0
    version: int = 0
    created_us: int = 0
    changed_us: int = 0


class AuditEntry(Struct, frozen=True, kw_only=True):
    """Who did what to which object, from where. Written with the change, never changed, never with a secret.

    ``actor_kind`` is ``key``, ``person``, ``smpp``, ``token``, ``publishable``, ``command``, ``file`` or ``system``;
    ``account_id`` is whom it concerns (0: the operator alone). ``before`` and ``after`` are JSON, None where there was
    nothing. ``id`` rises and is given by the store.
    """

    at_us: int
    actor: str
    action: str
    object_kind: str
    object_name: str
    id: int = 0
    account_id: int = 0
    actor_kind: str = "command"
    address: str | None = None
    outcome: str = "done"
    before: str | None = None
    after: str | None = None
