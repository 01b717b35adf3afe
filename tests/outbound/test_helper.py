"""The helper process and the program's side of it, with real processes and sockets."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable

import psutil
import pytest

from heliograph.contracts import Answer, HttpFailure, Post
from heliograph.outbound import DirectHttp, helped
from heliograph.outbound.connection import MOST_BODY_OCTETS
from heliograph.outbound.helped import HelperHttp
from tests.delivery.outbox_stage import Stage
from tests.outbound.conftest import Sink


class Here:
    """The local door: counts what is asked of it."""

    def __init__(self) -> None:
        self.posts = 0

    async def post(self, request: Post) -> Answer:
        self.posts += 1
        return Answer(299)

    async def close(self) -> None: ...


@pytest.fixture
def here() -> Here:
    return Here()


@pytest.fixture
async def http(here: Here) -> AsyncIterator[HelperHttp]:
    door = HelperHttp(here, allow_private_addresses=True, starts_at=10, idle_s=2)
    yield door
    await door.close()


def post(url: str, timeout_s: float = 5.0) -> Post:
    return Post(url, {"content-type": "application/json"}, b"{}", timeout_s)


async def until(what: Callable[[], bool]) -> None:
    async def look() -> None:
        while not what():
            await asyncio.sleep(0.002)

    await asyncio.wait_for(look(), 10)


async def test_requests_go_through_the_helper_and_failures_come_back(http: HelperHttp, here: Here, sink: Sink) -> None:
    await http.start_helper()
    answers = await asyncio.gather(*(http.post(post(sink.url("/ok"))) for _ in range(50)))
    assert answers == [Answer(200, None, b"thanks")] * 50
    assert await http.post(post(sink.url("/throttle"))) == Answer(429, 120.0, b"slow down")
    for url, code in [(sink.url("/hang"), "timeout"), ("ftp://example.org/", "address_refused")]:
        with pytest.raises(HttpFailure) as failure:
            await http.post(post(url, timeout_s=0.05))
        assert failure.value.code == code
    assert here.posts == 0


async def test_the_bounds_of_an_answer_hold_in_the_helper_too(http: HelperHttp, sink: Sink) -> None:
    await http.start_helper()
    assert await http.post(post(sink.url("/huge"))) == Answer(200, None, b"x" * MOST_BODY_OCTETS)
    assert (await http.post(post(sink.url("/redirect")))).status == 302
    evil = Post(sink.url("/ok"), {"x-evil": "a\r\nx-more: b"}, b"")
    for request in (post(sink.url("/headers")), evil):
        with pytest.raises(HttpFailure) as failure:
            await http.post(request)
        assert failure.value.code == "bad_answer"
    assert [path for path, _, _ in sink.seen] == ["/huge", "/redirect", "/headers"]


async def test_what_a_helper_that_dies_had_not_answered_is_made_here(http: HelperHttp, here: Here, sink: Sink) -> None:
    await http.start_helper()
    assert http.helper_pid is not None
    waiting = asyncio.create_task(http.post(post(sink.url("/hang"))))
    await until(lambda: bool(sink.seen))
    os.kill(http.helper_pid, signal.SIGKILL)
    assert (await waiting).status == 299
    assert not http.helping
    assert (await http.post(post(sink.url("/ok")))).status == 299
    await until(lambda: http._starting is None)
    await http.start_helper()
    assert (await http.post(post(sink.url("/ok")))).status == 200


async def test_the_helper_ends_with_the_program_and_not_with_its_signals(http: HelperHttp, sink: Sink) -> None:
    await http.start_helper()
    assert http.helper_pid is not None
    process = psutil.Process(http.helper_pid)
    assert (await http.post(post(sink.url("/ok")))).status == 200
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    assert (await http.post(post(sink.url("/ok")))).status == 200
    await http.close()
    assert not process.is_running()


async def test_it_starts_above_a_rate_and_stops_when_it_is_quiet(http: HelperHttp, here: Here, sink: Sink) -> None:
    await http.post(post(sink.url("/ok")))
    http._look()
    assert http._starting is None
    for _ in range(10):
        await http.post(post(sink.url("/ok")))
    http._look()
    await until(lambda: http.helping)
    assert here.posts == 11
    assert (await http.post(post(sink.url("/ok")))).status == 200
    for _ in range(2):
        http._look()
    await until(lambda: not http.helping and http._starting is None)
    assert (await http.post(post(sink.url("/ok")))).status == 299


async def test_a_helper_that_hangs_is_ended(http: HelperHttp, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helped, "_GRACE_S", 0.0)
    monkeypatch.setattr(helped, "_STOP_S", 0.05)
    await http.start_helper()
    assert http.helper_pid is not None
    process = psutil.Process(http.helper_pid)
    process.suspend()
    waiting = asyncio.create_task(http.post(post(sink.url("/ok"), timeout_s=0.0)))
    await until(lambda: http._channel is not None and http._channel.hangs(asyncio.get_running_loop().time()))
    http._look()
    with pytest.raises(HttpFailure) as failure:
        await waiting
    assert failure.value.code == "timeout"
    await until(lambda: not process.is_running())


async def test_a_helper_killed_under_load_costs_no_event_and_no_endpoint_its_trust(sink: Sink) -> None:
    http = HelperHttp(DirectHttp(allow_private_addresses=True), allow_private_addresses=True)
    stage = Stage(connections=128)  # a quarter of them at first
    await stage.outbox.close()
    stage.http = http  # type: ignore[assignment]
    stage.outbox = stage.new_outbox()
    await http.start_helper()
    await stage.open(stage.endpoint(url=sink.url("/hang")))
    events = stage.deliver(300)
    for round_ in range(2):
        await until(lambda seen=64 * round_ + 32: len(sink.seen) == seen)  # type: ignore[misc]
        assert http.helper_pid is not None
        os.kill(http.helper_pid, signal.SIGKILL)
        await until(lambda seen=64 * round_ + 64: len(sink.seen) == seen)  # type: ignore[misc]
        await until(lambda: http._starting is None)
        await http.start_helper()
        sink.released.set()
        sink.released = asyncio.Event()
    sink.released.set()
    await stage.settle()
    await stage.tick()
    told: dict[str, set[bytes]] = {}
    for _, headers, body in sink.seen:
        told.setdefault(headers["webhook-id"], set()).add(body)
    assert sorted(told) == events
    assert all(len(bodies) == 1 for bodies in told.values())
    assert len(sink.seen) == 300 + 2 * 32
    assert stage.metrics.labelled["heliograph_webhook_requests"] == {"done": 300}
    assert (stage.store.deliveries, stage.store.positions) == ({}, {"hook": 1})
    await stage.outbox.close()
    await http.close()


async def test_the_helper_knows_no_secret_of_the_environment(
    http: HelperHttp, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELIOGRAPH_STORE_KEY", "secret")
    await http.start_helper()
    await http.post(post(sink.url("/ok")))
    assert "HELIOGRAPH_STORE_KEY" not in psutil.Process(http.helper_pid).environ()
