"""Who is calling, as everything behind the door sees them."""

from __future__ import annotations

from msgspec import Struct

from heliograph.access.allowing import AllowList
from heliograph.model import Account

__all__ = ["Principal"]


class Principal(Struct, frozen=True):
    """Who is calling: an account, by one of its keys. ``key`` is the key's readable prefix.

    ``kind`` is ``token`` for who has a token of an issuer outside, ``key`` then names issuer and subject; and
    ``publishable`` for a web page, ``key`` then is the id of its token.
    """

    account: Account
    scopes: frozenset[str]
    key: str
    expires_us: int | None = None
    allowed: AllowList | None = None
    """From where the key may be used; None is anywhere."""
    kind: str = "key"
