"""OAuth 2.0: tokens for who has a key (client credentials), and the documents by which strangers find their way.

A key is a client: its id (the readable beginning) is ``client_id``, its text ``client_secret``.
Source: RFC 6749 §2.3, §4.4, §5; RFC 8414 (metadata); RFC 7517 (keys); RFC 9068 (tokens).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, unquote_plus

import msgspec
from fastapi import Request

from heliograph.access import Principal
from heliograph.access.tokens import Tokens
from heliograph.errors import RequestRejected
from heliograph.ingress.rest.calls import Call
from heliograph.ingress.rest.endpoints import NOT_KEPT, Answerer, Reader
from heliograph.ingress.rest.problems import Reply
from heliograph.ingress.rest.services import Services
from heliograph.model import SCOPES

__all__ = ["KEYS_PATH", "METADATA_PATH", "TOKEN_PATH", "OAuth"]

TOKEN_PATH: Final = "/oauth/token"
KEYS_PATH: Final = "/.well-known/jwks.json"
METADATA_PATH: Final = "/.well-known/oauth-authorization-server"

_GRANT: Final = "client_credentials"
_FORM: Final = "application/x-www-form-urlencoded"
_MOST_OCTETS: Final = 16_384
_MOST_FIELDS: Final = 32
_NOT_KEPT: Final = (*NOT_KEPT, (b"pragma", b"no-cache"))
_KEPT_A_WHILE: Final = ((b"cache-control", b"public, max-age=300"),)
"""Who meets a key that it does not know asks again anyway."""
_STATUSES: Final = {"invalid_client": 401}
"""Of errors that RFC 6749 §5.2 does not answer with 400."""
_CHALLENGE: Final = ((b"www-authenticate", b'Basic realm="heliograph", charset="UTF-8"'),)

_encode = msgspec.json.Encoder().encode


class _Refused(Exception):
    """An error as RFC 6749 §5.2 words it."""

    def __init__(self, error: str, sentence: str) -> None:
        self.error = error
        self.sentence = sentence
        super().__init__(error)


class _Credentials(NamedTuple):
    client_id: str
    secret: str


class OAuth:
    """The endpoints. ``read`` reads a body under a bound, ``count`` counts a request on its caller's limits."""

    def __init__(
        self,
        services: Services,
        read: Reader,
        count: Callable[[Request, Principal], None],
    ) -> None:
        self._services = services
        self._read = read
        self._count = count

    def documents(self) -> dict[str, Answerer]:
        """What everybody may read."""
        return {KEYS_PATH: self.keys, METADATA_PATH: self.metadata}

    async def token(self, request: Request) -> Reply:
        """``POST /oauth/token``: a token, or an error that every client library knows."""
        try:
            return await self._token(request)
        except _Refused as refused:
            return self._refusal(refused.error, refused.sentence)
        except RequestRejected as rejected:
            if rejected.status not in (401, 403):
                raise
            return self._refusal("invalid_client", rejected.detail)

    def _refusal(self, error: str, sentence: str) -> Reply:
        self._services.metrics.refused(error)
        status = _STATUSES.get(error, 400)
        body = _encode({"error": error, "error_description": sentence})
        return Reply(status, body, (*_NOT_KEPT, *(_CHALLENGE if status == 401 else ())))

    async def _token(self, request: Request) -> Reply:
        tokens = self._tokens()
        call = await self._read(request, _MOST_OCTETS)
        form = _form(request.headers.get("content-type", ""), call.body)
        client = self._client(call, _credentials(call, form))
        self._count(request, client)
        grant = form.get("grant_type")
        if grant is None:
            raise _Refused("invalid_request", f"Send grant_type={_GRANT}.")
        if grant != _GRANT:
            raise _Refused("unsupported_grant_type", f"The only grant_type here is {_GRANT}.")
        issued = await tokens.issue(client, self._scopes(form.get("scope"), client, call.peer))
        answer = {
            "access_token": issued.text,
            "token_type": "Bearer",
            "expires_in": issued.expires_in_s,
            "scope": " ".join(issued.scopes),
        }
        return Reply(200, _encode(answer), _NOT_KEPT)

    def _client(self, call: Call, given: _Credentials) -> Principal:
        """Who asks. Unknown, revoked and wrong are told alike. Raises ``RequestRejected`` as the key itself would."""
        found = self._services.keys.admit_named(given.client_id, given.secret, call.peer, call.origin)
        if found is None:
            raise _Refused(
                "invalid_client", "client_id must be the id of a key, and client_secret the key: see heliograph keys."
            )
        return found

    def _scopes(self, wanted: str | None, client: Principal, peer: str | None) -> tuple[str, ...]:
        """What the token may do: what was asked for, as far as the key may do it; without a wish, all of that."""
        own = tuple(one for one in SCOPES if one in client.scopes)
        if wanted is None:
            return own
        asked = tuple(dict.fromkeys(wanted.split(" ")))
        lacking = [one for one in asked if one not in own]
        if not lacking:
            return asked
        if lacking[0] in SCOPES:  # others are nobody's right
            self._services.keys.refused(client, peer, "scope", lacking[0], request=f"POST {TOKEN_PATH}")
        raise _Refused(
            "invalid_scope", f"This key lacks the scope {_shown(lacking[0])}: it has {' '.join(own) or 'none'}."
        )

    async def keys(self, request: Request) -> Reply:
        """The keys that our tokens are verified with."""
        octets = self._tokens().signing.published()
        return Reply(200, octets, _KEPT_A_WHILE, b"application/jwk-set+json")

    async def metadata(self, request: Request) -> Reply:
        """Where everything is."""
        return Reply(200, _encode(_metadata(self._tokens().issuer)), _KEPT_A_WHILE)

    def _tokens(self) -> Tokens:
        tokens = self._services.keys.tokens
        if tokens is None:
            raise RequestRejected("not_found", "This server issues no tokens.", status=404)
        return tokens


