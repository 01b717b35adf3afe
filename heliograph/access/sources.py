"""Who issues tokens that are taken here: what is asked of all of them, and ourselves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from msgspec.structs import replace

from heliograph.access.jwts import Expected
from heliograph.access.keysets import VerifyingKey
from heliograph.access.principals import Principal
from heliograph.access.signing import SigningKeys

__all__ = ["OwnIssuer", "Source"]


class Source(Protocol):
    """Who issues tokens, as this house knows them."""

    @property
    def expected(self) -> Expected:
        """What its tokens must say."""
        ...

    def find(self, kid: str | None, algorithm: str) -> VerifyingKey | None:
        """The key that such a token is verified with, of those that are known."""
        ...

    async def look(self, kid: str | None, algorithm: str) -> VerifyingKey | None:
        """The same, after asking for keys that are not known yet. Raises ``RequestRejected`` 503."""
        ...

    def principal(self, claims: Any) -> Principal | None:
        """Who calls with a token that says this, as the configuration is now; None for nobody."""
        ...


class OwnIssuer:
    """Ourselves as a source. ``client`` finds who has a key of this id; ``refresh`` reads the configuration again."""

    def __init__(
        self,
        signing: SigningKeys,
        client: Callable[[str], Principal | None],
        refresh: Callable[[], Awaitable[object]],
        issuer: str,
    ) -> None:
        self.expected = Expected(issuer=issuer, audience=issuer)
        self._client = client
        self._refresh = refresh
        self.find = signing.find

    async def look(self, kid: str | None, algorithm: str) -> VerifyingKey | None:
        """Another node may have made a key a moment ago: the store tells."""
        await self._refresh()
        return self.find(kid, algorithm)

    def principal(self, claims: Any) -> Principal | None:
        client_id, scope = claims.get("client_id"), claims.get("scope")
        if not isinstance(client_id, str) or claims.get("sub") != client_id or not isinstance(scope, str):
            return None
        client = self._client(client_id)
        return None if client is None else replace(client, scopes=client.scopes & frozenset(scope.split()))
