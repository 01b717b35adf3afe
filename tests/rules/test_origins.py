"""heliograph/rules/origins.py"""

from __future__ import annotations

import pytest

from heliograph.rules.origins import origin_fault


@pytest.mark.parametrize(
    "origin",
    [
        "https://shop.example",
        "https://shop.example:8443",
        "https://xn--bcher-kva.example",
        "https://a_b.shop.example",
        "https://192.0.2.1",
        "https://[2001:db8::1]:8443",
        "https://localhost",
        "http://localhost",
        "http://localhost:3000",
        "http://app.localhost:3000",
        "http://127.0.0.1:8080",
        "http://127.1.2.3",
        "http://[::1]:5173",
        "https://" + ".".join(["a" * 63] * 3),
    ],
)
def test_what_browsers_send_is_an_origin(origin: str) -> None:
    assert origin_fault(origin) is None


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "null",
        "*",
        "https://*.shop.example",
        "shop.example",
        "https://",
        "https://shop.example/",
        "https://shop.example/path",
        "https://shop.example?x",
        "https://shop.example#x",
        "https://shop.example.",
        "https://.example",
        "https://-shop.example",
        "https://Shop.example",
        "HTTPS://shop.example",
        "https://user@shop.example",
        "https://bücher.example",
        "https://shop.example:443",
        "http://localhost:80",
        "https://shop.example:0",
        "https://shop.example:08443",
        "https://shop.example:65536",
        "https://shop.example:",
        " https://shop.example",
        "https://shop.example\n",
        "https://a b",
        "https://192.0.2.256",
        "https://192.0.2",
        "https://0x7f.1",
        "https://[2001:db8:0::1]",
        "https://[::1",
        "https://[fe80::1%25eth0]",
        "https://" + "a" * 64 + ".example",
        "https://" + "a." * 140 + "example",
        "ftp://shop.example",
        "chrome-extension://abcdefgh",
        "file://",
    ],
)
def test_what_no_browser_sends_is_none(origin: str) -> None:
    assert "write it as the browser does" in (origin_fault(origin) or "")


@pytest.mark.parametrize(
    "origin",
    ["http://shop.example", "http://192.0.2.1", "http://localhost.example", "http://10.0.0.1", "http://[2001:db8::1]"],
)
def test_over_http_only_the_readers_own_machine_is_safe(origin: str) -> None:
    assert "use https" in (origin_fault(origin) or "")
