"""The endpoints of accounts: the operator sees all of them, a customer its own and those below it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi import Request
from msgspec import UNSET, Meta, Struct, UnsetType

from heliograph.access import Principal
from heliograph.access.actors import OPERATOR_SCOPE, Actor
from heliograph.access.managing import INHERIT, changed_account, new_account, shown_account
from heliograph.contracts import NEW_ACCOUNT, Administration
from heliograph.delivery.instants import iso
from heliograph.errors import RequestRejected
from heliograph.ingress.rest.administering import DRY_RUN, Administering, dry, would
from heliograph.ingress.rest.asking import limit_of, parameters, peer_of
from heliograph.ingress.rest.calls import Call, decode, idempotency_of
from heliograph.ingress.rest.endpoints import REPLAYED, Answerer, Caller, Reader
from heliograph.ingress.rest.operations import Operation
from heliograph.ingress.rest.problems import Reply
from heliograph.ingress.rest.services import Services
from heliograph.ingress.rest.versions import etag, expected_of
from heliograph.model import Account
from heliograph.rules.inheritance import said_by

__all__ = ["ACCOUNT_OPERATIONS", "AccountBody", "AccountPatch", "AccountView", "AccountWords", "Accounting"]

_SCOPE: Final = "accounts"
_MOST_LISTED: Final = 500
_PAGE: Final = {
    "parent": "Only accounts directly below this one.",
    "after": "Only names after this one, in order: the last name of the page before.",
    "limit": f"Accounts in the page, 1 to {_MOST_LISTED}; 100 by default.",
}
_NONE_BY_WORD: Final = ("default_region", "quiet_hours")
"""Settings that can be nothing at all: the empty text says so, where null says: as my parent."""

Short = Annotated[str, Meta(max_length=64)]
Hours = Annotated[str, Meta(max_length=16)]
Kinds = Annotated[list[Literal["otp", "transactional", "promotional"]], Meta(max_length=3)]


class AccountWords(Struct, frozen=True, forbid_unknown_fields=True):
    """What an account says itself. null: what its parent says; "" of a region or of hours: none."""

    recipients: Literal["valid", "possible"] | UnsetType | None = UNSET
    default_region: Short | UnsetType | None = UNSET
    quiet_hours: Hours | UnsetType | None = UNSET
    quiet_types: Kinds | UnsetType | None = UNSET
    time_zone: Short | UnsetType | None = UNSET
    smart_encoding: bool | UnsetType | None = UNSET
    national_tables: bool | UnsetType | None = UNSET


class AccountBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A new account. ``parent`` is the account above it; without one it is the caller's, for the operator none."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    parent: Short | None = None
    settings: AccountWords = AccountWords()


class AccountPatch(Struct, frozen=True, forbid_unknown_fields=True):
    """What to change of an account; what is not there stays."""

    settings: AccountWords = AccountWords()
    closed: bool | UnsetType = UNSET


class AccountView(Struct, frozen=True):
    """An account: ``settings`` are its own words, ``effective`` what holds for it by its own and its parents'."""

    name: str
    parent: str | None
    managed_by: str
    settings: dict[str, Any]
    effective: dict[str, Any]
    created_at: str
    closed_at: str | None
    version: int


class AccountList(Struct, frozen=True):
    """Accounts by name. ``next``: give it as after for the next page; null at the end."""

    accounts: list[AccountView]
    next: str | None


ACCOUNT_OPERATIONS: Final = (
    Operation(
        "POST",
        "/v1/accounts",
        "Make an account",
        _SCOPE,
        AccountBody,
        AccountView,
        201,
        query=DRY_RUN,
        example={"name": "shop", "settings": {"default_region": "DE"}},
        problems=("conflict", "not_found"),
    ),
    Operation("GET", "/v1/accounts", "List accounts", _SCOPE, None, AccountList, query=_PAGE, problems=("not_found",)),
    Operation("GET", "/v1/accounts/{name}", "Show an account", _SCOPE, None, AccountView),
    Operation(
        "PATCH",
        "/v1/accounts/{name}",
        "Change, close or open an account",
        _SCOPE,
        AccountPatch,
        AccountView,
        query=DRY_RUN,
        example={"settings": {"quiet_hours": "21:00-08:00"}},
        problems=("conflict", "managed_by_file", "version_mismatch"),
    ),
)

_create = msgspec.json.Decoder(AccountBody)
_patch = msgspec.json.Decoder(AccountPatch)
_FIELDS = (*AccountBody.__struct_fields__, *AccountPatch.__struct_fields__, *AccountWords.__struct_fields__)
_encode = msgspec.json.Encoder().encode


