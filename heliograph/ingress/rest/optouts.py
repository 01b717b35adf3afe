"""``GET /v1/opt-outs``: the recipients that an account, or one below it, may not write to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
from fastapi import Request
from msgspec import UNSET, Struct, UnsetType

from heliograph.access import Principal
from heliograph.delivery.instants import iso
from heliograph.delivery.treelists import opt_outs_of
from heliograph.ingress.rest.asking import limit_of, parameters
from heliograph.ingress.rest.operations import Operation
from heliograph.ingress.rest.problems import Reply
from heliograph.ingress.rest.services import Services

__all__ = ["OPT_OUT_OPERATIONS", "OptOutList", "OptOutView", "OptOuts"]

_SCOPE: Final = "messages:read"
_LIST: Final = "opt-outs"
_MOST_LISTED: Final = 500
_PARAMETERS: Final = {
    "account": "tree: of your account and of all below it; or the name of one of them; each says whose it is. Without "
    "it, your own alone.",
    "cursor": "What the page before gave as next; account must be the same.",
    "limit": f"Opt-outs in the page, 1 to {_MOST_LISTED}; 100 by default.",
}
_encode: Final = msgspec.json.Encoder().encode


class OptOutView(Struct, frozen=True, omit_defaults=True):
    """A recipient that an account may not write to. ``account`` is there where the request names accounts."""

    recipient: str
    created_at: str
    source: str
    account: str | UnsetType = UNSET


class OptOutList(Struct, frozen=True):
    """Account by account, in order of the recipients. ``next`` is the cursor of the next page, or null."""

    opt_outs: list[OptOutView]
    next: str | None


OPT_OUT_OPERATIONS: Final = (
    Operation("GET", "/v1/opt-outs", "List opt-outs", _SCOPE, None, OptOutList, query=_PARAMETERS),
)


class OptOuts:
    """The endpoint. ``caller`` says who asks, or raises."""

    def __init__(self, services: Services, caller: Callable[[Request, str], Principal]) -> None:
        self._store = services.store
        self._keys = services.keys
        self._cursors = services.cursors
        self._caller = caller

    async def list(self, request: Request) -> Reply:
        """A page."""
        own = self._caller(request, _SCOPE).account.id
        given = parameters(request, _PARAMETERS)
        limit = limit_of(given, 100, _MOST_LISTED)
        accounts, about = self._keys.accounts, (_LIST, own, given.get("account"))
        after = self._cursors.read(given["cursor"], tuple[int, str], *about) if "cursor" in given else None
        found = await opt_outs_of(self._store, accounts.asked(own, given.get("account")), after, limit)
        views = [
            OptOutView(
                one.recipient,
                iso(one.created_us),
                one.source,
                accounts.name(one.account_id) if "account" in given else UNSET,
            )
            for one in found
        ]
        last = (found[-1].account_id, found[-1].recipient) if len(found) == limit else None
        return Reply(200, _encode(OptOutList(views, None if last is None else self._cursors.give(last, *about))))
