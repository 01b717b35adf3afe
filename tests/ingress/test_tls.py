"""HTTPS over real sockets: who may connect, what happens when the certificate's files change, and when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import shutil
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from heliograph.config.certificates import CertificateFiles
from heliograph.errors import ConfigError
from heliograph.ingress.server import HttpLimits, HttpServer
from heliograph.ingress.tls import Tls
from heliograph.telemetry import journal
from tests.certificates import Authority, folder
from tests.ingress.test_server import HOST, REQUEST, answer, application

AUTHORITY = Authority(folder())
DAY_US = 86_400_000_000


class Clock:
    """Wall time that is moved by hand."""

    def __init__(self) -> None:
        self.now = time.time_ns() // 1000

    def now_us(self) -> int:
        return self.now

    def monotonic(self) -> float:
        return self.now / 1e6


@pytest.fixture
def told() -> Iterator[io.StringIO]:
    """The journal, a JSON object a line."""
    stream = io.StringIO()
    journal.configure("json", "info", stream=stream)
    yield stream
    journal.configure()


def events(told: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in told.getvalue().splitlines()]


def trusting() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=AUTHORITY.file)


class Running:
    """A server with HTTPS, its certificate and the clock that this goes by."""

    def __init__(self, place: Path, days: float) -> None:
        self.file = place / "server.pem"
        self.clock = Clock()
        self.refused = 0
        self.put("first", days)
        self.tls = Tls(CertificateFiles(self.file, self.file), self.clock, self._refuse)
        self.server = HttpServer(
            application, host=HOST, port=0, tls=self.tls.context, limits=HttpLimits(header_timeout_s=3)
        )
        self.port = 0

    def _refuse(self) -> None:
        self.refused += 1

    def put(self, name: str, days: float = 100) -> None:
        """Puts another certificate in place, as tools do: beside, then renamed."""
        shutil.copy(AUTHORITY.issue(name, HOST, ends_in_s=days * 86_400), self.file.with_suffix(".new"))
        self.file.with_suffix(".new").replace(self.file)

    def look(self) -> None:
        """As the server does each second, twice: what is new must keep still."""
        self.tls.look()
        self.tls.look()

    async def open(self, context: ssl.SSLContext | None = None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(HOST, self.port, ssl=context or trusting())


@contextlib.asynccontextmanager
async def running(place: Path, days: float = 100) -> AsyncIterator[Running]:
    made = Running(place, days)
    url = await made.server.start()
    assert url.startswith("https://")
    made.port = int(url.rpartition(":")[2])
    try:
        yield made
    finally:
        await made.server.stop()


def name_of(writer: asyncio.StreamWriter) -> str:
    """Whose certificate the server showed."""
    octets = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return x509.load_der_x509_certificate(octets).subject.rfc4514_string().removeprefix("CN=")


async def test_a_request_over_tls_is_answered_with_hsts(tmp_path: Path) -> None:
    async with running(tmp_path) as https:
        reader, writer = await https.open()
        assert writer.get_extra_info("ssl_object").selected_alpn_protocol() in (None, "http/1.1")
        writer.write(REQUEST)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        assert b"\r\nstrict-transport-security: max-age=31536000\r\n" in head
        assert await reader.readexactly(5) == b"hello"
        writer.close()


async def test_a_refusal_has_hsts_too(tmp_path: Path) -> None:
    async with running(tmp_path) as https:
        reader, writer = await https.open()
        writer.write(b"HELO\r\n\r\n")
        assert b"strict-transport-security" in await reader.read()
        writer.close()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
async def test_nothing_older_than_tls_1_2_and_no_plain_http(tmp_path: Path) -> None:
    async with running(tmp_path) as https:
        old = trusting()
        old.set_ciphers("ALL:@SECLEVEL=0")
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await https.open(old)
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            new = trusting()
            new.minimum_version = new.maximum_version = version
            _, writer = await https.open(new)
            writer.close()
        reader, writer = await asyncio.open_connection(HOST, https.port)
        writer.write(REQUEST)
        async with asyncio.timeout(20):
            assert b"HTTP" not in await reader.read()
        writer.close()


async def test_a_handshake_that_never_ends_is_closed_and_holds_nobody_up(tmp_path: Path) -> None:
    async with running(tmp_path) as https:
        slow = [await asyncio.open_connection(HOST, https.port) for _ in range(50)]
        for _, writer in slow[::2]:
            writer.write(b"\x16\x03\x01")
        reader, writer = await https.open()
        writer.write(REQUEST)
        assert (await answer(reader))[0] == 200
        async with asyncio.timeout(30):
            for held, one in slow:
                with contextlib.suppress(ConnectionError):
                    assert await held.read() == b""
                one.close()
        writer.close()


async def test_a_new_certificate_holds_for_new_connections_and_drops_none(tmp_path: Path, told: io.StringIO) -> None:
    async with running(tmp_path) as https:
        reader, before = await https.open()
        assert name_of(before) == "first"
        https.put("second")
        https.look()
        _, after = await https.open()
        assert name_of(after) == "second"
        before.write(REQUEST)
        assert await answer(reader) == (200, b"hello")
        assert [one["event"] for one in events(told)] == ["certificate_read"]
        for writer in (before, after):
            writer.close()


@pytest.mark.parametrize("octets", [b"", b"no certificate", None])
async def test_a_broken_new_file_keeps_the_one_before_and_is_told_once(
    tmp_path: Path, told: io.StringIO, octets: bytes | None
) -> None:
    async with running(tmp_path) as https:
        https.file.unlink()
        if octets is not None:
            https.file.write_bytes(octets)
        https.look()
        https.look()
        _, writer = await https.open()
        assert name_of(writer) == "first"
        writer.close()
        [event] = events(told)
        assert (event["event"], event["level"], https.refused) == ("certificate_kept", "error", 1)
        assert "http.tls_certificate: the file" in event["why"]
        https.put("third")
        https.look()
        _, writer = await https.open()
        assert name_of(writer) == "third"
        writer.close()


async def test_a_file_that_is_still_being_written_is_left_alone(tmp_path: Path, told: io.StringIO) -> None:
    async with running(tmp_path) as https:
        https.file.write_bytes(b"-----BEGIN")
        https.tls.look()
        https.put("second")
        https.tls.look()
        assert events(told) == []
        https.tls.look()
        assert [one["event"] for one in events(told)] == ["certificate_read"]


async def test_an_end_that_comes_near_is_told_once_at_each_step(tmp_path: Path, told: io.StringIO) -> None:
    async with running(tmp_path, days=40) as https:
        seen = []
        for day in range(42):
            before = len(events(told))
            https.tls.look()
            https.tls.look()
            seen += [(40 - day, one["level"], one["expired"]) for one in events(told)[before:]]
            https.clock.now += DAY_US
        assert [(left, level, expired) for left, level, expired in seen] == [
            (30, "warning", False),
            (7, "warning", False),
            (1, "warning", False),
            (0, "error", True),
        ]
        _, writer = await https.open()  # it is served all the same: who must not trust it is the client
        writer.close()
        https.clock.now -= 41 * DAY_US
        https.put("renewed")
        https.look()
        assert events(told)[-1]["event"] == "certificate_read"
        assert https.tls.ends_at.timestamp() * 1e6 > https.clock.now + 98 * DAY_US


def test_a_start_warns_of_an_end_that_is_near_and_refuses_one_that_was(tmp_path: Path, told: io.StringIO) -> None:
    Running(tmp_path, days=5)
    assert [one["event"] for one in events(told)] == ["certificate_ends"]
    with pytest.raises(ConfigError, match="tls_certificate: the certificate expired at"):
        Running(tmp_path, days=-0.01)
