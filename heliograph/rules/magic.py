"""Magic numbers: what the virtual carrier of a sandbox does with a message, told by the recipient's number.

One table. The sandbox's carrier is made from it, docs/reference/magic-numbers.md is written from it, and a test sends
to each number over SMPP and compares with what the table promises.

They are all under +999, which ITU-T has assigned to nobody and keeps in reserve (list of Recommendation E.164 assigned
country codes; no numbering plan of ``phonenumbers`` knows it): no handset can ever have one, and outside of a sandbox
each is refused as ``number_impossible``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from heliograph.model import State

__all__ = ["MAGIC", "MAGIC_PREFIX", "SANDBOX_SENDER", "Magic", "magic_of", "sandbox_number"]

MAGIC_PREFIX: Final = "+999"
"""The calling code of the sandbox: no country has it."""

SANDBOX_SENDER: Final = "+999000000000"
"""What a sandbox sends from when neither the request nor the account names a sender."""

_WRITTEN: Final = re.compile(r"(?:\+|00)999[0-9]{7,12}\Z")
_BETWEEN: Final = str.maketrans("", "", " -.()/")
_MOST_WRITTEN: Final = 64


class Magic(Struct, frozen=True, kw_only=True):
    """One kind of number: ``+999``, its ``code``, and four to nine digits that are yours.

    ``does`` is what the carrier does: an outcome of the simulator by name, or the status that it refuses with.
    ``err`` is the carrier's own code in the receipt, ``means`` our word that the connector has for ``err``, or for a
    status of vendors. ``reply`` is what the handset writes back.
    """

    code: str
    name: str
    what: str
    does: str = "delivered"
    err: str = ""
    means: str = ""
    reply: str = ""
    state: State = State.DELIVERED
    """Where the message ends without anybody's help, or stays."""
    error: str | None = None
    tries: int = 1
    """Attempts that the message shows."""
    duplicate: bool = False
    """Whether ``possible_duplicate`` is set."""
    contradicted: bool = False
    """Whether there is an event ``message.contradiction``."""
    later_s: int = 0
    """How far the sandbox's clock must be moved for the rest to happen."""
    later_state: State | None = None
    """Where the message ends then."""
    later_error: str | None = None

    @property
    def example(self) -> str:
        """A number of this kind."""
        return f"{MAGIC_PREFIX}{self.code}0000"


def _arrives(code: str, name: str, what: str, does: str = "delivered") -> Magic:
    return Magic(code=code, name=name, what=what, does=does)


def _receipt(code: str, error: str, err: str, what: str) -> Magic:
    return Magic(
        code=code,
        name=f"undelivered_{error}",
        what=what,
        does="undelivered",
        err=err,
        means=error,
        state=State.UNDELIVERED,
        error=error,
    )


def _refused(code: str, name: str, status: str, error: str, what: str, *, means: str = "") -> Magic:
    return Magic(code=code, name=name, what=what, does=status, means=means, state=State.REJECTED, error=error)


def _replies(code: str, name: str, what: str, reply: str) -> Magic:
    return Magic(code=code, name=name, what=what, reply=reply)


_LONG_REPLY: Final = " ".join(f"This is sentence {one} of a reply that is longer than one." for one in range(1, 9))
_DAYS_3: Final = 3 * 86_400

