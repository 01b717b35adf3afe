"""Whatever is posted is answered: with a message or with a problem, never with a fault of ours."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from heliograph.access import KeyRing
from heliograph.access.principals import Principal
from heliograph.delivery.callers import Answered
from heliograph.delivery.submission import Accepted, Received, Submission
from heliograph.ingress.doors import Door
from heliograph.ingress.rest.calls import Call
from heliograph.ingress.rest.sending import SEND_FIELDS, SEND_SCOPE, Sending
from heliograph.model import Account, Message, Progress
from heliograph.telemetry.metrics import Metrics

KEY = "hg_live_0"
ACCOUNT = Account(id=1, name="demo")


class Echo:
    """An intake that takes everything."""

    def offer(self, submissions: Sequence[Submission], answered: Answered, **_: object) -> None:
        answered(self.taken(submissions))

    async def accept(self, submissions: Sequence[Submission], **_: object) -> Received:
        return self.taken(submissions)

    def taken(self, submissions: Sequence[Submission]) -> Received:
        results: list[Any] = []
        for one in submissions:
            assert (one.text is None) != (one.data is None)
            message = Message(id="m", account_id=1, sender="x", recipient=one.to, accepted_us=1, expires_us=2)
            results.append(Accepted(message, Progress()))
        return Received(results, False)


def doors() -> list[Door]:
    keys = KeyRing(None, lambda: 0)  # type: ignore[arg-type]
    principal = Principal(ACCOUNT, frozenset([SEND_SCOPE]), "hg_live_")
    keys._principals = {hashlib.sha256(KEY.encode()).digest(): principal}
    metrics = Metrics()
    sending = Sending(Echo(), keys, {}, 100, metrics.refused)  # type: ignore[arg-type]
    paths = {"/v1/messages": sending.one, "/v1/messages/batch": sending.batch}
    return [Door(path, SEND_SCOPE, 65_536, answer, keys, metrics) for path, answer in paths.items()]


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELD = st.sampled_from([*SEND_FIELDS, "messages", "url", "events"])
ALMOST = st.dictionaries(FIELD, ANY, max_size=6) | st.fixed_dictionaries(
    {"to": st.just("+4915112345678"), "text": st.just("x")}, optional={"metadata": ANY, "callback": ANY, "tags": ANY}
)
BODIES = (
    st.binary(max_size=60)
    | ANY.map(lambda value: json.dumps(value).encode())
    | ALMOST.map(lambda value: json.dumps(value).encode())
    | st.lists(ALMOST, max_size=3).map(lambda value: json.dumps({"messages": value}).encode())
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(body=BODIES, key=st.none() | st.binary(max_size=300))
def test_any_body_is_answered_with_a_message_or_a_problem(body: bytes, key: bytes | None) -> None:
    for door in doors():
        call = Call("POST", door.path, body, b"Bearer " + KEY.encode(), key)
        reply = asyncio.run(door.reply(call))
        assert reply.status in (202, 400, 413, 422), reply.body
        answer = json.loads(reply.body)
        if reply.status != 202:
            assert answer["code"]
