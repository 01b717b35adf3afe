"""TLS of the HTTP server: the certificate of its files, taken anew when they change, and its end told in time.

New connections get the newest certificate that was right; those that are open keep theirs and are not
disturbed. A file that is broken or half written changes nothing but the journal.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from heliograph.config.certificates import Certificate, CertificateFiles
from heliograph.contracts import Clock
from heliograph.errors import ConfigError
from heliograph.telemetry import journal

__all__ = ["WARNED_DAYS", "Tls"]

WARNED_DAYS: Final = (30, 7, 1, 0)
"""So many days before its end the journal warns of a certificate; with 0 it has expired."""


class Tls:
    """The certificate in use. Raises ``ConfigError`` where its files cannot be served at the start."""

    def __init__(self, files: CertificateFiles, clock: Clock, refused: Callable[[], None] = lambda: None) -> None:
        """``refused`` hears of each new file that could not be used."""
        self._files = files
        self._clock = clock
        self._refused = refused
        self._seen = self._used = files.signature()
        self._told_days: int | None = None
        self._current = files.read(self._now())
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        """What a listener is opened with: each handshake goes on with the certificate that is current then."""
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])
        self.context.sni_callback = self._choose
        self._warn()

    @property
    def ends_at(self) -> datetime:
        """The last moment of the certificate in use."""
        return self._current.ends_at

    def _choose(self, connection: Any, name: str | None, context: ssl.SSLContext) -> None:
        connection.context = self._current.context

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now_us() / 1_000_000, UTC)

    def look(self) -> None:
        """Takes up files that changed and then kept still between two looks; warns of an end that comes near."""
        seen, self._seen = self._seen, self._files.signature()
        if seen == self._seen != self._used:
            self._used = seen
            self._take()
        self._warn()

    def _take(self) -> None:
        try:
            self._use(self._files.read(self._now()))
        except ConfigError as error:
            self._refused()
            journal.certificate_kept(str(error), self.ends_at)

    def _use(self, fresh: Certificate) -> None:
        self._current, self._told_days = fresh, None
        journal.certificate_read(fresh.ends_at)

    def _warn(self) -> None:
        left_s = (self.ends_at - self._now()).total_seconds()
        reached = [days for days in WARNED_DAYS if left_s <= days * 86_400]
        if reached and reached[-1] != self._told_days:
            self._told_days = reached[-1]
            journal.certificate_ends(self.ends_at, self._told_days == 0)