class Accounting:
    """All of them. ``caller`` says who asks (by one of two scopes), or raises; ``read`` reads a body under a bound."""

    def __init__(self, services: Services, caller: Caller, read: Reader) -> None:
        self._services = services
        self._keys = services.keys
        self._declared: Callable[[], Collection[str]] = services.declared_accounts
        self._caller = caller
        self._read = read
        self._writing = Administering(services.store, services.now_us, services.reconfigured)

    def answers(self) -> dict[tuple[str, str], Answerer]:
        """(method, path) → what answers."""
        return {
            ("POST", "/v1/accounts"): self.make,
            ("GET", "/v1/accounts"): self.list,
            ("GET", "/v1/accounts/{name}"): self.show,
            ("PATCH", "/v1/accounts/{name}"): self.change,
        }

    def _who(self, request: Request) -> tuple[Principal, Actor]:
        principal = self._caller(request, _SCOPE, OPERATOR_SCOPE)
        return principal, Actor.of(principal, peer_of(request))

    async def _call(self, request: Request) -> Call:
        return await self._read(request, self._services.bounds.body_octets)

    # --- looked at --------------------------------------------------------------------------------

    async def list(self, request: Request) -> Reply:
        root = self._who(request)[1].account_id
        given = parameters(request, _PAGE)
        accounts = self._keys.accounts
        seen = accounts.kept if root is None else accounts.tree.within(root)
        found = [accounts.kept[one] for one in seen if one in accounts.kept]
        if "parent" in given:
            parent = accounts.below(root, given["parent"])
            found = [one for one in found if one.parent_id == parent.id]
        found = sorted((one for one in found if one.name > given.get("after", "")), key=lambda one: one.name)
        limit = limit_of(given, 100, _MOST_LISTED)
        page = [self._view(one) for one in found[:limit]]
        return Reply(200, _encode(AccountList(page, page[-1].name if len(found) > limit else None)))

    async def show(self, request: Request) -> Reply:
        root = self._who(request)[1].account_id
        account = self._keys.accounts.below(root, request.path_params["name"])
        return Reply(200, _encode(self._view(account)), (etag(account.version),))

    def _view(self, account: Account) -> AccountView:
        accounts = self._keys.accounts
        held = accounts.known.get(account.id, account)
        return AccountView(
            name=account.name,
            parent=None if account.parent_id is None else accounts.name(account.parent_id),
            managed_by="file" if account.name in self._declared() else "api",
            settings=dict(said_by(account)),
            effective=dict(held.settings),
            created_at=iso(account.created_us),
            closed_at=None if held.closed_us is None else iso(held.closed_us),
            version=account.version,
        )

    # --- changed ----------------------------------------------------------------------------------

    async def make(self, request: Request) -> Reply:
        principal, actor = self._who(request)
        root = actor.account_id
        call = await self._call(request)
        nothing_changes, body = dry(request), decode(call, _create, _FIELDS)
        idempotency = idempotency_of(call, principal)
        if not nothing_changes and (made := await self._writing.done_before(idempotency)) is not None:
            return await self._again(root, made)
        accounts, now_us = self._keys.accounts, self._services.now_us()
        above = principal.account.name if body.parent is None and root is not None else body.parent
        parent = None if above is None else accounts.below(root, above)
        account = new_account(accounts, body.name, parent, _said(body.settings), now_us=now_us)
        after = shown_account(account)
        if nothing_changes:
            return would("create", account.name, None, after)
        trail = actor.entry(now_us, "create", "account", account.name, NEW_ACCOUNT, after=after)
        change = Administration(at_us=now_us, accounts=[(account, 0)], audit=[trail])
        done = await self._writing.write(change, idempotency=idempotency, made=account.name)
        if isinstance(done, str):
            return await self._again(root, done)
        kept = done.accounts[0]
        return Reply(201, _encode(self._view(kept)), (etag(kept.version),))

    async def _again(self, root: int | None, name: str) -> Reply:
        """The answer to a request that was done before, perhaps just now by another server: the account as it is."""
        if name not in self._keys.accounts.named:
            await self._keys.refresh()
        account = self._keys.accounts.below(root, name)
        headers = (etag(account.version), *REPLAYED)
        return Reply(201, _encode(self._view(account)), headers)

    async def change(self, request: Request) -> Reply:
        _, actor = self._who(request)
        root = actor.account_id
        call = await self._call(request)
        nothing_changes, body = dry(request), decode(call, _patch, _FIELDS)
        expected = expected_of(request)
        before = self._keys.accounts.below(root, request.path_params["name"])
        self._check_changeable(before, root)
        closed = None if body.closed is UNSET else bool(body.closed)
        now_us = self._services.now_us()
        after = changed_account(before, _said(body.settings), closed=closed, now_us=now_us)
        action = "change" if closed is None else "close" if closed else "open"
        if nothing_changes:
            return would(action, before.name, shown_account(before), shown_account(after))
        if after == before and expected in (None, before.version):
            return Reply(200, _encode(self._view(before)), (etag(before.version),))
        trail = actor.entry(
            now_us, action, "account", before.name, before.id, before=shown_account(before), after=shown_account(after)
        )
        # what was read is what is changed: nobody's change in between is overwritten
        wanted = before.version if expected is None else expected
        change = Administration(at_us=now_us, accounts=[(after, wanted)], audit=[trail])
        done = await self._writing.write(change, matched=expected is not None)
        assert not isinstance(done, str)
        kept = done.accounts[0]
        return Reply(200, _encode(self._view(kept)), (etag(kept.version),))

    def _check_changeable(self, account: Account, root: int | None) -> None:
        if account.name in self._declared():
            raise RequestRejected(
                "managed_by_file",
                f"The configuration file declares the account {account.name}: change it there, and send SIGHUP.",
                status=409,
            )
        if account.id == root:
            raise RequestRejected(
                "forbidden",
                "Your own account is changed by the operator, or with a key of the account above it.",
                status=403,
            )


def _said(words: AccountWords) -> Mapping[str, Any]:
    """The settings that a body speaks of, as an account says them."""
    said: dict[str, Any] = {}
    for name in AccountWords.__struct_fields__:
        value = getattr(words, name)
        if value is None:
            said[name] = INHERIT
        elif value == "" and name in _NONE_BY_WORD:
            said[name] = None
        elif value is not UNSET:
            said[name] = value
    return said
