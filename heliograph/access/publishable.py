"""Publishable tokens: each can start one prepared message once, from pages of some origins, and nothing else.

They are not held in memory. The message is sealed in the row, bound to account and id.
Source: docs/explanation/design/0052-publishable-tokens.md
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from heliograph.access.actors import Actor
from heliograph.access.documents import opened, sealed
from heliograph.access.keys import KeyRing
from heliograph.access.principals import Principal
from heliograph.contracts import PUBLISHABLE, Administration, Claim, Sealer, Store
from heliograph.delivery.idempotency import Outcome, claim_of, earlier, outcome_of, place_of, same
from heliograph.delivery.submission import IdempotencyKey
from heliograph.errors import RequestRejected
from heliograph.model import Account, Credential

__all__ = [
    "MOST_OPEN",
    "PUBLISHABLE_PREFIX",
    "Pass",
    "Passes",
    "PublishableKeeper",
    "id_of",
    "is_test_token",
    "message_in",
    "sealed_message",
    "side_of",
    "start_key",
    "state_of",
]

PUBLISHABLE_PREFIX: Final = "hg_pub_"
"""How all of them begin."""
MOST_OPEN: Final = 10_000
"""Tokens of an account that are neither revoked nor expired."""

_LIVE: Final = "hg_pub_live_"
_TEST: Final = "hg_pub_test_"
_ID_CHARACTERS: Final = 32
_ID: Final = re.compile(r"hg_pub_(?:live|test)_[0-9a-f]{20}", re.ASCII)
_TOKEN: Final = re.compile(r"hg_pub_(?:live|test)_[0-9a-f]{84}", re.ASCII)
_SEND: Final = "messages:send"
_CLAIMED_US: Final = 2 * 86_400_000_000
"""For how long a start is known as done: longer than any token lives, whatever two servers' clocks say."""


def id_of(text: str) -> str:
    """The id of a token by its text, which begins with it."""
    return text[:_ID_CHARACTERS]


def is_test_token(token: Credential) -> bool:
    """Whether what it starts is for the sandbox of its account: its id says so, for ever."""
    return token.prefix.startswith(_TEST)


def side_of(account: Account) -> str:
    """How ids of an account's tokens begin, or of its sandbox's."""
    return _TEST if account.is_sandbox else _LIVE


def start_key(token: Credential) -> IdempotencyKey:
    """The key under which a token is used once. No caller can send it: no header has a line break."""
    account_id = -token.account_id if is_test_token(token) else token.account_id
    key = f"{PUBLISHABLE}\n{token.prefix}"
    return IdempotencyKey(account_id=account_id, key=key, body_hash=token.hash, life_us=_CLAIMED_US)


def message_in(token: Credential, sealer: Sealer) -> bytes:
    """The prepared message. Raises ``SecretLocked``."""
    return opened(str(token.settings["message"]), sealer, *_place(token)).encode()


def sealed_message(token: Credential, message: bytes, sealer: Sealer) -> Credential:
    """The token with this message in it. Raises ``ConfigError`` where there is no master key."""
    secret = sealed(message.decode(), sealer, *_place(token))
    return replace(token, settings={**token.settings, "message": secret})


def _place(token: Credential) -> tuple[str, str, str]:
    """What the message of a token is bound to."""
    return PUBLISHABLE, f"{token.account_id}\n{token.prefix}", "message"


def state_of(token: Credential, outcome: Outcome | None, now_us: int) -> str:
    """``started`` or ``refused``, which nothing undoes; otherwise ``revoked``, ``expired`` or ``open``."""
    if outcome is not None:
        return "refused" if outcome.message_id is None else "started"
    if token.revoked_us is not None:
        return "revoked"
    return "expired" if (token.expires_us or 0) <= now_us else "open"


