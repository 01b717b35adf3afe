"""Public keys that tokens are verified with: sets of them (JWKS, RFC 7517), read within bounds.

Only the numbers of a key are taken from a set: EC on P-256 for ES256, RSA of 2,048 to 8,192 bits for RS256. An
algorithm belongs to its kind of key, so no key of one is ever asked for the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from msgspec import Struct

__all__ = ["ALGORITHMS", "MOST_SET_OCTETS", "KeySet", "VerifyingKey", "read_set", "verifying_key"]

ALGORITHMS: Final = ("ES256", "RS256")
"""How tokens are signed."""
MOST_SET_OCTETS: Final = 262_144
"""Of a set as it is fetched; large issuers' have a tenth."""
_MOST_KEYS: Final = 100
_MOST_MEMBER_CHARACTERS: Final = 2_048
_RSA_BITS: Final = range(2_048, 8_193)
_LEAST_MODULUS_CHARACTERS: Final = 2_048 // 6
_MOST_EXPONENT: Final = 1 << 32
"""A larger one makes every verification slow, and no signature better."""

_MEMBERS: Final[Mapping[str, tuple[str, ...]]] = {"EC": ("crv", "x", "y"), "RSA": ("n", "e")}
_set_decoder: Final = msgspec.json.Decoder(dict[str, Any])


class VerifyingKey(Struct, frozen=True):
    """A public key and the one algorithm that it is for. ``thumbprint`` (RFC 7638) is the same for the same key."""

    kid: str | None
    algorithm: str
    thumbprint: str
    key: ECKey | RSAKey


class KeySet:
    """Keys of one issuer."""

    def __init__(self, keys: Iterable[VerifyingKey] = ()) -> None:
        self._keys = tuple(keys)
        self._by_kid = {(one.kid, one.algorithm): one for one in self._keys if one.kid is not None}

    def __iter__(self) -> Iterator[VerifyingKey]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, kid: str | None, algorithm: str) -> VerifyingKey | None:
        """The key of that id, or, for a token that names none, the only one for its algorithm."""
        if kid is not None:
            return self._by_kid.get((kid, algorithm))
        fitting = [one for one in self._keys if one.algorithm == algorithm]
        return fitting[0] if len(fitting) == 1 else None


def read_set(octets: bytes) -> KeySet:
    """The keys of a set that we can use; others are passed over, as RFC 7517 §5 says. Raises ``ValueError``."""
    if len(octets) > MOST_SET_OCTETS:
        raise ValueError(f"the set of keys has more than {MOST_SET_OCTETS} octets")
    try:
        keys = _set_decoder.decode(octets).get("keys")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise ValueError("the set of keys is no JSON object") from None
    if not isinstance(keys, list) or len(keys) > _MOST_KEYS:
        raise ValueError(f"the set of keys has no list of at most {_MOST_KEYS} keys")
    found = KeySet(one for member in keys if (one := verifying_key(member)) is not None)
    if not len(found):
        raise ValueError("the set of keys has none for ES256 or RS256")
    return found


def verifying_key(member: Any) -> VerifyingKey | None:
    """A key of a set (a JWK); None for one that is not for us, or is none."""
    if not isinstance(member, dict) or member.get("use", "sig") != "sig":
        return None
    operations = member.get("key_ops", ["verify"])
    kid, kind = member.get("kid"), member.get("kty")
    if not isinstance(operations, list) or "verify" not in operations or not isinstance(kid, str | None):
        return None
    names = _MEMBERS.get(kind, ()) if isinstance(kind, str) else ()
    numbers = {name: member.get(name) for name in names}
    if not names or not all(isinstance(one, str) and len(one) <= _MOST_MEMBER_CHARACTERS for one in numbers.values()):
        return None
    try:
        key = _ec(numbers) if kind == "EC" else _rsa(numbers)
    except (JoseError, ValueError, TypeError, KeyError, OverflowError):
        return None
    algorithm = "ES256" if kind == "EC" else "RS256"
    if key is None or member.get("alg", algorithm) != algorithm:
        return None
    return VerifyingKey(kid, algorithm, key.thumbprint(), key)


def _ec(numbers: dict[str, Any]) -> ECKey | None:
    return ECKey.import_key({"kty": "EC", **numbers}) if numbers["crv"] == "P-256" else None


def _rsa(numbers: dict[str, Any]) -> RSAKey | None:
    if len(numbers["n"]) < _LEAST_MODULUS_CHARACTERS:
        return None
    key = RSAKey.import_key({"kty": "RSA", **numbers})
    public = key.public_key
    exponent = public.public_numbers().e
    return key if public.key_size in _RSA_BITS and 2 < exponent < _MOST_EXPONENT and exponent % 2 else None