def _metadata(issuer: str) -> dict[str, Any]:
    return {
        "issuer": issuer,
        "token_endpoint": issuer + TOKEN_PATH,
        "jwks_uri": issuer + KEYS_PATH,
        "grant_types_supported": [_GRANT],
        "response_types_supported": [],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "scopes_supported": list(SCOPES),
        "service_documentation": issuer + "/docs",
    }


def _form(content_type: str, body: bytes) -> dict[str, str]:
    """Fields of a form, each once; those without a value are not there (RFC 6749 §3.2)."""
    if content_type.partition(";")[0].strip().lower() != _FORM:
        raise _Refused("invalid_request", f"Send the body as {_FORM}.")
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except (ValueError, UnicodeDecodeError):
        raise _Refused("invalid_request", f"The body is no form with at most {_MOST_FIELDS} fields.") from None
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise _Refused("invalid_request", f"Send {_shown(name)} once.")
        found[name] = value
    return {name: value for name, value in found.items() if value}


def _credentials(call: Call, form: Mapping[str, str]) -> _Credentials:
    """What the client authenticates with: by HTTP Basic, or in the form, but not by both."""
    basic = None if call.authorization is None else _basic(call.authorization)
    if basic is None:
        if "client_id" not in form or "client_secret" not in form:
            raise _Refused("invalid_client", "Authenticate by HTTP Basic, or send client_id and client_secret.")
        return _Credentials(form["client_id"], form["client_secret"])
    if "client_secret" in form or form.get("client_id", basic.client_id) != basic.client_id:
        raise _Refused("invalid_request", "Authenticate once: by HTTP Basic, or in the form.")
    return basic


def _basic(header: bytes) -> _Credentials:
    """Id and secret of an HTTP Basic header, each written as in a form (RFC 6749 §2.3.1)."""
    scheme, _, value = header.partition(b" ")
    if scheme.lower() == b"basic":
        try:
            client_id, colon, secret = base64.b64decode(value.strip(), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            colon = ""
        if colon:
            return _Credentials(unquote_plus(client_id), unquote_plus(secret))
    raise _Refused("invalid_client", "The Authorization header here is HTTP Basic, with client_id and client_secret.")


def _shown(text: str) -> str:
    """A stranger's word inside a sentence: short, and of the characters that an error may have (RFC 6749 §5.2)."""
    return "".join(one if one.isascii() and one.isprintable() and one not in '"\\' else "?" for one in text[:64])
