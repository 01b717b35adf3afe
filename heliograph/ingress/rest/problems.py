"""Problems: what the API says when it says no. RFC 9457, each with a stable code and a sentence that helps.

The table is the promise; docs/reference/errors.md is held complete against it.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from heliograph.access.metering import CallerMeters
from heliograph.errors import MessageUnreadable, RequestRejected, StoreBusy, StoreError

__all__ = ["PROBLEMS", "Problem", "Reply", "limited", "problem_of", "refusal", "refused_as"]

PROBLEMS: Final[dict[str, tuple[int, str]]] = {
    "address_not_allowed": (403, "The key may not be used from this address."),
    "answer_too_large": (422, "The answer would be larger than this endpoint gives."),
    "body_too_large": (413, "The body is larger than this endpoint takes."),
    "browser_origin": (403, "A secret key came from a browser, where everybody can read it."),
    "conflict": (409, "The request does not fit what is there."),
    "cursor_invalid": (400, "The cursor is not one that this list, account and filter gave."),
    "cursor_too_old": (410, "What follows the cursor is past its retention."),
    "encoding_impossible": (422, "The text has characters that the forced encoding cannot say."),
    "field_invalid": (422, "A field has a value or type that it cannot have."),
    "field_missing": (422, "A required field is not there."),
    "field_unknown": (422, "There is no field of this name."),
    "forbidden": (403, "The key lacks the scope for this."),
    "gone": (410, "What was asked for is past its retention."),
    "headers_too_large": (431, "The headers are larger than the server takes."),
    "http_invalid": (400, "What arrived is no HTTP request."),
    "idempotency_in_progress": (409, "A request with this Idempotency-Key is being worked on."),
    "idempotency_mismatch": (409, "The Idempotency-Key was used for another request."),
    "internal": (500, "The server failed; the fault is in its journal."),
    "issuer_unavailable": (503, "The keys of the token's issuer cannot be fetched now."),
    "json_invalid": (400, "The body is not JSON, or is nested too deep."),
    "key_expired": (401, "The key has expired."),
    "managed_by_file": (409, "The configuration file declares this, and is where it is changed."),
    "message_too_long": (422, "The message needs more segments than can be counted."),
    "message_unreadable": (500, "What the store keeps of the message is damaged."),
    "method_not_allowed": (405, "The path exists, but not with this method."),
    "no_route": (422, "No route leads to the recipient."),
    "not_found": (404, "There is nothing here under this name."),
    "number_impossible": (422, "The recipient's number cannot exist."),
    "number_malformed": (422, "The recipient is not a telephone number."),
    "number_unknown": (422, "The recipient's number is in no known number range."),
    "origin_not_allowed": (403, "The publishable token is for pages of other origins."),
    "overloaded": (503, "The server or its store is busy: the same request succeeds later."),
    "quota_exhausted": (429, "The account or key has used what it may in this day or month."),
    "rate_limited": (429, "The account or key sends faster than it may."),
    "recipient_opted_out": (422, "The recipient opted out of messages from this account."),
    "sandboxes_busy": (503, "As many sandboxes are in use as this server has room for."),
    "send_at_out_of_range": (422, "The date has passed, or is more than 400 days ahead."),
    "sender_invalid": (422, "The sender is none that a message can come from."),
    "sender_required": (422, "The account has no number to send from, so the request must name a sender."),
    "start_refused": (409, "The message that the token was made for cannot be sent any more."),
    "test_key_required": (403, "This is for sandboxes, and the key is a live one."),
    "time_zone_required": (422, "The recipient's number does not tell one time zone, so the request must."),
    "time_zone_unknown": (422, "There is no time zone of this name."),
    "token_invalid": (401, "The access token is not valid here, or no longer."),
    "too_late": (409, "The message is over, or may be on its way to a carrier: it can no longer be changed."),
    "too_many_failures": (429, "Too many attempts with wrong credentials came from here, or at this key."),
    "too_many_messages": (422, "A batch holds more messages than allowed."),
    "too_many_segments": (422, "The message needs more segments than max_segments."),
    "too_many_streams": (429, "The account has as many live streams as it may."),
    "unauthorized": (401, "No key, or none that is valid."),
    "version_mismatch": (412, "What is to be changed has another version than If-Match says."),
    "window_never_opens": (422, "No time within 400 days is one that deliver_within allows."),
}
"""code → (HTTP status, title)."""


class Problem(Struct, frozen=True, omit_defaults=True):
    """An RFC 9457 problem object."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    field: str | UnsetType = UNSET


