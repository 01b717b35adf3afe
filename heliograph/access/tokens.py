"""Access tokens: ours, and those of issuers that the operator trusts. Verified once, then known.

What is kept of a verified token is who it is from and until when. Whom it acts for and what it may do is read from
the present configuration, so a key that is revoked takes its tokens with it.
Source: RFC 9068; docs/explanation/design/0048-tokens.md
"""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from heliograph.access.invalid import InvalidToken
from heliograph.access.issuers import OutsideIssuer
from heliograph.access.jwts import BadToken, Expected, LateToken, Token, check, read, verify
from heliograph.access.keysets import VerifyingKey
from heliograph.access.principals import Principal
from heliograph.access.signing import SigningKeys, sign
from heliograph.access.sources import OwnIssuer, Source
from heliograph.access.unseen import Unseen
from heliograph.errors import RequestRejected
from heliograph.model import Account

__all__ = ["MOST_CHARACTERS", "MOST_KNOWN", "Issued", "Tokens"]

MOST_KNOWN: Final = 10_000
"""Tokens that are known; those that were not used for longest are verified again when they come."""
MOST_CHARACTERS: Final = 16_000_000
"""Of all of them together. Kept as they are: a hash of one would cost more than all else that is asked of it."""
_AT_ONCE: Final = 2
_MOST_MEETING: Final = 512
"""Some 0.1 s of work; who comes then is asked to come again."""

T = TypeVar("T")


class Issued(Struct, frozen=True):
    """A new token, for how long it holds, and what it may do."""

    text: str
    expires_in_s: int
    scopes: tuple[str, ...]


class _Known:
    """A verified token. ``epoch``: of the configuration that ``principal`` was read from."""

    __slots__ = ("ends_us", "epoch", "key", "principal", "source", "token")

    def __init__(self, source: Source, token: Token, key: VerifyingKey, ends_us: int) -> None:
        self.source = source
        self.token = token
        self.key = key
        self.ends_us = ends_us
        self.epoch = -1
        self.principal: Principal | None = None


