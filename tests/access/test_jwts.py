"""Reading tokens and sets of keys: whatever arrives, it is read, or refused with the one error that is promised."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey

from heliograph.access.jwts import BadToken, Expected, check, read, verify
from heliograph.access.keysets import KeySet, read_set, verifying_key

KEY = ECKey.generate_key("P-256", {"kid": "one"})
PUBLIC = verifying_key(KEY.as_dict(private=False))
US = Expected(issuer="https://sms.example", audience="https://sms.example")
NOW_US = 1_800_000_000_000_000
CLAIMS: dict[str, Any] = {"iss": US.issuer, "aud": US.audience, "exp": 1_900_000_000, "sub": "a"}
TOKEN = jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": "one"}, CLAIMS, KEY)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
NAMES = st.sampled_from(["alg", "typ", "kid", "crit", "b64", "jwk", "iss", "aud", "exp", "nbf", "iat", "sub"])


def segment(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def accepted(text: str) -> bool:
    """Whether a token passes everything; any error but the promised one is raised."""
    assert PUBLIC is not None
    try:
        token = read(text)
        check(token, US, NOW_US)
        verify(token, PUBLIC)
    except BadToken:
        return False
    return True


def test_the_token_that_is_changed_below_is_good() -> None:
    assert accepted(TOKEN)


@given(st.text(max_size=200) | st.text(alphabet="abcXYZ019_-.=", max_size=200))
@settings(max_examples=150, deadline=None)
def test_any_text_is_no_token(text: str) -> None:
    assert not accepted(text)


@given(at=st.integers(0, len(TOKEN) - 2), by=st.sampled_from("AQZaz059_-.="))
@settings(max_examples=150, deadline=None)
def test_any_changed_character_spoils_it(at: int, by: str) -> None:
    # the last character has bits that mean nothing, so it is left out
    if TOKEN[at] != by:
        assert not accepted(TOKEN[:at] + by + TOKEN[at + 1 :])


@given(header=st.dictionaries(NAMES, JSON, max_size=5), claims=st.dictionaries(NAMES, JSON, max_size=8))
@settings(max_examples=150, deadline=None)
def test_any_header_and_claims_are_refused_unsigned(header: dict[str, Any], claims: dict[str, Any]) -> None:
    said = segment({"alg": "ES256", "typ": "at+jwt", "kid": "one", **header})
    assert not accepted(f"{said}.{segment({**CLAIMS, 'jti': 'x', **claims})}.{TOKEN.rpartition('.')[2]}")


@given(claims=st.dictionaries(NAMES, JSON, max_size=4))
@settings(max_examples=100, deadline=None)
def test_any_claims_that_are_signed_are_taken_or_refused(claims: dict[str, Any]) -> None:
    with suppress(ValueError):  # what JSON can't say can't be signed
        text = jwt.encode({"alg": "ES256", "typ": "at+jwt"}, {**CLAIMS, **claims}, KEY)
        if accepted(text):
            said = json.loads(base64.urlsafe_b64decode(text.split(".")[1] + "=="))
            assert (said["iss"], said["exp"] > 1_800_000_000) == (US.issuer, True)
            assert US.audience in ([said["aud"]] if isinstance(said["aud"], str) else said["aud"])


@given(st.binary(max_size=200) | JSON.map(lambda one: json.dumps(one).encode()))
@settings(max_examples=150, deadline=None)
def test_any_octets_are_a_set_of_keys_or_none(octets: bytes) -> None:
    with pytest.raises(ValueError, match="set of keys"):
        read_set(octets)


@given(changes=st.dictionaries(st.sampled_from(["kty", "crv", "x", "y", "n", "e", "kid", "use", "alg"]), JSON))
@settings(max_examples=150, deadline=None)
def test_any_member_of_a_set_is_a_key_or_passed_over(changes: dict[str, Any]) -> None:
    found = verifying_key({**KEY.as_dict(private=False), **changes})
    assert found is None or found.algorithm == "ES256"
    assert verifying_key({"kty": "RSA", "e": "AQAB", "n": "AQAB", **changes}) is None


@given(JSON)
@settings(max_examples=100, deadline=None)
def test_any_value_in_a_set_is_passed_over(value: Any) -> None:
    assert verifying_key(value) is None


def test_a_key_is_found_by_its_id_and_algorithm_or_as_the_only_one() -> None:
    assert PUBLIC is not None
    keys = KeySet([PUBLIC])
    assert keys.find("one", "ES256") is keys.find(None, "ES256") is PUBLIC
    assert keys.find("one", "RS256") is keys.find("two", "ES256") is keys.find(None, "RS256") is None
    other = verifying_key(ECKey.generate_key("P-256", {"kid": "two"}).as_dict(private=False))
    assert other is not None
    assert KeySet([PUBLIC, other]).find(None, "ES256") is None
