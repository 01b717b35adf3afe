"""The send endpoints: from octets to octets in one go. The busiest code of the entrance.

The lean doors and FastAPI call ``one`` and ``batch`` here.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, ClassVar, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from heliograph.access import KeyRing, Principal
from heliograph.access.limiting import Limiter
from heliograph.access.metering import CallerMeters
from heliograph.contracts import settle
from heliograph.delivery.intake import Intake
from heliograph.delivery.segmenting import TextChanges, changes_of
from heliograph.delivery.submission import Accepted, Callback, Received, Submission
from heliograph.delivery.wording import iso
from heliograph.errors import RequestRejected, StoreError
from heliograph.ingress.rest.calls import Call, caller, check_depth, decode, idempotency_of, read_json
from heliograph.ingress.rest.dates import DATE_FIELDS, WithinBody, wish_of
from heliograph.ingress.rest.endpoints import REPLAYED
from heliograph.ingress.rest.problems import Problem, Reply, limited, problem_of, refusal
from heliograph.ingress.rest.targets import check_events, check_url
from heliograph.ingress.rest.turns import Turns
from heliograph.model import Encoding, State, TrafficType

__all__ = [
    "SEND_FIELDS",
    "SEND_SCOPE",
    "BatchBody",
    "PreparedBody",
    "SendBody",
    "SendReply",
    "Sending",
    "check_encoding",
    "submission_of",
]

_TYPES = {one.word: int(one) for one in TrafficType}
_STATES = {int(state): state.word for state in State}
_ENCODINGS = {int(one): one.word for one in Encoding}
SEND_SCOPE = "messages:send"
_ACCEPTED = State.QUEUED
"""The furthest that a message is when it is accepted; a replay tells what was told then."""
_STATES_TOLD = {state: _STATES[min(state, _ACCEPTED)] for state in _STATES}
_SCHEDULED = State.SCHEDULED.word
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_SLICE = 128
"""Items of a batch that are read, or answered, at once: less than 1 ms."""
_METADATA_DEPTH = 8
_METADATA_OCTETS = 4096

Short = Annotated[str, Meta(max_length=128)]
DateText = Annotated[str, Meta(max_length=64)]


class CallbackBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A message's own webhook: ``events`` such as ``message.delivered``; none means all."""

    url: Annotated[str, Meta(max_length=2048)]
    events: Annotated[list[Short], Meta(max_length=32)] = []


class _Undated(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"sender": "from"}):
    """What is said of a message, whoever it is for and whenever it goes."""

    sender: Annotated[str, Meta(min_length=1, max_length=32)] | None = None
    text: Annotated[str, Meta(min_length=1)] | None = None
    data: Annotated[str, Meta(min_length=1)] | None = None
    udh: Annotated[str, Meta(max_length=256)] | None = None
    type: str = "transactional"
    encoding: str = "auto"
    max_segments: Annotated[int, Meta(ge=1, le=255)] | None = None
    max_segments_policy: str = "refuse"
    smart_encoding: bool | None = None
    validity_s: Annotated[int, Meta(ge=60, le=604_800)] | None = None
    client_ref: Short | None = None
    tags: Annotated[list[Short], Meta(max_length=16)] | None = None
    metadata: dict[str, Any] | None = None
    at_most_once: bool = False
    flash: bool = False
    callback: CallbackBody | None = None
    time_zone: DateText | None = None
    deliver_within: WithinBody | None = None


class _Said(_Undated, frozen=True, kw_only=True):
    """What is said of a message, whoever it is for."""

    send_at: DateText | None = None
    send_at_local: DateText | None = None


class SendBody(_Said, frozen=True, kw_only=True, gc=False):
    """What a message takes."""

    to: Annotated[str, Meta(max_length=64)]


class PreparedBody(_Undated, frozen=True, kw_only=True, omit_defaults=True):
    """What a message takes that somebody starts later: all but a date."""

    to: Annotated[str, Meta(max_length=64)]
    send_at: ClassVar[None] = None
    send_at_local: ClassVar[None] = None


class _AnyBatch(_Said, frozen=True, kw_only=True):
    """Different messages, each read by itself so that a bad one spoils no other; or one text to many."""

    messages: list[msgspec.Raw] | None = None
    to: list[msgspec.Raw] | None = None


class BatchBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What a batch takes, as the API's document shows it."""

    messages: list[SendBody]


class SendReply(Struct, frozen=True, omit_defaults=True, gc=False):
    """What is said of an accepted message. Route and reason only to keys with ``routes:read``."""

    id: str
    state: str
    encoding: str
    segments: int
    to: str
    client_ref: str | UnsetType = UNSET
    warnings: Sequence[str] | UnsetType = UNSET
    route: str | UnsetType = UNSET
    route_reason: str | UnsetType = UNSET
    connector: str | UnsetType = UNSET
    send_at: str | UnsetType = UNSET
    text_changes: TextChanges | UnsetType = UNSET
    sandbox: bool | UnsetType = UNSET


SEND_FIELDS = tuple(field.encode_name for field in msgspec.structs.fields(SendBody))
_CALLBACK_FIELDS = tuple(field.encode_name for field in msgspec.structs.fields(CallbackBody))
_NAMES = (*SEND_FIELDS, *_CALLBACK_FIELDS, *DATE_FIELDS[-3:])
_send_decoder = msgspec.json.Decoder(SendBody)
_batch_decoder = msgspec.json.Decoder(_AnyBatch)
_number_decoder = msgspec.json.Decoder(Annotated[str, Meta(max_length=64)])
_encode = msgspec.json.Encoder().encode


T = TypeVar("T")
R = TypeVar("R")

Tell = Callable[[Reply | Exception], None]
"""Hears the answer to a call, or a fault of ours."""


