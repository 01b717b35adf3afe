"""Tokens of issuers outside: found by discovery, keys that change, troubles that change nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey

from heliograph.access import Principal, issuers
from heliograph.access.issuers import FRESH_S, RETRY_S, UNKNOWN_S, OutsideIssuer, Trust, metadata_urls
from heliograph.errors import RequestRejected
from heliograph.model import CUSTOMER_SCOPES
from heliograph.outbound import Fetching
from heliograph.store.sqlite import SqliteStore
from heliograph.telemetry import journal
from tests.access.issuer import AUDIENCE, Issuer, issuer
from tests.access.node import Node
from tests.accounts import ensure_account


class Outside:
    """A node that trusts an issuer; its clock stands still until it is told."""

    def __init__(self, node: Node, there: Issuer, **more: Any) -> None:
        self.now = 1_000.0
        self.node = node
        self.fetching = Fetching(timeout_s=20)
        trust = Trust(
            name="login", issuer=there.url, audience=AUDIENCE, scopes=CUSTOMER_SCOPES,
            **({"account": "demo"} if "account_claim" not in more else {}) | more,
        )  # fmt: skip
        tokens = node.tokens
        self.source = OutsideIssuer(
            trust, self.fetching.get, lambda: self.now, lambda name: tokens.accounts.get(name), tokens.changed
        )
        tokens.trust([self.source])

    async def principal(self, token: str) -> Principal | None:
        return self.node.ring.admit(token, None) if await self.node.takes(token) else None

    async def tended(self) -> None:
        """What is asked because it is time, has been answered."""
        self.source.tend()
        while self.source._asking is not None:
            await asyncio.wait([self.source._asking])

    async def code(self, token: str) -> str:
        with pytest.raises(RequestRejected) as told:
            await self.node.tokens.meet(token)
        return told.value.code


@pytest.fixture
async def there() -> AsyncIterator[Issuer]:
    async with issuer() as made:
        yield made


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    store = SqliteStore(str(tmp_path / "keys.db"), serve=True)
    await store.open()
    made = Node(store, [bytes(32)])
    await made.make_key()
    yield made
    await made.tokens.close()
    await store.close()


@pytest.fixture
async def outside(node: Node, there: Issuer) -> AsyncIterator[Outside]:
    made = Outside(node, there)
    yield made
    await made.fetching.close()


async def test_a_token_acts_for_its_account_with_what_both_sides_allow(outside: Outside, there: Issuer) -> None:
    principal = await outside.principal(there.token(scope="messages:send admin other"))
    assert principal is not None
    assert (principal.account.name, principal.scopes) == ("demo", {"messages:send"})
    assert (principal.key, principal.kind) == ("login/robot", "token")
    assert there.asked == {"oauth": 1, "keys": 1}


async def test_metadata_are_found_the_way_of_openid_too(outside: Outside, there: Issuer) -> None:
    there.openid = True
    assert await outside.principal(there.token())
    assert there.asked == {"oauth": 1, "openid": 1, "keys": 1}


def test_an_issuer_with_a_path_has_its_metadata_where_the_standards_say() -> None:
    assert metadata_urls("https://login.example/a/") == (
        "https://login.example/.well-known/oauth-authorization-server/a",
        "https://login.example/a/.well-known/openid-configuration",
    )


async def test_keys_can_be_named_without_metadata(node: Node, there: Issuer) -> None:
    outside = Outside(node, there, jwks_url=f"{there.url}/keys")
    assert await outside.principal(there.token())
    assert there.asked == {"keys": 1}
    await outside.fetching.close()


@pytest.mark.parametrize(
    ("trust", "claims", "account"),
    [
        ({"account_claim": "tenant"}, {"tenant": "demo"}, "demo"),
        ({"account_claim": "tenant"}, {"tenant": "nobody"}, None),
        ({"account_claim": "tenant"}, {"tenant": ["demo"]}, None),
        ({"account_claim": "tenant"}, {}, None),
        ({"account_claim": "tenant", "accounts": ("other",)}, {"tenant": "demo"}, None),
        ({"account_claim": "tenant", "accounts": ("other",)}, {"tenant": "other"}, "other"),
        ({"account": "nobody"}, {}, None),
        ({}, {"sub": None}, None),
        ({}, {"sub": 7}, None),
    ],
)
async def test_a_claim_may_name_the_account(
    node: Node, there: Issuer, trust: dict[str, Any], claims: dict[str, Any], account: str | None
) -> None:
    await ensure_account(node.store, "other", 0)
    await node.ring.refresh()
    outside = Outside(node, there, **trust)
    principal = await outside.principal(there.token(**claims))
    assert (principal.account.name if principal else None) == account
    await outside.fetching.close()


@pytest.mark.parametrize(
    ("claim", "said", "scopes"),
    [
        ("scope", {"scope": "messages:send webhooks nothing"}, {"messages:send", "webhooks"}),
        ("roles", {"roles": ["messages:send", 7, None]}, {"messages:send"}),
        ("roles", {}, set()),
        ("roles", {"roles": {"messages:send": 1}}, set()),
        ("", {"scope": ""}, set(CUSTOMER_SCOPES)),
    ],
)
async def test_scopes_are_a_text_or_a_list_or_not_asked_for(
    node: Node, there: Issuer, claim: str, said: dict[str, Any], scopes: set[str]
) -> None:
    outside = Outside(node, there, scope_claim=claim)
    principal = await outside.principal(there.token(**said))
    assert principal is not None
    assert principal.scopes == scopes
    await outside.fetching.close()


async def test_a_closed_account_has_no_tokens(outside: Outside, there: Issuer) -> None:
    token = there.token()
    assert await outside.principal(token)
    [account] = await outside.node.store.accounts()
    await outside.node.close_account(account)
    assert await outside.principal(token) is None


# --- keys change ------------------------------------------------------------------------------------


async def test_a_key_that_nobody_knows_is_asked_for_at_once_and_then_not_for_a_while(
    outside: Outside, there: Issuer
) -> None:
    before = there.token()
    assert await outside.principal(before)
    there.rotate("two", rsa=True)
    assert await outside.principal(there.token())
    assert there.asked["keys"] == 2
    for at in range(20):
        stranger = ECKey.generate_key("P-256", {"kid": f"made up {at}"})
        assert await outside.principal(there.token(key=stranger)) is None
    assert there.asked["keys"] == 2
    there.rotate("three")
    assert await outside.principal(there.token()) is None
    outside.now += UNKNOWN_S
    assert await outside.principal(there.token())
    assert await outside.principal(before)


async def test_a_key_that_the_issuer_took_back_is_believed_for_minutes_at_most(outside: Outside, there: Issuer) -> None:
    seen, unseen = there.token(), there.token(sub="other")
    assert await outside.principal(seen)
    there.rotate("two", keep=False)
    outside.now += FRESH_S - 1
    await outside.tended()
    assert await outside.principal(seen)
    outside.now += 1
    await outside.tended()
    assert await outside.principal(seen) is None
    assert await outside.principal(unseen) is None
    assert await outside.principal(there.token())


async def test_another_key_under_the_same_id_takes_the_place_of_the_first(outside: Outside, there: Issuer) -> None:
    seen = there.token()
    assert await outside.principal(seen)
    there.rotate("one", keep=False)
    outside.now += FRESH_S
    await outside.tended()
    assert await outside.principal(seen) is None
    assert await outside.principal(there.token())


async def test_a_token_without_a_key_id_is_taken_while_there_is_one_key_for_it(outside: Outside, there: Issuer) -> None:
    assert await outside.principal(there.token({"kid": None}))
    there.rotate("two")
    outside.now += FRESH_S
    await outside.tended()
    assert await outside.principal(there.token({"kid": None}, sub="another")) is None


async def test_an_issuer_that_is_trusted_no_longer_takes_its_tokens_with_it(outside: Outside, there: Issuer) -> None:
    token, own = there.token(), await outside.node.issue()
    assert await outside.principal(token)
    assert await outside.principal(own)
    outside.node.tokens.trust([])
    assert await outside.principal(token) is None
    assert await outside.principal(there.token(sub="other")) is None
    assert await outside.principal(own)
    outside.node.tokens.trust([outside.source])
    assert await outside.principal(token)
    assert there.asked["keys"] == 1


async def test_many_who_come_at_once_make_one_question(outside: Outside, there: Issuer) -> None:
    tokens = [there.token(sub=f"robot {at}") for at in range(30)]
    assert all(await asyncio.gather(*(outside.node.takes(token) for token in tokens)))
    assert there.asked == {"oauth": 1, "keys": 1}


# --- troubles ---------------------------------------------------------------------------------------


async def test_an_issuer_that_is_down_is_told_as_such_and_found_when_it_is_back(
    outside: Outside, there: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[Any, ...]] = []
    monkeypatch.setattr(journal, "issuer_unavailable", lambda *said: told.append(said))
    there.status = 500
    for _ in range(3):
        assert await outside.code(there.token()) == "issuer_unavailable"
    assert there.asked["keys"] == 1
    there.status = 200
    outside.now += RETRY_S
    assert await outside.principal(there.token())
    assert told == [("login", "it answers 500", 0)]


async def test_an_issuer_that_does_not_answer_holds_up_few_and_not_for_long(
    outside: Outside, there: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuers, "_MOST_WAITING", 3)
    monkeypatch.setattr(issuers, "_WAIT_S", 60.0)
    there.answers.clear()
    crowd = [asyncio.ensure_future(outside.code(there.token(sub=str(at)))) for at in range(8)]
    done, waiting = await asyncio.wait(crowd, return_when=asyncio.FIRST_COMPLETED)
    while len(done) < 5:
        more, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        done |= more
    assert {one.result() for one in done} == {"issuer_unavailable"}
    assert await outside.node.takes(await outside.node.issue()), "who has a token of ours waits for nobody"
    assert len(waiting) == 3
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    monkeypatch.setattr(issuers, "_WAIT_S", 0.1)
    assert await outside.code(there.token(sub="patient")) == "issuer_unavailable"
    there.answers.set()
    await outside.tended()
    assert await outside.principal(there.token())
    assert there.asked["keys"] == 1


async def test_keys_are_kept_while_the_issuer_is_down(outside: Outside, there: Issuer) -> None:
    assert await outside.principal(there.token())
    there.status = 503
    for _ in range(5):
        outside.now += FRESH_S
        await outside.tended()
        assert await outside.principal(there.token(sub=str(outside.now)))
    asked = there.asked["keys"]
    outside.now += UNKNOWN_S
    there.status = 200
    there.rotate("two")
    await outside.tended()
    assert there.asked["keys"] == asked + 1
    assert await outside.principal(there.token())


@pytest.mark.parametrize(
    "trouble",
    [
        {"metadata": {"issuer": "https://other.example"}},
        {"metadata": {"issuer": None}},
        {"metadata": {"jwks_uri": None}},
        {"metadata": {"jwks_uri": "file:///etc/passwd"}},
        {"metadata": {"jwks_uri": "http://["}},
        {"metadata": {"jwks_uri": 7}},
        {"status": 404},
        {"status": 204},
        {"body": b"no json"},
        {"body": b"[" * 100_000},
        {"body": b'{"keys": 7}'},
        {"body": b'{"keys": []}'},
        {"body": b'{"keys": [' + b"{}," * 200 + b"{}]}"},
        {"body": b" " * 300_000},
        {"body": b"\xff\xfe"},
        {"location": "http://127.0.0.1:1/keys"},
    ],
)
async def test_what_is_no_set_of_keys_gives_none(outside: Outside, there: Issuer, trouble: dict[str, Any]) -> None:
    for name, value in trouble.items():
        setattr(there, name, value)
    assert await outside.code(there.token()) == "issuer_unavailable"


async def test_members_of_a_set_that_are_not_for_us_are_passed_over(outside: Outside, there: Issuer) -> None:
    good = there.keys[0].as_dict(private=False)
    rsa = {"kty": "RSA", "e": "AQAB"}
    others = [
        7, None, {}, {"kty": "oct", "k": "AAAA", "kid": "one"}, {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"},
        {**good, "kid": "enc", "use": "enc"}, {**good, "kid": "alg", "alg": "ES384"}, {**good, "kid": 7},
        {**good, "kid": "ops", "key_ops": ["sign"]}, {**good, "kid": "x", "x": "AAAA"}, {**good, "kid": "y", "y": 7},
        {**good, "kid": "crv", "crv": "P-384"}, {**rsa, "kid": "short", "n": "w" * 171}, {**rsa, "kid": "n", "n": "!"},
        {**rsa, "kid": "long", "n": "w" * 3_000}, {**rsa, "kid": "e1", "n": "w" * 342, "e": "AQ"},
    ]  # fmt: skip
    there.body = json.dumps({"keys": [*others, good], "more": [[]]}).encode()
    assert await outside.principal(there.token())
    for kid in ("enc", "alg", "ops", "crv"):
        assert await outside.principal(there.token({"kid": kid}, sub=kid)) is None


async def test_a_private_key_that_an_issuer_shows_by_mistake_is_not_kept(outside: Outside, there: Issuer) -> None:
    there.body = json.dumps({"keys": [there.keys[0].as_dict(private=True)]}).encode()
    assert await outside.principal(there.token())
    found = outside.source.find("one", "ES256")
    assert found is not None
    assert not found.key.is_private
