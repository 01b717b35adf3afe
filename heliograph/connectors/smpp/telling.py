"""What an operator hears of a connector: its links and its pauses, in the journal's words. Nothing for each message."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from heliograph.errors import SubmitFailed
from heliograph.rules.pacing import PAUSE_S
from heliograph.smpp.constants import status_name
from heliograph.smpplink.settings import LinkSettings
from heliograph.telemetry import journal

__all__ = ["Teller"]

_log = logging.getLogger("heliograph.connectors")

_QUIET_S: Final = 60.0
"""A pause this long after the one before it is news; until then they are one."""

_WRONG_CREDENTIALS: Final = "the credentials are wrong"
_LOST: Final = "lost: "
"""How ``smpplink`` words these two: a test holds it to that."""


class Teller:
    """Tells for one connector. A link says each change once, so that a night without a carrier is one line."""

    def __init__(self, connector: str) -> None:
        self.stopping = False
        """What we end ourselves is no trouble."""
        self._connector = connector
        self._paused_at = self._unsayable_at = float("-inf")

    def start(self) -> None:
        """From now on the journal tells of binds; ``smpplink`` goes on to log what only it knows."""
        links = logging.getLogger("heliograph.smpplink")
        if links.level == logging.NOTSET:
            links.setLevel(logging.WARNING)

    def bound(self, link: int, bind: str) -> None:
        """A link may be used."""
        journal.link_bound(self._connector, link, bind)

    def lost(self, link: int, reason: str, unanswered: int) -> None:
        """A bound link ended."""
        if not self.stopping:
            journal.link_lost(self._connector, link, reason, unanswered)

    def trouble_of(self, link: int, settings: LinkSettings) -> Callable[[str], None]:
        """The ``on_trouble`` of a link."""

        def trouble(what: str) -> None:
            if what.startswith(_LOST):
                return  # told with the number of unanswered submissions
            if what.endswith(_WRONG_CREDENTIALS):
                _log.error(
                    "connector %s: link %d: %s. Correct system_id, password, system_type or bind of this connector, or "
                    "ask the carrier whether this address may bind; the next try is in %g s",
                    self._connector,
                    link,
                    what,
                    settings.refused_wait_s,
                )
                return
            journal.link_refused(self._connector, link, what, settings.reconnect_min_s)

        return trouble

    def paused(self, failure: SubmitFailed) -> None:
        """A refusal that rests the lane: told when it begins."""
        before, self._paused_at = self._paused_at, asyncio.get_running_loop().time()
        if self._paused_at - before > _QUIET_S:
            why = failure.code if failure.status is None else f"{failure.code}, {status_name(failure.status)}"
            journal.lane_paused(self._connector, why, PAUSE_S)

    def unsayable(self, error: Exception) -> None:
        """SMPP has no place for something of a segment: told when it begins."""
        before, self._unsayable_at = self._unsayable_at, asyncio.get_running_loop().time()
        if self._unsayable_at - before > _QUIET_S:
            _log.warning("connector %s: a segment cannot be said in SMPP: %s", self._connector, error)
