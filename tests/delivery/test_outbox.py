"""The outbox tells every event at least once, in order, and nobody waits for somebody else."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import msgspec
import pytest
from standardwebhooks import Webhook

from heliograph.contracts import Answer, HttpFailure
from heliograph.delivery.eventwords import event_json
from heliograph.model import DEAD_FROM_US, Content, Direction, Live, PendingDelivery, State
from heliograph.rules.redelivery import RETRY_WAITS_S
from heliograph.telemetry import journal
from tests.delivery.outbox_stage import ACCOUNT, AT, SECOND, SECRET, Stage

MINUTE = 60.0
HOUR = 3600.0


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    made = Stage()
    yield made
    await made.outbox.close()


def refuse(status: int, retry_after_s: float | None = None) -> Answer:
    return Answer(status, retry_after_s)


async def test_an_event_is_told_signed_from_memory(stage: Stage) -> None:
    await stage.open(stage.endpoint())
    (event,) = stage.deliver()
    await stage.tick()
    (post,) = stage.http.posts
    assert (post.url, post.headers["webhook-id"]) == ("https://hook.example.org/", event)
    told = json.loads(post.body)
    assert (told["id"], told["type"], told["data"]["state"]) == (event, "message.delivered", "delivered")
    assert stage.store.records_read == 0
    assert stage.store.positions == {"hook": 1}
    signed_at = datetime.fromtimestamp(int(post.headers["webhook-timestamp"]), tz=UTC)
    assert Webhook(SECRET).sign(event, signed_at, post.body.decode()) == post.headers["webhook-signature"]


async def test_endpoints_get_what_they_asked_for_and_nothing_of_others(stage: Stage) -> None:
    await stage.open(
        stage.endpoint("all"),
        stage.endpoint("ends", events=("message.delivered", "message.failed")),
        stage.endpoint("stranger", account_id=8),
    )
    live = stage.message()
    stage.happen((live, stage.fact(live, 2, State.SENT)), (live, stage.fact(live)))
    await stage.tick()
    sent, delivered = f"{live.message.id}-2", f"{live.message.id}-3"
    assert stage.http.ids("https://all.example.org/") == [sent, delivered]
    assert stage.http.ids("https://ends.example.org/") == [delivered]
    assert stage.http.ids("https://stranger.example.org/") == []


async def test_an_event_waits_while_an_earlier_one_of_its_message_is_told(stage: Stage) -> None:
    await stage.open(stage.endpoint())
    stage.http.gates["https://hook.example.org/"] = gate = asyncio.Event()
    live, other = stage.message(), stage.message()
    stage.happen((live, stage.fact(live, 2, State.SENT)), (live, stage.fact(live)), (other, stage.fact(other)))
    await stage.until(lambda: len(stage.http.posts) == 2)
    assert stage.http.ids() == [f"{live.message.id}-2", f"{other.message.id}-3"]
    gate.set()
    await stage.settle()
    assert stage.http.ids()[2:] == [f"{live.message.id}-3"]


async def test_the_position_waits_for_the_oldest_row_that_is_open(stage: Stage) -> None:
    await stage.open(stage.endpoint())
    stage.http.gates["https://hook.example.org/"] = gate = asyncio.Event()
    stage.deliver()
    await stage.until(lambda: len(stage.http.posts) == 1)
    del stage.http.gates["https://hook.example.org/"]
    stage.deliver()
    stage.deliver()
    await stage.until(lambda: len(stage.http.posts) == 3)
    await stage.outbox.tick()
    assert stage.store.positions.get("hook", 0) == 0
    gate.set()
    await stage.tick()
    assert stage.store.positions["hook"] == 3


async def test_a_failed_first_try_is_kept_with_the_position_that_passes_it(stage: Stage) -> None:
    await stage.open(stage.endpoint())
    stage.http.answer = lambda _: refuse(500)
    (event,) = stage.deliver()
    await stage.tick()
    kept = stage.store.deliveries[f"{event}@hook"]
    assert (kept.tries, kept.next_us, kept.last_error) == (1, AT + 5 * SECOND, "status_500")
    assert kept.events == ((event[:-2], 3),)
    assert stage.store.positions["hook"] == 1


async def test_tries_follow_the_table_and_end_with_a_line_in_the_journal(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    await stage.open(stage.endpoint())
    stage.http.answer = lambda _: HttpFailure("timeout", "no answer in time")
    (event,) = stage.deliver()
    await stage.tick()
    for number, wait_s in enumerate(RETRY_WAITS_S, start=1):
        await stage.tick(wait_s - 1)
        assert len(stage.http.posts) == number
        await stage.tick(1)
        assert len(stage.http.posts) == number + 1
    assert set(stage.http.ids()) == {event}
    assert len({post.body for post in stage.http.posts}) == 1
    assert len({post.headers["webhook-signature"] for post in stage.http.posts}) == 8
    assert stage.store.pending == {}
    (dead,) = stage.store.dead
    assert (dead.events, dead.last_error, dead.body) == (((event[:-2], 3),), "timeout", None)
    assert dead.next_us - DEAD_FROM_US == stage.clock.now_us()
    assert stage.outbox.figures()["over"] == 1
    assert f"webhook {event} to endpoint hook is given up after 7 tries: timeout" in caplog.text


async def test_a_second_try_that_succeeds_ends_the_delivery(stage: Stage) -> None:
    await stage.open(stage.endpoint())
    stage.http.answer = lambda _: refuse(503)
    (event,) = stage.deliver()
    await stage.tick()
    stage.http.answer = lambda _: Answer(204)
    await stage.tick(5)
    await stage.tick(HOUR)
    assert stage.http.ids() == [event, event]
    assert stage.store.deliveries == {}


async def test_two_endpoints_owe_the_same_event_each_its_own_second_try(stage: Stage) -> None:
    await stage.open(stage.endpoint("one"), stage.endpoint("two"))
    stage.http.answer = lambda _: refuse(500)
    (event,) = stage.deliver()
    await stage.tick()
    stage.http.answer = lambda _: Answer(200)
    await stage.tick(5)
    for name in ("one", "two"):
        assert stage.http.ids(f"https://{name}.example.org/") == [event, event]
    assert stage.store.deliveries == {}


async def test_retry_after_moves_a_try_back_never_forward(stage: Stage) -> None:
    await stage.open(stage.endpoint())
    stage.http.answer = lambda _: refuse(429, 600.0)
    (late,) = stage.deliver()
    await stage.settle()
    stage.http.answer = lambda _: refuse(429, 1.0)
    stage.clock.pass_s(60)
    await stage.outbox.tick()
    (soon,) = stage.deliver()
    await stage.tick()
    assert stage.store.deliveries[f"{late}@hook"].next_us == AT + 600 * SECOND
    assert stage.store.deliveries[f"{soon}@hook"].next_us == AT + 65 * SECOND


async def test_a_step_of_the_wall_clock_brings_no_try_early_or_twice(stage: Stage) -> None:
    await stage.open(stage.endpoint())
    stage.http.answer = lambda _: refuse(500)
    stage.deliver()
    await stage.tick()
    stage.clock.wall_us += int(2 * HOUR) * SECOND
    await stage.tick()
    assert len(stage.http.posts) == 1
    stage.clock.wall_us -= int(4 * HOUR) * SECOND
    await stage.tick(5)
    assert len(stage.http.posts) == 2


async def test_a_batch_is_what_waits_and_keeps_order(stage: Stage) -> None:
    await stage.open(stage.endpoint(batch=100))
    live = stage.message()
    stage.happen((live, stage.fact(live, 2, State.SENT)), (live, stage.fact(live)))
    events = [f"{live.message.id}-2", f"{live.message.id}-3", *stage.deliver(30)]
    await stage.tick()
    assert stage.http.events() == events
    (post,) = stage.http.posts
    assert post.headers["webhook-id"].startswith("batch-")
    assert stage.store.positions["hook"] == 2


async def test_a_batch_holds_no_more_than_the_endpoint_takes(stage: Stage) -> None:
    await stage.open(stage.endpoint(batch=10))
    events = stage.deliver(35)
    await stage.tick()
    assert sorted(stage.http.events()) == events
    assert max(len(json.loads(post.body)) for post in stage.http.posts) == 10


async def test_a_batch_that_fails_is_tried_again_as_it_was(stage: Stage) -> None:
    await stage.open(stage.endpoint(batch=10))
    stage.http.answer = lambda _: refuse(500)
    stage.deliver(3)
    await stage.tick()
    stage.http.answer = lambda _: Answer(200)
    stage.deliver(2)
    await stage.tick(5)
    same = [post for post in stage.http.posts if post.headers["webhook-id"] == stage.http.ids()[0]]
    assert len(same) == 2
    assert same[0].body == same[1].body
    assert stage.store.deliveries == {}


@pytest.mark.parametrize("status", [400, 413])
async def test_an_endpoint_that_refuses_a_batch_gets_its_events_one_by_one(stage: Stage, status: int) -> None:
    await stage.open(stage.endpoint(batch=10))
    stage.http.answer = lambda post: refuse(status) if post.body.startswith(b"[") else Answer(200)
    events = stage.deliver(3)
    await stage.tick()
    assert stage.http.ids()[1:] == events
    assert stage.store.positions["hook"] == 1
    assert stage.store.deliveries == {}


async def test_a_batch_refused_at_its_second_try_is_owed_singly(stage: Stage) -> None:
    await stage.open(stage.endpoint(batch=10))
    stage.http.answer = lambda _: refuse(500)
    events = stage.deliver(3)
    await stage.tick()
    stage.http.answer = lambda post: refuse(413) if post.body.startswith(b"[") else Answer(200)
    await stage.tick(5)
    await stage.tick(1)
    assert sorted(stage.http.ids()[2:]) == events
    assert stage.store.deliveries == {}


async def test_an_endpoint_that_keeps_refusing_batches_gets_none_any_more(stage: Stage) -> None:
    await stage.open(stage.endpoint(batch=2))
    stage.http.answer = lambda post: refuse(413) if post.body.startswith(b"[") else Answer(200)
    for _ in range(5):
        stage.deliver(2)
        await stage.tick()
    assert len([post for post in stage.http.posts if post.body.startswith(b"[")]) == 3
    assert len(stage.http.posts) == 13


async def test_an_endpoint_that_is_gone_is_deleted_with_all_it_was_owed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(journal, "endpoint_gone", lambda endpoint, why: said.append(endpoint))
    await stage.open(stage.endpoint(), stage.endpoint("other"))
    stage.http.answer = lambda _: refuse(500)
    stage.deliver()
    await stage.tick()
    stage.http.answer = lambda post: refuse(410) if "hook" in post.url else Answer(200)
    stage.deliver(3)
    await stage.tick(1)
    told = len(stage.http.ids("https://hook.example.org/"))
    stage.deliver(3)
    await stage.tick(HOUR)
    assert stage.store.deleted == said == ["hook"]
    [told_of] = stage.store.audit
    assert (told_of.actor_kind, told_of.action, told_of.object_name) == ("system", "delete", "hook")
    assert [d for d in stage.store.deliveries.values() if d.endpoint_id == "hook"] == []
    assert len(stage.http.ids("https://hook.example.org/")) == told
    assert len(set(stage.http.events("https://other.example.org/"))) == 7


async def test_requests_and_the_events_they_told_are_counted(stage: Stage) -> None:
    answers = {"fails": 500, "gone": 410, "single": 413}
    stage.http.answer = lambda post: (
        Answer(200) if b"[" not in post.body[:1] else refuse(answers.get(post.url[8:].split(".")[0], 200))
    )
    names = ["takes", *answers]
    await stage.open(*(stage.endpoint(name, batch=10) for name in names))
    lives = [stage.message() for _ in range(5)]
    facts = [(live, stage.fact(live)) for live in lives]
    stage.clock.pass_s(2)
    stage.happen(*facts)
    await stage.tick()
    counted = dict(stage.metrics.labelled["heliograph_webhook_requests"])
    assert counted == {"done": 1 + 5, "again": 1, "gone": 1, "one_by_one": 1}
    assert stage.metrics.counts["heliograph_told_events"] == 5 + 5
    taken = stage.metrics.histograms["heliograph_receipt_to_webhook_seconds"]
    assert (taken.buckets()[-1][1], round(taken.total, 3)) == (10, 20.0)
    await stage.tick(5)
    assert stage.metrics.labelled["heliograph_webhook_requests"]["again"] == 2
    assert stage.metrics.labelled["heliograph_troubles"] == {}


async def test_how_far_the_slowest_endpoint_of_a_kind_is_behind(stage: Stage) -> None:
    await stage.open(stage.endpoint("quick"), stage.endpoint("slow"), stage.endpoint("calls", kind="callback", url=""))
    assert stage.outbox.lags() == {"webhook": 0, "callback": 0}
    stage.http.gates["https://slow.example.org/"] = gate = asyncio.Event()
    for _ in range(5):
        stage.deliver()
    await stage.until(lambda: len(stage.http.ids("https://quick.example.org/")) == 5)
    assert stage.outbox.lags() == {"webhook": 5, "callback": 0}
    gate.set()
    await stage.settle()
    assert stage.outbox.lags() == {"webhook": 0, "callback": 0}


async def test_what_breaks_inside_is_counted_as_trouble(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    def break_down(_: object) -> Answer:
        raise RuntimeError("no such thing")

    await stage.open(stage.endpoint(), stage.endpoint("bad", secret="whsec_%"))
    stage.http.answer = break_down
    stage.deliver()
    await stage.tick()
    assert stage.metrics.labelled["heliograph_troubles"] == {"outbox": 2}
    assert "no such thing" in caplog.text
    assert stage.metrics.labelled["heliograph_webhook_requests"] == {"again": 1}


def test_workers_that_are_thrown_away_with_their_loop_start_no_others() -> None:
    async def work() -> Stage:
        stage = Stage()
        await stage.open(stage.endpoint())
        stage.http.gates["https://hook.example.org/"] = asyncio.Event()
        stage.deliver(100)
        await stage.until(lambda: len(stage.http.posts) == 8)
        return stage

    first = asyncio.new_event_loop()
    stage = first.run_until_complete(work())
    first.close()
    posts = stage.http.posts

    async def throw_away() -> None:
        nonlocal stage
        stage.http.gates.clear()
        del stage
        gc.collect()
        for _ in range(100):
            await asyncio.sleep(0)

    asyncio.run(throw_away())
    assert len(posts) == 8


async def test_connections_to_one_endpoint_are_bounded_and_grow_as_it_takes_requests(stage: Stage) -> None:
    url = "https://hook.example.org/"
    await stage.open(stage.endpoint())
    stage.http.gates[url] = gate = asyncio.Event()
    stage.deliver(100)
    await stage.until(lambda: len(stage.http.posts) == 8)
    gate.set()
    await stage.settle()
    assert (len(stage.http.posts), stage.http.most_open[url]) == (100, 8)
    stage.deliver(1000)
    await stage.settle()
    stage.http.gates[url] = gate = asyncio.Event()
    before = len(stage.http.posts)
    stage.deliver(100)
    await stage.until(lambda: len(stage.http.posts) == before + 32)
    gate.set()
    await stage.settle()
    assert (len(stage.http.posts), stage.http.most_open[url]) == (1200, 32)


async def test_an_endpoint_that_is_another_begins_anew(stage: Stage) -> None:
    old = stage.endpoint()
    await stage.open(old)
    stage.deliver(1000)
    await stage.settle()
    url = "https://new.example.org/"
    stage.http.gates[url] = gate = asyncio.Event()
    stage.outbox.set_endpoints([msgspec.structs.replace(old, url=url)])
    stage.deliver(100)
    await stage.until(lambda: stage.http.open[url] > 0)
    assert stage.http.open[url] == 8
    gate.set()
    await stage.settle()


async def test_a_hanging_endpoint_holds_up_nobody_else() -> None:
    stage = Stage(open=20)
    await stage.open(stage.endpoint("slow"), stage.endpoint("quick"))
    stage.http.gates["https://slow.example.org/"] = gate = asyncio.Event()
    events = stage.deliver(50)
    await stage.until(lambda: len(stage.http.ids("https://quick.example.org/")) == 50)
    assert stage.http.open["https://slow.example.org/"] == 8
    assert sorted(stage.http.ids("https://quick.example.org/")) == events
    gate.set()
    await stage.settle()
    assert len(stage.http.ids("https://slow.example.org/")) == 50
    await stage.outbox.close()


async def test_all_connections_are_bounded_and_shared_in_turn() -> None:
    stage = Stage(open=4, connections=4)
    names = ["a", "b", "c"]
    await stage.open(*map(stage.endpoint, names))
    stage.deliver(30)
    await stage.settle()
    urls = [post.url for post in stage.http.posts]
    assert len(urls) == 90
    assert len(set(urls[:45])) == 3
    assert stage.outbox.figures()["open"] == 0
    await stage.outbox.close()


async def test_an_endpoint_that_fails_on_gets_fewer_requests_and_then_rests(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[tuple[str, str, str]] = []
    monkeypatch.setattr(journal, "webhook_failing", lambda endpoint, host, why, _: said.append((endpoint, host, why)))
    await stage.open(stage.endpoint())
    stage.http.answer = lambda _: HttpFailure("unreachable", "nobody there")
    stage.deliver(200)
    await stage.tick()
    tried = len(stage.http.posts)
    assert tried < 40
    assert said == [("hook", "hook.example.org", "unreachable")]  # once, not for each of them
    await stage.tick()
    assert len(stage.http.posts) == tried
    stage.http.answer = lambda _: Answer(200)
    for _ in range(5):
        await stage.tick(MINUTE)
    assert len(set(stage.http.ids())) == 200
    assert stage.store.deliveries == {}
    assert stage.store.positions["hook"] == 1


async def test_above_its_bound_a_line_reads_the_outbox_and_skips_nothing() -> None:
    stage = Stage(waiting=20, page_rows=3)
    await stage.open(stage.endpoint())
    stage.http.gates["https://hook.example.org/"] = gate = asyncio.Event()
    events = [event for _ in range(40) for event in stage.deliver(5)]
    await stage.until(lambda: len(stage.http.posts) == 8)
    figures = stage.outbox.figures()
    assert figures["behind"] == 1
    assert figures["waiting"] < 30
    gate.set()
    await stage.tick()
    assert len(stage.http.ids()) == len(set(stage.http.ids()))
    assert sorted(stage.http.ids()) == events
    assert stage.outbox.figures()["behind"] == 0
    (last,) = stage.deliver()
    await stage.tick()
    assert stage.http.ids()[-1] == last
    assert stage.store.positions["hook"] == 41
    assert stage.outbox.figures()["waiting"] == 0
    await stage.outbox.close()


async def test_after_a_restart_it_goes_on_from_the_position(stage: Stage) -> None:
    await stage.open(stage.endpoint())
    before = stage.deliver(2)
    await stage.tick()
    missed = stage.deliver(3, tell=False)
    await stage.outbox.close()
    stage.outbox = stage.new_outbox()
    stage.http.posts.clear()
    await stage.open(stage.endpoint(position=stage.store.positions["hook"]))
    assert stage.http.ids() == missed
    fresh = stage.deliver(2)
    await stage.tick()
    assert stage.http.ids() == missed + fresh
    assert stage.store.positions["hook"] == 3
    assert not set(before) & set(stage.http.ids())


async def test_what_was_in_flight_at_a_crash_is_told_again_under_the_same_id_and_body(stage: Stage) -> None:
    await stage.open(stage.endpoint())
    stage.http.gates["https://hook.example.org/"] = asyncio.Event()
    stage.deliver()
    await stage.until(lambda: len(stage.http.posts) == 1)
    await stage.outbox.close()
    assert stage.store.positions == {}
    stage.http.gates.clear()
    stage.outbox = stage.new_outbox()
    await stage.open(stage.endpoint())
    first, again = stage.http.posts
    assert (first.body, first.headers["webhook-id"]) == (again.body, again.headers["webhook-id"])


async def test_a_position_that_nobody_told_is_read(stage: Stage) -> None:
    await stage.open(stage.endpoint())
    events = stage.deliver() + stage.deliver(tell=False) + stage.deliver()
    await stage.tick()
    assert sorted(stage.http.ids()) == events
    assert stage.store.positions["hook"] == 3


async def test_a_row_that_is_told_but_not_readable_yet_is_waited_for(stage: Stage) -> None:
    await stage.open(stage.endpoint())
    live = stage.message()
    row = (5, (stage.fact(live),))
    stage.outbox.told(*row, [live])
    await stage.settle()
    assert stage.http.posts == []
    stage.store.rows.append(row)
    await stage.tick()
    assert len(stage.http.posts) == 1


async def test_a_new_endpoint_is_not_told_of_its_past(stage: Stage) -> None:
    await stage.open(stage.endpoint("old"))
    stage.deliver(5)
    stage.clock.pass_s(1)
    made_us = stage.clock.now_us()
    stage.clock.pass_s(1)
    events = stage.deliver(2)
    await stage.settle()
    await stage.open(stage.endpoint("old"), stage.endpoint("new", created_us=made_us))
    events += stage.deliver(2)
    await stage.tick()
    assert stage.http.ids("https://new.example.org/") == events


async def test_an_endpoint_that_was_deleted_is_told_nothing_more(stage: Stage) -> None:
    await stage.open(stage.endpoint("keep"), stage.endpoint("drop"))
    stage.http.answer = lambda _: refuse(500)
    stage.deliver()
    await stage.tick()
    stage.http.answer = lambda _: Answer(200)
    await stage.open(stage.endpoint("keep"))
    stage.deliver()
    await stage.tick(HOUR)
    assert len(stage.http.ids("https://drop.example.org/")) == 1
    assert stage.store.deliveries == {}
    assert stage.store.deleted == []


async def test_a_changed_endpoint_is_told_at_its_new_address(stage: Stage) -> None:
    await stage.open(stage.endpoint())
    await stage.open(stage.endpoint(url="https://moved.example.org/", events=("message.sent",)))
    live = stage.message()
    stage.happen((live, stage.fact(live, 2, State.SENT)), (live, stage.fact(live)))
    await stage.tick()
    assert [(post.url, post.headers["webhook-id"][-2:]) for post in stage.http.posts] == [
        ("https://moved.example.org/", "-2")
    ]


async def test_facts_without_their_message_are_read_in_batches_and_keep_order(stage: Stage) -> None:
    await stage.open(stage.endpoint(batch=1000))
    events = stage.deliver(300, memory=False) + stage.deliver(5)
    await stage.settle()
    assert stage.http.events() == events
    assert stage.store.records_read == 300


@pytest.mark.parametrize("direction", [Direction.OUT, Direction.IN])
async def test_every_event_is_told_with_its_text(stage: Stage, direction: Direction) -> None:
    await stage.open(stage.endpoint())
    found_by_receipt, at_hand = stage.message(direction=direction), stage.message(direction=direction)
    found_by_receipt.content = None
    at_hand.content = Content(octets=b"from memory")
    for live in (found_by_receipt, at_hand):
        stage.happen((live, stage.fact(live)))
    await stage.tick()
    texts = [json.loads(post.body)["data"]["text"] for post in stage.http.posts]
    assert texts == ["hello", "from memory"]
    assert stage.store.records_read == 1


async def test_contents_that_are_not_at_hand_are_read_many_at_once(stage: Stage) -> None:
    await stage.open(stage.endpoint())
    lives = [stage.message() for _ in range(300)]
    for live in lives:
        live.content = None
    for start in range(0, 300, 10):
        stage.happen(*[(live, stage.fact(live)) for live in lives[start : start + 10]])
    await stage.tick()
    assert sorted(stage.http.ids()) == [f"{live.message.id}-3" for live in lives]
    assert all(json.loads(post.body)["data"]["text"] == "hello" for post in stage.http.posts)
    assert (stage.store.records_read, stage.store.reads) == (300, 2)


async def test_a_content_that_was_deleted_reads_null(stage: Stage) -> None:
    await stage.open(stage.endpoint())
    live = stage.message()
    live.content = None
    record = stage.store.messages[live.message.id]
    stage.store.messages[live.message.id] = msgspec.structs.replace(record, content=None)
    stage.happen((live, stage.fact(live)))
    await stage.tick()
    (post,) = stage.http.posts
    assert json.loads(post.body)["data"]["text"] is None


async def test_an_event_whose_message_is_gone_is_given_up_aloud(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    await stage.open(stage.endpoint())
    live = stage.message()
    del stage.store.messages[live.message.id]
    stage.happen((live, stage.fact(live)), memory=False)
    await stage.tick()
    assert f"{live.message.id}-3" in caplog.text
    assert stage.store.positions["hook"] == 1


def callback(stage: Stage, url: str, *events: str) -> Live:
    return stage.message(callback=json.dumps({"url": url, "events": list(events)}))


async def test_messages_with_a_callback_are_told_at_their_own_address(stage: Stage) -> None:
    await stage.open(stage.endpoint("calls", kind="callback", url=""))
    one, two, none = callback(stage, "https://a.example/"), callback(stage, "https://b.example/x"), stage.message()
    stage.happen(*[(live, stage.fact(live)) for live in (one, two, none)])
    await stage.tick()
    assert {post.url: post.headers["webhook-id"] for post in stage.http.posts} == {
        "https://a.example/": f"{one.message.id}-3",
        "https://b.example/x": f"{two.message.id}-3",
    }
    assert stage.store.positions["calls"] == 1


async def test_a_callback_names_its_events(stage: Stage) -> None:
    await stage.open(stage.endpoint("calls", kind="callback", url=""))
    live = callback(stage, "https://a.example/", "message.delivered")
    stage.happen((live, stage.fact(live, 2, State.SENT)), (live, stage.fact(live)), memory=False)
    await stage.tick()
    assert stage.http.ids() == [f"{live.message.id}-3"]
    assert stage.store.positions["calls"] == 1


async def test_a_callback_is_tried_again_at_its_own_address_and_may_be_gone_alone(stage: Stage) -> None:
    await stage.open(stage.endpoint("calls", kind="callback", url=""))
    stage.http.answer = lambda post: refuse(410) if "gone" in post.url else refuse(500)
    fails, gone = callback(stage, "https://fails.example/"), callback(stage, "https://gone.example/")
    stage.happen((fails, stage.fact(fails)), (gone, stage.fact(gone)))
    await stage.tick()
    stage.http.answer = lambda _: Answer(200)
    await stage.tick(5)
    assert stage.http.ids("https://fails.example/") == [f"{fails.message.id}-3"] * 2
    assert stage.http.ids("https://gone.example/") == [f"{gone.message.id}-3"]
    assert (stage.store.deliveries, stage.store.deleted) == ({}, [])


async def with_hosts(**bounds: int) -> Stage:
    stage = Stage(**bounds)
    await stage.open(stage.endpoint("calls", kind="callback", url=""))
    return stage


async def test_a_callback_that_hangs_takes_its_share_and_holds_up_no_other() -> None:
    stage = await with_hosts(callbacks=64)
    stage.http.gates["https://hangs.example/a"] = gate = asyncio.Event()
    for number in range(20):
        lives = [callback(stage, url) for url in ["https://hangs.example/a"] * 5 + [f"https://quick{number}.example/"]]
        stage.happen(*[(live, stage.fact(live)) for live in lives], memory=number % 2 == 0)
    await stage.until(lambda: sum("quick" in post.url for post in stage.http.posts) == 20)
    assert stage.http.open["https://hangs.example/a"] == 4  # of 16, a quarter: it has taken nothing yet
    gate.set()
    await stage.tick()
    assert len(set(stage.http.ids())) == len(stage.http.posts) == 120
    assert stage.http.most_open["https://hangs.example/a"] == 4
    assert stage.store.positions == {"calls": 20}
    assert stage.outbox.figures()["waiting"] == 0
    await stage.outbox.close()


async def test_too_much_for_one_host_waits_in_the_store_and_the_others_go_on() -> None:
    stage = await with_hosts(waiting=20, callbacks=16)
    stage.http.gates["https://hangs.example/"] = gate = asyncio.Event()
    for _ in range(30):
        lives = [callback(stage, url) for url in ["https://quick.example/"] + ["https://hangs.example/"] * 5]
        stage.happen(*[(live, stage.fact(live)) for live in lives])
        await asyncio.sleep(0)
    await stage.until(lambda: sum("quick" in post.url for post in stage.http.posts) == 30)
    assert stage.outbox.figures()["waiting"] <= 20
    await stage.outbox.tick()
    assert len(stage.store.deliveries) == stage.outbox.figures()["set_aside"] >= 100
    gate.set()
    for _ in range(6):
        await stage.tick(MINUTE)
    assert sorted(stage.http.ids()) == sorted(f"{message_id}-3" for message_id in stage.store.messages)
    assert (stage.store.deliveries, stage.store.positions) == ({}, {"calls": 30})
    await stage.outbox.close()


async def test_an_account_that_calls_one_host_has_all_its_requests_and_keeps_nothing_aside() -> None:
    stage = await with_hosts(waiting=50)
    for _ in range(30):
        lives = [callback(stage, "https://own.example/") for _ in range(10)]
        stage.happen(*[(live, stage.fact(live)) for live in lives])
    await stage.tick()
    assert sorted(stage.http.ids()) == [f"{message_id}-3" for message_id in stage.store.messages]
    assert stage.http.most_open["https://own.example/"] == 16
    assert (stage.outbox.figures()["set_aside"], stage.store.positions) == (0, {"calls": 30})
    await stage.outbox.close()


async def test_second_tries_of_callbacks_are_read_at_once_and_pass_a_host_that_hangs() -> None:
    stage = await with_hosts(callbacks=16)
    stage.http.answer = lambda _: refuse(500, 1.0)
    lives = [callback(stage, f"https://{name}.example/") for name in ["hangs"] * 40 + ["a", "b", "c"]]
    stage.happen(*[(live, stage.fact(live)) for live in lives])
    await stage.tick(2)
    await stage.tick(2)
    stage.http.answer = lambda _: Answer(200)
    stage.http.gates["https://hangs.example/"] = gate = asyncio.Event()
    stage.http.posts.clear()
    stage.store.reads = 0
    stage.clock.pass_s(MINUTE)
    await stage.outbox.tick()
    await stage.until(lambda: {post.url[8:9] for post in stage.http.posts} == {"a", "b", "c", "h"})
    assert stage.store.reads == 1
    gate.set()
    for _ in range(8):
        await stage.tick(MINUTE)
    assert sorted(stage.http.ids()) == [f"{live.message.id}-3" for live in lives]
    assert stage.store.deliveries == {}
    await stage.outbox.close()


async def test_a_callback_host_that_fails_on_is_left_alone_and_the_others_are_not() -> None:
    stage = await with_hosts()
    stage.http.answer = lambda post: HttpFailure("timeout", "") if "fails" in post.url else Answer(200)
    lives = [callback(stage, f"https://{name}.example/") for name in ["fails", "works"] * 100]
    stage.happen(*[(live, stage.fact(live)) for live in lives])
    await stage.settle()
    assert len(stage.http.ids("https://works.example/")) == 100
    assert len(stage.http.ids("https://fails.example/")) < 40
    stage.http.answer = lambda _: Answer(200)
    for _ in range(10):
        await stage.tick(MINUTE)
    assert len(set(stage.http.ids())) == 200
    assert (stage.store.deliveries, stage.store.positions) == ({}, {"calls": 1})
    await stage.outbox.close()


async def test_second_tries_of_a_callback_host_keep_to_its_requests_and_go_as_soon_as_it_has_room() -> None:
    """A host begins with 4 requests of 16 (a quarter of 64): 60 second tries due at once are told in one round."""
    stage = await with_hosts()
    url = "https://slow.example/"
    stage.http.answer = lambda post: refuse(500) if post.url == url else Answer(200)
    lives = [callback(stage, url) for _ in range(3)]
    stage.happen(*[(live, stage.fact(live)) for live in lives])
    await stage.settle()
    await stage.outbox.tick()
    (one, *_) = stage.store.deliveries.values()
    stage.store.deliveries = {}
    owed = [callback(stage, url) for _ in range(60)]
    for live in owed:
        delivery = msgspec.structs.replace(one, id=f"{live.message.id}-3@calls", events=((live.message.id, 3),))
        stage.store.deliveries[delivery.id] = delivery
    stage.http.answer = lambda _: Answer(200)
    stage.http.posts.clear()
    stage.http.most_open.clear()
    await stage.tick(10)
    assert sorted(stage.http.ids(url)) == [f"{live.message.id}-3" for live in owed]
    assert stage.http.most_open[url] == 4 + 60 // 16
    assert stage.store.deliveries == {}
    await stage.outbox.close()


async def test_second_tries_of_a_callback_host_that_fails_again_wait_in_the_store() -> None:
    stage = await with_hosts()
    url = "https://dead.example/"
    stage.http.answer = lambda _: refuse(500)
    lives = [callback(stage, url) for _ in range(60)]
    stage.happen(*[(live, stage.fact(live)) for live in lives])
    await stage.settle()
    await stage.outbox.tick()
    stage.http.posts.clear()
    stage.http.most_open.clear()
    await stage.tick(2 * MINUTE)
    assert len(stage.http.posts) == 1
    stage.http.answer = lambda _: Answer(200)
    for _ in range(6):
        await stage.tick(2 * MINUTE)
    assert len(set(stage.http.ids())) == 60
    assert stage.store.deliveries == {}
    assert stage.outbox.figures()["open"] == 0
    await stage.outbox.close()


async def test_a_delivery_without_a_body_is_worded_from_the_rows(stage: Stage) -> None:
    live = stage.message()
    stage.store.deliveries["replay-1"] = PendingDelivery(
        endpoint_id="hook",
        id="replay-1",
        account_id=ACCOUNT,
        events=((live.message.id, 2),),
        tries=0,
        next_us=AT,
        first_us=AT,
    )
    await stage.open(stage.endpoint())
    await stage.tick()
    (post,) = stage.http.posts
    assert post.body == event_json(live, stage.fact(live, 2, State.SENT))
    assert stage.store.deliveries == {}


async def test_a_busy_store_delays_positions_and_loses_nothing(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    await stage.open(stage.endpoint())
    await stage.tick()
    stage.store.busy = True
    stage.http.answer = lambda _: refuse(500)
    (event,) = stage.deliver()
    await stage.settle()
    with pytest.raises(Exception, match="disk"):
        await stage.outbox.tick()
    stage.store.busy = False
    await stage.tick()
    assert f"{event}@hook" in stage.store.deliveries
    assert stage.store.positions["hook"] == 1


async def test_records_that_cannot_be_read_now_are_read_later(stage: Stage) -> None:
    await stage.open(stage.endpoint())
    stage.store.busy = True
    events = stage.deliver(3, memory=False)
    await stage.settle()
    stage.store.busy = False
    await stage.tick()
    assert stage.http.ids() == events


async def test_what_is_too_old_is_given_up_and_holds_up_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = Stage(waiting=20)
    await stage.open(stage.endpoint())
    stage.http.answer = lambda _: HttpFailure("unreachable", "nobody there")
    for _ in range(20):
        stage.deliver(5)
    await stage.settle()
    stage.clock.pass_s(80 * HOUR)
    fresh = stage.deliver(2)
    stage.http.answer = lambda _: Answer(200)
    stage.http.posts.clear()
    for _ in range(4):
        await stage.tick(61)
    assert set(fresh) <= set(stage.http.ids())
    assert len(set(stage.http.ids())) + stage.outbox.figures()["over"] == 102
    assert "too old for endpoint hook" in caplog.text
    assert stage.store.positions["hook"] == 21
    assert stage.outbox.figures()["waiting"] == 0
    await stage.outbox.close()


async def test_drain_tells_what_waits_and_keeps_positions(stage: Stage) -> None:
    await stage.open(stage.endpoint())
    events = stage.deliver(50)
    await stage.outbox.drain(5)
    assert sorted(stage.http.ids()) == events
    assert stage.store.positions == {"hook": 1}


async def test_drain_waits_no_longer_than_it_may(stage: Stage) -> None:
    await stage.open(stage.endpoint())
    stage.http.gates["https://hook.example.org/"] = asyncio.Event()
    stage.deliver()
    await stage.outbox.drain(0.01)
    assert stage.store.positions == {}


async def test_the_position_of_a_quiet_endpoint_follows_now_and_then(stage: Stage) -> None:
    await stage.open(stage.endpoint("busy"), stage.endpoint("quiet", account_id=8))
    for _ in range(3):
        stage.deliver()
    await stage.tick()
    assert stage.store.positions == {"busy": 3}
    await stage.tick(31)
    assert stage.store.positions == {"busy": 3, "quiet": 3}
    commits = stage.store.commits
    await stage.tick(31)
    assert stage.store.commits == commits


async def test_an_endpoint_with_a_broken_secret_blocks_nothing(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "heliograph.outbox")
    await stage.open(stage.endpoint("bad", secret="whsec_%"), stage.endpoint("good"))
    stage.deliver()
    await stage.tick()
    assert len(stage.http.ids("https://good.example.org/")) == 1
    assert stage.store.positions == {"bad": 1, "good": 1}


async def test_the_ticker_works_by_itself() -> None:
    stage = Stage()
    await stage.outbox.close()
    stage.outbox = stage.new_outbox()
    stage.outbox._tick_s = 0.001
    await stage.outbox.start()
    await stage.open(stage.endpoint())
    stage.deliver()
    await stage.until(lambda: stage.store.positions == {"hook": 1})
    await stage.outbox.close()


@pytest.mark.parametrize("seed", range(12))
async def test_nothing_is_skipped_whatever_happens(seed: int) -> None:
    """Random failures, restarts, untold rows, tight bounds: each event is told, those of a message in order."""
    dice = random.Random(seed)
    stage = Stage(waiting=dice.choice([5, 50]), page_rows=2, records=3, open=6, connections=dice.choice([4, 16]))
    endpoints = [
        stage.endpoint("one"),
        stage.endpoint("many", batch=4),
        stage.endpoint("calls", kind="callback", url=""),
    ]
    hosts = [f"https://host{number}.example/" for number in range(dice.choice([1, 3]))]
    stage.http.answer = lambda _: dice.choice([Answer(200), Answer(200), Answer(500), HttpFailure("timeout", "")])
    await stage.open(*endpoints)
    owed: list[str] = []
    for _ in range(60):
        live = callback(stage, dice.choice(hosts))
        both = [(live, stage.fact(live, 2, State.SENT)), (live, stage.fact(live))]
        owed += [f"{live.message.id}-2", f"{live.message.id}-3"]
        if dice.random() < 0.5:
            stage.happen(*both, memory=dice.random() < 0.7, tell=dice.random() < 0.9)
        else:
            for fact in both:
                stage.happen(fact, memory=dice.random() < 0.7, tell=dice.random() < 0.9)
        if dice.random() < 0.3:
            await asyncio.sleep(0)
        if dice.random() < 0.1:
            await stage.outbox.tick()
        if dice.random() < 0.05:
            await stage.outbox.close()
            stage.outbox = stage.new_outbox()
            endpoints = [
                msgspec.structs.replace(endpoint, position=stage.store.positions.get(endpoint.id, 0))
                for endpoint in endpoints
            ]
            stage.outbox.set_endpoints(endpoints)
    stage.deliver()
    for _ in range(30):
        await stage.tick(MINUTE)
    for _ in range(6):  # what a failing host had no request for was postponed by half its age, each time
        await stage.tick(HOUR / 2)
    called = [event for host in hosts for event in stage.http.events(host)]
    assert set(owed) == set(called)
    for endpoint in endpoints[:2]:
        told = stage.http.events(endpoint.url)
        assert set(owed) <= set(told)
        first = {event: index for index, event in reversed(list(enumerate(told)))}
        assert all(first[sent] < first[sent[:-1] + "3"] for sent in owed[::2])
    last = stage.store.rows[-1][0]
    assert stage.store.positions == dict.fromkeys(("one", "many", "calls"), last)
    assert {name: stage.outbox.figures()[name] for name in ("waiting", "open", "behind")} == {
        "waiting": 0,
        "open": 0,
        "behind": 0,
    }
    await stage.outbox.close()
