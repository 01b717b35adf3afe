"""The breaker of an endpoint, its tags, its pause, and what is remembered of requests to it."""

from __future__ import annotations

import pytest

from heliograph.contracts import Answer, HttpFailure
from heliograph.delivery.outbox.health import Records
from heliograph.telemetry import journal
from tests.delivery.outbox_stage import Stage


@pytest.fixture
def stage() -> Stage:
    return Stage()


async def test_an_endpoint_that_fails_on_is_open_tried_singly_and_closed_by_a_success(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[tuple[str, int]] = []
    monkeypatch.setattr(journal, "webhook_failing", lambda endpoint, host, why, tries: said.append(("failing", tries)))
    monkeypatch.setattr(journal, "webhook_recovered", lambda endpoint, tries: said.append(("recovered", tries)))
    await stage.open(stage.endpoint())
    stage.http.answer = lambda _: HttpFailure("timeout", "no answer in time")
    since = stage.clock.now_us()
    while stage.outbox.health("hook").state == "closed":
        stage.deliver()
        await stage.settle()
    opened = stage.outbox.health("hook")
    assert (opened.state, opened.failures, opened.last_error, opened.failing_since_us) == ("open", 8, "timeout", since)
    assert stage.outbox.healths() == {"closed": 0, "half_open": 0, "open": 1, "paused": 0}
    stage.deliver(20)
    await stage.settle()
    told = len(stage.http.posts)
    stage.clock.pass_s(1.0)
    assert stage.outbox.health("hook").state == "half_open"
    stage.http.most_open.clear()
    await stage.outbox.tick()
    await stage.settle()
    assert (len(stage.http.posts) - told, max(stage.http.most_open.values())) == (1, 1)
    stage.http.answer = lambda _: Answer(200)
    await stage.tick(60.0)
    assert stage.outbox.health("hook").state == "closed"
    assert said == [("failing", 8), ("recovered", 9)]
    assert stage.metrics.labelled["heliograph_endpoint_changes"] == {"failing": 1, "recovered": 1}


async def test_another_address_is_trusted_anew(stage: Stage) -> None:
    await stage.open(stage.endpoint())
    stage.http.answer = lambda post: Answer(200 if "new" in post.url else 500)
    while stage.outbox.health("hook").state == "closed":
        stage.deliver()
        await stage.settle()
    stage.outbox.set_endpoints([stage.endpoint(url="https://new.example.org/")])
    assert stage.outbox.health("hook").state == "closed"
    (event,) = stage.deliver()
    await stage.settle()
    assert stage.http.events("https://new.example.org/") == [event]


@pytest.mark.parametrize("memory", [True, False])
async def test_only_messages_with_a_tag_are_told_whether_at_hand_or_read(stage: Stage, memory: bool) -> None:
    await stage.open(stage.endpoint(tags=("vip", "ä")))
    lives = [stage.message(tags=tags) for tags in (None, '["other"]', '["other","ä"]', '["vip"]')]
    position = stage.happen(*[(live, stage.fact(live)) for live in lives], memory=memory)
    await stage.settle()
    await stage.tick()
    assert stage.http.events() == [f"{live.message.id}-3" for live in lives[2:]]
    assert stage.store.positions == {"hook": position}
    assert stage.outbox.figures()["waiting"] == 0


async def test_a_paused_endpoint_is_told_nothing_until_it_goes_on(stage: Stage) -> None:
    await stage.open(stage.endpoint(paused_us=1))
    events = stage.deliver(3)
    await stage.tick(5.0)
    assert stage.http.posts == []
    assert stage.store.positions.get("hook", 0) == 0
    stage.outbox.set_endpoints([stage.endpoint()])
    await stage.tick()
    assert sorted(stage.http.events()) == sorted(events)


async def test_the_last_requests_are_remembered_and_no_more(stage: Stage) -> None:
    await stage.open(stage.endpoint())
    stage.deliver(100)
    await stage.settle()
    stage.http.answer = lambda _: Answer(500)
    for _ in range(3):
        stage.deliver()
        await stage.settle()
    tried = stage.outbox.tried("hook", 100)
    assert [one.error for one in tried if one.error] == ["status_500"] * 3
    assert len(tried) == 16 + 3
    assert len(stage.outbox.tried("hook", 5)) == 5
    assert stage.outbox.tried("nobody", 5) == []


def test_a_large_body_is_not_kept() -> None:
    from heliograph.contracts import Post

    records = Records()
    records.took(Post("https://a.example/", {"webhook-timestamp": "7"}, b"x" * 20_000), Answer(200))
    records.failed(Post("https://a.example/", {}, b"x" * 20_000), None, "timeout", 8_000_000)
    assert [(one.at_us, one.post.body, one.error) for one in records.newest(9)] == [
        (8_000_000, b"", "timeout"),
        (7_000_000, b"", None),
    ]
