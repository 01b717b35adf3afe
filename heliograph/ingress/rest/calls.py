"""A call: the parts of an HTTP request that every endpoint checks the same way, whichever door it came through."""

from __future__ import annotations

import base64
import binascii
import difflib
import hashlib
import re
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from heliograph.access import KeyRing, Principal
from heliograph.delivery.submission import IdempotencyKey
from heliograph.errors import RequestRejected

__all__ = ["Call", "caller", "decode", "idempotency_of", "shown_request"]

T = TypeVar("T")

_MOST_KEY_CHARACTERS = 255
_SHOWN_CHARACTERS = 200
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*?)`(?: - at `(?P<path>.*)`)?\Z", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<name>.*?)`(?: - at `(?P<path>.*)`)?\Z", re.DOTALL)
_WRONG = re.compile(r"(?P<what>.*?)(?: - at `(?P<path>.*)`)?\Z", re.DOTALL)


class Call(Struct, frozen=True, gc=False):
    """One request, read whole. Header values are None where the header is not there."""

    method: str
    path: str
    body: bytes
    authorization: bytes | None = None
    idempotency_key: bytes | None = None
    peer: str | None = None
    """The address at the other end of the connection. What headers say of others before it is never believed."""
    origin: bytes | None = None
    """What a browser says of the page that asks; programs send none."""


def caller(call: Call, keys: KeyRing, scope: str, *others: str) -> Principal:
    """Who calls, with one of these scopes; raises ``RequestRejected`` 401 or 403."""
    header = call.authorization
    principal = None
    if header is not None and header[:7].lower() == b"bearer ":
        principal = keys.admit(header[7:].decode("latin-1").strip(), call.peer, call.origin)
    elif header is not None and header[:6].lower() == b"basic ":
        principal = _by_basic(header[6:], call, keys)
    if principal is None:
        raise RequestRejected(
            "unauthorized",
            "Send a valid key as Authorization: Bearer <key>. Keys are made by the operator.",
            status=401,
        )
    if scope not in principal.scopes and principal.scopes.isdisjoint(others):
        keys.refused(principal, call.peer, "scope", scope, request=shown_request(call.method, call.path))
        raise RequestRejected(
            "forbidden", f"This key lacks the scope {scope}: use another key, or let the operator make one.", status=403
        )
    return principal


def shown_request(method: str, path: str) -> str:
    """What was asked for, as the audit log shows it."""
    return f"{method} {path[:_SHOWN_CHARACTERS]}"


def _by_basic(value: bytes, call: Call, keys: KeyRing) -> Principal | None:
    """Who calls by HTTP Basic, with the id of a key as user and the key as password. Source: RFC 7617 §2"""
    try:
        name, _, secret = base64.b64decode(value.strip(), validate=True).decode("latin-1").partition(":")
    except binascii.Error:
        return None
    return keys.admit_named(name, secret, call.peer, call.origin)


def idempotency_of(call: Call, principal: Principal) -> IdempotencyKey | None:
    """The caller's Idempotency-Key with the hash of what it asks; None without one."""
    raw = call.idempotency_key
    if raw is None:
        return None
    key = raw.decode("latin-1").strip()
    if not key or len(key) > _MOST_KEY_CHARACTERS:
        raise RequestRejected(
            "field_invalid",
            f"Idempotency-Key must have 1 to {_MOST_KEY_CHARACTERS} characters.",
            field="Idempotency-Key",
        )
    body_hash = hashlib.sha256(b"%s %s\n%s" % (call.method.encode(), call.path.encode(), call.body)).digest()
    return IdempotencyKey(account_id=principal.account.id, key=key, body_hash=body_hash)


def decode(call: Call, decoder: msgspec.json.Decoder[T], names: Sequence[str]) -> T:
    """The body as ``decoder`` reads it, whatever its Content-Type; every fault is a problem that names the field."""
    return read_json(call.body, decoder, names)


def read_json(body: bytes | msgspec.Raw, decoder: msgspec.json.Decoder[T], names: Sequence[str]) -> T:
    """JSON to a value. Raises ``RequestRejected`` (400 or 422)."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _fault(str(error), names) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RequestRejected("json_invalid", f"The body is not valid JSON: {error}.", status=400) from None
    except RecursionError:
        raise RequestRejected("json_invalid", "The body is nested too deep.", status=400) from None


def _fault(text: str, names: Sequence[str]) -> RequestRejected:
    if found := _UNKNOWN.match(text):
        name = _path(found["path"], found["name"])
        near = difflib.get_close_matches(found["name"], names, 1)
        hint = f" Did you mean {near[0]}?" if near else f" Known fields: {', '.join(names)}."
        return RequestRejected("field_unknown", f"There is no field {name[:64]}.{hint}", field=name[:64])
    if found := _MISSING.match(text):
        name = _path(found["path"], found["name"])
        return RequestRejected("field_missing", f"The field {name} is required.", field=name)
    found = _WRONG.match(text)
    path = _path(found["path"] if found else None, "")
    what = found["what"] if found else text
    sentence = f"{path}: {what}." if path else f"{what}."
    return RequestRejected("field_invalid", sentence.replace("`", ""), field=path or None)


def _path(path: str | None, name: str) -> str:
    inner = (path or "$").removeprefix("key` in `").removeprefix("$").removeprefix(".")
    return ".".join(part for part in (inner, name) if part)


def check_depth(value: Any, limit: int, field: str) -> None:
    """Raises ``RequestRejected`` where ``value`` is nested deeper than ``limit``."""
    if limit < 0:
        raise RequestRejected("field_invalid", f"{field} is nested too deep.", field=field)
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inner:
        check_depth(one, limit - 1, field)
