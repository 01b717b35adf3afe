"""JWT access tokens: read within bounds, held against what they must say, verified by joserfc.

Nothing in a token is believed before its signature: what is read first only chooses whose keys are asked, and refuses
early what could not pass anyway. Source: RFC 7519, RFC 8725 (the attacks), RFC 9068 (what an access token says).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from msgspec import Struct

from heliograph.access.keysets import ALGORITHMS, VerifyingKey

__all__ = ["MOST_TOKEN_CHARACTERS", "BadToken", "Expected", "LateToken", "Token", "check", "read", "verify"]

MOST_TOKEN_CHARACTERS: Final = 8_192
"""What a request's headers have room for besides; a token of an issuer that lists groups has some thousand."""
_LEEWAY_S: Final = 60
"""Of an issuer's clock beside ours, for the beginning of a token. Its end is its end."""
_LAST_S: Final = 1 << 40
_MOST_KID_CHARACTERS: Final = 256

_COMPACT: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)", re.ASCII)
_REGISTRIES: Final = {one: jws.JWSRegistry(algorithms=[one], strict_check_header=False) for one in ALGORITHMS}
_claims_decoder: Final = msgspec.json.Decoder(dict[str, Any])


class BadToken(Exception):
    """A token that is not valid here. ``why`` is for tests and for nobody who called."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


class LateToken(BadToken):
    """A token such as honest clients have: its time or its key is over. Told without work, and no guess at anything."""


class _Header(Struct, frozen=True):
    """What is looked at of a header. What else stands there (``jwk``, ``jku``, ``x5c``, …) gives nobody a key."""

    alg: str
    typ: str | None = None
    kid: str | None = None
    crit: msgspec.Raw | None = None
    b64: msgspec.Raw | None = None


_header_decoder: Final = msgspec.json.Decoder(_Header)


class Token(Struct, frozen=True):
    """A token as it was read: nothing of it is to be believed before :func:`verify`."""

    text: str
    alg: str
    typ: str
    kid: str | None
    issuer: str
    claims: Mapping[str, Any]


class Expected(Struct, frozen=True, kw_only=True):
    """What a token must say: who issues, whom it is for, of which type (in small letters) it is."""

    issuer: str
    audience: str
    types: Sequence[str] = ("at+jwt",)


def read(text: str) -> Token:
    """The parts of a token. Raises :class:`BadToken` for what is none, or is of an algorithm that is not ours."""
    if len(text) > MOST_TOKEN_CHARACTERS:
        raise BadToken("longer than tokens are")
    parts = _COMPACT.fullmatch(text)
    if parts is None:
        raise BadToken("no compact JWS")
    header: _Header = _decoded(parts[1], _header_decoder)
    if header.alg not in ALGORITHMS:
        raise BadToken("an algorithm that is not ours")
    if header.crit is not None or header.b64 is not None:
        raise BadToken("asks for an extension")
    if header.kid is not None and len(header.kid) > _MOST_KID_CHARACTERS:
        raise BadToken("a key id that is too long")
    claims: dict[str, Any] = _decoded(parts[2], _claims_decoder)
    issuer = claims.get("iss")
    if not isinstance(issuer, str):
        raise BadToken("names no issuer")
    typ = (header.typ or "").lower().removeprefix("application/")
    return Token(text, header.alg, typ, header.kid, issuer, claims)


def check(token: Token, expected: Expected, now_us: int) -> int:
    """Until when (µs since 1970) it holds. Raises :class:`BadToken` where it does not say what it must."""
    claims = token.claims
    if token.typ not in expected.types:
        raise BadToken("of another type")
    if token.issuer != expected.issuer:
        raise BadToken("of another issuer")
    audience = claims.get("aud")
    if expected.audience not in (audience if isinstance(audience, list) else (audience,)):
        raise BadToken("for another audience")
    ends_us = _moment_us(claims, "exp")
    if ends_us is None or ends_us <= now_us:
        raise LateToken("over, or without an end")
    for name in ("nbf", "iat"):
        begins_us = _moment_us(claims, name)
        if begins_us is not None and begins_us > now_us + _LEEWAY_S * 1_000_000:
            raise LateToken("of the future")
    return ends_us


def verify(token: Token, key: VerifyingKey) -> None:
    """Raises :class:`BadToken` where the signature is not this key's. Takes some 100 to 200 µs."""
    if token.alg != key.algorithm:
        raise BadToken("signed by another algorithm than the key's")
    try:
        jws.deserialize_compact(token.text, key.key, [token.alg], _REGISTRIES[token.alg])
    except (JoseError, ValueError, TypeError):
        raise BadToken("a wrong signature") from None


def _decoded(part: str, decoder: msgspec.json.Decoder[Any]) -> Any:
    try:
        return decoder.decode(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, binascii.Error):
        raise BadToken("no JSON of a token") from None


def _moment_us(claims: Mapping[str, Any], name: str) -> int | None:
    """A NumericDate (RFC 7519 §2). Raises :class:`BadToken` for what is none."""
    found = claims.get(name)
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found < _LAST_S:
        raise BadToken("a time that is none")
    return int(found * 1_000_000)
