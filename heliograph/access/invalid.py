"""The refusal of an access token, and whether it counts as a failed attempt."""

from __future__ import annotations

from typing import Final

from heliograph.errors import RequestRejected

__all__ = ["InvalidToken"]

_INVALID: Final = (
    "This access token is not valid here, or no longer: get a new one from its issuer (ours: POST /oauth/token)."
)


class InvalidToken(RequestRejected):
    """The one refusal of every token that is not valid: why is told to nobody who called.

    ``counted``: no honest client has such a token, so it counts as a failed attempt to say who one is; ``name`` is
    whose it is, where a signature of ours says so.
    """

    def __init__(self, *, counted: bool = False, name: str = "") -> None:
        self.counted = counted
        self.name = name
        super().__init__("token_invalid", _INVALID, status=401)
