"""Issuers outside that the operator trusts: found by discovery, their keys kept fresh, kept when they are down.

Source: RFC 8414 §3 and OpenID Connect Discovery 1.0 §4 (where the metadata are), RFC 7517 (keys).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import msgspec
from msgspec import Struct

from heliograph.access.jwts import Expected
from heliograph.access.keysets import MOST_SET_OCTETS, KeySet, VerifyingKey, read_set
from heliograph.access.principals import Principal
from heliograph.contracts import HttpFailure
from heliograph.errors import RequestRejected
from heliograph.model import Account
from heliograph.telemetry import journal

__all__ = ["FRESH_S", "RETRY_S", "UNKNOWN_S", "OutsideIssuer", "Trust", "fetched_keys", "metadata_urls"]

FRESH_S: Final = 300.0
"""Keys are asked for again: one that the issuer took back is believed no longer than this."""
UNKNOWN_S: Final = 30.0
"""Between questions because of a key that nobody knows: who invents key ids causes no more than this."""
RETRY_S: Final = 5.0
"""Between questions while no keys are known at all."""

_MOST_WAITING: Final = 64
"""Requests that wait for an issuer's answer; others are asked to come again, so that a slow one holds up none."""
_WAIT_S: Final = 5.0

_MOST_METADATA_OCTETS: Final = 65_536
_MOST_SUBJECT_CHARACTERS: Final = 64
_MOST_NAMED_CHARACTERS: Final = 128

Fetch = Callable[[str, int], Awaitable[bytes]]
"""(URL, most octets) → the document. Raises ``HttpFailure``."""

_metadata_decoder: Final = msgspec.json.Decoder(dict[str, Any])


class Trust(Struct, frozen=True, kw_only=True):
    """What the operator lets an issuer say; ``docs/reference/settings.md`` has the words."""

    name: str
    issuer: str
    audience: str
    account: str | None = None
    account_claim: str | None = None
    accounts: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    scope_claim: str = "scope"
    token_types: tuple[str, ...] = ("at+jwt",)
    jwks_url: str | None = None