_ALL: Final = (
    _arrives("100", "delivered", "Arrives at once."),
    _arrives("101", "slow", "Arrives; the carrier takes three seconds to answer.", "slow"),
    Magic(
        code="102",
        name="late_receipt",
        what="Arrives; the receipt comes a minute late.",
        does="late_receipt",
        state=State.SENT,
        later_s=60,
        later_state=State.DELIVERED,
    ),
    _arrives("103", "receipt_first", "Arrives; the receipt comes before the carrier's answer.", "receipt_first"),
    _arrives("104", "receipt_twice", "Arrives; the receipt comes twice, and is told once.", "receipt_twice"),
    Magic(
        code="105",
        name="contradiction",
        what="Arrives; a second receipt says that it did not, which is an event and changes nothing.",
        does="contradiction",
        contradicted=True,
    ),
    Magic(
        code="106",
        name="throttled_once",
        what="The carrier wants fewer messages at first; the second try arrives.",
        does="throttled_once",
        tries=2,
    ),
    Magic(
        code="107",
        name="no_answer_once",
        what="The carrier leaves the first try without an answer; the second, 5 s later, arrives. "
        "With at_most_once it is not tried again, and ends as unknown (outcome_unknown).",
        does="no_answer_once",
        tries=2,
        duplicate=True,
    ),
    Magic(
        code="200",
        name="undelivered",
        what="The receipt says UNDELIV, without a reason.",
        does="undelivered",
        err="000",
        state=State.UNDELIVERED,
        error="undelivered",
    ),
    Magic(
        code="201",
        name="expired",
        what="The receipt says EXPIRED: the handset was off for too long.",
        does="expired",
        state=State.EXPIRED,
        error="expired",
    ),
    Magic(
        code="202",
        name="deleted",
        what="The receipt says DELETED: somebody took the message out of the carrier's queue.",
        does="deleted",
        state=State.CANCELED,
        error="canceled",
    ),
    Magic(
        code="203",
        name="rejected",
        what="The receipt says REJECTD: another network did not take it.",
        does="rejected",
        state=State.REJECTED,
        error="carrier_refused",
    ),
    Magic(
        code="204",
        name="unknown",
        what="The receipt says UNKNOWN: nobody knows.",
        does="unknown",
        state=State.UNKNOWN,
        error="outcome_unknown",
    ),
    Magic(
        code="205",
        name="accepted",
        what="The receipt says ACCEPTD, and nothing more comes.",
        does="accepted",
        state=State.SENT,
        later_s=_DAYS_3,
        later_state=State.UNKNOWN,
        later_error="receipt_missing",
    ),
    Magic(
        code="206",
        name="no_receipt",
        what="The carrier takes it, and no receipt ever comes.",
        does="no_receipt",
        state=State.SENT,
        later_s=_DAYS_3,
        later_state=State.UNKNOWN,
        later_error="receipt_missing",
    ),
    _receipt("210", "recipient_invalid", "101", "The receipt says that the number does not exist."),
    _receipt("211", "recipient_unreachable", "102", "The receipt says that the handset could not be reached."),
    _receipt("212", "recipient_blocked", "103", "The receipt says that the recipient, or the network, takes none."),
    _receipt("213", "sender_refused", "104", "The receipt says that the sender is not allowed."),
    _receipt("214", "content_refused", "105", "The receipt says that the text was filtered."),
    _receipt("215", "carrier_error", "106", "The receipt says that a network failed."),
    _refused("300", "invalid_recipient", "0x0B", "recipient_invalid", "Refused at once: no such number."),
    _refused("301", "invalid_sender", "0x0A", "sender_refused", "Refused at once: the sender is not allowed."),
    _refused("302", "invalid_length", "0x01", "message_refused", "Refused at once: a part of the message is wrong."),
    _refused("303", "refused", "0x65", "carrier_refused", "Refused at once, without a usable reason."),
    _refused("304", "failing", "0x67", "carrier_error", "Refused at once: the carrier failed."),
    _refused(
        "305",
        "throttled",
        "0x401",
        "carrier_throttled",
        "Refused for good: too many messages.",
        means="carrier_throttled",
    ),
    _refused(
        "306",
        "unreachable",
        "0x402",
        "recipient_unreachable",
        "Refused at once: the handset cannot be reached.",
        means="recipient_unreachable",
    ),
    _refused(
        "307",
        "blocked",
        "0x403",
        "recipient_blocked",
        "Refused at once: the recipient takes none.",
        means="recipient_blocked",
    ),
    _refused(
        "308",
        "filtered",
        "0x404",
        "content_refused",
        "Refused at once: filtered.",
        means="content_refused",
    ),
    Magic(
        code="310",
        name="set_up_wrong",
        what="Refused at once: the operator's contract with the carrier lacks something.",
        does="0x100",
        state=State.FAILED,
        error="carrier_setup",
    ),
    Magic(
        code="311",
        name="unsayable",
        what="Refused at once: the carrier cannot say these characters.",
        does="0x104",
        state=State.FAILED,
        error="content_unsupported",
    ),
    Magic(
        code="312",
        name="submit_failed",
        what="Refused at once, and no other route is left.",
        does="0x45",
        state=State.FAILED,
        error="carrier_refused",
    ),
    _replies("400", "reply", "Arrives, and the handset answers.", "Yes"),
    _replies("401", "stop", "Arrives, and the handset answers STOP: it wants no more.", "STOP"),
    _replies("402", "long_reply", "Arrives, and the handset answers with a text of several parts.", _LONG_REPLY),
    _replies("403", "emoji_reply", "Arrives, and the handset answers in Unicode.", "Спасибо! 🎉"),
    _replies("404", "help", "Arrives, and the handset asks for HELP.", "HELP"),
)

MAGIC: Final[Mapping[str, Magic]] = {one.code: one for one in _ALL}
"""Every kind of magic number, by the three digits behind ``+999``."""


def sandbox_number(written: str) -> str | None:
    """A number under +999 as E.164; None where ``written`` is another number, or none."""
    if "999" not in written[:8] or len(written) > _MOST_WRITTEN:
        return None
    plain = written.translate(_BETWEEN)
    if not _WRITTEN.match(plain):
        return None
    return plain if plain[0] == "+" else "+" + plain[2:]


def magic_of(e164: str) -> Magic | None:
    """What a number under +999 is for; None where it stands for nothing."""
    return MAGIC.get(e164[4:7])
