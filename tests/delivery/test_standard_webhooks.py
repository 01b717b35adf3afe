"""Our voice, verified by the reference library."""

from __future__ import annotations

import base64
import json
import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from heliograph.contracts import Answer, Telling, Verdict
from heliograph.delivery.standard_webhooks import StandardWebhooks, new_secret, secret_key
from heliograph.model import Endpoint

EVENT = '{"id":"m1-3","type":"message.delivered","data":{"text":"Grüße"}}'.encode()
OTHER = b'{"id":"m2-2","type":"message.sent"}'


def endpoint(**changes: str) -> Endpoint:
    fields = {"id": "e1", "kind": "webhook", "url": "https://example.org/hook", "secret": new_secret()} | changes
    return Endpoint(account_id=1, events=(), **fields)  # type: ignore[arg-type]


def now_us() -> int:
    return time.time_ns() // 1000


def test_one_event_is_the_body_and_verifies() -> None:
    to = endpoint()
    post = StandardWebhooks().words(Telling("m1-3", [EVENT]), to, now_us())
    assert post.url == to.url
    assert post.headers["webhook-id"] == "m1-3"
    assert post.headers["content-type"] == "application/json"
    assert Webhook(to.secret).verify(post.body, dict(post.headers)) == json.loads(EVENT)


@pytest.mark.parametrize("octets", [1, 24, 63, 64, 65, 200])
def test_keys_of_every_length_sign_as_the_library_does(octets: int) -> None:
    to = endpoint(secret="whsec_" + base64.b64encode(b"k" * octets).decode())
    post = StandardWebhooks().words(Telling("m1-3", [EVENT]), to, now_us())
    Webhook(to.secret).verify(post.body, dict(post.headers))


def test_a_batch_is_an_array_under_its_own_id() -> None:
    to = endpoint()
    post = StandardWebhooks().words(Telling("batch-1", [EVENT, OTHER]), to, now_us())
    assert post.headers["webhook-id"] == "batch-1"
    assert Webhook(to.secret).verify(post.body, dict(post.headers)) == [json.loads(EVENT), json.loads(OTHER)]


def test_a_repeat_has_the_same_body_and_id_and_a_fresh_signature() -> None:
    voice, to = StandardWebhooks(), endpoint()
    old = voice.words(Telling("m1-3", [EVENT]), to, now_us() - 3_600_000_000)
    with pytest.raises(WebhookVerificationError):
        Webhook(to.secret).verify(old.body, dict(old.headers))
    again = voice.repeat("m1-3", old.body, to, now_us())
    Webhook(to.secret).verify(again.body, dict(again.headers))
    assert (again.body, again.headers["webhook-id"]) == (old.body, "m1-3")


def test_another_secret_or_body_does_not_verify() -> None:
    to = endpoint()
    post = StandardWebhooks().words(Telling("m1-3", [EVENT]), to, now_us())
    for secret, body in [(new_secret(), post.body), (to.secret, post.body + b" ")]:
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(body, dict(post.headers))


@pytest.mark.parametrize(
    ("status", "batch", "verdict"),
    [
        (200, False, Verdict.DONE),
        (204, True, Verdict.DONE),
        (299, False, Verdict.DONE),
        (301, False, Verdict.AGAIN),
        (400, False, Verdict.AGAIN),
        (400, True, Verdict.ONE_BY_ONE),
        (404, True, Verdict.AGAIN),
        (410, False, Verdict.GONE),
        (410, True, Verdict.GONE),
        (413, False, Verdict.AGAIN),
        (413, True, Verdict.ONE_BY_ONE),
        (429, False, Verdict.AGAIN),
        (503, True, Verdict.AGAIN),
    ],
)
def test_what_an_answer_means(status: int, batch: bool, verdict: Verdict) -> None:
    assert StandardWebhooks().hear(Answer(status), batch=batch).verdict is verdict


def test_retry_after_is_passed_on() -> None:
    assert StandardWebhooks().hear(Answer(429, 120.0), batch=False).retry_after_s == 120.0


def test_secrets() -> None:
    assert len(secret_key(new_secret())) == 32
    assert secret_key("whsec_" + "QUJD" * 8) == b"ABC" * 8
    for bad in ("whsec_", "whsec_%%%", ""):
        with pytest.raises(ValueError, match="secret"):
            secret_key(bad)
