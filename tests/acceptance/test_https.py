"""A house with a certificate: served, renewed while it runs, and refused at the start with a sentence."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509

from heliograph.app import Heliograph
from heliograph.config import load
from tests.acceptance.test_bad_input_start import serve
from tests.certificates import Authority, folder

AUTHORITY = Authority(folder())


def configuration(place: Path, certificate: Path, more: str = "") -> Path:
    path = place / "heliograph.toml"
    path.write_text(
        f'[http]\nlisten = "0.0.0.0:0"\ntls_certificate = "{certificate}"\n{more}\n'
        f'[store]\nurl = "sqlite:///{place}/store.db"\n'
    )
    return path


async def shown(url: str) -> str:
    """Whose certificate is shown to a new connection that trusts our authority."""
    port = int(url.rpartition(":")[2])
    context = ssl.create_default_context(cafile=AUTHORITY.file)
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    octets = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return x509.load_der_x509_certificate(octets).subject.rfc4514_string()


async def test_a_house_serves_https_and_takes_up_a_renewed_certificate(tmp_path: Path) -> None:
    file = tmp_path / "server.pem"
    shutil.copy(AUTHORITY.issue("first", "127.0.0.1", ends_in_s=3 * 86_400), file)
    async with Heliograph(load(configuration(tmp_path, file), {})) as server:
        url = server.url.replace("0.0.0.0", "127.0.0.1")
        assert url.startswith("https://")
        trust = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=AUTHORITY.file))
        async with aiohttp.ClientSession(connector=trust) as http:
            async with http.get(f"{url}/readyz") as answer:
                assert (answer.status, "Strict-Transport-Security" in answer.headers) == (200, True)
            first = await ends_at(http, url)
            assert await shown(url) == "CN=first"
            shutil.copy(AUTHORITY.issue("renewed", "127.0.0.1", ends_in_s=9 * 86_400), tmp_path / "new.pem")
            (tmp_path / "new.pem").replace(file)
            async with asyncio.timeout(60):
                while await shown(url) != "CN=renewed":
                    await asyncio.sleep(0.1)
            assert 5 * 86_400 < await ends_at(http, url) - first < 7 * 86_400


async def ends_at(http: aiohttp.ClientSession, url: str) -> float:
    async with http.get(f"{url}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("heliograph_certificate_end_seconds ")))


@pytest.mark.parametrize(
    ("begins_in_s", "ends_in_s", "said"),
    [(-7_200, -3_600, "the certificate expired at"), (3_600, 7_200, "the certificate is not valid before")],
)
async def test_a_certificate_out_of_its_time_is_refused_at_the_start(
    tmp_path: Path, begins_in_s: float, ends_in_s: float, said: str
) -> None:
    file = AUTHORITY.issue("late", "127.0.0.1", begins_in_s=begins_in_s, ends_in_s=ends_in_s)
    told = await serve(configuration(tmp_path, file))
    assert (told.code, told.out) == (1, "")
    assert f"heliograph: http.tls_certificate: {said}" in told.err
    assert not (tmp_path / "store.db").exists()


async def test_a_key_of_another_certificate_is_refused_at_the_start(tmp_path: Path) -> None:
    file, other = AUTHORITY.issue("one", "127.0.0.1"), AUTHORITY.issue("other", "127.0.0.1")
    told = await serve(configuration(tmp_path, file, f'tls_key = "{other}"'))
    assert told.code == 1
    assert "http.tls_key: the key is not that of the certificate" in told.err
