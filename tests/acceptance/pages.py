"""A web page as a browser lets it ask: what its script sends, is told, and never gets to see.

Source: Fetch §4.8 (CORS-preflight fetch), §4.9 (CORS check), read 2026-11-23
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import requests

__all__ = ["NetworkError", "Page"]

_PATIENCE_S = 60.0
_SAFE_METHODS = ("GET", "HEAD", "POST")


class NetworkError(Exception):
    """All that a script hears of what the browser keeps from it."""


@dataclass
class Page:
    """A page of this origin."""

    origin: str

    def fetch(self, url: str, token: str, method: str = "POST") -> requests.Response:
        """``fetch(url, {method, headers: {Authorization, Content-Type}})`` of a page elsewhere.

        Raises ``NetworkError`` where the browser does not ask, or does not hand on the answer.
        """
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._preflight(url, method, sorted(name.lower() for name in headers))
        answer = requests.request(
            method, url, headers={**headers, "Origin": self.origin}, timeout=_PATIENCE_S, allow_redirects=False
        )
        self._check(answer)
        return answer

    def _preflight(self, url: str, method: str, names: list[str]) -> None:
        asked = {
            "Origin": self.origin,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": ",".join(names),
        }
        answer = requests.options(url, headers=asked, timeout=_PATIENCE_S, allow_redirects=False)
        self._check(answer)
        methods = _words(answer, "Access-Control-Allow-Methods")
        allowed = [one.lower() for one in _words(answer, "Access-Control-Allow-Headers")]
        if not answer.ok or (method not in methods and method not in _SAFE_METHODS):
            raise NetworkError(f"the preflight was answered {answer.status_code}")
        if missing := [name for name in names if name not in allowed]:
            raise NetworkError(f"{missing} may not be sent")

    def _check(self, answer: requests.Response) -> None:
        """Whether the page may read it. (It sends no cookies, so that * would do, too.)"""
        if answer.headers.get("Access-Control-Allow-Origin") not in (self.origin, "*"):
            raise NetworkError("the answer is for another origin")


def _words(answer: requests.Response, name: str) -> list[Any]:
    return [word.strip() for word in answer.headers.get(name, "").split(",")]
