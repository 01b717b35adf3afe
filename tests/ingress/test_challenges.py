"""Every 401 says how to come again. Source: RFC 9110 §11.6.1, RFC 6750 §3, RFC 7617 §2."""

from __future__ import annotations

import pytest

from heliograph.ingress.rest.api import OPERATIONS
from heliograph.ingress.rest.openapi import Operation
from heliograph.model import CUSTOMER_SCOPES
from tests.ingress.house import Answer, House
from tests.ingress.test_basic import basic
from tests.ingress.test_oauth import FORM, token_of

BEARER = 'Bearer realm="heliograph"'
BASIC = 'Basic realm="heliograph"'
INVALID = f'{BEARER}, error="invalid_token"'
GOOD = {"to": "+4915112345678", "from": "12345", "text": "hello"}


def told(answer: Answer) -> str:
    assert answer.status == 401, answer.body
    return answer.headers["www-authenticate"]


@pytest.mark.parametrize("one", OPERATIONS, ids=lambda one: f"{one.method} {one.path}")
async def test_every_operation_says_what_it_takes(api: House, one: Operation) -> None:
    """A web page's token is no password: there a browser must not ask its user for one."""
    takes = f"{BEARER}, {BASIC}" if one.scope else BEARER
    path = one.path.replace("{", "").replace("}", "")
    assert told(await api.call(one.method, path, key=None)) == takes
    assert told(await api.call(one.method, path, key="hg_live_" + "0" * 64)) == takes
    assert told(await api.call(one.method, path, key=None, headers=basic("hg_live_00000000", "x"))) == takes


async def test_both_doors_and_the_metrics_say_it(api: House) -> None:
    wrong = {"Authorization": "Bearer hg_live_" + "0" * 64}
    assert told(await api.lean("/v1/messages", GOOD, headers=wrong)) == f"{BEARER}, {BASIC}"
    assert told(await api.call("GET", "/metrics", key=None, client="192.0.2.1")) == f"{BEARER}, {BASIC}"


async def test_what_is_over_says_so(api: House) -> None:
    over = await api.make("demo", CUSTOMER_SCOPES, expires_us=1)
    assert told(await api.call("GET", "/v1/messages", key=over)) == f"{INVALID}, {BASIC}"
    forged = await token_of(api, api.key) + "x"
    assert told(await api.call("GET", "/v1/messages", key=forged)) == INVALID
    assert told(await api.lean("/v1/messages", GOOD, headers={"Authorization": f"Bearer {forged}"})) == INVALID


async def test_clients_of_oauth_hear_of_basic(api: House) -> None:
    body = b"grant_type=client_credentials&client_id=x&client_secret=y"
    answer = await api.call("POST", "/oauth/token", body, key=None, headers=FORM)
    assert told(answer) == f'{BASIC}, charset="UTF-8"'
