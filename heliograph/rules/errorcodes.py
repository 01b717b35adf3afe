"""Our stable words for why a message did not arrive, and which of them a receipt's words mean.

Customers read these words in events and answers, so they never change and never name a carrier.
Source: contracts of carriers as docs/explanation/states.md tells them; SMPP 3.4 Appendix B for the words of receipts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from heliograph.model import State

__all__ = ["ERROR_CODES", "GSM_MAP_ERRORS", "STAT_WORDS", "Reported", "reported"]

ERROR_CODES: Final[Mapping[str, str]] = {
    "recipient_invalid": "The number does not exist or cannot get short messages: do not send to it again.",
    "recipient_unreachable": "The handset could not be reached: it is off, out of coverage, busy or full.",
    "recipient_blocked": "The recipient, or the network for them, does not take these messages.",
    "sender_refused": "The sender is not allowed on this route: register it, or choose another.",
    "content_refused": "The content was filtered as spam or against a policy: change the text.",
    "content_unsupported": "The text has characters that no carrier of this route can say: use encoding ucs2.",
    "message_refused": "The carrier refused a part of the message, such as its length, class or validity.",
    "carrier_refused": "The carrier refused the message without a usable reason.",
    "carrier_throttled": "The carrier took no more messages at this rate until the tries were used up.",
    "carrier_error": "The carrier had a failure of its own until the tries were used up.",
    "carrier_setup": "The set-up of the route does not fit the carrier: the operator of this service must act.",
    "undelivered": "The carrier reports that the message could not be delivered, and does not say why.",
    "canceled": "The message was canceled before it reached the handset.",
    "expired": "The validity ended before the message reached the handset.",
    "unreadable": "What the store keeps of the message is damaged: the operator of this service must act.",
    "content_gone": "The content was deleted before the message could be sent.",
    "no_route": "No route leads to this recipient.",
    "opted_out": "The recipient has opted out of messages from this account.",
    "outcome_unknown": "The message was handed over, and nobody will say whether it was taken.",
    "receipt_missing": "The message was handed over, and the carrier's receipt never came.",
}
"""Every word with the sentence that documents it."""


GSM_MAP_ERRORS: Final[Mapping[str, str]] = {
    "1": "recipient_invalid",
    "5": "recipient_unreachable",
    "6": "recipient_unreachable",
    "9": "recipient_invalid",
    "11": "recipient_blocked",
    "13": "recipient_blocked",
    "21": "recipient_blocked",
    "27": "recipient_unreachable",
    "31": "recipient_unreachable",
    "32": "recipient_unreachable",
    "34": "carrier_error",
}
"""A receipt's ``err`` where a route passes on the causes of GSM MAP (3GPP TS 29.002); other routes have their own."""


class Reported(Struct, frozen=True):
    """What a word of a receipt means: a state (``SENT`` for all that is not final), and the error of a failure."""

    state: State
    error: str | None = None


_SENT: Final = Reported(State.SENT)

STAT_WORDS: Final[Mapping[str, Reported]] = {
    "SCHEDLD": _SENT,
    "ENROUTE": _SENT,
    "ACCEPTD": _SENT,
    "BUFFRED": _SENT,
    "SENT": _SENT,
    "UNKNOWN": _SENT,
    "DELIVRD": Reported(State.DELIVERED),
    "EXPIRED": Reported(State.EXPIRED, "expired"),
    "DELETED": Reported(State.CANCELED, "canceled"),
    "UNDELIV": Reported(State.UNDELIVERED, "undelivered"),
    "SKIPPED": Reported(State.UNDELIVERED, "undelivered"),
    "FAILED": Reported(State.UNDELIVERED, "undelivered"),
    "NACK": Reported(State.UNDELIVERED, "undelivered"),
    "BLOCKED": Reported(State.UNDELIVERED, "recipient_blocked"),
    "REJECTD": Reported(State.REJECTED, "carrier_refused"),
}
"""A receipt's ``stat`` to what it means; the last ones and the shorter spellings are vendors' own."""

_SPELLINGS: Final[Mapping[str, str]] = {
    "ACCEPTED": "ACCEPTD",
    "BUFFERED": "BUFFRED",
    "DELIVERED": "DELIVRD",
    "DELIVERD": "DELIVRD",
    "UNDELIVERABLE": "UNDELIV",
    "UNDELIVERED": "UNDELIV",
    "UNDELIVRD": "UNDELIV",
    "REJECTED": "REJECTD",
    "SCHEDULED": "SCHEDLD",
}


def reported(stat: str) -> Reported:
    """What ``stat`` means, in any case and with the long spellings; an unknown word is news, but never an end."""
    known = STAT_WORDS.get(stat)
    if known is not None:
        return known
    word = stat.strip().upper()
    return STAT_WORDS.get(_SPELLINGS.get(word, word), _SENT)
