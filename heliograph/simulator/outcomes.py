"""What becomes of a submit to a number: outcomes by name, so that a test can write to the one that it wants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from heliograph.smpp import constants as c

__all__ = ["OUTCOMES", "USUAL", "Outcome", "outcome_of"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a carrier does with one submit."""

    what: str
    status: int = 0
    """It is refused with this."""
    stat: str = ""
    """The final state of its receipt; empty: by the carrier's own weights."""
    second_stat: str = ""
    """The final state of a second receipt; empty: there is none."""
    latency_ms: float = 0.0
    """What is added to the carrier's own latency."""
    receipt_delay_ms: float = 0.0
    """What is added to the carrier's own delay of receipts."""
    receipt: bool = True
    receipt_first: bool = False
    answer: bool = True
    first_status: int = 0
    """The first try of a segment is refused with this; the second is taken."""
    first_answer: bool = True
    """False: the first try of a segment is dropped without an answer; the second is taken."""
    err: str = ""
    """``err`` of its receipt; empty: as usual beside the final state."""


USUAL: Final = Outcome(what="What the carrier does with every number.")


def _ends(stat: str, what: str) -> Outcome:
    return Outcome(what=f"Taken; the receipt says {stat}: {what}.", stat=stat)


def _refused(status: int, what: str) -> Outcome:
    return Outcome(what=f"Refused with 0x{status:02X}: {what}.", status=status)


OUTCOMES: Final[Mapping[str, Outcome]] = {
    "usual": USUAL,
    "delivered": _ends("DELIVRD", "it is on the handset"),
    "undelivered": _ends("UNDELIV", "the handset could not be reached"),
    "expired": _ends("EXPIRED", "the handset was off for too long"),
    "deleted": _ends("DELETED", "somebody deleted it"),
    "accepted": _ends("ACCEPTD", "it was handed over, and more is never known"),
    "unknown": _ends("UNKNOWN", "the carrier does not know"),
    "rejected": _ends("REJECTD", "another network did not take it"),
    "invalid_recipient": _refused(c.ESME_RINVDSTADR, "the number does not exist"),
    "invalid_sender": _refused(c.ESME_RINVSRCADR, "the sender may not be used"),
    "invalid_length": _refused(c.ESME_RINVMSGLEN, "the text is too long"),
    "invalid_service_type": _refused(c.ESME_RINVSERTYP, "the service is not offered"),
    "throttled": _refused(c.ESME_RTHROTTLED, "too fast"),
    "queue_full": _refused(c.ESME_RMSGQFUL, "the queue is full"),
    "system_error": _refused(c.ESME_RSYSERR, "the carrier is broken"),
    "submit_failed": _refused(c.ESME_RSUBMITFAIL, "no reason is given"),
    "delivery_failure": _refused(c.ESME_RDELIVERYFAILURE, "the network did not take it"),
    "slow": Outcome(what="Taken and delivered; the response comes 3 s late.", stat="DELIVRD", latency_ms=3_000),
    "no_response": Outcome(what="Taken and delivered; the response never comes.", stat="DELIVRD", answer=False),
    "throttled_once": Outcome(
        what="The first try is refused with 0x58, the second one taken and delivered.",
        stat="DELIVRD",
        first_status=c.ESME_RTHROTTLED,
    ),
    "no_answer_once": Outcome(
        what="The first try is dropped without an answer, the second one taken and delivered.",
        stat="DELIVRD",
        first_answer=False,
    ),
    "no_receipt": Outcome(what="Taken; no receipt comes.", receipt=False),
    "receipt_first": Outcome(
        what="Taken and delivered; the receipt comes 50 ms before the response.", stat="DELIVRD", receipt_first=True
    ),
    "late_receipt": Outcome(
        what="Taken and delivered; the receipt comes 60 s late.", stat="DELIVRD", receipt_delay_ms=60_000
    ),
    "receipt_twice": Outcome(
        what="Taken and delivered; the receipt comes twice.", stat="DELIVRD", second_stat="DELIVRD"
    ),
    "contradiction": Outcome(
        what="Taken; one receipt says DELIVRD, a second one UNDELIV.", stat="DELIVRD", second_stat="UNDELIV"
    ),
}
"""Every outcome that has a name."""


def outcome_of(word: str) -> Outcome:
    """An outcome by its name, or a status such as ``0x0B`` as a refusal. Raises ``ValueError``."""
    known = OUTCOMES.get(word)
    if known is not None:
        return known
    status = int(word, 0)
    if not 0 < status <= 0xFFFFFFFF:
        raise ValueError(word)
    return _refused(status, "a status of the configuration")
