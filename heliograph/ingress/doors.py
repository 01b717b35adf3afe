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
    begin: Callable[[Call, Callable[[Reply | Exception], None]], None] | None = None
    """``answer`` for what is asked so often that a task for each would cost more than its work: it calls back.

    Raises ``Unseen`` where ``answer`` must be asked instead.
    """

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

    def open(self, call: Call, tell: Callable[[Reply], None]) -> bool:
        """Begins to answer a whole request; ``tell`` hears the answer, perhaps before this returns.

        False where it must be asked by :meth:`reply`.
        """
        if self.begin is None:
            return False

        def told(answer: Reply | Exception) -> None:
            tell(failed(self.metrics, call.method, call.path, answer) if isinstance(answer, Exception) else answer)

        try:
            self.begin(call, told)
        except Unseen:
            return False
        except Exception as error:
            told(error)
        return True

    def _refuse(self, error: RequestRejected | StoreError) -> Reply:
        self.metrics.refused("overloaded" if isinstance(error, StoreError) else error.code)
        return refusal(error)
