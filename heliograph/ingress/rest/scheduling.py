"""What is still to come: list it, cancel it, give it another date."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from msgspec import Struct

from heliograph.access import Principal
from heliograph.contracts import Store
from heliograph.delivery.schedules import Schedules
from heliograph.delivery.submission import IdempotencyKey
from heliograph.delivery.views import MessageView
from heliograph.delivery.wording import message_json, message_view
from heliograph.errors import RequestRejected
from heliograph.ingress.rest.answers import DATE_PROBLEMS
from heliograph.ingress.rest.asking import limit_of
from heliograph.ingress.rest.calls import Call, decode
from heliograph.ingress.rest.cursors import Cursors
from heliograph.ingress.rest.dates import DATE_FIELDS, DateBody, wish_of
from heliograph.ingress.rest.endpoints import REPLAYED
from heliograph.ingress.rest.operations import Operation
from heliograph.ingress.rest.problems import Reply
from heliograph.model import normalize_id

__all__ = ["SCHEDULE_OPERATIONS", "DueList", "Scheduling"]

_LIST: Final = "due"
_START: Final = (1, "")
_FOREVER_US: Final = 1 << 62
_MOST_LISTED: Final = 500

_date_decoder = msgspec.json.Decoder(DateBody)
_encode = msgspec.json.Encoder().encode


class DueList(Struct, frozen=True):
    """A page, soonest first. ``next`` is the cursor of the next one, or null."""

    messages: list[MessageView]
    next: str | None


SCHEDULE_OPERATIONS = (
    Operation(
        "GET",
        "/v1/messages/due",
        "List what is due, soonest first",
        "messages:read",
        None,
        DueList,
        query={
            "before": "Only messages due before this time (RFC 3339).",
            "cursor": "What the page before gave as next.",
            "limit": "Messages in the page, 1 to 500; 50 by default.",
        },
    ),
    Operation(
        "POST",
        "/v1/messages/{id}/cancel",
        "Cancel a message",
        "messages:send",
        None,
        MessageView,
        problems=("too_late",),
    ),
    Operation(
        "POST",
        "/v1/messages/{id}/reschedule",
        "Give a scheduled message another date",
        "messages:send",
        DateBody,
        MessageView,
        example={"send_at": (datetime.now(UTC) + timedelta(days=30)).strftime("%Y-%m-%dT09:00:00+01:00")},
        problems=("conflict", "too_late", *DATE_PROBLEMS),
    ),
)


class Scheduling:
    """The endpoints, each given who calls."""

    def __init__(self, schedules: Schedules, store: Store, cursors: Cursors) -> None:
        self._schedules = schedules
        self._store = store
        self._cursors = cursors

    async def cancel(self, principal: Principal, message_id: str, idempotency: IdempotencyKey | None) -> Reply:
        """The message as it is now: canceled."""
        found = _id(message_id)
        replayed = await self._schedules.cancel(principal.account.id, found, idempotency)
        return await self._shown(principal, found, replayed)

    async def reschedule(
        self, principal: Principal, message_id: str, call: Call, idempotency: IdempotencyKey | None
    ) -> Reply:
        """The message with its new date."""
        found = _id(message_id)
        body = decode(call, _date_decoder, DATE_FIELDS)
        wish = wish_of(body.send_at, body.send_at_local, body.time_zone, body.deliver_within)
        replayed = await self._schedules.reschedule(principal.account.id, found, wish, idempotency)
        return await self._shown(principal, found, replayed)

    async def due(self, principal: Principal, given: Mapping[str, str]) -> Reply:
        """A page of what waits for its date."""
        count = limit_of(given, 50, _MOST_LISTED)
        before, cursor = given.get("before"), given.get("cursor")
        before_us = _FOREVER_US if before is None else _instant_of(before)
        account_id = principal.account.id
        after = _START
        if cursor is not None:
            after = self._cursors.read(cursor, tuple[int, str], _LIST, account_id, before)
        found = await self._store.scheduled(account_id, after=after, before_us=before_us, limit=count)
        following = None
        if len(found) == count:
            place = (found[-1].progress.due_us, found[-1].message.id)
            following = self._cursors.give(place, _LIST, account_id, before)
        return Reply(200, _encode(DueList([message_view(one, detail=False) for one in found], following)))

    async def _shown(self, principal: Principal, message_id: str, replayed: bool) -> Reply:
        record = await self._store.message(principal.account.id, message_id)
        if record is None:
            raise _no_message()
        return Reply(200, message_json(record), REPLAYED if replayed else ())


def _instant_of(text: str) -> int:
    try:
        found = wish_of(text, None, None, None).at_us
    except RequestRejected as rejected:
        raise RequestRejected(rejected.code, rejected.detail.replace("send_at", "before"), field="before") from None
    assert found is not None
    return found


def _id(text: str) -> str:
    found = normalize_id(text)
    if found is None:
        raise _no_message()
    return found


def _no_message() -> RequestRejected:
    return RequestRejected("not_found", "There is no message of this id: GET /v1/messages lists yours.", status=404)
