"""Master keys: AES-256-GCM under the first of them, all of them to open.

A key's id is the beginning of its SHA-256, so that a wrong key is told from a damaged row. Keys come
from the configuration, or from a file beside the database that the first ``serve`` makes: one key a line.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from heliograph.errors import ConfigError, ConfigFault, SecretLocked

__all__ = ["KeyFile", "MasterKeys", "key_id_of", "keys_from"]

_KEY_OCTETS = 32
_NONCE_OCTETS = 12
_ID_DIGITS = 16
_MAX_FILE_OCTETS = 65_536
_DERIVED_OCTETS = 64


def key_id_of(key: bytes) -> str:
    """The name of a key, which tells nothing of it."""
    return hashlib.sha256(b"heliograph master key\n" + key).hexdigest()[:_ID_DIGITS]


class MasterKeys:
    """A :class:`heliograph.contracts.Sealer`. ``source`` gives the keys, the one that seals first.

    The source is asked again before each sealing and for a key that is not known: a key that another
    process has put first holds here at once.
    """

    def __init__(self, source: Callable[[], Sequence[bytes]]) -> None:
        self._source = source
        self._ids: tuple[str, ...] = ()
        self._ciphers: dict[str, AESGCM] = {}
        self._keys: tuple[bytes, ...] = ()
        self._derived: dict[bytes, tuple[bytes, ...]] = {}
        self.read()

    def read(self) -> None:
        """Asks the source; keeps what is known where it has nothing any more. Raises ``ConfigError``."""
        keys = tuple(self._source())
        if keys and keys != self._keys:
            ciphers = {key_id_of(key): AESGCM(key) for key in keys}
            self._ids, self._ciphers, self._keys, self._derived = tuple(ciphers), ciphers, keys, {}

    def use(self, source: Callable[[], Sequence[bytes]]) -> Callable[[], Sequence[bytes]]:
        """Takes another source; gives the one before."""
        before, self._source = self._source, source
        self.read()
        return before

    @property
    def file(self) -> KeyFile | None:
        """The file that the keys come from, where it is ours to write."""
        return self._source if isinstance(self._source, KeyFile) else None

    @property
    def key_id(self) -> str | None:
        """Which key seals; None where there is none."""
        return self._ids[0] if self._ids else None

    @property
    def key_ids(self) -> tuple[str, ...]:
        """All that are known, the one that seals first."""
        return self._ids

    def seal(self, clear: bytes, about: bytes) -> tuple[str, bytes]:
        """(key id, nonce and sealed octets)."""
        with suppress(ConfigError):  # a file that was damaged since: what is known goes on
            self.read()
        key_id, nonce = self._ids[0], os.urandom(_NONCE_OCTETS)
        return key_id, nonce + self._ciphers[key_id].encrypt(nonce, clear, about)

    def derived(self, purpose: bytes) -> tuple[bytes, ...]:
        """A key of 64 octets for this purpose from each that is known, from the one that seals first (HKDF)."""
        found = self._derived.get(purpose)
        if found is None:
            found = self._derived[purpose] = tuple(_derive(key, purpose) for key in self._keys)
        return found

    def open(self, key_id: str, sealed: bytes, about: bytes) -> bytes:
        """What was sealed. Raises ``SecretLocked``."""
        if key_id not in self._ciphers:
            with suppress(ConfigError):
                self.read()
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise SecretLocked("", key_id)
        try:
            return cipher.decrypt(sealed[:_NONCE_OCTETS], sealed[_NONCE_OCTETS:], about)
        except (InvalidTag, ValueError):
            raise SecretLocked("", key_id, damaged=True) from None


def _derive(key: bytes, purpose: bytes) -> bytes:
    kdf = HKDF(algorithm=hashes.SHA256(), length=_DERIVED_OCTETS, salt=None, info=b"heliograph\n" + purpose)
    return kdf.derive(key)


def keys_from(master: str | None, others: Sequence[str], database: Path | None) -> Callable[[], Sequence[bytes]]:
    """Where keys come from: the configuration (base64, checked), or the file beside an embedded database."""
    if master is not None:
        keys = [base64.b64decode(text, validate=True) for text in (master, *others)]
        return lambda: keys
    return KeyFile(Path(f"{database}.key")) if database is not None else tuple


class KeyFile:
    """The keys beside a database, mode 0600: one a line in base64, the one that seals first.

    It is only ever written whole, with all the keys that are still needed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self) -> list[bytes]:
        """The keys; none where there is no file. Raises ``ConfigError`` where it is not readable as keys."""
        try:
            with self.path.open("rb") as file:
                lines = file.read(_MAX_FILE_OCTETS).split()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._fault(f"cannot be read: {error.strerror}") from None
        keys = [self._key(line) for line in lines]
        if not keys:
            raise self._fault("is empty")
        return keys

    def make(self) -> str:
        """Makes the file with a fresh key; gives its id. Raises ``ConfigError`` where there is one, or no room."""
        key = os.urandom(_KEY_OCTETS)
        self._settle([key], os.link)
        return key_id_of(key)

    def put_first(self) -> str:
        """Puts a fresh key before those that are there; gives its id."""
        key = os.urandom(_KEY_OCTETS)
        with self._alone():
            self._settle([key, *self()], os.replace)
        return key_id_of(key)

    def keep(self, wanted: Sequence[str]) -> None:
        """Leaves only the keys with these ids, and the first."""
        with self._alone():
            keys = self()
            self._settle([key for at, key in enumerate(keys) if at == 0 or key_id_of(key) in wanted], os.replace)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process changes the file meanwhile: none must drop the key that another has just put there."""
        folder = os.open(self.path.absolute().parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def _settle(self, keys: Sequence[bytes], place: Callable[[Path, Path], None]) -> None:
        """Writes a file beside, and puts it in its place when it is whole and on the disk."""
        fresh = self.path.with_name(f"{self.path.name}.{os.getpid()}.new")
        try:
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                os.write(descriptor, b"".join(base64.b64encode(key) + b"\n" for key in keys))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            place(fresh, self.path)
            folder = os.open(self.path.absolute().parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise self._fault(f"cannot be written: {error.strerror}") from None
        finally:
            fresh.unlink(missing_ok=True)

    def _key(self, line: bytes) -> bytes:
        try:
            key = base64.b64decode(line, validate=True)
        except binascii.Error:
            key = b""
        if len(key) != _KEY_OCTETS:
            raise self._fault(f"holds a line that is no key of {_KEY_OCTETS} octets in base64")
        return key

    def _fault(self, what: str) -> ConfigError:
        remedy = (
            "put back the copy that you keep of it; it is never replaced by itself, for no other key opens the store"
        )
        return ConfigError([ConfigFault(f"the master key {self.path}", what, remedy)])