class Reply(Struct, frozen=True):
    """An answer as both doors send it."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    media_type: bytes = b"application/json"


_encode = msgspec.json.Encoder().encode

_DAMAGED: Final = (
    "The message is kept and cannot be read: the operator finds it with heliograph store check, and what to do in the "
    "runbook."
)
_CHALLENGE: Final = b'Bearer realm="heliograph"'
_BASIC: Final = (b"www-authenticate", b'Basic realm="heliograph"')
_OF_TOKENS: Final = "token_invalid"
"""What Basic is no way out of: its caller has tokens. All other 401 offer it, in a field of its own."""
_CHALLENGES: Final = {
    "forbidden": _CHALLENGE + b', error="insufficient_scope"',
    "key_expired": _CHALLENGE + b', error="invalid_token"',
    "token_invalid": _CHALLENGE + b', error="invalid_token"',
}
"""What WWW-Authenticate says beyond the usual of a 401. Source: RFC 6750 §3.1"""


def problem_of(code: str, detail: str, field: str | None = None, status: int | None = None) -> Problem:
    """The problem object of a code in the table."""
    usual, title = PROBLEMS[code]
    return Problem(f"urn:heliograph:problem:{code}", title, status or usual, code, _sentence(detail), field or UNSET)


def _sentence(words: str) -> str:
    """A detail as a sentence: rooms below word theirs without a capital and a full stop."""
    return words[:1].upper() + words[1:] + ("" if words.endswith((".", "?", "!")) else ".")


def limited(reply: Reply, meters: CallerMeters | None) -> Reply:
    """An answer to a caller with limits says how much of them is left."""
    return reply if meters is None else msgspec.structs.replace(reply, headers=(*reply.headers, *meters.headers()))


def refused_as(error: RequestRejected | StoreError) -> str:
    """The code of what :func:`refusal` answers."""
    if isinstance(error, MessageUnreadable):
        return "message_unreadable"
    return "overloaded" if isinstance(error, StoreError) else error.code


def refusal(error: RequestRejected | StoreError, *, basic: bool = True) -> Reply:
    """An error of ours as an answer. A store's own words stay inside: they may name a file or a host.

    ``basic``: whether HTTP Basic would be taken here, which a 401 says then (RFC 9110 §11.6.1).
    """
    retry_after_s: int | None = None
    if isinstance(error, MessageUnreadable):
        problem = problem_of("message_unreadable", _DAMAGED)
    elif isinstance(error, StoreError):
        problem = problem_of("overloaded", "Nothing was kept or changed: send the same request again in a moment.")
        retry_after_s = error.retry_after_s if isinstance(error, StoreBusy) else 1
    else:
        problem = problem_of(error.code, error.detail, error.field, error.status)
        retry_after_s = error.retry_after_s
    headers: tuple[tuple[bytes, bytes], ...] = ()
    if retry_after_s is not None:
        headers = ((b"retry-after", str(retry_after_s).encode()),)
    challenge = _CHALLENGES.get(problem.code, _CHALLENGE if problem.status == 401 else None)
    if challenge is not None:
        headers = (*headers, (b"www-authenticate", challenge))
    if basic and problem.status == 401 and problem.code != _OF_TOKENS:
        headers = (*headers, _BASIC)
    return Reply(problem.status, _encode(problem), headers, b"application/problem+json")
