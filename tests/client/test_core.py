"""The client without I/O: waits, tries, and webhook signatures."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook as Stranger

from heliograph.client import BadSignature, NoAnswer, Overloaded, Retries, WebhookVerifier
from heliograph.client.core import Answer, Call, Exchange

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
MESSAGE = {
    "id": "m0", "direction": "outbound", "channel": "sms", "state": "sent", "to": "+14155550123", "from": "12345",
    "type": "otp", "encoding": "gsm7", "segments": 1, "accepted_at": "2026-03-01T12:00:00.000000Z",
}  # fmt: skip
EVENT = {
    "specversion": "1.0", "id": "e1", "source": "/v1/messages", "type": "message.sent", "subject": "m0",
    "time": "2026-03-01T12:00:00.000000Z", "sequence": 2, "datacontenttype": "application/json", "data": MESSAGE,
}  # fmt: skip


def exchange(**retries: float) -> Exchange[bytes]:
    call = Call(method="GET", path="/v1/webhooks", read=bytes)
    return Exchange(call, Retries(**retries), _jitter=lambda low, high: high)  # type: ignore[arg-type]


def busy(retry_after: str | None = None) -> Answer:
    headers = {} if retry_after is None else {"retry-after": retry_after}
    return Answer(status=503, headers=headers, body=b'{"code":"overloaded","detail":"Later."}')


def test_waits_double_up_to_the_longest() -> None:
    one = exchange(tries=6, first_s=1.0, longest_s=5.0)
    assert [one.answered(busy())[1] for _ in range(5)] == [1.0, 2.0, 4.0, 5.0, 5.0]
    with pytest.raises(Overloaded):
        one.answered(busy())


def test_the_servers_wait_counts_where_it_is_longer() -> None:
    one = exchange(tries=5, first_s=1.0, longest_s=60.0)
    assert one.answered(busy("7"))[1] == 7.0
    assert one.answered(busy("0"))[1] == 2.0
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True)
    wait = one.answered(busy(soon))[1]
    assert wait is not None
    assert 30 < wait <= 40


@given(st.text(max_size=40))
def test_any_retry_after_is_read_or_passed_over(value: str) -> None:
    one = exchange(tries=3, first_s=1.0, longest_s=1e12)
    wait = one.answered(busy(value))[1]
    assert wait is not None
    assert wait >= 1.0


def test_failures_count_as_tries() -> None:
    one = exchange(tries=3, first_s=0.5)
    assert (one.failed("reset"), one.failed("reset")) == (0.5, 1.0)
    with pytest.raises(NoAnswer, match="after 3 tries: reset"):
        one.failed("reset")


@pytest.mark.parametrize("wrong", [{"tries": 0}, {"first_s": -1.0}, {"longest_s": -1.0}])
def test_retries_have_bounds(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="at least"):
        Retries(**wrong)  # type: ignore[arg-type]


def signed(body: bytes, secret: str = SECRET, at: datetime | None = None) -> dict[str, str]:
    at = at or datetime.now(UTC)
    signature = Stranger(secret).sign("w1", at, body.decode())
    return {"Webhook-Id": "w1", "Webhook-Timestamp": str(int(at.timestamp())), "Webhook-Signature": signature}


def test_what_another_library_signed_is_verified() -> None:
    body = json.dumps(EVENT).encode()
    (event,) = WebhookVerifier(SECRET).verify(body, signed(body))
    assert (event.id, event.type, event.data.sender, event.data.state) == ("e1", "message.sent", "12345", "sent")
    batch = json.dumps([EVENT, EVENT | {"id": "e2"}]).encode()
    assert [one.id for one in WebhookVerifier(SECRET).verify(batch, signed(batch))] == ["e1", "e2"]


def test_two_secrets_are_valid_while_one_replaces_the_other() -> None:
    body = json.dumps(EVENT).encode()
    old = "whsec_" + base64.b64encode(b"o" * 32).decode()
    both = WebhookVerifier((SECRET, old))
    assert both.verify(body, signed(body, old))
    two = signed(body)
    two["Webhook-Signature"] = "v1a,xyz " + signed(body, old)["Webhook-Signature"] + " " + two["Webhook-Signature"]
    assert WebhookVerifier(SECRET).verify(body, two)


@pytest.mark.parametrize(
    "change",
    [
        {"Webhook-Signature": "v1,AAAA"},
        {"Webhook-Signature": ""},
        {"Webhook-Signature": "v1,é"},
        {"Webhook-Timestamp": str(int(time.time()) - 3_600)},
        {"Webhook-Timestamp": str(int(time.time()) + 3_600)},
        {"Webhook-Timestamp": "soon"},
        {"Webhook-Timestamp": "9" * 40},
        {"Webhook-Id": "w2"},
    ],
)
def test_anything_changed_is_refused(change: dict[str, str]) -> None:
    body = json.dumps(EVENT).encode()
    with pytest.raises(BadSignature):
        WebhookVerifier(SECRET).verify(body, signed(body) | change)


def test_missing_headers_other_secrets_and_other_bodies_are_refused() -> None:
    body = json.dumps(EVENT).encode()
    with pytest.raises(BadSignature, match="webhook-id"):
        WebhookVerifier(SECRET).verify(body, {})
    with pytest.raises(BadSignature):
        WebhookVerifier("whsec_" + base64.b64encode(b"x" * 32).decode()).verify(body, signed(body))
    with pytest.raises(BadSignature):
        WebhookVerifier(SECRET).verify(body + b" ", signed(body))
    nonsense = b'{"hello": 1}'
    with pytest.raises(BadSignature, match="no events"):
        WebhookVerifier(SECRET).verify(nonsense, signed(nonsense))


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!!!", ()])
def test_what_is_no_secret_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="secret"):
        WebhookVerifier(secret)


def test_the_import_brings_no_server_and_no_http_library() -> None:
    code = "import sys, heliograph; print([m for m in ('aiohttp', 'urllib3', 'apsw', 'fastapi') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("name", ["Client", "AsyncClient"])
def test_a_client_brings_nothing_of_the_server(name: str) -> None:
    code = (
        f"import sys; from heliograph import {name}; "
        "print(sorted(m for m in sys.modules if m.startswith('heliograph.') and m.count('.') == 1))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found == "['heliograph.client', 'heliograph.errors']\n"
