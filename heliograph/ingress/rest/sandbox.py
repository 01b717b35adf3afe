"""The endpoints of a sandbox: what arrived on its handsets, what these write, and its clock. For test keys alone."""

from __future__ import annotations

import base64
from typing import Annotated

import msgspec
from fastapi import Request
from msgspec import UNSET, Meta, Struct, UnsetType

from heliograph import sms
from heliograph.access import Principal
from heliograph.delivery.instants import iso
from heliograph.delivery.submission import IdempotencyKey
from heliograph.errors import RequestRejected
from heliograph.ingress.rest.asking import limit_of, parameters
from heliograph.ingress.rest.calls import Call, decode, idempotency_of
from heliograph.ingress.rest.endpoints import REPLAYED, Answerer, Caller, Reader
from heliograph.ingress.rest.operations import Operation
from heliograph.ingress.rest.problems import Reply
from heliograph.ingress.rest.services import Services
from heliograph.rules.magic import sandbox_number
from heliograph.sandbox import SandboxWorld
from heliograph.sandbox.clock import MOST_ADVANCE_S, advance
from heliograph.sandbox.outbox import Captured, captured
from heliograph.sms.numbers import BadRecipient, recipient

__all__ = ["SANDBOX_OPERATIONS", "SandboxEndpoints"]

_LIST = "sandbox"
_MOST_LISTED = 200
_QUERY = {
    "to": "Only what is on the handset of this number.",
    "cursor": "What an answer before gave as cursor: only what arrived since.",
    "limit": f"Messages in the page, 1 to {_MOST_LISTED}; 50 by default.",
}
_NumberText = Annotated[str, Meta(min_length=1, max_length=64)]


class CapturedView(Struct, frozen=True, rename={"sender": "from"}):
    """A message as a virtual handset shows it."""

    id: str | None
    to: str
    sender: str
    text: str | None
    encoding: str
    segments: int
    flash: bool
    at: str
    data: str | UnsetType = UNSET


class CapturedList(Struct, frozen=True):
    """A page, oldest first."""

    messages: list[CapturedView]
    cursor: str
    more: bool


class HandsetBody(Struct, frozen=True, forbid_unknown_fields=True, rename={"handset": "from"}):
    """What a virtual handset writes."""

    handset: _NumberText
    to: _NumberText
    text: Annotated[str, Meta(min_length=1, max_length=10_000)]


class HandsetReply(Struct, frozen=True, rename={"handset": "from"}):
    """It is on its way, over the virtual carrier."""

    handset: str
    to: str
    text: str


class ClockBody(Struct, frozen=True, forbid_unknown_fields=True):
    """How far time is to move."""

    advance_s: Annotated[int, Meta(ge=1, le=MOST_ADVANCE_S)]


class ClockView(Struct, frozen=True):
    """What happened by it."""

    advanced_s: int
    due: int
    nearer: int
    ended: int


_PROBLEMS = ("sandboxes_busy", "test_key_required")
SANDBOX_OPERATIONS = (
    Operation(
        "GET",
        "/v1/sandbox/messages",
        "List what arrived on the handsets of the sandbox",
        "messages:read",
        None,
        CapturedList,
        query=_QUERY,
        problems=(*_PROBLEMS, "cursor_too_old", "number_malformed", "number_impossible"),
    ),
    Operation(
        "POST",
        "/v1/sandbox/replies",
        "Let a handset of the sandbox write",
        "messages:send",
        HandsetBody,
        HandsetReply,
        202,
        example={"from": "+9991000000", "to": "+999000000000", "text": "Yes, please"},
        problems=(*_PROBLEMS, "number_malformed", "number_impossible", "sender_invalid", "message_too_long"),
    ),
    Operation(
        "POST",
        "/v1/sandbox/clock",
        "Let time pass in the sandbox",
        "messages:send",
        ClockBody,
        ClockView,
        example={"advance_s": 3600},
        problems=_PROBLEMS,
    ),
)

_read_handset = msgspec.json.Decoder(HandsetBody)
_read_clock = msgspec.json.Decoder(ClockBody)
_encode = msgspec.json.Encoder().encode


