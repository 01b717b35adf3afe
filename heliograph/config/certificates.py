"""The certificate of the HTTP server: read from its files, and everything that is wrong with them told."""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from heliograph.config.settings import Config, HttpSettings
from heliograph.errors import ConfigError, ConfigFault

__all__ = ["Certificate", "CertificateFiles", "check_certificate", "files_of"]

_MAX_FILE_OCTETS: Final = 1_048_576
_CERTIFICATE: Final = "http.tls_certificate"
_KEY: Final = "http.tls_key"

Signature: TypeAlias = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A certificate that fits its key and is valid: ``context`` serves it. Times are aware UTC."""

    context: ssl.SSLContext = field(repr=False)
    begins_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class CertificateFiles:
    """Where a certificate with its chain, and its key, are; both may be one file (PEM)."""

    certificate: Path
    key: Path

    def signature(self) -> Signature:
        """Changes whenever a file is written or replaced. Files that are not there have a signature, too."""
        return tuple(_signature(path) for path in (self.certificate, self.key))

    def read(self, now: datetime) -> Certificate:
        """The certificate as it may be served at ``now``. Raises ``ConfigError``."""
        before = self._octets()
        leaf = _leaf(before[0])
        _check_key(leaf, _private_key(before[1]))
        _check_dates(leaf, now)
        context = self._context()
        if self._octets() != before:
            raise _error(_CERTIFICATE, "the files changed while they were read", "put both in place, then try again")
        return Certificate(context=context, begins_at=leaf.not_valid_before_utc, ends_at=leaf.not_valid_after_utc)

    def _octets(self) -> tuple[bytes, bytes]:
        return _octets(_CERTIFICATE, self.certificate), _octets(_KEY, self.key)

    def _context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        try:
            context.load_cert_chain(self.certificate, self.key, password="")
        except OSError as error:  # ssl.SSLError is one
            reason = getattr(error, "reason", None) or error.strerror or str(error)
            raise _error(_CERTIFICATE, f"the certificate cannot be served: {reason}", "have another one made") from None
        return context


def files_of(http: HttpSettings) -> CertificateFiles | None:
    """The files that the settings name; None where they name none."""
    if http.tls_certificate is None:
        return None
    return CertificateFiles(Path(http.tls_certificate), Path(http.tls_key or http.tls_certificate))


def check_certificate(config: Config) -> None:
    """Whether ``serve`` could serve now with the certificate that is named, if one is. Raises ``ConfigError``."""
    files = files_of(config.http)
    if files is not None:
        files.read(datetime.now(UTC))


def _signature(path: Path) -> tuple[int, int, int]:
    try:
        found = os.stat(path)
    except OSError:
        return 0, 0, 0
    return found.st_ino, found.st_mtime_ns, found.st_size


def _octets(where: str, path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            octets = file.read(_MAX_FILE_OCTETS + 1)
    except OSError as error:
        remedy = "correct the path, or its rights for the user of the server"
        raise _error(where, f"the file {path} cannot be read: {error.strerror}", remedy) from None
    if len(octets) > _MAX_FILE_OCTETS:
        raise _error(where, f"the file {path} is too large", f"at most {_MAX_FILE_OCTETS} octets")
    return octets


def _leaf(octets: bytes) -> x509.Certificate:
    """The server's own certificate, which stands before those of its authorities."""
    try:
        found: Sequence[x509.Certificate] = x509.load_pem_x509_certificates(octets)
    except ValueError:
        remedy = "PEM, from BEGIN CERTIFICATE on: the server's own first, then those of its authorities"
        raise _error(_CERTIFICATE, "the file holds no certificate that can be read", remedy) from None
    return found[0]


def _private_key(octets: bytes) -> PrivateKeyTypes:
    try:
        return load_pem_private_key(octets, password=None)
    except TypeError:
        remedy = "take the passphrase off (openssl pkey), and keep the file at mode 0600"
        raise _error(_KEY, "the key has a passphrase", remedy) from None
    except Exception:  # a key may be wrong in more ways than the library sorts
        raise _error(_KEY, "the file holds no private key that can be read", "PEM, from BEGIN PRIVATE KEY on") from None


def _check_key(leaf: x509.Certificate, key: PrivateKeyTypes) -> None:
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if leaf.public_key().public_bytes(*form) != key.public_key().public_bytes(*form):
        remedy = "put the key that it was made with beside it"
        raise _error(_KEY, "the key is not that of the certificate", remedy)


def _check_dates(leaf: x509.Certificate, now: datetime) -> None:
    begins_at, ends_at = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    if now > ends_at:
        raise _error(_CERTIFICATE, f"the certificate expired at {_words(ends_at)}", "renew it")
    if now < begins_at:
        remedy = "wait until then, or set the clock of this machine"
        raise _error(_CERTIFICATE, f"the certificate is not valid before {_words(begins_at)}", remedy)


def _words(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _error(where: str, what: str, remedy: str) -> ConfigError:
    return ConfigError([ConfigFault(where, what, remedy)])