class OutsideIssuer:
    """A :class:`~heliograph.access.sources.Source`. ``changed`` is called when its keys are others."""

    def __init__(
        self,
        trust: Trust,
        fetch: Fetch,
        monotonic: Callable[[], float],
        account: Callable[[str], Account | None],
        changed: Callable[[], None],
    ) -> None:
        self.trust = trust
        self.expected = Expected(issuer=trust.issuer, audience=trust.audience, types=trust.token_types)
        self._fetch = fetch
        self._monotonic = monotonic
        self._account = account
        self._changed = changed
        self._scopes = frozenset(trust.scopes)
        self._set = KeySet()
        self._asked_at: float | None = None
        self._unknown_at: float | None = None
        self._asking: asyncio.Task[None] | None = None
        self._waiting = 0
        self._failing: str | None = None

    # --- keys --------------------------------------------------------------------------------------

    def find(self, kid: str | None, algorithm: str) -> VerifyingKey | None:
        return self._set.find(kid, algorithm)

    async def look(self, kid: str | None, algorithm: str) -> VerifyingKey | None:
        """The key after asking the issuer, where that is not too soon.

        Raises ``RequestRejected`` 503 where it does not answer now.
        """
        self._ask_for_unknown()
        if self._asking is not None and self._waiting < _MOST_WAITING:
            self._waiting += 1
            try:
                await asyncio.wait([self._asking], timeout=_WAIT_S)
            finally:
                self._waiting -= 1
        found = self.find(kid, algorithm)
        if found is None and (self._asking is not None or not len(self._set)):
            raise RequestRejected(
                "issuer_unavailable",
                "The keys of this token's issuer can't be fetched now: try again in a moment.",
                status=503,
                retry_after_s=int(RETRY_S),
            )
        return found

    def _ask_for_unknown(self) -> None:
        """What was asked because it was time does not count: an issuer may have another key a second later."""
        now = self._monotonic()
        if not len(self._set):
            if self._is_due(RETRY_S):
                self._ask()
        elif self._asking is None and (self._unknown_at is None or now - self._unknown_at >= UNKNOWN_S):
            self._unknown_at = now
            self._ask()

    def tend(self) -> None:
        """Asks again, beside everything else, where it is time. To be called every second or so."""
        if self._is_due(FRESH_S if self._failing is None else UNKNOWN_S):
            self._ask()

    async def close(self) -> None:
        """Ends a question that is under way."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    def _is_due(self, after_s: float) -> bool:
        return self._asking is None and (self._asked_at is None or self._monotonic() - self._asked_at >= after_s)

    def _ask(self) -> None:
        self._asked_at = self._monotonic()
        self._asking = asyncio.get_running_loop().create_task(self._refresh())
        self._asking.add_done_callback(self._asked)

    def _asked(self, _: asyncio.Task[None]) -> None:
        self._asking = None

    async def _refresh(self) -> None:
        try:
            found = await fetched_keys(self.trust, self._fetch)
        except (HttpFailure, ValueError) as error:
            why = error.detail if isinstance(error, HttpFailure) else str(error)
            if self._failing != why:
                journal.issuer_unavailable(self.trust.name, why, len(self._set))
            self._failing = why
            return
        self._failing = None
        if _prints(found) != _prints(self._set):
            self._set = found
            self._changed()
            journal.issuer_keys_read(self.trust.name, len(found))

    # --- who calls ---------------------------------------------------------------------------------

    def principal(self, claims: Any) -> Principal | None:
        """Who has such a token: its account as it is now, and the scopes that both sides allow."""
        subject, trust = claims.get("sub"), self.trust
        name = trust.account if trust.account_claim is None else claims.get(trust.account_claim)
        if not isinstance(name, str) or len(name) > _MOST_NAMED_CHARACTERS or not isinstance(subject, str):
            return None
        if trust.account_claim is not None and trust.accounts and name not in trust.accounts:
            return None
        account = self._account(name)
        if account is None or account.closed_us is not None:
            return None
        return Principal(account, self._scopes_of(claims), f"{trust.name}/{_shown(subject)}", kind="token")

    def _scopes_of(self, claims: Any) -> frozenset[str]:
        if not self.trust.scope_claim:
            return self._scopes
        said = claims.get(self.trust.scope_claim)
        words = said.split() if isinstance(said, str) else said if isinstance(said, list) else ()
        return self._scopes.intersection(one for one in words if isinstance(one, str))


async def fetched_keys(trust: Trust, fetch: Fetch) -> KeySet:
    """The keys that an issuer has now. Raises ``HttpFailure``, ``ValueError``."""
    return read_set(await fetch(trust.jwks_url or await _keys_url(trust.issuer, fetch), MOST_SET_OCTETS))


async def _keys_url(issuer: str, fetch: Fetch) -> str:
    failure: HttpFailure | ValueError = ValueError("there are no metadata")
    for url in metadata_urls(issuer):
        try:
            return _keys_url_of(await fetch(url, _MOST_METADATA_OCTETS), issuer)
        except (HttpFailure, ValueError) as error:
            failure = error
    raise failure


def metadata_urls(issuer: str) -> tuple[str, str]:
    """Where an issuer's metadata are: as OAuth says, then as OpenID Connect does."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    oauth = f"/.well-known/oauth-authorization-server{path}"
    openid = f"{path}/.well-known/openid-configuration"
    return urlunsplit(parts._replace(path=oauth)), urlunsplit(parts._replace(path=openid))


def _keys_url_of(octets: bytes, issuer: str) -> str:
    """What metadata say. They must be of this very issuer (RFC 8414 §3.3), and lead to no weaker place."""
    try:
        said = _metadata_decoder.decode(octets)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise ValueError("its metadata are no JSON object") from None
    if said.get("issuer") != issuer:
        raise ValueError("its metadata are of another issuer")
    url = said.get("jwks_uri")
    scheme = urlsplit(issuer).scheme
    if not isinstance(url, str) or not url.startswith((f"{scheme}://", "https://")):
        raise ValueError("its metadata name no safe place of keys")
    return url


def _prints(keys: KeySet) -> set[tuple[str | None, str]]:
    return {(one.kid, one.thumbprint) for one in keys}


def _shown(subject: str) -> str:
    return "".join(one if one.isprintable() else "?" for one in subject[:_MOST_SUBJECT_CHARACTERS])
