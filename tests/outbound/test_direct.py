"""The bare door: what peers send, octet by octet, and what becomes of connections."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from heliograph.contracts import Answer, HttpFailure, Post
from heliograph.outbound import direct
from heliograph.outbound.direct import DirectHttp
from heliograph.outbound.resolving import Address
from tests.certificates import Authority, folder

AUTHORITY = Authority(folder())
CERTIFICATE = AUTHORITY.issue("server", "localhost")


@pytest.fixture
async def http() -> AsyncIterator[DirectHttp]:
    door = DirectHttp(allow_private_addresses=True)
    yield door
    await door.close()


class Peer:
    """Answers each request with the same octets, in pieces of a given size, then closes if it shall."""

    def __init__(self, octets: bytes, *, piece: int = 1 << 20, close: bool = False) -> None:
        self.octets = octets
        self.piece = piece
        self.close = close
        self.requests: list[bytes] = []
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(length))
                for at in range(0, len(self.octets), self.piece):
                    writer.write(self.octets[at : at + self.piece])
                    await writer.drain()
                    await asyncio.sleep(0)
                if self.close:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def listening(peer: Peer, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]


def post(port: int, scheme: str = "http", timeout_s: float = 5.0) -> Post:
    return Post(f"{scheme}://localhost:{port}/a%20b?c=d#e", {"x-one": "1"}, b"body", timeout_s)


async def test_the_request_is_plain_http(http: DirectHttp) -> None:
    peer = Peer(b"HTTP/1.1 204 No Content\r\n\r\n")
    async with listening(peer) as port:
        assert await http.post(post(port)) == Answer(204)
    (request,) = peer.requests
    assert request == (
        f"POST /a%20b?c=d HTTP/1.1\r\nhost: localhost:{port}\r\nx-one: 1\r\ncontent-length: 4\r\n\r\nbody".encode()
    )


@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
@pytest.mark.parametrize(
    ("octets", "close", "answer"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", False, Answer(200, None, b"ok")),
        (b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n", False, Answer(202)),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n3\r\n!!!\r\n0\r\n\r\n",
            False,
            Answer(200, None, b"ok!!!"),
        ),
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 429 Slow\r\nRETRY-AFTER: 9\r\ncontent-length: 0\r\n\r\n",
            False,
            Answer(429, 9.0),
        ),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", True, Answer(200, None, b"until the end")),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", True, Answer(200, None, b"ok")),
        (b"HTTP/1.1 500 No\r\ncontent-length: 99\r\n\r\ncut", True, Answer(500, None, b"cut")),
    ],
)
async def test_answers_whole_and_in_pieces(
    http: DirectHttp, octets: bytes, close: bool, answer: Answer, piece: int
) -> None:
    peer = Peer(octets, piece=piece, close=close)
    async with listening(peer) as port:
        assert await http.post(post(port)) == answer
        assert await http.post(post(port)) == answer
    assert peer.connections == (2 if close else 1)


@pytest.mark.parametrize(
    ("octets", "close", "code"),
    [
        (b"220 mail ESMTP\r\n", False, "bad_answer"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", False, "bad_answer"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 40_000, False, "bad_answer"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 70 + b"\r\n", False, "bad_answer"),
        (b"\x00\xff" * 100, False, "bad_answer"),
        (b"HTTP/1.1 200 OK\r\nx", True, "unreachable"),
        (b"", True, "unreachable"),
    ],
)
async def test_what_is_no_answer(http: DirectHttp, octets: bytes, close: bool, code: str) -> None:
    async with listening(Peer(octets, close=close)) as port:
        with pytest.raises(HttpFailure) as failure:
            await http.post(post(port))
    assert failure.value.code == code
    assert http._open == 0 or code == "bad_answer"


async def test_an_upgrade_is_an_answer_and_the_end_of_the_connection(http: DirectHttp) -> None:
    peer = Peer(b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: foo\r\n\r\nxyz")
    async with listening(peer) as port:
        assert (await http.post(post(port))).status == 101
        assert (await http.post(post(port))).status == 101
    assert peer.connections == 2


async def test_octets_that_nobody_asked_for_close_the_connection(http: DirectHttp) -> None:
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
    for surplus in (b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n", b"nonsense"):
        peer = Peer(answer + surplus)
        async with listening(peer) as port:
            assert (await http.post(post(port))).status == 200
            assert (await http.post(post(port))).status == 200
        assert peer.connections == 2


async def test_open_connections_are_counted_to_the_end(http: DirectHttp) -> None:
    peer = Peer(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    async with listening(peer) as port:
        await asyncio.gather(*(http.post(post(port)) for _ in range(5)))
        assert http._open == peer.connections == 5
        await asyncio.gather(*(http.post(post(port)) for _ in range(5)))
        assert peer.connections == 5
        await http.close()
        await _until(lambda: http._open == 0)


async def test_sockets_are_bounded_and_idle_ones_give_way() -> None:
    http = DirectHttp(allow_private_addresses=True, connections=1)
    idle, hanging = Peer(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), Peer(b"")
    async with listening(idle) as first, listening(hanging) as second:
        await http.post(post(first))
        waiting = asyncio.create_task(http.post(post(second)))
        await _until(lambda: bool(hanging.requests))
        with pytest.raises(HttpFailure, match="too many connections"):
            await http.post(post(first))
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await _until(lambda: http._open == 0)
    await http.close()


async def test_what_is_idle_too_long_is_not_used_again(http: DirectHttp, monkeypatch: pytest.MonkeyPatch) -> None:
    peer = Peer(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    async with listening(peer) as port:
        await http.post(post(port))
        monkeypatch.setattr(direct, "_KEEP_ALIVE_S", 0.0)
        http._clean()
        await _until(lambda: http._open == 0)
        await http.post(post(port))
    assert peer.connections == 2


async def test_what_is_known_of_addresses_is_bounded(http: DirectHttp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct, "_TARGETS_KEPT", 3)
    async with listening(Peer(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")) as port:
        requests = [Post(f"http://localhost:{port}/{number}", {}, b"") for number in range(10)]
        await asyncio.gather(*(http.post(request) for request in requests))
        assert len(http._targets) <= 3
        await _until(lambda: http._open == sum(len(place.idle) for place in http._places.values()))


async def test_names_are_looked_up_once_for_all(http: DirectHttp, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    plain = direct.GuardedResolver.resolve

    async def resolve(self: direct.GuardedResolver, host: str, port: int) -> list[Address]:
        asked.append(host)
        return await plain(self, host, port)

    monkeypatch.setattr(direct.GuardedResolver, "resolve", resolve)
    async with listening(Peer(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")) as port:
        await asyncio.gather(*(http.post(post(port)) for _ in range(10)))
    assert asked == ["localhost"]


async def test_a_certificate_that_nobody_vouches_for_is_refused(http: DirectHttp) -> None:
    async with listening(Peer(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), _server_tls()) as port:
        with pytest.raises(HttpFailure) as failure:
            await http.post(post(port, "https"))
    assert failure.value.code == "unreachable"
    assert "TLS" in failure.value.detail


async def test_tls_is_spoken_with_a_name_that_is_vouched_for(http: DirectHttp) -> None:
    http._tls = ssl.create_default_context(cafile=str(AUTHORITY.file))
    peer = Peer(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
    async with listening(peer, _server_tls()) as port:
        assert await http.post(post(port, "https")) == Answer(200, None, b"ok")
        assert await http.post(post(port, "https")) == Answer(200, None, b"ok")
        with pytest.raises(HttpFailure):
            await http.post(Post(f"https://127.0.0.1:{port}/", {}, b""))
    assert peer.connections == 1


def _server_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


async def _until(what) -> None:  # type: ignore[no-untyped-def]
    async def look() -> None:
        while not what():
            await asyncio.sleep(0)

    await asyncio.wait_for(look(), 5)
