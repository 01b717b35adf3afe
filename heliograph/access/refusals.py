"""Refusals in the audit log, so few that a flood of them fills nothing.

The same refusal is written when it comes first, then once a minute with how often it came.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from heliograph.contracts import Administration, Store
from heliograph.model import AuditEntry

__all__ = ["MOST_KINDS", "MOST_OF_ONE", "Refusals"]

MOST_KINDS: Final = 64
"""Different refusals in a minute; what comes beside them is counted together."""

MOST_OF_ONE: Final = 32
"""Of them by one actor, whose others are counted together: nobody hides what is refused to somebody else."""

_AGAIN_US: Final = 60_000_000
_Kind = tuple[str, str, str, str]
_OTHERS: Final = AuditEntry(
    at_us=0,
    actor="heliograph",
    actor_kind="system",
    action="refuse",
    object_kind="refusals",
    object_name="others",
    outcome="refused",
)


class _Told:
    """One refusal: ``entry`` as it came last, how often since it was written, and when that was."""

    __slots__ = ("count", "detail", "entry", "written_us")

    def __init__(self) -> None:
        self.count = 0
        self.written_us = -_AGAIN_US
        self.entry = _OTHERS
        self.detail: dict[str, Any] = {}


class Refusals:
    """Collects refusals, and writes them when :meth:`write` is called, every second or so."""

    def __init__(self, store: Store, now_us: Callable[[], int]) -> None:
        self._store = store
        self._now_us = now_us
        self._told: dict[_Kind, _Told] = {}
        self._others = 0

    def note(self, entry: AuditEntry, **detail: Any) -> None:
        """``entry`` was refused; ``detail`` (plain values without a secret) stands in its ``after``."""
        kind = (entry.actor, entry.action, entry.object_kind, entry.object_name)
        told = self._told.get(kind)
        if told is None and sum(one[0] == entry.actor for one in self._told) >= MOST_OF_ONE:
            entry = replace(entry, object_kind=_OTHERS.object_kind, object_name=_OTHERS.object_name)
            kind, detail = (entry.actor, entry.action, entry.object_kind, entry.object_name), {}
            told = self._told.get(kind)
        if told is None:
            if len(self._told) >= MOST_KINDS:
                self._others += 1
                return
            told = self._told[kind] = _Told()
        told.count += 1
        told.entry, told.detail = entry, detail

    def refused(
        self, actor: str, actor_kind: str, peer: str | None, kind: str, name: str, *, account_id: int, **detail: str
    ) -> None:
        """Somebody known, at ``peer``, may not do something, for want of the ``kind`` ``name``."""
        entry = AuditEntry(
            at_us=self._now_us(),
            actor=actor,
            actor_kind=actor_kind,
            address=peer,
            action="refuse",
            object_kind=kind,
            object_name=name,
            account_id=abs(account_id),  # of a sandbox: its account
            outcome="refused",
        )
        self.note(entry, **detail)

    def locked(self, what: str, name: str, for_s: int) -> None:
        """An ``address``, a ``name`` or ``everybody`` was locked after wrong credentials."""
        entry = AuditEntry(
            at_us=self._now_us(),
            actor="heliograph",
            actor_kind="system",
            address=name if what == "address" else None,
            action="lock",
            object_kind=what,
            object_name=name,
            outcome="refused",
        )
        self.note(entry, for_s=for_s)

    async def write(self, *, at_once: bool = False) -> None:
        """Writes what is due, or everything. Raises ``StoreError``; nothing is lost then."""
        now_us = self._now_us()
        ripe = [one for one in self._told.values() if at_once or now_us - one.written_us >= _AGAIN_US]
        due = [(one, one.count) for one in ripe if one.count]
        others = self._others if at_once or due else 0
        entries = [_worded(one.entry, count, one.detail) for one, count in due]
        if others:
            entries.append(_worded(replace(_OTHERS, at_us=now_us), others, {}))
        before = [one.written_us for one, _ in due]
        for one, count in due:  # before it is written: whoever writes beside this tells them no second time
            one.count -= count
            one.written_us = now_us
        self._others -= others
        try:
            if entries:
                await self._store.administer(Administration(at_us=now_us, audit=entries))
        except BaseException:
            for (one, count), written_us in zip(due, before, strict=True):
                one.count += count
                one.written_us = written_us
            self._others += others
            raise
        self._told = {kind: one for kind, one in self._told.items() if one.count or now_us - one.written_us < _AGAIN_US}


def _worded(entry: AuditEntry, count: int, detail: dict[str, Any]) -> AuditEntry:
    return replace(entry, after=msgspec.json.encode({**detail, "count": count}).decode())
