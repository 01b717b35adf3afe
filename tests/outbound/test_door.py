"""The guarded door as its callers meet it, against real sockets on loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from heliograph.contracts import HttpFailure, Post
from heliograph.outbound import resolving
from heliograph.outbound.connection import MOST_BODY_OCTETS
from heliograph.outbound.direct import DirectHttp
from heliograph.outbound.helped import HelperHttp
from tests.outbound.conftest import Sink


@pytest.fixture
async def http() -> AsyncIterator[DirectHttp]:
    door = DirectHttp(allow_private_addresses=True)
    yield door
    await door.close()


@pytest.fixture
async def guarded_http() -> AsyncIterator[DirectHttp]:
    door = DirectHttp()
    yield door
    await door.close()


def post(url: str, timeout_s: float = 5.0, **headers: str) -> Post:
    return Post(url, {"content-type": "application/json"} | headers, b'{"a":1}', timeout_s)


async def test_a_post_arrives_with_its_own_headers_alone(http: DirectHttp, sink: Sink) -> None:
    answer = await http.post(post(sink.url("/ok?x=1"), **{"webhook-id": "m1-2"}))
    assert (answer.status, answer.body, answer.retry_after_s) == (200, b"thanks", None)
    ((path, headers, body),) = sink.seen
    assert (path, body) == ("/ok", b'{"a":1}')
    assert headers["webhook-id"] == "m1-2"
    assert not {name.lower() for name in headers} & {"user-agent", "accept", "accept-encoding", "cookie"}


async def test_connections_are_kept_alive(http: DirectHttp, sink: Sink) -> None:
    for path in ("/ok", "/medium", "/throttle", "/ok"):
        await http.post(post(sink.url(path)))
    assert len(sink.connections) == 1


async def test_only_the_start_of_an_answer_is_kept(http: DirectHttp, sink: Sink) -> None:
    assert (await http.post(post(sink.url("/medium")))).body == b"m" * MOST_BODY_OCTETS


async def test_an_answer_of_10_mb_is_cut(http: DirectHttp, sink: Sink) -> None:
    answer = await http.post(post(sink.url("/huge")))
    assert (answer.status, answer.body) == (200, b"x" * MOST_BODY_OCTETS)
    await http.post(post(sink.url("/ok")))
    assert len(sink.connections) == 2


async def test_redirects_are_answers_not_orders(http: DirectHttp, sink: Sink) -> None:
    assert (await http.post(post(sink.url("/redirect")))).status == 302
    assert len(sink.seen) == 1


async def test_retry_after_is_read(http: DirectHttp, sink: Sink) -> None:
    answer = await http.post(post(sink.url("/throttle")))
    assert (answer.status, answer.retry_after_s, answer.body) == (429, 120.0, b"slow down")


@pytest.mark.parametrize("path", ["/hang", "/trickle"])
async def test_time_is_limited_in_all(http: DirectHttp, sink: Sink, path: str) -> None:
    with pytest.raises(HttpFailure) as failure:
        await http.post(post(sink.url(path), timeout_s=0.05))
    assert failure.value.code == "timeout"


async def test_a_connection_that_was_closed_while_idle_is_made_again_once(http: DirectHttp, sink: Sink) -> None:
    await http.post(post(sink.url("/ok")))
    with pytest.raises(HttpFailure) as failure:
        await http.post(post(sink.url("/slam")))
    assert failure.value.code == "unreachable"
    assert [path for path, _, _ in sink.seen] == ["/ok", "/slam", "/slam"]


async def test_nobody_there_is_unreachable(http: DirectHttp) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(HttpFailure) as failure:
            await http.post(post(f"http://127.0.0.1:{taken.getsockname()[1]}/"))
    assert failure.value.code == "unreachable"


async def test_cookies_and_compression_are_ignored(http: DirectHttp, sink: Sink) -> None:
    assert (await http.post(post(sink.url("/cookie")))).body == b"not gzip at all"
    await http.post(post(sink.url("/ok")))
    assert "Cookie" not in sink.seen[1][1]


async def test_too_many_headers_are_a_bad_answer(http: DirectHttp, sink: Sink) -> None:
    with pytest.raises(HttpFailure) as failure:
        await http.post(post(sink.url("/headers")))
    assert failure.value.code == "bad_answer"


async def test_a_peer_that_speaks_no_http_is_a_bad_answer(http: DirectHttp) -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.org ESMTP\r\n")
        await writer.drain()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        with pytest.raises(HttpFailure) as failure:
            await http.post(post(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"))
    assert failure.value.code == "bad_answer"


async def test_a_header_with_a_line_break_is_never_written(http: DirectHttp, sink: Sink) -> None:
    with pytest.raises(HttpFailure):
        await http.post(post(sink.url("/ok"), **{"x-evil": "a\r\nx-more: b"}))
    assert sink.seen == []


async def test_proxies_of_the_environment_are_ignored(
    http: DirectHttp, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert (await http.post(post(sink.url("/ok")))).status == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "[::ffff:127.0.0.1]", "localhost", "2130706433", "0x7f.1", "127.1"])
async def test_loopback_is_refused_by_whatever_name(guarded_http: DirectHttp, sink: Sink, host: str) -> None:
    with pytest.raises(HttpFailure) as failure:
        await guarded_http.post(post(sink.url("/ok", host)))
    assert failure.value.code == "address_refused"
    assert sink.seen == []


async def test_the_helper_process_has_the_same_guard(sink: Sink) -> None:
    door = HelperHttp(DirectHttp(allow_private_addresses=True))
    await door.start_helper()
    for host in ("127.0.0.1", "localhost", "2130706433"):
        with pytest.raises(HttpFailure) as failure:
            await door.post(post(sink.url("/ok", host)))
        assert failure.value.code == "address_refused"
    assert sink.seen == []
    await door.close()


def _leads_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    def look_up(host: str, port: int, family: int = 0, type: int = 0) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(resolving.socket, "getaddrinfo", look_up)


async def test_a_name_that_leads_to_loopback_is_refused(
    guarded_http: DirectHttp, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    _leads_to(monkeypatch, "127.0.0.1", "10.0.0.1")
    with pytest.raises(HttpFailure) as failure:
        await guarded_http.post(post(sink.url("/ok", "hooks.example.org")))
    assert failure.value.code == "address_refused"
    assert sink.seen == []


async def test_an_address_that_slips_past_the_look_up_is_refused_at_the_socket(
    guarded_http: DirectHttp, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    _leads_to(monkeypatch, "127.0.0.1")
    monkeypatch.setattr(resolving, "is_public", lambda _: True)
    with pytest.raises(HttpFailure) as failure:
        await guarded_http.post(post(sink.url("/ok", "hooks.example.org")))
    assert failure.value.code == "address_refused"
    assert sink.seen == []


async def test_an_unknown_name_is_unreachable(guarded_http: DirectHttp, monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "not known")

    monkeypatch.setattr(resolving.socket, "getaddrinfo", look_up)
    with pytest.raises(HttpFailure) as failure:
        await guarded_http.post(post("http://nowhere.example.org/"))
    assert failure.value.code == "unreachable"
