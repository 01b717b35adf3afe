"""How long to wait before a link is opened again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from heliograph.smpp import constants as c

__all__ = ["WRONG_CREDENTIALS", "Backoff"]

WRONG_CREDENTIALS: Final = frozenset((c.ESME_RBINDFAIL, c.ESME_RINVPASWD, c.ESME_RINVSYSID))
"""Peers use the three at will; all mean that an operator must act."""

_DOUBLINGS_MAX: Final = 16


class Backoff:
    """Doubling waits with jitter, from ``low_s`` to ``high_s``; ``chance`` gives floats from 0 to 1."""

    def __init__(self, low_s: float, high_s: float, refused_s: float, chance: Callable[[], float]) -> None:
        self._low_s = low_s
        self._high_s = high_s
        self._refused_s = refused_s
        self._chance = chance
        self._failures = 0
        self._bound_elsewhere_s = 0.0

    def succeeded(self) -> None:
        """The link held: the next wait is a short one."""
        self._failures = 0
        self._bound_elsewhere_s = 0.0

    def wait_s(self, bind_status: int = 0) -> float:
        """The wait after one more failure; ``bind_status`` is what refused our bind, 0 for any other reason.

        After wrong credentials at least ``refused_s``. After ESME_RALYBND (the peer has not noticed yet that our old
        link is gone) longer each time, never shorter: knocking faster keeps the old one alive at some peers.
        """
        if bind_status == c.ESME_RALYBND:
            self._failures += 1
        wait_s = self._next()
        if bind_status in WRONG_CREDENTIALS:
            return max(wait_s, self._refused_s * (1 + self._chance() / 2))
        if bind_status == c.ESME_RALYBND:
            self._bound_elsewhere_s = wait_s = max(wait_s, self._bound_elsewhere_s)
        return wait_s

    def _next(self) -> float:
        doubled_s = self._low_s * 2.0 ** min(self._failures, _DOUBLINGS_MAX)
        self._failures += 1
        chance = self._chance()
        return max(self._low_s, min(doubled_s * (1 + chance / 2), self._high_s * (3 + chance) / 4))
