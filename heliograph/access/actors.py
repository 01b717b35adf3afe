"""Who changes what is configured, and the entry that the trail keeps of it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from heliograph.access.principals import Principal
from heliograph.errors import RequestRejected
from heliograph.model import AuditEntry

__all__ = ["OPERATOR_SCOPE", "Actor"]

OPERATOR_SCOPE: Final = "admin"
"""Who has it acts for every account."""

_MOST_CHARACTERS: Final = 4_096
"""Of one side of a change in the trail: what is longer is told by its length."""


class Actor(Struct, frozen=True, kw_only=True):
    """Somebody who changes configuration. ``account_id`` None is an operator, for whom there are no bounds.

    ``kind`` and ``name`` are as :class:`~heliograph.model.AuditEntry` has them; ``address`` is where the request
    came from. ``scopes``, ``expires_us`` and ``ranges`` bound what a customer may hand on.
    """

    kind: str
    name: str
    address: str | None = None
    account_id: int | None = None
    scopes: frozenset[str] = frozenset()
    expires_us: int | None = None
    ranges: tuple[str, ...] = ()
    below: frozenset[int] = frozenset()
    """Accounts below its own that it acts for, too."""

    @classmethod
    def of(cls, principal: Principal, address: str | None, below: Iterable[int] = ()) -> Actor:
        """Who has this key, at this address, and acts for the accounts ``below``, too."""
        if OPERATOR_SCOPE in principal.scopes:
            return cls(kind=principal.kind, name=principal.key, address=address)
        return cls(
            kind=principal.kind,
            name=principal.key,
            address=address,
            account_id=principal.account.id,
            scopes=principal.scopes,
            expires_us=principal.expires_us,
            ranges=() if principal.allowed is None else principal.allowed.ranges,
            below=frozenset(below),
        )

    def may_touch(self, account_id: int) -> bool:
        """Whether something of this account is there for the actor at all."""
        return self.account_id is None or self.account_id == account_id or account_id in self.below

    def check_scopes(self, scopes: Sequence[str], field: str = "scopes") -> None:
        """Nobody hands on what they may not do themselves. Raises ``RequestRejected`` (403)."""
        missing = [] if self.account_id is None else [one for one in scopes if one not in self.scopes]
        if missing:
            raise RequestRejected(
                "forbidden",
                f"Your key lacks {', '.join(missing)}, so it can neither give nor touch that: let the operator do it.",
                field=field,
                status=403,
            )

    def bounded_ranges(self, wanted: tuple[str, ...]) -> tuple[str, ...]:
        """From where a key that the actor makes may be used: never from outside its own ranges (422)."""
        if self.account_id is None or not self.ranges:
            return wanted
        if outside := [one for one in wanted if not any(_within(one, mine) for mine in self.ranges)]:
            raise RequestRejected(
                "field_invalid",
                f"{outside[0]} is outside the addresses of your own key: {', '.join(self.ranges)}.",
                field="addresses",
            )
        return wanted or self.ranges

    def bounded_end(self, wanted_us: int | None) -> int | None:
        """When a key that the actor makes ends: never after its own."""
        if self.account_id is None or self.expires_us is None:
            return wanted_us
        return self.expires_us if wanted_us is None else min(wanted_us, self.expires_us)

    def entry(
        self, at_us: int, action: str, kind: str, name: str, account_id: int, *, before: Any = None, after: Any = None
    ) -> AuditEntry:
        """What the trail keeps. ``before`` and ``after`` are plain values without a secret."""
        return AuditEntry(
            at_us=at_us,
            actor=self.name,
            actor_kind=self.kind,
            address=self.address,
            action=action,
            object_kind=kind,
            object_name=name,
            account_id=abs(account_id),  # of a sandbox: its account
            before=_words(before),
            after=_words(after),
        )


def _within(inner: str, outer: str) -> bool:
    one, other = ipaddress.ip_network(inner), ipaddress.ip_network(outer)
    return one.version == other.version and one.subnet_of(other)  # type: ignore[arg-type]


def _words(value: Any) -> str | None:
    if value is None:
        return None
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _MOST_CHARACTERS else msgspec.json.encode({"characters": len(text)}).decode()