class Sending:
    """``POST /v1/messages`` and ``POST /v1/messages/batch``."""

    def __init__(
        self,
        intake: Intake,
        keys: KeyRing,
        connectors: Mapping[int, str],
        batch_messages: int,
        refused: Callable[[str], None],
        *,
        allow_private_addresses: bool = True,
        limiter: Limiter | None = None,
    ) -> None:
        """``refused`` hears the codes of what is refused here; what intake refuses it counts itself."""
        self._refused = refused
        self._intake = intake
        self._keys = keys
        self._connectors = connectors
        self._batch_messages = batch_messages
        self._private = allow_private_addresses
        self._turns = Turns()
        self._limiter = limiter

    async def one(self, call: Call) -> Reply:
        """One message: 202, or a problem."""
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self.begin(call, partial(settle, future))
        return await future

    def begin(self, call: Call, tell: Tell) -> None:
        """The same; ``tell`` hears the answer in the turn of the loop in which the message is durable.

        Raises ``Unseen`` where the caller's key must be looked for first; then it hears nothing.
        """
        meters = None
        try:
            principal = caller(call, self._keys, SEND_SCOPE)
            meters = self._metered(principal)
            submission = submission_of(decode(call, _send_decoder, _NAMES), principal, "rest", self._private)
            idempotency = idempotency_of(call, principal)
            answered = partial(self._answered, principal, meters, tell)
            self._intake.offer((submission,), answered, idempotency=idempotency, allowance=meters)
        except (RequestRejected, StoreError) as error:
            tell(limited(self._refuse(error), meters))

    def _answered(
        self, principal: Principal, meters: CallerMeters | None, tell: Tell, outcome: Received | BaseException
    ) -> None:
        try:
            tell(limited(self._worded(principal, outcome), meters))
        except Exception as error:
            tell(error)

    def _worded(self, principal: Principal, outcome: Received | BaseException) -> Reply:
        """What became of one message as an answer. Raises what is a fault of ours."""
        if isinstance(outcome, RequestRejected | StoreError):
            return self._refuse(outcome)
        if isinstance(outcome, BaseException):
            raise outcome
        result = outcome.results[0]
        replayed = REPLAYED if outcome.replayed else ()
        if isinstance(result, RequestRejected):
            reply = refusal(result)
            return msgspec.structs.replace(reply, headers=(*reply.headers, *replayed)) if replayed else reply
        return Reply(202, _encode(self._reply(result, principal)), replayed)

    async def batch(self, call: Call) -> Reply:
        """Many messages in one transaction: 202 with a result for each in order, or a problem for all."""
        meters = None
        try:
            principal = caller(call, self._keys, SEND_SCOPE)
            meters = self._metered(principal)
            async with self._turns.of(principal.account.id, len(call.body)):
                items = await self._items(call, principal)
                submissions = [item for item in items if isinstance(item, Submission)]
                idempotency = idempotency_of(call, principal)
                received = await self._intake.accept(submissions, idempotency=idempotency, allowance=meters)
        except (RequestRejected, StoreError) as error:
            return limited(self._refuse(error), meters)
        answers = iter(received.results)

        def worded(item: Submission | RequestRejected) -> SendReply | Problem:
            result = next(answers) if isinstance(item, Submission) else item
            if isinstance(result, RequestRejected):
                return problem_of(result.code, result.detail, result.field, result.status)
            return self._reply(result, principal)

        results = await self._sliced(items, worded)
        return limited(Reply(202, _encode({"results": results}), REPLAYED if received.replayed else ()), meters)

    def _metered(self, principal: Principal) -> CallerMeters | None:
        """The request, counted on its caller's limits. Raises ``RequestRejected`` (429)."""
        meters = None if self._limiter is None else self._limiter.of(principal)
        if meters is not None:
            meters.request()
        return meters

    def _refuse(self, error: RequestRejected | StoreError) -> Reply:
        self._refused("overloaded" if isinstance(error, StoreError) else error.code)
        return refusal(error)

    async def _items(self, call: Call, principal: Principal) -> list[Submission | RequestRejected]:
        """Each item of a batch as a submission, or why it is none; in slices, so that others are heard between."""
        body = decode(call, _batch_decoder, ("messages", *_NAMES))
        if body.messages is not None:
            if body != _AnyBatch(messages=body.messages):
                raise _invalid("messages", "Give messages alone, or one text with to, from and the rest beside it.")
            self._bound(len(body.messages), "messages")
            return await self._sliced(body.messages, lambda raw: self._item(raw, principal))
        if body.to is None:
            raise RequestRejected("field_missing", "Give messages, or one text with to as a list.", field="messages")
        self._bound(len(body.to), "to")
        fields = {name: getattr(body, name) for name in SendBody.__struct_fields__ if name != "to"}
        common = submission_of(SendBody(to="", **fields), principal, "rest_batch", self._private)
        common = msgspec.structs.replace(common, like=common)
        return await self._sliced(body.to, lambda raw: self._to(raw, common))

    async def _sliced(self, items: Sequence[T], work: Callable[[T], R]) -> list[R]:
        """``work`` on each, a slice a turn of the loop."""
        done: list[R] = []
        for start in range(0, len(items), _SLICE):
            if start:
                await self._intake.slices.next()
            done.extend(map(work, items[start : start + _SLICE]))
        return done

    def _to(self, raw: msgspec.Raw, common: Submission) -> Submission | RequestRejected:
        try:
            return msgspec.structs.replace(common, to=read_json(raw, _number_decoder, ("to",)))
        except RequestRejected as rejected:
            self._refused(rejected.code)
            return RequestRejected(rejected.code, rejected.detail, field="to", status=rejected.status)

    def _item(self, raw: msgspec.Raw, principal: Principal) -> Submission | RequestRejected:
        try:
            return submission_of(read_json(raw, _send_decoder, _NAMES), principal, "rest_batch", self._private)
        except RequestRejected as rejected:
            self._refused(rejected.code)
            return rejected

    def _bound(self, count: int, field: str) -> None:
        if not 1 <= count <= self._batch_messages:
            raise RequestRejected(
                "too_many_messages" if count else "field_invalid",
                f"A batch holds 1 to {self._batch_messages} messages, this one {count}: split it.",
                field=field,
            )

    def _reply(self, accepted: Accepted, principal: Principal) -> SendReply:
        message = accepted.message
        reply = SendReply(
            message.id,
            _STATES_TOLD[accepted.progress.state],
            _ENCODINGS[message.encoding],
            message.segments,
            message.recipient,
            message.client_ref if message.client_ref is not None else UNSET,
            accepted.warnings or UNSET,
        )
        schedule = accepted.schedule
        if schedule is not None and schedule.send_us > schedule.at_us:
            reply = msgspec.structs.replace(reply, state=_SCHEDULED, send_at=iso(schedule.send_us))
        if message.entrance_data is not None and (changes := changes_of(message.entrance_data)) is not None:
            reply = msgspec.structs.replace(reply, text_changes=changes)
        if message.account_id < 0:
            reply = msgspec.structs.replace(reply, sandbox=True)
        if "routes:read" not in principal.scopes:
            return reply
        return msgspec.structs.replace(
            reply,
            route=message.route or UNSET,
            route_reason=message.route_reason or UNSET,
            connector=self._connectors.get(accepted.progress.connector_id, UNSET),
        )


