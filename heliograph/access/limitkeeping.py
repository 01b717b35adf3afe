"""Limits as they are managed: set and removed for accounts and keys, each with its entry in the trail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from heliograph.access.accounts import Accounts
from heliograph.access.actors import Actor
from heliograph.access.limiting import LIMIT, limits_in
from heliograph.contracts import Administration, Store
from heliograph.errors import RequestRejected, VersionConflict
from heliograph.model import ConfigObject, LimitSet
from heliograph.rules.limitwords import fault_of

__all__ = ["LimitKeeper"]

_KINDS: Final = ("account", "key")


class LimitKeeper:
    """Every method raises ``RequestRejected`` for what the actor may not, and ``VersionConflict``.

    An actor that is no operator sees what holds for its own account and those below, and sets what holds below.
    """

    def __init__(self, store: Store, now_us: Callable[[], int]) -> None:
        self._store = store
        self._now_us = now_us

    async def list(self, actor: Actor) -> list[ConfigObject]:
        """Limits that the actor may see, by name."""
        accounts = Accounts(await self._store.accounts())
        return [one for one in await self._store.objects(LIMIT) if accounts.sees(actor.account_id, one.account_id)]

    async def get(self, actor: Actor, name: str) -> ConfigObject:
        """The limits of ``account:NAME`` or ``key:ID``."""
        for one in await self.list(actor):
            if one.name == name:
                return one
        raise RequestRejected("not_found", "There are no limits of this name: GET /v1/limits lists them.", status=404)

    async def put(
        self, actor: Actor, name: str, limits: LimitSet, expected: int | None = None, *, dry_run: bool = False
    ) -> tuple[ConfigObject | None, ConfigObject]:
        """These limits from now on; gives what was there, and what is (or would be)."""
        owner = await self._owner(actor, name)
        _check(limits)
        before = next((one for one in await self._store.objects(LIMIT) if one.name == name), None)
        version = 0 if before is None else before.version
        if expected is not None and expected != version:
            raise VersionConflict("limit", name, version)
        document = msgspec.json.encode(limits).decode()
        wanted = ConfigObject(kind=LIMIT, name=name, document=document, account_id=owner, version=version)
        if dry_run:
            return before, wanted
        now_us = self._now_us()
        entry = actor.entry(
            now_us,
            "create" if before is None else "change",
            LIMIT,
            name,
            owner,
            before=None if before is None else limits_in(before),
            after=limits,
        )
        done = await self._store.administer(Administration(at_us=now_us, objects=[(wanted, version)], audit=[entry]))
        return before, done.objects[0]

    async def remove(
        self, actor: Actor, name: str, expected: int | None = None, *, dry_run: bool = False
    ) -> ConfigObject:
        """Without limits from now on; gives those that held."""
        before = await self.get(actor, name)
        await self._owner(actor, name, gone=True)
        version = before.version if expected is None else expected
        if version != before.version:
            raise VersionConflict("limit", name, before.version)
        if not dry_run:
            now_us = self._now_us()
            entry = actor.entry(now_us, "delete", LIMIT, name, before.account_id, before=limits_in(before))
            await self._store.administer(Administration(at_us=now_us, deleted=[(LIMIT, name, version)], audit=[entry]))
        return before

    async def _owner(self, actor: Actor, name: str, *, gone: bool = False) -> int:
        """The account of what is to be limited, where the actor may. What is ``gone`` keeps the account it had."""
        kind, _, whose = name.partition(":")
        if kind not in _KINDS or not whose:
            raise RequestRejected(
                "field_invalid", "Name what is limited as account:NAME or key:ID.", field="name", status=422
            )
        accounts = Accounts(await self._store.accounts())
        if kind == "account":
            owner = accounts.named.get(whose)
        else:
            owner = next((one.account_id for one in await self._store.keys() if one.prefix == whose), None)
        if owner is None and gone:
            owner = (await self.get(actor, name)).account_id
        if owner is None or not accounts.sees(actor.account_id, owner):
            raise RequestRejected("not_found", f"There is no {kind} of this name.", field="name", status=404)
        if actor.account_id == owner:
            raise RequestRejected(
                "forbidden",
                "Your own limits are set by the operator, or with a key of the account above yours.",
                status=403,
            )
        return owner


def _check(limits: LimitSet) -> None:
    if (fault := fault_of(limits)) is not None:
        field, sentence = fault
        raise RequestRejected("field_missing", sentence, field=field)
