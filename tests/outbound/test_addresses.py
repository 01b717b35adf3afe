"""Which addresses a customer's URL may lead to."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.contracts import HttpFailure
from heliograph.outbound.addresses import check_url, is_public


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "168.63.129.16",
        "172.31.255.255",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "2002:7f00:1::1",
        "2002:a00:1::1",
        "2001::1",
        "2001:db8::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "not an address",
        "",
    ],
)
def test_private_and_reserved_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "172.15.0.1",
        "172.32.0.1",
        "100.128.0.1",
        "2606:4700::1111",
        "::ffff:1.1.1.1",
        "64:ff9b::101:101",
        "2002:101:101::1",
    ],
)
def test_public_addresses_are(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses())
@settings(max_examples=200)
def test_nothing_is_public_that_the_standard_library_calls_private(
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if is_public(str(ip)):
        assert not any((ip.is_private, ip.is_loopback, ip.is_link_local, ip.is_multicast, ip.is_unspecified))


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/",
        "file:///etc/passwd",
        "//example.org/",
        "https://",
        "https:///path",
        "nonsense",
        "https://user:secret@example.org/",
        "https://user@example.org/",
        "http://example.org:25/",
        "http://example.org:0/",
        "http://example.org:70000/",
        "http://example.org:6667/",
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://169.254.169.254/latest/meta-data",
        "https://example.org/" + "x" * 3000,
    ],
)
def test_urls_that_are_refused_at_sight(url: str) -> None:
    with pytest.raises(HttpFailure) as refused:
        check_url(url)
    assert refused.value.code == "address_refused"
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["https://example.org/hook", "http://example.org:8080/a?b=c", "https://1.1.1.1/", "https://bücher.example/"]
)
def test_urls_that_pass(url: str) -> None:
    assert check_url(url).host


def test_the_operator_can_allow_private_addresses_but_not_other_schemes() -> None:
    assert check_url("http://127.0.0.1:81/", allow_private_addresses=True).port == 81
    with pytest.raises(HttpFailure):
        check_url("gopher://127.0.0.1/", allow_private_addresses=True)
