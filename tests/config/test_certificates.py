"""The certificate's files: every way in which they can be wrong is a sentence that says what to do."""

from __future__ import annotations

import re
import shutil
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from heliograph.config import load
from heliograph.config.certificates import CertificateFiles, check_certificate, files_of
from heliograph.errors import ConfigError
from tests.certificates import Authority, folder

AUTHORITY = Authority(folder())
NOW = datetime.now(UTC)


@pytest.fixture
def pair(tmp_path: Path) -> CertificateFiles:
    """A right certificate and its key, in two files."""
    text = AUTHORITY.issue("right", "127.0.0.1").read_text()
    begin = text.index("-----BEGIN CERTIFICATE")
    (tmp_path / "key.pem").write_text(text[:begin])
    (tmp_path / "certificate.pem").write_text(text[begin:])
    return CertificateFiles(tmp_path / "certificate.pem", tmp_path / "key.pem")


def fault(files: CertificateFiles, now: datetime = NOW) -> str:
    with pytest.raises(ConfigError) as caught:
        files.read(now)
    [one] = caught.value.faults
    assert one.remedy
    return str(one)


def test_a_certificate_and_its_key_are_read_from_one_file_or_two(pair: CertificateFiles) -> None:
    both = AUTHORITY.issue("both", "127.0.0.1")
    for files in (pair, CertificateFiles(both, both)):
        read = files.read(NOW)
        assert read.begins_at < NOW < read.ends_at < NOW + timedelta(days=3)
        assert read.context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_certificate_has_a_first_and_a_last_day(pair: CertificateFiles) -> None:
    assert "http.tls_certificate: the certificate expired at 20" in fault(pair, NOW + timedelta(days=3))
    early = fault(pair, NOW - timedelta(days=1))
    assert "not valid before 20" in early
    assert "clock" in early


def _encrypted(pair: CertificateFiles) -> None:
    key = load_pem_private_key(pair.key.read_bytes(), None)
    pair.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"hush")))


BROKEN: dict[str, tuple[Callable[[CertificateFiles], object], str]] = {
    "no certificate file": (lambda pair: pair.certificate.unlink(), "http.tls_certificate: the file .* cannot be read"),
    "no key file": (lambda pair: pair.key.unlink(), "http.tls_key: the file .* cannot be read: No such file"),
    "empty certificate": (lambda pair: pair.certificate.write_bytes(b""), "tls_certificate: the file holds no certif"),
    "key in its place": (lambda pair: shutil.copy(pair.key, pair.certificate), "tls_certificate: the file holds no"),
    "half a certificate": (lambda pair: pair.certificate.write_bytes(pair.certificate.read_bytes()[:300]), "holds no"),
    "octets": (lambda pair: pair.certificate.write_bytes(b"\x00\xff" * 9), "holds no certificate"),
    "no key": (lambda pair: shutil.copy(pair.certificate, pair.key), "http.tls_key: the file holds no private key"),
    "passphrase": (_encrypted, "http.tls_key: the key has a passphrase .*openssl pkey"),
    "other key": (lambda pair: shutil.copy(AUTHORITY.issue("other"), pair.key), "the key is not that of the certif"),
    "too large": (lambda pair: pair.key.write_bytes(b"x" * 1_100_000), "http.tls_key: the file .* is too large"),
    "a folder": (lambda pair: (pair.key.unlink(), pair.key.mkdir()), "http.tls_key: the file .* cannot be read"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_wrong_with_a_file_is_told_with_its_setting(pair: CertificateFiles, case: str) -> None:
    change, said = BROKEN[case]
    change(pair)
    assert re.search(said, fault(pair))


def test_a_signature_changes_with_either_file(pair: CertificateFiles) -> None:
    seen = {pair.signature()}
    pair.certificate.write_bytes(pair.certificate.read_bytes() + b"\n")
    seen.add(pair.signature())
    pair.key.unlink()
    seen.add(pair.signature())
    assert len(seen) == 3


# --- settings -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "listen", ["0.0.0.0:8080", "[::]:8080", "192.0.2.7:80", "sms.example.com:8080", "[2001:db8::1]:80"]
)
def test_plain_http_outside_loopback_is_refused_unless_it_is_said(listen: str) -> None:
    with pytest.raises(ConfigError, match=r"would pass unencrypted .*allow_plain_http = true behind a proxy"):
        load(None, {"HELIOGRAPH_HTTP_LISTEN": listen})
    said = load(None, {"HELIOGRAPH_HTTP_LISTEN": listen, "HELIOGRAPH_HTTP_ALLOW_PLAIN_HTTP": "true"})
    assert not said.http.on_loopback
    assert load(None, {"HELIOGRAPH_HTTP_LISTEN": listen, "HELIOGRAPH_HTTP_TLS_CERTIFICATE": "c.pem"}).http.listen


@pytest.mark.parametrize("listen", ["127.0.0.1:80", "127.8.8.8:80", "[::1]:80", "localhost:80"])
def test_plain_http_on_loopback_needs_no_word(listen: str) -> None:
    assert load(None, {"HELIOGRAPH_HTTP_LISTEN": listen}).http.on_loopback


def test_a_key_without_a_certificate_is_a_fault() -> None:
    with pytest.raises(ConfigError, match="tls_key stands without a certificate"):
        load(None, {"HELIOGRAPH_HTTP_TLS_KEY": "key.pem"})


def test_commands_that_serve_nothing_do_not_mind_an_expired_certificate() -> None:
    file = AUTHORITY.issue("old", begins_in_s=-7_200, ends_in_s=-3_600)
    config = load(None, {"HELIOGRAPH_HTTP_TLS_CERTIFICATE": str(file)})
    assert files_of(config.http) == CertificateFiles(file, file)
    with pytest.raises(ConfigError, match="expired"):
        check_certificate(config)
    check_certificate(load(None, {}))