class Tokens:
    """Verifies, remembers and issues. One object for a process; ``close`` it at its end."""

    def __init__(
        self,
        signing: SigningKeys,
        now_us: Callable[[], int],
        client: Callable[[str], Principal | None],
        refresh: Callable[[], Awaitable[object]],
        *,
        issuer: str,
        lifetime_s: int = 3_600,
    ) -> None:
        """``client`` finds who has a key of this id; ``refresh`` reads the configuration if it changed."""
        self.signing = signing
        self.lifetime_s = lifetime_s
        self._now_us = now_us
        self.accounts: Mapping[str, Account] = {}
        """Every account by its name."""
        self._own = OwnIssuer(signing, client, refresh, issuer)
        self.outside: tuple[OutsideIssuer, ...] = ()
        """Issuers that are trusted besides ourselves."""
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._characters = 0
        self._meeting: dict[str, asyncio.Task[None]] = {}
        self._epoch = 0
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="token")

    @property
    def issuer(self) -> str:
        """Who we are in tokens, and whom they are for: the address of this API."""
        return self._own.expected.issuer

    @issuer.setter
    def issuer(self, url: str) -> None:
        self._own.expected = Expected(issuer=url, audience=url)

    async def reload(self, accounts: Iterable[Account]) -> None:
        """Reads our signing keys again; called when accounts or keys may be others."""
        await self.signing.load()
        self.accounts = {one.name: one for one in accounts}
        self.changed()

    def trust(self, issuers: Iterable[OutsideIssuer]) -> None:
        """These issuers outside from now on; tokens of those that are no longer among them end."""
        self.outside = tuple(issuers)
        kept = ((text, known) for text, known in self._known.items() if self._trusts(known.source))
        self._known = OrderedDict(kept)
        self._characters = sum(map(len, self._known))
        self.changed()

    def _trusts(self, source: Source) -> bool:
        return source is self._own or source in self.outside

    def changed(self) -> None:
        """Accounts, keys or sets of keys are others now: what is known of tokens is looked at again."""
        self._epoch += 1

    def tend(self) -> None:
        """To be called every second or so: keeps the keys of issuers outside fresh."""
        for one in self.outside:
            one.tend()

    async def close(self) -> None:
        """Ends the threads; what is under way is finished first."""
        for one in self.outside:
            await one.close()
        self._pool.shutdown()

    # --- a request's token -------------------------------------------------------------------------

    def principal(self, text: str) -> Principal:
        """Who calls with this token.

        Raises :class:`Unseen` for one that :meth:`meet` must verify first, and ``RequestRejected`` 401
        ``token_invalid`` for one that is no longer valid.
        """
        known = self._known.get(text)
        if known is None:
            raise Unseen(partial(self.meet, text))
        if known.epoch != self._epoch:
            self._look_again(known)
        principal = known.principal
        if principal is None or principal.expires_us is None or principal.expires_us <= self._now_us():
            raise InvalidToken()
        self._known.move_to_end(text)
        return principal

    def _look_again(self, known: _Known) -> None:
        token, source = known.token, known.source
        key = source.find(token.kid, token.alg) if self._trusts(source) else None
        principal = source.principal(token.claims)
        if key is None or key.thumbprint != known.key.thumbprint or principal is None:
            known.principal = None
        else:
            ends_us = min(known.ends_us, principal.expires_us or known.ends_us)
            known.principal = replace(principal, expires_us=ends_us)
        known.epoch = self._epoch

    async def meet(self, text: str) -> None:
        """Verifies a token that was never seen, away from the loop.

        Raises ``RequestRejected``: 401 ``token_invalid`` (:class:`InvalidToken`), for whatever reason; 503 where too
        many wait.
        """
        if text in self._known:
            return
        task = self._meeting.get(text)
        if task is None:
            if len(self._meeting) >= _MOST_MEETING:
                raise RequestRejected(
                    "overloaded", "Too many tokens are being verified: try again.", status=503, retry_after_s=1
                )
            task = self._meeting[text] = asyncio.get_running_loop().create_task(self._verify(text))
            task.add_done_callback(lambda done: self._met(text, done))
        await asyncio.shield(task)

    def claimed(self, text: str) -> str:
        """Whom a token says that it is from, as :attr:`Principal.key` has it: not to be believed. "" is nobody."""
        try:
            token = read(text)
            principal = self._source(token.issuer).principal(token.claims)
        except BadToken:
            return ""
        return "" if principal is None else principal.key

    def _met(self, text: str, done: asyncio.Task[None]) -> None:
        del self._meeting[text]
        if not done.cancelled():
            done.exception()  # nobody may be waiting for it any more

    async def _verify(self, text: str) -> None:
        try:
            token = read(text)
            source = self._source(token.issuer)
            ends_us = check(token, source.expected, self._now_us())
            key = source.find(token.kid, token.alg) or await source.look(token.kid, token.alg)
            if key is None:
                raise LateToken("signed by a key that nobody knows, or no longer")
            await self._away(verify, token, key)
        except LateToken:
            raise InvalidToken() from None
        except BadToken:
            raise InvalidToken(counted=True) from None
        known = _Known(source, token, key, ends_us)
        self._look_again(known)
        if known.principal is None:
            name = token.claims.get("client_id") if source is self._own else None
            raise InvalidToken(counted=True, name=name if isinstance(name, str) else "")
        self._known[text] = known
        self._characters += len(text)
        while len(self._known) > MOST_KNOWN or self._characters > MOST_CHARACTERS:
            oldest, _ = self._known.popitem(last=False)
            self._characters -= len(oldest)

    def _source(self, issuer: str) -> Source:
        if issuer == self._own.expected.issuer:
            return self._own
        for one in self.outside:
            if issuer == one.expected.issuer:
                return one
        raise BadToken("of an issuer that nobody knows")

    async def _away(self, work: Callable[..., T], *values: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *values)

    # --- a token of ours ---------------------------------------------------------------------------

    async def issue(self, client: Principal, scopes: Sequence[str]) -> Issued:
        """A token for who has this key, that may do ``scopes``; it never outlives the key.

        Raises ``SecretLocked``, ``RequestRejected`` 503.
        """
        now_s = self._now_us() // 1_000_000
        ends_s = now_s + self.lifetime_s
        if client.expires_us is not None:
            ends_s = min(ends_s, client.expires_us // 1_000_000)
        claims = {
            "iss": self.issuer,
            "sub": client.key,
            "aud": self.issuer,
            "client_id": client.key,
            "scope": " ".join(scopes),
            "iat": now_s,
            "exp": ends_s,
            "jti": secrets.token_urlsafe(16),
        }
        kid, algorithm, key = await self.signing.signer()
        text = await self._away(sign, claims, kid, algorithm, key)
        return Issued(text, ends_s - now_s, tuple(scopes))