class SandboxEndpoints:
    """All of them. ``caller`` says who asks, or raises; ``read`` reads a body under a bound."""

    def __init__(self, services: Services, caller: Caller, read: Reader) -> None:
        self._services = services
        self._caller = caller
        self._read = read

    def answers(self) -> dict[tuple[str, str], Answerer]:
        """(method, path) → what answers."""
        return {
            ("GET", "/v1/sandbox/messages"): self.messages,
            ("POST", "/v1/sandbox/replies"): self.reply,
            ("POST", "/v1/sandbox/clock"): self.clock,
        }

    async def messages(self, request: Request) -> Reply:
        """What arrived."""
        principal, services = self._caller(request, "messages:read"), self._services
        _check_side(principal)
        given = parameters(request, _QUERY)
        limit = limit_of(given, 50, _MOST_LISTED)
        to = None if "to" not in given else _handset(given["to"], "to", principal)
        world = await self._world(principal)
        about = (_LIST, principal.account.id, to)
        after = 0
        if (cursor := given.get("cursor")) is not None:
            since, after = services.cursors.read(cursor, tuple[int, int], *about)
            if since != world.since_us:
                raise _too_old()
        page = await captured(services.store, world, to=to, after=after, limit=limit)
        if page is None:
            raise _too_old()
        following = services.cursors.give((world.since_us, page.after), *about)
        return Reply(200, _encode(CapturedList(list(map(_view, page.messages)), following, page.more)))

    async def reply(self, request: Request) -> Reply:
        """A handset writes."""
        principal, call = await self._called(request)
        body = decode(call, _read_handset, HandsetBody.__struct_encode_fields__)
        handset = _handset(body.handset, "from", principal)
        try:
            to = sms.sender(body.to).value
        except sms.BadAddress as bad:
            raise RequestRejected("sender_invalid", str(bad), field="to") from bad
        world = await self._world(principal)
        replayed = await self._once(idempotency_of(call, principal))
        if not replayed:
            try:
                world.carrier.reply(handset, to, body.text)
            except (sms.TooLong, sms.CannotEncode) as error:
                raise RequestRejected("message_too_long", str(error), field="text") from error
        return Reply(202, _encode(HandsetReply(handset, to, body.text)), REPLAYED if replayed else ())

    async def clock(self, request: Request) -> Reply:
        """Time passes."""
        principal, call = await self._called(request)
        by_s = decode(call, _read_clock, ClockBody.__struct_fields__).advance_s
        world = await self._world(principal)
        if await self._once(idempotency_of(call, principal)):
            return Reply(200, _encode(ClockView(by_s, 0, 0, 0)), REPLAYED)
        passed = await advance(self._services.sandboxes.pipeline, world, by_s)
        return Reply(200, _encode(ClockView(by_s, passed.due, passed.nearer, passed.ended)))

    async def _called(self, request: Request) -> tuple[Principal, Call]:
        principal = self._caller(request, "messages:send")
        _check_side(principal)
        return principal, await self._read(request, self._services.bounds.body_octets)

    async def _world(self, principal: Principal) -> SandboxWorld:
        return await self._services.sandboxes.ensure(principal.account.id)

    async def _once(self, idempotency: IdempotencyKey | None) -> bool:
        return await self._services.webhooks.once.used(idempotency)


def _check_side(principal: Principal) -> None:
    if not principal.account.is_sandbox:
        raise RequestRejected(
            "test_key_required",
            "This is for sandboxes: call it with a test key (heliograph keys create --test).",
            status=403,
        )


def _handset(written: str, field: str, principal: Principal) -> str:
    """The number of a handset as E.164. Raises ``RequestRejected``."""
    if (magic := sandbox_number(written)) is not None:
        return magic
    try:
        found = recipient(written, principal.account.default_region)
    except BadRecipient as bad:
        code = "number_malformed" if bad.code in ("number_malformed", "region_unknown") else "number_impossible"
        raise RequestRejected(code, str(bad), field=field) from bad
    if not found.possible:
        raise RequestRejected(
            "number_impossible", "No number of this country has this length: check the digits.", field=field
        )
    return found.e164


def _view(one: Captured) -> CapturedView:
    message = one.shown
    return CapturedView(
        one.message_id,
        message.to,
        message.sender,
        message.text,
        message.encoding,
        message.segments,
        message.flash,
        iso(int(message.at * 1_000_000)),
        UNSET if message.text is not None else base64.b64encode(message.octets).decode(),
    )


def _too_old() -> RequestRejected:
    return RequestRejected(
        "cursor_too_old",
        "The sandbox keeps its newest messages while the server runs, and what followed this cursor is gone: "
        "begin without one.",
        status=410,
        field="cursor",
    )
