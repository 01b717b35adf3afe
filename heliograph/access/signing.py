"""The keys that we sign tokens with: objects in the store, private parts sealed, the same for every node.

The youngest signs. One that another followed verifies until the last token that it signed is over, and stands in the
published set that long. Source: docs/explanation/design/0048-tokens.md
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from msgspec import Struct
from msgspec.structs import replace

from heliograph.access.documents import opened, sealed
from heliograph.access.keysets import ALGORITHMS, KeySet, VerifyingKey, verifying_key
from heliograph.contracts import Administration, Sealer, Store
from heliograph.errors import RequestRejected, SecretLocked
from heliograph.model import AuditEntry, ConfigObject
from heliograph.telemetry import journal

__all__ = ["MOST_LIFETIME_S", "SIGNING_KEY", "SigningKey", "SigningKeys", "make_signing_key", "shown", "sign"]

SIGNING_KEY: Final = "signing_key"
"""The kind of the objects; their name is the key's id."""
MOST_LIFETIME_S: Final = 86_400
"""Of a token: for so long a key that no longer signs is still believed."""

_RSA_BITS: Final = 3_072
_PRIVATE: Final = "private"


class _Document(Struct, frozen=True):
    """An object's document. ``public`` is a JWK, ``private`` a sealed one, ``ends_us`` set when another followed."""

    algorithm: str
    public: dict[str, Any]
    private: str
    ends_us: int | None = None


class SigningKey(Struct, frozen=True):
    """A key as it is kept. ``ends_us``: until when it verifies; None while it signs."""

    kept: ConfigObject
    document: _Document
    verifying: VerifyingKey

    @property
    def kid(self) -> str:
        return self.kept.name

    @property
    def ends_us(self) -> int | None:
        return self.document.ends_us

    def ending(self, ends_us: int) -> ConfigObject:
        """The object of this key with an end."""
        document = replace(self.document, ends_us=ends_us)
        return replace(self.kept, document=msgspec.json.encode(document).decode())


def make_signing_key(algorithm: str, sealer: Sealer) -> ConfigObject:
    """A new key; takes some 100 ms for RSA. Raises ``ConfigError`` where nothing can be sealed."""
    key = ECKey.generate_key("P-256") if algorithm == ALGORITHMS[0] else RSAKey.generate_key(_RSA_BITS)
    kid = key.thumbprint()
    public = key.as_dict(private=False, kid=kid, use="sig", alg=algorithm)
    private = msgspec.json.encode(key.as_dict(private=True)).decode()
    document = _Document(algorithm, dict(public), sealed(private, sealer, SIGNING_KEY, kid, _PRIVATE))
    return ConfigObject(kind=SIGNING_KEY, name=kid, document=msgspec.json.encode(document).decode())


class SigningKeys:
    """All of them, as they were when the configuration was last read."""

    def __init__(self, store: Store, sealer: Sealer, now_us: Callable[[], int]) -> None:
        self._store = store
        self._sealer = sealer
        self._now_us = now_us
        self._keys: tuple[SigningKey, ...] = ()
        self._set = KeySet()
        self._private: dict[str, ECKey | RSAKey] = {}
        self._making = asyncio.Lock()
        self._told_locked = ""

    def __iter__(self) -> Iterator[SigningKey]:
        return iter(self._keys)

    async def load(self) -> None:
        """Reads them again."""
        found = [_read(one) for one in await self._store.objects(SIGNING_KEY)]
        self._keys = tuple(sorted((one for one in found if one is not None), key=_age))
        self._set = KeySet(one.verifying for one in self._keys)
        self._private = {kid: key for kid, key in self._private.items() if any(one.kid == kid for one in self._keys)}

    def find(self, kid: str | None, algorithm: str) -> VerifyingKey | None:
        """The key that such a token is verified with; ours always name one."""
        return None if kid is None else self._set.find(kid, algorithm)

    def published(self) -> bytes:
        """The set as everybody may read it (JWKS)."""
        now_us = self._now_us()
        members = [one.document.public for one in self._keys if one.ends_us is None or one.ends_us > now_us]
        return msgspec.json.encode({"keys": members[::-1]})

    async def signer(self) -> tuple[str, str, ECKey | RSAKey]:
        """(kid, algorithm, private key) of the key that signs; the first is made here.

        Raises ``SecretLocked`` where the master key is not there, ``RequestRejected`` 503 where there was never one.
        """
        current = self._current() or await self._first()
        private = self._private.get(current.kid)
        if private is None:
            member = msgspec.json.decode(self._opened(current))
            kind = ECKey if member.get("kty") == "EC" else RSAKey
            private = self._private[current.kid] = kind.import_key(member)
        return current.kid, current.document.algorithm, private

    def _opened(self, current: SigningKey) -> str:
        try:
            return opened(current.document.private, self._sealer, SIGNING_KEY, current.kid, _PRIVATE)
        except SecretLocked as error:
            if self._told_locked != current.kid:
                self._told_locked = current.kid
                journal.secret_locked(str(error))
            raise

    def _current(self) -> SigningKey | None:
        signing = [one for one in self._keys if one.ends_us is None]
        return signing[-1] if signing else None

    async def _first(self) -> SigningKey:
        async with self._making:
            await self.load()
            if (current := self._current()) is None:
                if self._sealer.key_id is None:
                    raise RequestRejected(
                        "overloaded", "There is no master key to keep a signing key under yet.", status=503
                    )
                made = await asyncio.to_thread(make_signing_key, ALGORITHMS[0], self._sealer)
                now_us = self._now_us()
                entry = AuditEntry(
                    at_us=now_us, actor="heliograph", actor_kind="system", action="create",
                    object_kind=SIGNING_KEY, object_name=made.name, after=msgspec.json.encode(shown(made)).decode(),
                )  # fmt: skip
                await self._store.administer(Administration(at_us=now_us, objects=[(made, 0)], audit=[entry]))
                await self.load()
                current = self._current()
            assert current is not None
            return current


def sign(claims: Mapping[str, Any], kid: str, algorithm: str, key: ECKey | RSAKey) -> str:
    """A signed access token. Takes some 100 µs, with RSA a millisecond."""
    return jwt.encode({"typ": "at+jwt", "alg": algorithm, "kid": kid}, dict(claims), key, [algorithm])


def shown(one: ConfigObject) -> dict[str, Any]:
    """What the trail shows of a key."""
    document = msgspec.json.decode(one.document, type=_Document)
    return {"algorithm": document.algorithm, "ends_us": document.ends_us}


def _read(one: ConfigObject) -> SigningKey | None:
    try:
        document = msgspec.json.decode(one.document, type=_Document)
    except msgspec.MsgspecError:
        return None
    verifying = verifying_key(document.public)
    return None if verifying is None or verifying.kid != one.name else SigningKey(one, document, verifying)


def _age(one: SigningKey) -> tuple[bool, int, str]:
    return (one.ends_us is None, one.kept.created_us, one.kid)
