"""TLS of links: the name asked for, the authority trusted, the client's certificate.

There are an authority made for these tests, a server's certificate for ``smsc.example``, and a client's.
"""

from __future__ import annotations

import ssl

import pytest

from heliograph.smpplink.settings import LinkSettings, TlsSettings, client_context
from tests.certificates import Authority, folder
from tests.smpplink.peers import TEXT, House

AUTHORITY = Authority(folder())
SERVER = AUTHORITY.issue("server", "smsc.example")
CLIENT = AUTHORITY.issue("client")
TRUSTED = TlsSettings(server_name="smsc.example", ca_file=str(AUTHORITY.file), certificate_file=str(CLIENT))


def server_context(*, ask: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(SERVER)
    if ask:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(AUTHORITY.file)
    return context


async def test_a_message_over_tls_with_a_client_certificate() -> None:
    names: list[str | None] = []
    context = server_context(ask=True)
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    async with House(server_tls=context, client={"tls": TRUSTED}) as house:
        await house.bound()
        house.link.submit([(TEXT, "a")])
        (response,) = await house.listener.until_told("responses")
        assert response.message_id == "id1"
    assert names == ["smsc.example"]


@pytest.mark.parametrize(
    "tls", [TlsSettings(server_name="smsc.example"), TlsSettings(ca_file=TRUSTED.ca_file, server_name="other.example")]
)
async def test_a_server_that_cannot_prove_its_name_is_not_bound_to(tls: TlsSettings) -> None:
    async with House(server_tls=server_context(), client={"tls": tls}) as house:
        (trouble,) = await house.listener.until_told("trouble")
        assert "certificate verify failed" in trouble
        assert house.handler.of("bind") == []


async def test_tls_to_a_plain_port_is_one_trouble() -> None:
    async with House(client={"tls": TRUSTED}) as house:
        (trouble,) = await house.listener.until_told("trouble")
        assert "connect" in trouble
        assert "TLS" in (await house.handler.until_told("unbound"))[0]


async def test_a_plain_client_on_a_tls_port_does_not_bind() -> None:
    async with House(server_tls=server_context()) as house:
        await house.listener.until_told("trouble")
        assert not house.link.is_bound


async def test_a_missing_file_is_a_trouble_and_no_crash() -> None:
    async with House(client={"tls": TlsSettings(certificate_file="/nowhere")}) as house:
        (trouble,) = await house.listener.until_told("trouble")
        assert "No such file" in trouble


def test_nothing_older_than_1_2() -> None:
    assert client_context(TRUSTED).minimum_version == ssl.TLSVersion.TLSv1_2


def test_settings_do_not_show_the_password() -> None:
    assert "hush" not in repr(LinkSettings(host="h", system_id="a", password="hush"))
