"""What a virtual carrier does, well and badly, as values."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from typing import Final

from heliograph.config.fields import setting
from heliograph.errors import ConfigError, ConfigFault
from heliograph.simulator.behaviours import Drift, HandsetRule, Hours, NumberRange, Outage
from heliograph.simulator.mischief import MISBEHAVIOURS

__all__ = ["FINAL_STATES", "FIXED", "ID_STYLES", "CarrierSettings", "ReceiptSettings", "Refusal"]

FINAL_STATES: Final = ("DELIVRD", "EXPIRED", "DELETED", "UNDELIV", "ACCEPTD", "UNKNOWN", "REJECTD")
"""Words that a receipt may end a message with."""

ID_STYLES: Final = ("decimal", "hex", "hex_upper", "decimal_padded", "hex_padded")
"""How a message id is written: the same number each time."""


_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_TEXT_MAX: Final = 10_000

FIXED: Final = frozenset(
    ("host", "port", "name", "first_id", "seed", "log", "keep_messages", "keep_facts", "hours", "outages", "drift")
)
"""Settings that a carrier keeps for as long as it runs."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Numbers whose submits are refused. The first refusal that a submit meets counts."""

    status: int = setting(doc="The command_status of the answer, such as 0x0B.", min=1, max=0xFFFFFFFF)
    fraction: float = setting(1.0, "Which share of the submits meets it, 0 to 1.", min=0, max=1)
    prefix: str = setting("", "Beginning of the number, with its `+`; empty: every number.")
    suffix: str = setting("", "End of the number; empty: every number.")


@dataclass(frozen=True, kw_only=True)
class ReceiptSettings:
    """The receipts that follow a submit which was taken."""

    send: bool = setting(True, "False: nobody ever hears what became of a message.")
    delay_ms: float = setting(
        0.0, "From the response to its receipt; 0: in the same write, behind the response.", min=0, max=864_000_000
    )
    jitter_ms: float = setting(
        0.0, "Up to so much is added to each delay, so that receipts overtake each other.", min=0, max=864_000_000
    )
    before_response: bool = setting(
        False, "The receipt is written before the response of its submit. Delay and jitter do not count then."
    )
    bind: str = setting(
        "same",
        "`same`: the bind that submitted, where it may receive. `other`: another one, where there is one.",
        choices=("same", "other"),
    )
    style: str = setting(
        "", "How receipts write the id (as `ids`); empty: as the response does.", choices=("", *ID_STYLES)
    )
    text_octets: int = setting(20, "How much of the text a receipt repeats.", min=0, max=100)
    final_states: tuple[tuple[str, float], ...] = setting((("DELIVRD", 1.0),), "Final states and their weights.")


@dataclass(frozen=True, kw_only=True)
class CarrierSettings:
    """A virtual carrier. The default one takes everything at once and delivers it."""

    host: str = setting("127.0.0.1", "The address to listen on.")
    port: int = setting(0, "0: any free one.", min=0, max=65_535)
    name: str = setting("SIMULATOR", "The system_id that it answers a bind with.")
    system_id: str = setting("esme", "The one account that may bind.")
    password: str = setting("secret", "Its password.")
    latency_ms: float = setting(0.0, "From a submit to its response.", min=0, max=600_000)
    throughput: float = setting(
        0.0,
        "Segments per second over all links; 0: no limit. Above it submits get 0x58 (ESME_RTHROTTLED).",
        min=0,
        max=1_000_000,
    )
    burst_s: float = setting(
        0.5, "How much unused throughput, in seconds of it, may be caught up at once.", min=0, max=3_600
    )
    refusals: tuple[Refusal, ...] = setting((), "Who is refused with which status.")
    silent: float = setting(0.0, "The share of submits, 0 to 1, that are taken and never answered.", min=0, max=1)
    drop_after: int = setting(0, "A link breaks on its n-th submit, which is taken and not answered; 0: never.", min=0)
    congestion: int = setting(
        -1,
        "congestion_state that responses to SMPP 5.0 clients carry, 0 to 100; -1: none, and the carrier speaks 3.4.",
        min=-1,
        max=100,
    )
    window: int = setting(
        1000, "Receipts and messages from handsets that a link may have unanswered.", min=1, max=100_000
    )
    ids: str = setting("decimal", "How responses write message ids.", choices=ID_STYLES)
    first_id: int | None = setting(
        None,
        "The first message id; without it by the clock, so that a carrier that was restarted never gives one twice.",
        min=0,
        max=2**63 - 1,
    )
    receipts: ReceiptSettings = field(default_factory=ReceiptSettings, metadata={"doc": "Receipts."})
    reply_text: str = setting(
        "", "What handsets answer each whole message with; empty: they keep silent until told to write."
    )
    long_replies: str = setting(
        "udh", "How handsets' long messages travel: `udh`, `sar` or `payload`.", choices=("udh", "sar", "payload")
    )
    misbehaviour: str = setting("", "One of the misbehaviours, from the start; empty: none.")
    misbehaviour_share: float = setting(1.0, "In which share of the cases it goes wrong so, 0 to 1.", min=0, max=1)
    redeliver_ms: float = setting(
        1000.0,
        "When a receipt or reply that was refused for the time being (or met no bind that answered) comes again.",
        min=1,
        max=86_400_000,
    )
    keep_messages: int = setting(10_000, "Messages that all handsets together remember.", min=0, max=1_000_000)
    keep_facts: int = setting(
        10_000, "Facts of the log that stay in memory; the file has all of them.", min=0, max=1_000_000
    )
    log: str | None = setting(None, "File of the log, appended to; without it: in memory only.")
    log_texts: bool = setting(True, "False: the log has the SHA-256 of a text in its place.")
    seed: int = setting(0, "What chance begins with: the same seed and the same submits give the same answers.")
    ranges: tuple[NumberRange, ...] = setting((), "Numbers with an outcome of their own.")
    rules: tuple[HandsetRule, ...] = setting((), "What handsets answer; where there are none, `reply_text`.")
    reply_order: str = setting(
        "in_order", "How the parts of handsets' long messages come.", choices=("in_order", "reversed", "shuffled")
    )
    hours: tuple[Hours, ...] = setting((), "Parts of the day in which it is another carrier.")
    outages: tuple[Outage, ...] = setting((), "Times in which it is not there.")
    drift: Drift | None = field(default=None, metadata={"doc": "Quality that goes up and down."})

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
            *(
                (word not in ("", *MISBEHAVIOURS), ("misbehaviour", "is no kind of misbehaviour", _nearest(word)))
                for word in (settings.misbehaviour, *(hours.misbehaviour for hours in settings.hours))
            ),
            (
                not _NAME.fullmatch(settings.name),
                ("name", f"cannot be {settings.name!r:.60}", "up to 64 letters, digits, and _ . - between them"),
            ),
            (
                len(settings.reply_text) > _TEXT_MAX,
                ("reply_text", "is too long", f"at most {_TEXT_MAX:,} characters"),
            ),
            (settings.window < 1, ("window", "is below 1", "1000 suits most")),
        )
        if wrong
    ]


def _nearest(word: str) -> str:
    close = difflib.get_close_matches(word, MISBEHAVIOURS, 1, 0.5)
    return f'did you mean "{close[0]}"?' if close else "heliograph simulate kinds lists them"