class PublishableKeeper:
    """Makes, shows and revokes the tokens of one account at a time."""

    def __init__(self, store: Store, sealer: Sealer, now_us: Callable[[], int]) -> None:
        self._store = store
        self._sealer = sealer
        self._now_us = now_us

    async def create(
        self,
        principal: Principal,
        message: bytes,
        origins: Sequence[str],
        life_us: int,
        idempotency: IdempotencyKey | None = None,
    ) -> tuple[Credential, str | None]:
        """A token and its text; the text is None where the same request made it at the same time.

        It ends with the access token that asks for it, at the latest. Raises ``RequestRejected``.
        """
        now_us, account_id = self._now_us(), abs(principal.account.id)
        if await self._store.open_publishable(account_id, now_us) >= MOST_OPEN:
            raise RequestRejected(
                "conflict",
                f"An account has at most {MOST_OPEN:,} open tokens: give them a shorter expires_in, or revoke some.",
                status=409,
            )
        name = f"{side_of(principal.account)}{now_us // 1000:012x}{secrets.token_hex(4)}"
        text = name + secrets.token_hex(32)
        ends_us = now_us + life_us
        bare = Credential(
            id=0,
            account_id=account_id,
            prefix=name,
            hash=hashlib.sha256(text.encode()).digest(),
            scopes=(),
            created_us=now_us,
            expires_us=ends_us if principal.expires_us is None else min(ends_us, principal.expires_us),
            kind=PUBLISHABLE,
            settings={"origins": list(origins), "made_by": principal.key, "made_kind": principal.kind},
        )
        token = sealed_message(bare, message, self._sealer)
        change = Administration(at_us=now_us, credentials=[(token, 0)])
        if idempotency is not None:
            change.claim = claim_of(idempotency, msgspec.json.encode({"token": name}).decode(), now_us)
        done_now = await self._store.administer(change)
        if done_now.taken is not None:
            return await self._of_claim(principal.account, same(done_now.taken, idempotency)), None
        return done_now.credentials[0], text

    async def page(self, account: Account, *, before: str = "", limit: int = 50) -> list[Credential]:
        """Those of an account's side, newest first, older than the id ``before``; for a day after their end."""
        return await self._store.publishable_of(abs(account.id), begins=side_of(account), before=before, limit=limit)

    async def get(self, account: Account, name: str) -> Credential:
        """One by its id; a stranger's, and one of the other side, is not there. Raises ``RequestRejected``."""
        found = await self.page(account, before=f"{name}~", limit=1) if _ID.fullmatch(name) else []
        if not found or found[0].prefix != name:
            raise RequestRejected(
                "not_found", "There is no token of this id: GET /v1/publishable-tokens lists yours.", status=404
            )
        return found[0]

    async def revoke(self, actor: Actor, account: Account, name: str, expected: int | None = None) -> Credential:
        """Ends a token for ever; once more is no error. Raises ``RequestRejected`` and ``VersionConflict``."""
        before = await self.get(account, name)
        if before.revoked_us is not None:
            return before
        now_us = self._now_us()
        entry = actor.entry(
            now_us, "revoke", "publishable_token", name, before.account_id,
            before={"expires_us": before.expires_us}, after={"revoked_us": now_us},
        )  # fmt: skip
        change = Administration(
            at_us=now_us,
            credentials=[(replace(before, revoked_us=now_us), before.version if expected is None else expected)],
            audit=[entry],
        )
        return (await self._store.administer(change)).credentials[0]

    async def outcomes(self, tokens: Sequence[Credential]) -> dict[str, Outcome]:
        """What became of those that were used, by id."""
        asked = {place_of(start_key(token)): token.prefix for token in tokens}
        found = await self._store.claims(list(asked), self._now_us()) if asked else {}
        return {asked[place]: outcome_of(claim) for place, claim in found.items()}

    async def earlier(self, account: Account, idempotency: IdempotencyKey | None) -> Credential | None:
        """What this very request made before; None where it is new. Raises ``RequestRejected`` (409)."""
        claim = await earlier(self._store, idempotency, self._now_us())
        return None if claim is None else await self._of_claim(account, claim)

    async def _of_claim(self, account: Account, claim: Claim) -> Credential:
        return await self.get(account, msgspec.json.decode(claim.made or "{}").get("token", ""))


class Pass(Struct, frozen=True):
    """A token that may be used now. ``principal`` is the account under the token's id, with no right at all;
    ``maker`` whose limits count."""

    token: Credential
    principal: Principal
    maker: Principal


class Passes:
    """Says whose a token is that a page brings."""

    def __init__(self, store: Store, keys: KeyRing, now_us: Callable[[], int]) -> None:
        self._store = store
        self._keys = keys
        self._now_us = now_us

    async def admit(self, text: str, peer: str | None) -> Pass | None:
        """The token of this text; None for one that is unknown or over. Raises ``RequestRejected`` (429).

        Only what nobody ever had is a failed attempt.
        """
        self._keys.guard.check(peer, text[:_ID_CHARACTERS])
        token = None
        if _TOKEN.fullmatch(text):
            token = await self._store.publishable(hashlib.sha256(text.encode()).digest())
        if token is None:
            self._keys.guard.failed(peer, text[:_ID_CHARACTERS])
            return None
        if token.revoked_us is not None or token.expires_us is None or token.expires_us <= self._now_us():
            return None
        account = await self._account_of(token)
        if account is None:
            return None
        made_by = str(token.settings["made_by"])
        return Pass(
            token,
            Principal(account, frozenset(), token.prefix, kind=PUBLISHABLE),
            Principal(account, frozenset(), made_by),
        )

    async def _account_of(self, token: Credential) -> Account | None:
        """Whom a token acts for: None where who made it may no longer send."""
        if token.settings["made_kind"] == "key":
            account = await self._account_of_key(str(token.settings["made_by"]))
        else:
            account = self._keys.accounts.open(token.account_id)
        wanted = -token.account_id if is_test_token(token) else token.account_id
        return account if account is not None and account.id == wanted else None

    async def _account_of_key(self, prefix: str) -> Account | None:
        maker = self._keys.find(prefix)
        if maker is None:  # another process may have made it a moment ago
            await self._keys.refresh()
            maker = self._keys.find(prefix)
        if maker is None or _SEND not in maker.scopes:
            return None
        over = maker.expires_us is not None and maker.expires_us <= self._now_us()
        return None if over else maker.account
