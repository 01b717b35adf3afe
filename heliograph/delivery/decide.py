"""The middle step of intake: what becomes of one submission, from values alone.

In this order: number, sender, route, encoding and segments; consent is asked of the store in the same
step, where a filter in memory cannot rule it out. Each refusal is a
``RequestRejected`` with a stable code and the field. Source: docs/explanation/flow.md
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from heliograph import sms
from heliograph.contracts import ReferenceKey
from heliograph.delivery.directory import Directory
from heliograph.delivery.segmenting import Segmented, cut_data, cut_plain, cut_text
from heliograph.delivery.submission import Submission
from heliograph.errors import RequestRejected
from heliograph.model import AddressKind, Content, Direction, Message, TrafficType
from heliograph.rules.magic import magic_of, sandbox_number
from heliograph.rules.routing import Choice
from heliograph.rules.schedule import Plan, plan
from heliograph.sms.numbers import BadRecipient, Recipient, recipient
from heliograph.sms.zones import zones_of

__all__ = ["Decider", "Draft", "opted_out"]

_OUT = Direction.OUT
_E164 = AddressKind.E164
_DAY_S = 86_400
VALIDITY_S: dict[int, int] = {TrafficType.OTP: 600, TrafficType.TRANSACTIONAL: _DAY_S, TrafficType.PROMOTIONAL: _DAY_S}
"""How long carriers may try when the caller does not say, by type."""

_KINDS = {
    sms.AddressKind.E164: AddressKind.E164,
    sms.AddressKind.SHORT_CODE: AddressKind.SHORT_CODE,
    sms.AddressKind.ALPHANUMERIC: AddressKind.ALPHANUMERIC,
}
_NUMBER_CODES = {
    "number_malformed": "number_malformed",
    "number_country": "number_impossible",
    "number_short": "number_impossible",
    "number_long": "number_impossible",
    "region_unknown": "number_malformed",
}


class Draft(Struct, frozen=True, gc=False):
    """A submission that will be accepted: all that is known before it has an id."""

    submission: Submission
    head: Message
    """The message, but for its id, its times and its reference."""
    parts: tuple[bytes, ...]
    content: Content
    validity_s: int
    connector_id: int
    reference_key: ReferenceKey | None
    reference_octets: int
    warnings: tuple[str, ...]
    plan: Plan | None = None

    @property
    def recipient(self) -> str:
        """In E.164."""
        return self.head.recipient

    @property
    def pair(self) -> tuple[int, str]:
        """What consent is asked for: (account_id, recipient)."""
        head = self.head
        return (head.account_id, head.recipient)

    def message(self, message_id: str, now_us: int, reference: int) -> Message:
        """The message, once it has an id."""
        plan = self.plan
        begins_us = now_us if plan is None or plan.send_us < now_us else plan.send_us
        expires_us = begins_us + self.validity_s * 1_000_000
        head = self.head
        if reference:
            return replace(head, id=message_id, accepted_us=now_us, expires_us=expires_us, reference=reference)
        return replace(head, id=message_id, accepted_us=now_us, expires_us=expires_us)


class Decider:
    """Decisions on submissions, from the directory in memory."""

    def __init__(self, directory: Directory, now_us: Callable[[], int]) -> None:
        self._directory = directory
        self._now_us = now_us
        self._senders: dict[str, tuple[str, int]] = {}
        self._plain_text = ""
        self._plain_reference = 0
        self._plain_cut: Segmented | None = None
        self._like: Submission | None = None
        self._choice: Choice | None = None
        self._known: Draft
        """What was decided on the last one that has others like it, by the way that it goes."""
        self._last_text = ""
        self._last_wishes = sms.TextWishes()
        self._last_cut: Segmented | None = None

    def decide(self, submission: Submission) -> Draft:
        """Raises ``RequestRejected``."""
        to, warnings = self._number(submission)
        choice = self._directory.choose(submission.account.id, to.e164[1:])
        like = submission.like
        if like is None:
            return self._decide(submission, to, warnings, choice)
        if like is self._like and choice is self._choice:
            known = self._known
            head = replace(known.head, recipient=to.e164, country=to.region)
            return Draft(
                submission, head, known.parts, known.content, known.validity_s, known.connector_id, None,
                known.reference_octets, warnings,
            )  # fmt: skip
        draft = self._decide(submission, to, warnings, choice)
        if draft.plan is None and draft.reference_key is None:  # these two go by the recipient
            self._like, self._choice, self._known = like, choice, draft
        return draft

    def _decide(self, submission: Submission, to: Recipient, warnings: tuple[str, ...], choice: Choice | None) -> Draft:
        sender, sender_kind = self._sender(submission)
        if choice is None or not choice.connectors:
            raise RequestRejected(
                "no_route",
                f"No route leads to {_short(to.e164)}: the operator must add one for its prefix.",
                field="to",
            )
        connector_id = choice.connectors[0]
        reference_octets = self._directory.reference_octets(connector_id)
        cut = self._cut(submission, reference_octets, choice.connectors)
        count = len(cut.parts)
        if submission.max_segments is not None and count > submission.max_segments:
            raise RequestRejected(
                "too_many_segments",
                f"The message needs {count} segments and max_segments is {submission.max_segments}: "
                "shorten it, or allow more.",
                field="text" if submission.text is not None else "data",
            )
        return Draft(
            submission,
            _head(submission, to, sender, sender_kind, cut, choice),
            cut.parts,
            cut.content,
            submission.validity_s or VALIDITY_S[submission.type],
            connector_id,
            (connector_id, sender, to.e164) if count > 1 else None,
            reference_octets,
            warnings,
            self._plan(submission, to.e164) if submission.wish is not None or self._directory.quiet else None,
        )

    def _plan(self, submission: Submission, e164: str) -> Plan | None:
        """When it goes, where somebody has a say in that: the caller, or the account's quiet hours."""
        quiet = self._directory.quiet.get(submission.account.id)
        if quiet is not None and submission.type not in quiet.types:
            quiet = None
        if submission.wish is None and quiet is None:
            return None
        found = plan(submission.wish, quiet, lambda: zones_of(e164), self._now_us())
        return None if found.asked_us is None and found.window is None else found

    def _number(self, submission: Submission) -> tuple[Recipient, tuple[str, ...]]:
        account = submission.account
        if account.id < 0 and (magic := sandbox_number(submission.to)) is not None:
            return _of_sandbox(magic), ()
        try:
            to = recipient(submission.to, account.default_region)
        except BadRecipient as bad:
            raise RequestRejected(_NUMBER_CODES.get(bad.code, bad.code), str(bad), field="to") from bad
        if not to.possible:
            raise RequestRejected(
                "number_impossible",
                f"No number of this country has the length of {_short(to.e164)}: check the digits.",
                field="to",
            )
        if to.valid:
            return to, ()
        if account.recipients != "possible":
            raise RequestRejected(
                "number_unknown",
                f"{_short(to.e164)} is in no known number range: check it, or let the operator set "
                'recipients = "possible" for the account.',
                field="to",
            )
        return to, ("number_unknown",)

    def _sender(self, submission: Submission) -> tuple[str, int]:
        text = submission.sender
        if text is None:
            text = self._directory.default_sender(submission.account.id)
            if text is None:
                raise RequestRejected(
                    "sender_required", "The account has no number to send from: give from.", field="from"
                )
        known = self._senders.get(text)
        if known is not None:
            return known
        try:
            address = sms.sender(text)
        except sms.BadAddress as bad:
            raise RequestRejected("sender_invalid", str(bad), field="from") from bad
        if len(self._senders) > 10_000:
            self._senders.clear()
        known = self._senders[text] = (address.value, _KINDS[address.kind])
        return known

    def _cut(self, submission: Submission, reference_octets: int, connectors: Sequence[int]) -> Segmented:
        try:
            text = submission.text
            if text is not None:
                return self._cut_text(text, submission, reference_octets, connectors)
            return cut_data(submission.data or b"", submission.udh, reference_octets)
        except sms.CannotEncode as cannot:
            raise RequestRejected("encoding_impossible", str(cannot), field="text") from cannot
        except sms.TooLong as long:
            field = "text" if submission.text is not None else "data"
            raise RequestRejected("message_too_long", str(long), field=field) from long

    def _cut_text(
        self, text: str, submission: Submission, reference_octets: int, connectors: Sequence[int]
    ) -> Segmented:
        """One text to many is cut once: it is the very same object for all of them.

        Plain GSM-7 is the same whatever may be done with other texts, unless it may be cut off.
        """
        plain = submission.encoding == "auto" and not submission.truncate
        if plain:
            if text is self._plain_text and reference_octets == self._plain_reference and self._plain_cut is not None:
                return self._plain_cut
            cut = cut_plain(text, reference_octets)
            if cut is not None:
                self._plain_text, self._plain_reference, self._plain_cut = text, reference_octets, cut
                return cut
        wishes = self._wishes(submission, reference_octets, connectors)
        if text is not self._last_text or wishes != self._last_wishes or self._last_cut is None:
            self._last_cut = cut_text(text, wishes)
            self._last_text, self._last_wishes = text, wishes
        return self._last_cut

    def _wishes(self, submission: Submission, reference_octets: int, connectors: Sequence[int]) -> sms.TextWishes:
        """What may be done with a text that is not plain GSM-7, or too long."""
        account = submission.account
        smart = submission.smart_encoding
        return sms.TextWishes(
            encoding=submission.encoding,
            smart=account.smart_encoding if smart is None else smart,
            national=account.national_tables and self._directory.takes_national_tables(connectors),
            reference_octets=reference_octets,
            keep_segments=(submission.max_segments or 0) if submission.truncate else 0,
        )


