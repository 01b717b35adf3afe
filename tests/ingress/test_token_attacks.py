"""Tokens that are forged, twisted, swapped or swollen: every one is refused in the same words, at both doors.

Source: RFC 8725 (JSON Web Token Best Current Practices), and what has gone wrong in libraries since.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from heliograph.access.guard import Guard
from heliograph.access.issuers import OutsideIssuer, Trust
from heliograph.access.jwts import MOST_TOKEN_CHARACTERS
from heliograph.model import CUSTOMER_SCOPES
from heliograph.outbound import Fetching
from tests.access.issuer import AUDIENCE, Issuer, issuer
from tests.ingress.house import ISSUER, House, house
from tests.ingress.test_oauth import GOOD, claims_of, token_of

ATTACKER = ECKey.generate_key("P-256", {"kid": "attacker"})
ATTACKER_RSA = RSAKey.generate_key(2048, {"kid": "attacker"})
LONG_AGO, NEVER = 1_000_000_000, 4_000_000_000
TYPES = {"typ": "at+jwt"}
NO_STRICTNESS = jws.JWSRegistry(algorithms=["ES256", "RS256", "ES384", "RS512", "PS256"], strict_check_header=False)


def b64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def segment(value: Any) -> str:
    return b64(value if isinstance(value, bytes) else json.dumps(value).encode())


class World:
    """A house with a key of its own and an issuer outside that it trusts, and what an attacker knows of both."""

    def __init__(self, api: House, there: Issuer, token: str, key: ECKey | RSAKey) -> None:
        self.api = api
        self.there = there
        self.token = token
        self.claims = claims_of(token)
        self.key = key
        self.kid = jws.extract_compact(token.encode()).headers()["kid"]

    def signed(self, key: Any = None, header: Any = None, /, **claims: Any) -> str:
        """A token of ours with other claims (None: without), signed by our very key or another."""
        said = {name: value for name, value in (self.claims | claims).items() if value is not None}
        return self.sealed(json.dumps(said).encode(), key, header)

    def sealed(self, payload: bytes, key: Any = None, header: Any = None) -> str:
        head = TYPES | {"alg": "ES256", "kid": self.kid} | (header or {})
        head = {name: value for name, value in head.items() if value is not None}
        return jws.serialize_compact(head, payload, key or self.key, registry=NO_STRICTNESS)

    def unsigned(self, header: Any, signature: bytes = b"", payload: Any = None) -> str:
        return f"{segment(header)}.{segment(payload or self.claims)}.{b64(signature)}"

    def by_hmac(self, secret: bytes, claims: Any = None, kid: str | None = None) -> str:
        body = f"{segment(TYPES | {'alg': 'HS256', 'kid': kid or self.kid})}.{segment(claims or self.claims)}"
        return f"{body}.{b64(hmac.digest(secret, body.encode(), hashlib.sha256))}"

    def outside(self, header: Any = None, key: Any = None, /, **claims: Any) -> str:
        return self.there.token(header, key, **claims)


def public_octets(key: ECKey | RSAKey) -> list[bytes]:
    """Everything that somebody could take for a secret of HMAC."""
    member = key.as_dict(private=False)
    raw = key.public_key
    forms = [
        (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        (Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    ]
    return [
        b"",
        json.dumps(member).encode(),
        str(member.get("x", member.get("n"))).encode(),
        *(raw.public_bytes(*form) for form in forms),
        raw.public_bytes(*forms[0]).strip(),
    ]


ATTACKS: dict[str, Callable[[World], str | list[str]]] = {
    # the algorithm
    "none": lambda w: [w.unsigned(TYPES | {"alg": alg, "kid": w.kid}) for alg in ("none", "None", "NONE", "nOnE")],
    "none with a signature": lambda w: w.unsigned({"alg": "none", "typ": "at+jwt"}, b"x" * 64),
    "none of the issuer outside": lambda w: w.unsigned(
        TYPES | {"alg": "none"}, b"x", {"iss": w.there.url, "aud": AUDIENCE, "sub": "x", "exp": NEVER}
    ),
    "HMAC with our public key": lambda w: [w.by_hmac(one) for one in public_octets(w.key)],
    "HMAC with the RSA key of an issuer": lambda w: [
        w.by_hmac(one, {"iss": w.there.url, "aud": AUDIENCE, "sub": "x", "exp": NEVER}, "rsa")
        for one in public_octets(w.there.keys[-1])
    ],
    "an algorithm of another kind of key": lambda w: [
        w.signed(ATTACKER_RSA, {"alg": "RS256"}),
        w.outside({"alg": "ES256", "kid": "rsa"}, ATTACKER),
        w.outside({"kid": "one"}),
    ],
    "algorithms that are not ours": lambda w: [
        w.sealed(json.dumps(w.claims).encode(), ATTACKER_RSA, {"alg": alg}) for alg in ("RS512", "PS256")
    ],
    "no algorithm that is one": lambda w: [
        w.unsigned({"alg": alg, "typ": "at+jwt"}, b"x" * 64) for alg in ("EdDSA", "", "es256", None, 7, ["ES256"], {})
    ],
    "two algorithms": lambda w: [
        w.unsigned(b'{"alg":"ES256","alg":"none","typ":"at+jwt"}'),
        w.unsigned(b'{"alg":"none","alg":"ES256","typ":"at+jwt"}', b"x" * 64),
    ],
    # the key
    "a key that the token brings": lambda w: [
        w.signed(ATTACKER, {"jwk": ATTACKER.as_dict(private=False)}),
        w.signed(ATTACKER, {"jwk": ATTACKER.as_dict(private=False), "kid": "attacker"}),
        w.signed(ATTACKER, {"jku": f"{w.there.url}/keys", "x5u": f"{w.there.url}/keys", "kid": "attacker"}),
        w.signed(ATTACKER, {"x5c": ["AAAA"], "kid": None}),
    ],
    "a key of another issuer": lambda w: [
        w.signed(w.there.keys[0], {"kid": "one"}),
        w.signed(w.there.keys[0], {}),
        w.outside({"kid": w.kid}, w.key),
        w.outside({"kid": "one"}, w.key),
    ],
    "a key id that is none": lambda w: [
        w.signed(None, {"kid": kid}) for kid in ("../../dev/null", "' or 1=1--", "", "x" * 300, "\0", None)
    ],
    "a key id of another type": lambda w: [
        w.unsigned(TYPES | {"alg": "ES256", "kid": kid}, b"x" * 64) for kid in (7, ["a"], {}, True)
    ],
    # the signature
    "a wrong signature": lambda w: [
        w.token.rpartition(".")[0] + "." + b64(octets)
        for octets in (bytes(64), b"\xff" * 64, b"x", b"x" * 63, b"x" * 65, bytes(72), encode_dss_signature(1, 1))
    ],
    "the signature of another token": lambda w: w.token.rpartition(".")[0] + "." + w.signed(jti="x").rpartition(".")[2],
    "another payload": lambda w: ".".join(
        (w.token.split(".")[0], segment(w.claims | {"scope": "admin"}), w.token.split(".")[2])
    ),
    "extensions": lambda w: [
        w.unsigned(TYPES | {"alg": "ES256", "kid": w.kid, "crit": ["exp"], "exp": 1}, b"x" * 64),
        w.unsigned(TYPES | {"alg": "ES256", "kid": w.kid, "b64": False, "crit": ["b64"]}, b"x" * 64),
        w.signed(None, {"b64": True, "crit": ["b64"]}),
    ],
    # what it says
    "over": lambda w: [
        w.signed(exp=exp) for exp in (LONG_AGO, 0, -1, w.claims["iat"] - 1, float(LONG_AGO), 0.5, None)
    ],
    "an end that is none": lambda w: [
        w.signed(exp=exp) for exp in (str(NEVER), True, [NEVER], {}, 10**300, -(10**300), 1e300)
    ],
    "an end that JSON does not have": lambda w: [
        w.sealed(json.dumps(w.claims).replace(f'"exp": {w.claims["exp"]}', f'"exp": {exp}').encode())
        for exp in ("NaN", "Infinity", "1e999")
    ],
    "of the future": lambda w: [w.signed(nbf=NEVER), w.signed(iat=NEVER), w.signed(nbf="x"), w.signed(iat=True)],
    "for somebody else": lambda w: [
        w.signed(aud=aud)
        for aud in (
            "https://other.example", ISSUER + "/", ISSUER[:-1], ISSUER.upper(), "", [], ["x"], [[ISSUER]],
            {ISSUER: 1}, True, 7, None,
        )
    ],
    "of the issuer outside for somebody else": lambda w: [w.outside(aud=aud) for aud in (ISSUER, "other", None, ["x"])],
    "of nobody": lambda w: [
        w.signed(iss=iss) for iss in ("https://other.example", ISSUER + "/", "", [ISSUER], {}, 7, None)
    ],
    "of another type": lambda w: [
        w.signed(None, {"typ": typ}) for typ in ("JWT", "dpop+jwt", "logout+jwt", "", "at+jwt;x", None)
    ],
    "an id token of the issuer outside": lambda w: w.outside({"typ": "JWT"}, nonce="x"),
    "a client that is none": lambda w: [
        w.signed(client_id=one, sub=one) for one in ("hg_live_00000000", "", "x" * 5_000, ["x"], None)
    ],
    "a client that is another": lambda w: [w.signed(sub="hg_live_00000000"), w.signed(client_id="hg_live_00000000")],
    "scopes that are none": lambda w: [w.signed(scope=scope) for scope in (["messages:read"], 7, {}, None)],
    # what it is made of
    "no JSON": lambda w: [
        w.sealed(payload)
        for payload in (
            b"", b"x", b"[]", b'"x"', b"null", b"\xff\xfe", b"[" * 3_000, b'{"a":' * 1_000 + b"1" + b"}" * 1_000,
            b"{} {}", b'{"iss":"\\ud800"}',
        )
    ],
    "no header": lambda w: [
        w.unsigned(header, b"x" * 64) for header in (b"x", b"[]", b"null", b"\xff", b'{"alg":' * 500)
    ],
    "no compact token": lambda w: [
        "x.y.z", "..", ".", "a.b", f"{w.token}.x", f"{w.token}..", f"x.{w.token}", w.token.replace(".", ".."),
        w.token + "=", w.token.replace(".", "=.", 1), w.token + "+", w.token + "/", w.token + " x", w.token + "%00",
        w.token.rpartition(".")[0] + ".", "." + w.token.partition(".")[2], w.token + "\u00e9", json.dumps({"a": "."}),
    ],
    "too large": lambda w: [
        w.signed(more="x" * 7_000), w.signed(None, {"more": "x" * 7_000}), "a." + "b" * 20_000 + ".c", "." * 20_000,
    ],
}  # fmt: skip


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with house(tmp_path) as api, issuer() as there:
        there.rotate("rsa", rsa=True)
        fetching, tokens = Fetching(timeout_s=20), api.services.keys.tokens
        assert tokens is not None
        trust = Trust(name="login", issuer=there.url, audience=AUDIENCE, account="demo", scopes=CUSTOMER_SCOPES)
        tokens.trust(
            [OutsideIssuer(trust, fetching.get, lambda: 1.0, lambda name: tokens.accounts.get(name), tokens.changed)]
        )
        token = await token_of(api, api.key)
        _, _, key = await tokens.signing.signer()
        yield World(api, there, token, key)
        await fetching.close()


@pytest.mark.parametrize("name", ATTACKS)
async def test_a_bad_token_is_refused_in_the_same_words_whatever_is_wrong(world: World, name: str) -> None:
    made = ATTACKS[name](world)
    said = set()
    for token in [made] if isinstance(made, str) else made:
        world.api.services.keys.guard = Guard(world.api.services.now_us)  # who waits hears of nothing else
        bearer = {"Authorization": f"Bearer {token}"}
        cold = await world.api.call("GET", "/v1/messages", key=None, headers=bearer)
        again = await world.api.call("GET", "/v1/messages", key=None, headers=bearer)
        lean = await world.api.lean("/v1/messages", GOOD, headers=bearer)
        for answer in (cold, again, lean):
            assert (answer.status, answer.code) == (401, "token_invalid"), token[:2_000]
            said.add((answer.body, answer.headers["www-authenticate"]))
    assert len(said) == 1
    assert (await world.api.call("GET", "/v1/messages", key=world.token)).json["messages"] == []


async def test_the_same_tokens_unspoiled_are_taken(world: World) -> None:
    """Without this the refusals above would say nothing."""
    good = [
        world.token,
        world.signed(),
        world.signed(jti=None, iat=None),
        world.signed(exp=float(NEVER)),
        world.signed(aud=["other", ISSUER]),
        world.signed(None, {"typ": "application/AT+JWT"}),
        world.signed(more="x" * 5_000),
        world.outside(),
        world.outside(None, world.there.keys[0]),
        world.outside({"kid": None}, world.there.keys[0]),
    ]
    assert max(map(len, good)) < MOST_TOKEN_CHARACTERS < len(world.signed(more="x" * 7_000))
    for token in good:
        assert (await world.api.call("GET", "/v1/messages", key=token)).status == 200, token


async def test_a_token_is_no_secret_of_a_client_and_gives_no_token(world: World) -> None:
    form = f"grant_type=client_credentials&client_id={world.api.key[:16]}&client_secret={world.token}".encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await world.api.call("POST", "/oauth/token", form, key=None, headers=headers)
    assert (answer.status, answer.json["error"]) == (401, "invalid_client")


async def test_a_subject_outside_gets_in_where_it_was_good_whatever_a_neighbour_does(world: World) -> None:
    async def asked(token: str) -> int:
        bearer = {"Authorization": f"Bearer {token}"}
        answer = await world.api.call("GET", "/v1/messages", key=None, headers=bearer, client="192.0.2.1")
        return answer.status

    now_us = world.api.services.now_us()
    world.api.services.keys.guard = Guard(lambda: now_us)
    assert await asked(world.outside(jti="first")) == 200
    for at in range(20):
        await asked(f"{at}.no.token")
    assert await asked(world.outside(jti="second")) == 200
    assert await asked(world.signed()) == 429
