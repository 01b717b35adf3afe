"""API keys: 256 random bits behind a readable prefix, shown once, kept as a hash, found in memory."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import secrets
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from heliograph.access.accounts import Accounts
from heliograph.access.allowing import AllowList
from heliograph.access.guard import Guard
from heliograph.access.invalid import InvalidToken
from heliograph.access.principals import Principal
from heliograph.access.refusals import Refusals
from heliograph.access.unseen import Unseen
from heliograph.contracts import Store
from heliograph.errors import ConfigError, ConfigFault, RequestRejected, StoreError
from heliograph.model import CUSTOMER_SCOPES, SCOPES, Account, Credential, sandbox_of
from heliograph.telemetry import journal

if TYPE_CHECKING:
    from heliograph.access.tokens import Tokens

__all__ = [
    "MOST_NAME_CHARACTERS",
    "OVERLAP_S",
    "TEST_PREFIX",
    "KeyRing",
    "check_scopes",
    "is_test_key",
    "make_key",
    "successor_of",
]

MOST_NAME_CHARACTERS: Final = 64
OVERLAP_S: Final = 86_400
"""For how many seconds a rotated key stays valid beside its successor, where nobody says otherwise."""

TEST_PREFIX: Final = "hg_test_"
"""How the keys of sandboxes begin."""

_LIVE_PREFIX = "hg_live_"
_PREFIX_CHARACTERS = 16
_MOST_CHARACTERS = 128
_LIKE_A_KEY = re.compile(r"hg_(?:live|test)_[0-9a-f]{64}")
_MOST_MISSED = 4_096
_NOTED_EVERY_US = 60_000_000
_TOLD_EVERY_US = 60_000_000
_ORIGIN_CHARACTERS = 100


def make_key(
    account_id: int,
    scopes: tuple[str, ...] = CUSTOMER_SCOPES,
    *,
    now_us: int,
    expires_us: int | None = None,
    name: str = "",
    addresses: tuple[str, ...] = (),
    test: bool = False,
) -> tuple[str, Credential]:
    """A new key: its text, which nobody can read again, and what is kept of it. ``test``: for the account's sandbox.

    ``addresses`` are as :func:`heliograph.access.allowing.ranges_of` gives them.
    """
    text = (TEST_PREFIX if test else _LIVE_PREFIX) + secrets.token_hex(32)
    key = Credential(
        id=0,
        account_id=account_id,
        prefix=text[:_PREFIX_CHARACTERS],
        hash=hashlib.sha256(text.encode()).digest(),
        scopes=scopes,
        created_us=now_us,
        expires_us=expires_us,
        name=name,
        addresses=addresses,
    )
    return text, key


def successor_of(key: Credential, *, now_us: int) -> tuple[str, Credential]:
    """A key that may do the same from the same addresses, without an end: its text, and what is kept of it."""
    text, fresh = make_key(key.account_id, key.scopes, now_us=now_us, test=is_test_key(key))
    return text, replace(fresh, name=key.name, addresses=key.addresses)


def is_test_key(key: Credential) -> bool:
    """Whether a key is for the sandbox of its account: its text says so, for ever."""
    return key.prefix.startswith(TEST_PREFIX)


def _side_of(key: Credential, account: Account) -> tuple[Account, frozenset[str]]:
    """What a key acts for, and what it may do. In a sandbox there is nothing that only operators may do."""
    if is_test_key(key):
        return sandbox_of(account), frozenset(key.scopes).intersection(CUSTOMER_SCOPES)
    return account, frozenset(key.scopes)


def check_scopes(scopes: tuple[str, ...], *, test: bool = False) -> None:
    """Raises ``ConfigError`` naming every scope that does not exist, or that a ``test`` key cannot have."""
    allowed, whose = (CUSTOMER_SCOPES, " for a test key") if test else (SCOPES, "")
    faults = [
        ConfigFault("--scopes", f"there is no scope {scope}{whose}", f"choose from {', '.join(allowed)}")
        for scope in scopes
        if scope not in allowed
    ]
    if faults:
        raise ConfigError(faults)


class KeyRing:
    """Every key that may be used, by the hash of its text; read anew when the configuration changed."""

    def __init__(self, store: Store, now_us: Callable[[], int], guard: Guard | None = None) -> None:
        self._store = store
        self._now_us = now_us
        self.guard = Guard(now_us) if guard is None else guard
        """Slows down who tries keys."""
        self.refusals = Refusals(store, now_us)
        """What the audit log shall tell of refusals."""
        self._principals: dict[bytes, Principal] = {}
        self._by_prefix: dict[str, Principal] = {}
        self.tokens: Tokens | None = None
        """Access tokens, where this process takes them."""
        self.on_refresh: Callable[[Accounts], Awaitable[None]] | None = None
        """Hears of accounts and keys that may be others, before they are used."""
        self.accounts = Accounts()
        """Every account, as of the same moment as the keys."""
        self.version = -1
        """Of the configuration that this is."""
        self._turn = asyncio.Lock()
        self._asked = self._answered = 0
        self._missed: set[bytes] = set()
        """Hashes of what looks like a key and was not there in this version."""
        self._used: set[str] = set()
        self._noted_us = now_us()
        self._in_browser = 0
        self._told_us: int | None = None

    async def refresh(self) -> bool:
        """Reads keys and accounts again if any process changed them; True when it did.

        All who ask before a reading begins share it.
        """
        self._asked += 1
        asked = self._asked
        async with self._turn:
            if self._answered >= asked:
                return False
            answers = self._asked
            changed = await self._read()
            self._answered = answers
            return changed

    async def _read(self) -> bool:
        version = await self._store.config_version()
        if version == self.version:
            return False
        accounts = Accounts(await self._store.accounts())
        principals = {
            key.hash: Principal(
                *_side_of(key, owner),
                key.prefix,
                key.expires_us,
                AllowList(key.addresses) if key.addresses else None,
            )
            for key in await self._store.keys()
            if key.revoked_us is None and (owner := accounts.open(key.account_id)) is not None
        }
        if self.on_refresh is not None:
            await self.on_refresh(accounts)
        self.accounts = accounts
        self._principals = principals
        self._by_prefix = {one.key: one for one in principals.values()}
        self._missed.clear()
        if self.tokens is not None:
            await self.tokens.reload(filter(None, map(accounts.open, accounts.kept)))
        self.version = version
        return True

    def find(self, prefix: str) -> Principal | None:
        """Whose key this is the readable beginning of, which proves nothing; None for one unknown or revoked."""
        return self._by_prefix.get(prefix)

    def admit(self, token: str, peer: str | None, origin: bytes | None = None) -> Principal | None:
        """Whose key or access token this is, for a caller at ``peer``; None for a key that is unknown or revoked.

        ``origin`` is the header that browsers send. Raises ``RequestRejected``: 403 ``browser_origin``; 403
        ``address_not_allowed``; at an allowed address alone 401 ``key_expired``; 401 ``token_invalid``. Only who has
        the whole key hears them. After many failures 429 ``too_many_failures``, as :class:`Guard` says it. Raises
        ``Unseen`` for a token that was never verified, and for what may be a key that another process has just made.
        """
        try:
            principal = self._whose(token)
        except Unseen:
            raise Unseen(partial(self._meet, token, peer)) from None
        if principal is None:
            self._look_first(token, peer)
            self.guard.failed(peer, token[:_PREFIX_CHARACTERS])
            return None
        if principal.kind == "key":
            self.guard.passed(peer, principal.key)
        if origin is not None:
            self._tell_of_browser(principal.key, origin)
            self.refused(principal, peer, "key", "browser_origin")
            raise RequestRejected(
                "browser_origin",
                "A key in a web page can be read by all who see the page: replace it, and call from your server, "
                "or let your server give the page a publishable token.",
                status=403,
            )
        if principal.allowed is not None and not principal.allowed.admits(peer):
            self.refused(principal, peer, "key", "address_not_allowed")
            raise RequestRejected(
                "address_not_allowed",
                "This key may not be used from this address: call from one of its own, or let the operator add this.",
                status=403,
            )
        if principal.expires_us is not None and "." not in token and principal.expires_us <= self._now_us():
            raise RequestRejected(
                "key_expired", "This key has expired: use its successor, or let the operator make one.", status=401
            )
        if principal.kind == "key":
            self._used.add(principal.key)
        return principal

    def admit_named(self, name: str, secret: str, peer: str | None, origin: bytes | None = None) -> Principal | None:
        """Whose key ``secret`` is, if ``name`` is its id; otherwise as :meth:`admit`. Never an access token."""
        if not hmac.compare_digest(name.encode(), secret[:_PREFIX_CHARACTERS].encode()) or self.is_token(secret):
            self.guard.failed(peer, name)
            return None
        return self.admit(secret, peer, origin)

    def refused(self, principal: Principal, peer: str | None, kind: str, name: str, **detail: str) -> None:
        """Somebody known may not do something: the audit log tells it.

        ``kind`` and ``name`` are what they lack or were asked for: a ``scope``, a ``key`` elsewhere, an ``operation``.
        """
        account_id = principal.account.id
        self.refusals.refused(principal.key, principal.kind, peer, kind, name, account_id=account_id, **detail)

    @staticmethod
    def is_token(text: str) -> bool:
        """Whether this may be an access token, and is no key."""
        return "." in text

    def _whose(self, text: str) -> Principal | None:
        if "." in text:  # as is_token says
            return None if self.tokens is None else self.tokens.principal(text)
        return None if len(text) > _MOST_CHARACTERS else self._principals.get(hashlib.sha256(text.encode()).digest())

    def _look_first(self, text: str, peer: str | None) -> None:
        """A key works everywhere as soon as it is made: before one is refused, the store is asked once."""
        if _LIKE_A_KEY.fullmatch(text) is None:
            return
        digest = hashlib.sha256(text.encode()).digest()
        if digest not in self._missed:
            self.guard.check(peer, text[:_PREFIX_CHARACTERS])
            raise Unseen(partial(self._look_for, digest))

    async def _meet(self, token: str, peer: str | None) -> None:
        """Verifies a token that was never seen, for a caller who need not wait."""
        tokens, guard = self.tokens, self.guard
        assert tokens is not None
        try:
            guard.check(peer, "")
        except RequestRejected:  # unless who it says it is was good here before: its signature has the last word
            guard.check(peer, tokens.claimed(token))
        try:
            await tokens.meet(token)
            principal = tokens.principal(token)
        except InvalidToken as invalid:
            if invalid.counted:
                guard.failed(peer, invalid.name)
            raise
        if principal.kind != "key":  # those of keys pass with the key's name, at each request
            guard.passed(peer, principal.key)

    async def _look_for(self, digest: bytes) -> None:
        await self.refresh()
        if len(self._missed) >= _MOST_MISSED:
            self._missed.clear()
        self._missed.add(digest)

    def _tell_of_browser(self, key: str, origin: bytes) -> None:
        """Once a minute at most: a page that many people see would fill the journal."""
        self._in_browser += 1
        now_us = self._now_us()
        if self._told_us is not None and now_us - self._told_us < _TOLD_EVERY_US:
            return
        shown = "".join(one if one.isprintable() else "?" for one in origin.decode("latin-1")[:_ORIGIN_CHARACTERS])
        journal.key_in_browser(key, shown, self._in_browser)
        self._told_us, self._in_browser = now_us, 0

    async def note_uses(self, *, at_once: bool = False) -> None:
        """Keeps which keys were used since the last time: at most once a minute, unless ``at_once``."""
        now_us = self._now_us()
        if not self._used or (not at_once and now_us - self._noted_us < _NOTED_EVERY_US):
            return
        used, self._used, self._noted_us = self._used, set(), now_us
        try:
            await self._store.note_key_uses(sorted(used), now_us)
        except StoreError:
            self._used |= used
            raise
