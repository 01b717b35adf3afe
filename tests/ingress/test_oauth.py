"""``POST /oauth/token`` and what it gives, at both doors; the documents by which strangers find their way."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, urlencode

import pytest
from joserfc import jws

from heliograph.model import CUSTOMER_SCOPES
from tests.ingress.house import ISSUER, Answer, House, house
from tests.keys import revoke_key

GOOD = {"to": "+4915112345678", "from": "12345", "text": "hello"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def ask(api: House, form: Mapping[str, str] | bytes, headers: Mapping[str, str] | None = None) -> Answer:
    body = form if isinstance(form, bytes) else urlencode(form).encode()
    return await api.call("POST", "/oauth/token", body, key=None, headers=FORM | dict(headers or {}))


def form_of(key: str, **more: str) -> dict[str, str]:
    return {"grant_type": "client_credentials", "client_id": key[:16], "client_secret": key, **more}


def basic(client_id: str, secret: str) -> dict[str, str]:
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


async def token_of(api: House, key: str, **more: str) -> str:
    answer = await ask(api, form_of(key, **more))
    assert answer.status == 200, answer.body
    return str(answer.json["access_token"])


def claims_of(token: str) -> dict[str, Any]:
    return dict(json.loads(jws.extract_compact(token.encode()).payload))


async def test_who_has_a_key_gets_a_token_and_sends_with_it_at_every_door(api: House) -> None:
    answer = await ask(api, form_of(api.key))
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json["token_type"] == "Bearer"
    assert answer.json["expires_in"] == 3600
    assert set(answer.json["scope"].split()) == set(CUSTOMER_SCOPES)
    for chunks in (1, 4):
        token = await token_of(api, api.key)  # never seen before, at each of the ways
        bearer = {"Authorization": f"Bearer {token}"}
        assert (await api.lean("/v1/messages", GOOD, headers=bearer, chunks=chunks)).status == 202
        assert (await api.lean("/v1/messages", GOOD, headers=bearer, chunks=chunks)).status == 202
    token = await token_of(api, api.key)
    sent = await api.call("POST", "/v1/messages", GOOD, key=token)
    assert sent.status == 202
    assert (await api.call("GET", f"/v1/messages/{sent.json['id']}", key=token)).status == 200


async def test_a_token_says_what_rfc_9068_asks_for(api: House) -> None:
    token = await token_of(api, api.key, scope="messages:send")
    seen = jws.extract_compact(token.encode())
    assert seen.headers()["typ"] == "at+jwt"
    assert seen.headers()["alg"] == "ES256"
    claims = claims_of(token)
    assert claims | {"iss": ISSUER, "aud": ISSUER, "sub": api.key[:16], "client_id": api.key[:16]} == claims
    assert claims["scope"] == "messages:send"
    assert claims["exp"] - claims["iat"] == 3600
    assert claims["jti"] != claims_of(await token_of(api, api.key))["jti"]


async def test_a_client_may_authenticate_by_basic(api: House) -> None:
    grant = {"grant_type": "client_credentials"}
    assert (await ask(api, grant, basic(api.key[:16], api.key))).status == 200
    assert (await ask(api, grant | {"client_id": api.key[:16]}, basic(api.key[:16], api.key))).status == 200


async def test_a_token_never_does_more_than_was_asked_for_and_than_its_key(api: House) -> None:
    token = await token_of(api, api.key, scope="messages:read")
    refused = await api.call("POST", "/v1/messages", GOOD, key=token)
    assert (refused.status, refused.code) == (403, "forbidden")
    assert refused.headers["www-authenticate"] == 'Bearer realm="heliograph", error="insufficient_scope"'
    assert (await api.call("GET", "/v1/messages", key=token)).status == 200


@pytest.mark.parametrize(
    ("form", "headers", "status", "error"),
    [
        ({"client_secret": "hg_live_" + "0" * 64}, {}, 401, "invalid_client"),
        ({"client_secret": "x.y.z"}, {}, 401, "invalid_client"),
        ({"client_secret": "x" * 9_000}, {}, 401, "invalid_client"),
        ({"client_id": "hg_live_00000000"}, {}, 401, "invalid_client"),
        ({"client_id": "Ünknown"}, {}, 401, "invalid_client"),
        ({"client_id": ""}, {}, 401, "invalid_client"),
        ({"client_secret": ""}, {}, 401, "invalid_client"),
        ({}, {"Authorization": "Basic !!!"}, 401, "invalid_client"),
        ({}, {"Authorization": "Basic bm9jb2xvbg=="}, 401, "invalid_client"),
        ({}, {"Authorization": "Bearer x"}, 401, "invalid_client"),
        ({}, basic("hg_live_00000000", "y"), 400, "invalid_request"),
        ({"grant_type": ""}, {}, 400, "invalid_request"),
        ({"grant_type": "password"}, {}, 400, "unsupported_grant_type"),
        ({"scope": "messages:send admin"}, {}, 400, "invalid_scope"),
        ({"scope": "messages:send  messages:read"}, {}, 400, "invalid_scope"),
        ({"scope": 'a"b\\c\r\nd\u00e9'}, {}, 400, "invalid_scope"),
    ],
)
async def test_a_refusal_is_worded_as_client_libraries_know_it(
    api: House, form: dict[str, str], headers: dict[str, str], status: int, error: str
) -> None:
    answer = await ask(api, form_of(api.key) | form, headers)
    assert (answer.status, answer.json["error"]) == (status, error)
    assert answer.headers["cache-control"] == "no-store"
    assert ("www-authenticate" in answer.headers) == (status == 401)
    assert all(" " <= one <= "~" and one not in '"\\' for one in answer.json["error_description"])
    assert api.key not in answer.body.decode()


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"grant_type=client_credentials&grant_type=client_credentials", {}),
        (b"&".join(b"a%d=1" % at for at in range(33)), {}),
        (b"grant_type=%ff", {}),
        ("grant_type=clïent".encode(), {}),
        (b'{"grant_type":"client_credentials"}', {"Content-Type": "application/json"}),
        (b"grant_type=client_credentials", {"Content-Type": ""}),
    ],
)
async def test_what_is_no_form_is_refused(api: House, body: bytes, headers: dict[str, str]) -> None:
    answer = await ask(api, body, headers)
    assert (answer.status, answer.json["error"]) == (400, "invalid_request")


async def test_a_body_is_bounded(api: House) -> None:
    answer = await ask(api, b"a=" + b"x" * 20_000)
    assert (answer.status, answer.code) == (413, "body_too_large")


async def test_a_key_that_may_not_be_used_here_or_now_gets_no_token(tmp_path: Path) -> None:
    async with house(tmp_path) as api:
        for more in ({"addresses": ("192.0.2.0/24",)}, {"expires_us": 1}):
            answer = await ask(api, form_of(await api.make("demo", **more)))
            assert (answer.status, answer.json["error"]) == (401, "invalid_client")
        answer = await ask(api, form_of(api.key), {"Origin": "https://shop.example"})
        assert (answer.status, answer.json["error"]) == (401, "invalid_client")


async def test_a_token_is_bound_to_where_its_key_may_be_used(tmp_path: Path) -> None:
    async with house(tmp_path) as api:
        token = await token_of(api, await api.make("demo", addresses=("127.0.0.0/8",)))
        assert (await api.call("GET", "/v1/messages", key=token)).status == 200
        elsewhere = await api.call("GET", "/v1/messages", key=token, client="192.0.2.7")
        assert (elsewhere.status, elsewhere.code) == (403, "address_not_allowed")
        page = await api.call("GET", "/v1/messages", key=token, headers={"Origin": "https://shop.example"})
        assert (page.status, page.code) == (403, "browser_origin")


async def test_a_token_never_outlives_its_key(tmp_path: Path) -> None:
    async with house(tmp_path) as api:
        ends_us = api.services.now_us() + 100_000_000
        answer = await ask(api, form_of(await api.make("demo", expires_us=ends_us)))
        assert claims_of(answer.json["access_token"])["exp"] == ends_us // 1_000_000
        assert answer.json["expires_in"] <= 100


async def test_a_revoked_key_takes_its_tokens_with_it(api: House) -> None:
    seen, unseen = await token_of(api, api.key), await token_of(api, api.key)
    assert (await api.call("GET", "/v1/messages", key=seen)).status == 200
    await revoke_key(api.store, api.key[:16], api.services.now_us())
    await api.services.keys.refresh()
    for token in (seen, unseen):
        for answer in (
            await api.call("GET", "/v1/messages", key=token),
            await api.lean("/v1/messages", GOOD, headers={"Authorization": f"Bearer {token}"}),
        ):
            assert (answer.status, answer.code) == (401, "token_invalid")
            assert answer.headers["www-authenticate"] == 'Bearer realm="heliograph", error="invalid_token"'
    assert (await ask(api, form_of(api.key))).json["error"] == "invalid_client"


async def test_a_test_key_gives_tokens_for_the_sandbox(tmp_path: Path) -> None:
    async with house(tmp_path) as api:
        token = await token_of(api, await api.make("demo", test=True))
        assert (await api.call("GET", "/v1/messages", key=token)).status == 200
        principal = api.services.keys.admit(token, None)
        assert principal is not None
        assert (principal.account.name, principal.account.is_sandbox) == ("demo", True)


async def test_tokens_and_the_requests_for_them_count_on_the_limits_of_their_key(api: House) -> None:
    admin = await api.make("operator", (*CUSTOMER_SCOPES, "admin"))
    limits = {"requests_per_day": 3}
    assert (await api.call("PUT", f"/v1/limits/key:{api.key[:16]}", limits, key=admin)).status == 200
    token = await token_of(api, api.key)
    for _ in range(2):
        answer = await api.call("GET", "/v1/messages", key=token)
        assert answer.status == 200
    assert answer.headers["ratelimit"].startswith('"requests-per-day";r=0;t=')
    for refused in (
        await api.call("GET", "/v1/messages", key=token),
        await api.call("GET", "/v1/messages"),
        await api.lean("/v1/messages", GOOD, headers={"Authorization": f"Bearer {token}"}),
        await ask(api, form_of(api.key)),
    ):
        assert (refused.status, refused.code) == (429, "quota_exhausted")
        assert int(refused.headers["retry-after"]) >= 1


async def test_many_who_come_with_a_new_token_at_once_are_served(api: House) -> None:
    token = await token_of(api, api.key)
    bearer = {"Authorization": f"Bearer {token}"}
    await api.lean("/v1/messages", GOOD, headers={"Authorization": f"Bearer {api.key}"})
    answers = await asyncio.gather(*(api.lean("/v1/messages", GOOD, headers=bearer) for _ in range(50)))
    assert {answer.status for answer in answers} == {202}


async def test_a_long_body_behind_a_new_token_comes_whole(tmp_path: Path) -> None:
    async with house(tmp_path) as api:
        token = await token_of(api, api.key)
        batch = {"messages": [GOOD | {"text": "x" * 150}] * 3_000}
        answer = await api.lean("/v1/messages/batch", batch, headers={"Authorization": f"Bearer {token}"}, chunks=200)
        assert answer.status == 202
        assert len(answer.json["results"]) == 3_000


async def test_a_long_body_behind_a_bad_token_is_refused_before_it_is_here(api: House) -> None:
    await api.lean("/v1/messages", GOOD, headers={"Authorization": f"Bearer {api.key}"})
    token = (await token_of(api, api.key))[:-4] + "AAAA"
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    head = f"POST /v1/messages/batch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
    writer.write(head.encode() + b"Content-Length: 8000000\r\n\r\n")
    said = asyncio.ensure_future(reader.readuntil(b"\r\n\r\n"))
    for _ in range(1_000):  # an eighth of the body at most
        writer.write(b"x" * 1_000)
        await asyncio.wait([said], timeout=0.02)
        if said.done():
            break
    head_of_answer = await said
    assert head_of_answer.startswith(b"HTTP/1.1 401 ")
    assert b'error="invalid_token"' in head_of_answer
    writer.close()


async def test_a_body_that_is_too_large_is_refused_behind_a_new_token_too(api: House) -> None:
    token = await token_of(api, api.key)
    answer = await api.lean(
        "/v1/messages", b"", headers={"Authorization": f"Bearer {token}", "Content-Length": "100000000"}
    )
    assert (answer.status, answer.code) == (413, "body_too_large")


async def test_strangers_find_everything_from_the_metadata(api: House) -> None:
    metadata = (await api.call("GET", "/.well-known/oauth-authorization-server", key=None)).json
    assert metadata["issuer"] == ISSUER
    assert metadata["token_endpoint"] == f"{ISSUER}/oauth/token"
    assert "client_credentials" in metadata["grant_types_supported"]
    token = await token_of(api, api.key)
    answer = await api.call("GET", metadata["jwks_uri"].removeprefix(ISSUER), key=None)
    assert answer.headers["content-type"] == "application/jwk-set+json"
    [key] = answer.json["keys"]
    assert key["kid"] == jws.extract_compact(token.encode()).headers()["kid"]
    assert (key["alg"], key["use"], "d" in key) == ("ES256", "sig", False)
