"""Certificates for the tests of TLS: made anew by each run, with keys that nobody keeps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

__all__ = ["Authority", "folder"]

_kept: list[TemporaryDirectory[str]] = []


def folder() -> Path:
    """An empty folder that is there until the tests end."""
    made = TemporaryDirectory(prefix="heliograph-tls-")
    _kept.append(made)
    return Path(made.name)


class Authority:
    """Signs with a key of its own. ``file`` has its certificate, for those who trust it."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("tests")
        self.file = place / "ca.pem"
        made = self._signed(self._name, self._key, x509.BasicConstraints(ca=True, path_length=None), ())
        self.file.write_bytes(_pem(made))

    def issue(self, name: str, *hosts: str, begins_in_s: float = -3_600, ends_in_s: float = 172_800) -> Path:
        """A file with a key and a certificate for it: of a client, or of a server of these hosts."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = self._signed(
            _name(name), key, x509.BasicConstraints(ca=False, path_length=None), hosts, begins_in_s, ends_in_s
        )
        file = self._place / f"{name}.pem"
        file.touch(mode=0o600)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file.write_bytes(private + _pem(made))
        return file

    def _signed(
        self,
        name: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        what: x509.BasicConstraints,
        hosts: tuple[str, ...],
        begins_in_s: float = -3_600,
        ends_in_s: float = 172_800,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + timedelta(seconds=begins_in_s))
            .not_valid_after(now + timedelta(seconds=ends_in_s))
            .add_extension(what, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if hosts:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False
            )
        return builder.sign(self._key, hashes.SHA256())


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