def submission_of(
    body: SendBody | PreparedBody, principal: Principal, entrance: str, allow_private_addresses: bool = True
) -> Submission:
    """A checked body as a submission. Raises ``RequestRejected``."""
    kind = _TYPES.get(body.type)
    if kind is None:
        raise _invalid("type", f"type must be one of {', '.join(_TYPES)}.")
    check_encoding(body.encoding)
    truncate = body.max_segments_policy != "refuse" and _truncates(body)
    data = udh = None
    if body.data is not None or body.udh is not None or body.text is None:
        data, udh = _octets(body)
    callback = body.callback
    if callback is not None:
        check_url(callback.url, "callback.url", allow_private_addresses=allow_private_addresses)
        check_events(callback.events, "callback.events")
    if body.client_ref is not None and _CONTROLS.search(body.client_ref):
        raise _invalid("client_ref", "client_ref must have no control characters.")
    wish = None
    if (
        body.send_at is not None
        or body.send_at_local is not None
        or body.deliver_within is not None
        or body.time_zone is not None
    ):
        wish = wish_of(body.send_at, body.send_at_local, body.time_zone, body.deliver_within)
    # With more names than these the call would cost five times as much: Python makes a dict of them.
    return Submission(
        principal.account,
        body.to,
        body.sender,
        body.text,
        data,
        udh,
        kind,
        body.encoding,
        body.max_segments,
        body.smart_encoding,
        truncate=truncate,
        validity_s=body.validity_s,
        client_ref=body.client_ref,
        tags=None if not body.tags else _encode(body.tags).decode(),
        metadata=None if body.metadata is None else _metadata(body.metadata),
        at_most_once=body.at_most_once,
        flash=body.flash,
        callback=None if callback is None else Callback(url=callback.url, events=tuple(callback.events)),
        entrance=entrance,
        wish=wish,
    )


def _truncates(body: SendBody | PreparedBody) -> bool:
    """Whether a text that is too long is to be cut off. Raises ``RequestRejected``."""
    if body.max_segments_policy != "truncate":
        raise _invalid("max_segments_policy", "max_segments_policy must be refuse or truncate.")
    if body.max_segments is None or body.text is None:
        raise _invalid("max_segments_policy", "To truncate, give max_segments and a text.")
    return True


def check_encoding(wish: str) -> None:
    """Raises ``RequestRejected`` for an encoding that does not exist."""
    if wish not in ("auto", "gsm7", "ucs2"):
        raise _invalid("encoding", "encoding must be auto, gsm7 or ucs2.")


def _octets(body: SendBody | PreparedBody) -> tuple[bytes | None, bytes | None]:
    """``data`` and ``udh`` of a message that is not plain text."""
    if body.text is not None:
        raise _invalid("data" if body.data is not None else "udh", "Give text, or data with an optional udh, not both.")
    if body.data is None:
        raise RequestRejected("field_missing", "Give text, or data (base64) for a binary message.", field="text")
    if body.encoding != "auto":
        raise _invalid("encoding", "A binary message has no text encoding: leave encoding out.")
    udh = None if body.udh is None else _base64(body.udh, "udh")
    if udh is not None and (not udh or udh[0] != len(udh) - 1 or len(udh) > 134):
        raise _invalid("udh", "udh must begin with its own length octet and leave room for the message.")
    return _base64(body.data, "data"), udh


def _base64(text: str, field: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _invalid(field, f"{field} must be base64.") from None


def _metadata(value: dict[str, Any]) -> str:
    check_depth(value, _METADATA_DEPTH, "metadata")
    text = _encode(value)
    if len(text) > _METADATA_OCTETS:
        raise _invalid("metadata", f"metadata may have {_METADATA_OCTETS} octets of JSON.")
    return text.decode()


def _invalid(field: str, sentence: str) -> RequestRejected:
    return RequestRejected("field_invalid", sentence, field=field)
