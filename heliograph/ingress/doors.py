"""Doors: busy endpoints that the server answers itself, from octets to octets, without a framework in between."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from heliograph.access import KeyRing
from heliograph.access.unseen import Unseen
from heliograph.errors import RequestRejected, StoreError
from heliograph.ingress.rest.calls import Call, caller
from heliograph.ingress.rest.problems import Reply, refusal
from heliograph.ingress.rest.replies import failed, too_large
from heliograph.telemetry.metrics import Metrics

__all__ = ["Door"]


@dataclass(frozen=True, slots=True)
class Door:
    """A path to which bodies are posted. ``scope`` is what a key needs for it."""

    path: str
    scope: str
    most_octets: int
    answer: Callable[[Call], Awaitable[Reply]]
    keys: KeyRing
    metrics: Metrics

    def bar(self, authorization: bytes | None, octets: int, peer: str | None, origin: bytes | None) -> Reply | None:
        """The refusal of a body that is long or will be, before it is here: only who has a key may send one.

        Raises ``Unseen``: let :meth:`meet` verify it, then ask again.
        """
        try:
            caller(Call("POST", self.path, b"", authorization, peer=peer, origin=origin), self.keys, self.scope)
            if octets > self.most_octets:
                raise too_large(self.most_octets)
        except RequestRejected as rejected:
            return self._refuse(rejected)
        return None

    async def meet(self, unseen: Unseen) -> Reply | None:
        """Verifies a token that was never seen; gives the refusal where it is not valid."""
        try:
            await unseen.meet()
        except (RequestRejected, StoreError) as error:
            return self._refuse(error)
        return None

    async def reply(self, call: Call) -> Reply:
        """The answer to a whole request, whatever happens."""
        try:
            try:
                return await self.answer(call)
            except Unseen as unseen:
                return await self.meet(unseen) or await self.answer(call)
        except Exception as error:
            return failed(self.metrics, call.method, call.path, error)

    def _refuse(self, error: RequestRejected | StoreError) -> Reply:
        self.metrics.refused("overloaded" if isinstance(error, StoreError) else error.code)
        return refusal(error)