def _head(asked: Submission, to: Recipient, sender: str, sender_kind: int, cut: Segmented, choice: Choice) -> Message:
    callback = asked.callback
    # By place: with so many names the call would cost five times as much, since Python makes a dict of them.
    return Message(
        "",
        asked.account.id,
        sender,
        to.e164,
        0,
        0,
        _OUT,
        "sms",
        asked.type,
        sender_kind,
        _E164,
        cut.encoding,
        len(cut.parts),
        0,  # its reference
        asked.at_most_once,
        asked.flash,
        True,  # a receipt is wanted
        asked.entrance,
        cut.entrance_data or asked.entrance_data,
        asked.client_ref,
        asked.tags,
        asked.metadata,
        None if callback is None else msgspec.json.encode(callback).decode(),
        choice.route,
        choice.reason,
        to.region,
    )


def opted_out(recipient: str) -> RequestRejected:
    """The refusal to write to somebody who said no."""
    return RequestRejected(
        "recipient_opted_out",
        f"{_short(recipient)} opted out of messages from this account: do not send to it, "
        "or remove the opt-out when there is new consent.",
        field="to",
    )


def _of_sandbox(e164: str) -> Recipient:
    """A number of the sandbox. Raises ``RequestRejected`` for one that stands for nothing."""
    if magic_of(e164) is None:
        raise RequestRejected(
            "number_unknown",
            f"{_short(e164)} is no magic number: docs/reference/magic-numbers.md lists them, such as +9991000000.",
            field="to",
        )
    return Recipient(e164, True, True, None)


def _short(e164: str) -> str:
    """A number as an error may show it: enough to find it in the request, not all of it."""
    return e164 if len(e164) < 8 else f"{e164[:5]}…{e164[-2:]}"
