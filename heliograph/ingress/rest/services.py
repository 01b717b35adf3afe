"""What the API needs of the house, handed to every endpoint."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from heliograph.access import KeyRing
from heliograph.access.configuring import Configuring
from heliograph.access.limiting import Limiter
from heliograph.access.passwords import Passwords
from heliograph.config.stored import Key
from heliograph.contracts import Sealer, Store
from heliograph.delivery.intake import Intake
from heliograph.delivery.outbox import Outbox
from heliograph.delivery.replays import Replays
from heliograph.delivery.schedules import Schedules
from heliograph.delivery.tails import Tails
from heliograph.delivery.webhooks import Webhooks
from heliograph.errors import ConfigFault
from heliograph.ingress.rest.cursors import Cursors
from heliograph.sandbox import Sandboxes
from heliograph.telemetry.metrics import Metrics

__all__ = ["Bounds", "Services"]


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What a request may be at most."""

    body_octets: int = 65_536
    batch_body_octets: int = 8_388_608
    batch_messages: int = 10_000


async def _nothing() -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class Services:
    """What the API needs of the house."""

    intake: Intake
    schedules: Schedules
    store: Store
    keys: KeyRing
    webhooks: Webhooks
    outbox: Outbox
    replays: Replays
    tails: Tails
    """Live readers of events, and the log that they read."""
    cursors: Cursors
    """Of every list that goes on where it ended."""
    sandboxes: Sandboxes
    """Where test keys lead."""
    connectors: Mapping[int, str]
    """Names by number, for operators' views."""
    configuring: Configuring
    """Connectors, routes and numbers, of the file and of the store."""
    sealer: Sealer
    """Seals what the store keeps for later."""
    metrics_text: Callable[[], bytes]
    now_us: Callable[[], int]
    ready: Callable[[], str | None]
    """None when ready, otherwise the reason."""
    faults: Callable[[], Mapping[Key, Sequence[ConfigFault]]] = dict
    """What the store declares and does not hold here, with the reasons."""
    bound: Callable[[], Collection[str]] = tuple
    """Names of connectors with a link that may transmit."""
    bounds: Bounds = field(default_factory=Bounds)
    allow_private_addresses: bool = True
    """Whether customers' URLs may name private addresses. The outgoing door has the last word, and its own setting."""
    declared_accounts: Callable[[], Collection[str]] = tuple
    """Names of accounts that the configuration file declares: they are changed there."""
    reconfigured: Callable[[], Awaitable[object]] = _nothing
    """Awaited after a change of the configuration: what this process knows of it is read anew."""
    passwords: Passwords = field(default_factory=Passwords)
    """Hashes and checks; whoever makes it closes it."""
    limiter: Limiter | None = None
    """Counts what callers use of their limits; None where nobody has any."""
    metrics: Metrics = field(default_factory=Metrics)
    """Counts what is refused here; what intake refuses it counts itself."""
