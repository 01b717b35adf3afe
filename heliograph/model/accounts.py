"""Accounts, keys, and the configured ways to carriers, as values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

__all__ = [
    "CUSTOMER_SCOPES",
    "SCOPES",
    "Account",
    "Credential",
    "Number",
    "OptOut",
    "Route",
    "is_sandbox",
    "sandbox_of",
]

CUSTOMER_SCOPES = ("messages:send", "messages:read", "inspect", "webhooks")
"""Everything that a customer may do: the default of a new key."""

SCOPES = (*CUSTOMER_SCOPES, "verify", "keys", "accounts", "routes:read", "metrics:read", "admin")
"""``keys`` is no default: a key that can make keys outlives its own end. Nothing asks for ``verify`` yet."""


class Account(Struct, frozen=True, kw_only=True):
    """Who sends. ``recipients`` is ``valid`` or ``possible``; ``default_region`` an ISO 3166 code or None.

    ``smart_encoding``: look-alikes of GSM-7 characters may be replaced; ``national_tables``: texts may leave in
    national language tables, where the connector takes them. ``parent_id``: the account above it; ``settings``: what it
    says itself, by the names of the settings; ``closed_us``: since when its keys are refused.
    """

    id: int
    name: str
    created_us: int = 0
    recipients: str = "valid"
    default_region: str | None = None
    smart_encoding: bool = True
    national_tables: bool = False
    parent_id: int | None = None
    settings: Mapping[str, Any] = {}
    version: int = 1
    closed_us: int | None = None

    @property
    def is_sandbox(self) -> bool:
        """Whether this is the sandbox of the account that has the name."""
        return is_sandbox(self.id)


def is_sandbox(account_id: int) -> bool:
    """Whether rows of this account belong to a sandbox: the side of a row is the sign of its account's number.

    Source: docs/explanation/design/0041-sandbox.md
    """
    return account_id < 0


def sandbox_of(account: Account) -> Account:
    """The sandbox of an account: an account of its own, with the same name and settings."""
    return replace(account, id=-account.id)


class Credential(Struct, frozen=True, kw_only=True):
    """A credential, never recoverable. Of an API key ``hash`` is the SHA-256 of its text, ``prefix`` its start.

    Other kinds (``person``, ``smpp``, ``publishable``) keep the name by which they are found in ``prefix``, and in
    ``hash`` what their secret is checked with; ``settings`` hold what only their kind has.

    ``addresses``: ranges (CIDR) from which it may be used, empty is anywhere. ``last_used_us`` is true to the minute.
    """

    id: int
    account_id: int
    prefix: str
    hash: bytes
    scopes: tuple[str, ...]
    created_us: int
    expires_us: int | None = None
    revoked_us: int | None = None
    name: str = ""
    addresses: tuple[str, ...] = ()
    last_used_us: int | None = None
    kind: str = "key"
    settings: Mapping[str, Any] = {}
    version: int = 1


class Number(Struct, frozen=True, kw_only=True):
    """A long number or short code that people reply to. ``connectors`` empty means any."""

    number: str
    account_id: int
    connectors: tuple[int, ...] = ()


class Route(Struct, frozen=True, kw_only=True):
    """Prefixes (digits of E.164 without ``+``; ``""`` is all) and accounts (empty: all) to connectors, in order."""

    name: str
    prefixes: tuple[str, ...]
    connectors: tuple[int, ...]
    accounts: tuple[int, ...] = ()


class OptOut(Struct, frozen=True, kw_only=True):
    """A recipient that an account may not write to."""

    account_id: int
    recipient: str
    created_us: int
    source: str = "command"
