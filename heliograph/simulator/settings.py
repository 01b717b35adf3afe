"""What a virtual carrier does, well and badly, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from heliograph.errors import ConfigError, ConfigFault
from heliograph.simulator.mischief import MISBEHAVIOURS

__all__ = ["FINAL_STATES", "ID_STYLES", "CarrierSettings", "ReceiptSettings", "Refusal"]

FINAL_STATES: Final = ("DELIVRD", "EXPIRED", "DELETED", "UNDELIV", "ACCEPTD", "UNKNOWN", "REJECTD")
"""Words that a receipt may end a message with."""

ID_STYLES: Final = ("decimal", "hex", "hex_upper", "decimal_padded", "hex_padded")
"""How a message id is written: the same number each time."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Numbers whose submits are refused. The first refusal that a submit meets counts."""

    status: int
    """The command_status of the answer, such as 0x0B."""
    fraction: float = 1.0
    """Which share of the submits meets it, 0 to 1."""
    prefix: str = ""
    """Beginning of the number, with its ``+``; empty: every number."""
    suffix: str = ""
    """End of the number; empty: every number."""


@dataclass(frozen=True, kw_only=True)
class ReceiptSettings:
    """The receipts that follow a submit which was taken."""

    send: bool = True
    """False: nobody ever hears what became of a message."""
    delay_ms: float = 0.0
    """From the response to its receipt; 0: in the same write, behind the response."""
    jitter_ms: float = 0.0
    """Up to so much is added to each delay, so that receipts overtake each other."""
    before_response: bool = False
    """The receipt is written before the response of its submit. Delay and jitter do not count then."""
    bind: str = "same"
    """``same``: the bind that submitted, where it may receive. ``other``: another one, where there is one."""
    style: str = ""
    """How receipts write the id (``ID_STYLES``); empty: as the response does."""
    text_octets: int = 20
    """How much of the text a receipt repeats."""
    final_states: tuple[tuple[str, float], ...] = (("DELIVRD", 1.0),)
    """Final states and their weights."""


@dataclass(frozen=True, kw_only=True)
class CarrierSettings:
    """A virtual carrier. The default one takes everything at once and delivers it."""

    host: str = "127.0.0.1"
    """The address to listen on."""
    port: int = 0
    """0: any free one."""
    name: str = "SIMULATOR"
    """The system_id that it answers a bind with."""
    system_id: str = "esme"
    """The one account that may bind."""
    password: str = "secret"
    """Its password."""
    latency_ms: float = 0.0
    """From a submit to its response."""
    throughput: float = 0.0
    """Segments per second over all links; 0: no limit. Above it submits get 0x58 (ESME_RTHROTTLED)."""
    burst_s: float = 0.5
    """How much unused throughput, in seconds of it, may be caught up at once."""
    refusals: tuple[Refusal, ...] = ()
    """Who is refused with which status."""
    silent: float = 0.0
    """The share of submits, 0 to 1, that are taken and never answered."""
    drop_after: int = 0
    """A link breaks on its n-th submit, which is taken and not answered; 0: never."""
    window: int = 1000
    """Receipts and messages from handsets that a link may have unanswered."""
    ids: str = "decimal"
    """How responses write message ids: one of ``ID_STYLES``."""
    first_id: int | None = None
    """The first message id; None: by the clock, so that a carrier that was restarted never gives one twice."""
    receipts: ReceiptSettings = field(default_factory=ReceiptSettings)
    """Receipts."""
    reply_text: str = ""
    """What handsets answer each whole message with; empty: they keep silent until told to write."""
    long_replies: str = "udh"
    """How handsets' long messages travel: ``udh``, ``sar`` or ``payload``."""
    misbehaviour: str = ""
    """One of ``MISBEHAVIOURS``, from the start; empty: none."""
    misbehaviour_share: float = 1.0
    """In which share of the cases it goes wrong so, 0 to 1."""
    redeliver_ms: float = 1000.0
    """When a receipt or reply that was refused for the time being (or met no bind that answered) comes again."""
    keep_messages: int = 10_000
    """Messages that all handsets together remember."""
    keep_facts: int = 10_000
    """Facts of the log that stay in memory; the file has all of them."""
    log: str | None = None
    """File of the log, appended to; None: in memory only."""
    log_texts: bool = True
    """False: the log has the SHA-256 of a text in its place."""
    seed: int = 0
    """What chance begins with: the same seed and the same submits give the same answers."""

    def __post_init__(self) -> None:
        faults = [ConfigFault(f"simulator.{name}", what, remedy) for name, what, remedy in _faults(self)]
        if faults:
            raise ConfigError(faults)


def _faults(settings: CarrierSettings) -> list[tuple[str, str, str]]:
    receipts = settings.receipts
    states = {word for word, _ in receipts.final_states}
    weights = [weight for _, weight in receipts.final_states]
    fractions = [settings.silent, settings.misbehaviour_share, *(refusal.fraction for refusal in settings.refusals)]
    styles = "one of " + ", ".join(ID_STYLES)
    return [
        fault
        for wrong, fault in (
            (settings.ids not in ID_STYLES, ("ids", "is no style of ids", styles)),
            (receipts.style not in ("", *ID_STYLES), ("receipts.style", "is no style of ids", styles)),
            (receipts.bind not in ("same", "other"), ("receipts.bind", "is neither same nor other", "choose one")),
            (
                settings.long_replies not in ("udh", "sar", "payload"),
                ("long_replies", "is no way to send", "udh, sar or payload"),
            ),
            (
                not states <= set(FINAL_STATES),
                ("receipts.final_states", "has an unknown state", "one of " + ", ".join(FINAL_STATES)),
            ),
            (
                min(weights, default=0) < 0 or not sum(weights),
                ("receipts.final_states", "has no weight above 0", "for instance DELIVRD with 1"),
            ),
            (
                not all(0 <= fraction <= 1 for fraction in fractions),
                ("fraction", "is not between 0 and 1", "0.1 is one in ten"),
            ),
            (
                settings.misbehaviour not in ("", *MISBEHAVIOURS),
                ("misbehaviour", "is no kind of misbehaviour", "docs/reference/simulator.md lists them"),
            ),
            (settings.window < 1, ("window", "is below 1", "1000 suits most")),
        )
        if wrong
    ]
