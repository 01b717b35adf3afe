"""How the store has secrets sealed that must be usable again, without knowing keys or ciphers."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Sealer"]


class Sealer(Protocol):
    """Seals under one key, opens under all that it knows. Used from several threads."""

    @property
    def key_id(self) -> str | None:
        """Which key seals now; None where there is none yet: secrets are then kept as they are."""
        ...

    def seal(self, clear: bytes, about: bytes) -> tuple[str, bytes]:
        """(key id, sealed octets). ``about`` says what is sealed: only what names the same can open it."""
        ...

    def open(self, key_id: str, sealed: bytes, about: bytes) -> bytes:
        """What was sealed. Raises :class:`heliograph.errors.SecretLocked` for another key, row or content."""
        ...
