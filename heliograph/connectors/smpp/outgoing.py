"""Segments as this carrier wants them: from a submission to a submit_sm.

All that is constant for a connector is worked out once. Source: SMPP 3.4 §4.4, §5.2; docs/reference/settings.md
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from msgspec.structs import replace

from heliograph import sms
from heliograph.connectors.smpp.settings import SmppSettings, tlv_table
from heliograph.contracts import SegmentSubmission
from heliograph.errors import Retry, SubmitFailed
from heliograph.model import AddressKind, Encoding
from heliograph.smpp import constants as c
from heliograph.smpp.pdus import SubmitSm, Tlvs
from heliograph.smpp.plain import SubmitForm, submit_form
from heliograph.smpp.times import format_relative

__all__ = ["Outgoing"]

_VALIDITIES_MAX: Final = 4096
"""Seconds left of a validity are few different numbers; their texts are kept."""

_FORMS_MAX: Final = 4096
"""Senders with what they send: their forms are kept."""

_TON_NPI: Final = {
    AddressKind.E164: sms.ton_npi(sms.AddressKind.E164),
    AddressKind.SHORT_CODE: sms.ton_npi(sms.AddressKind.SHORT_CODE),
    AddressKind.ALPHANUMERIC: sms.ton_npi(sms.AddressKind.ALPHANUMERIC),
}
_FLASH_GENERAL: Final = {
    Encoding.GSM7: 0x10,
    Encoding.UCS2: 0x18,
    Encoding.BINARY: 0x14,
    Encoding.GSM7_NATIONAL: 0x10,
}
_FLASH_CLASS: Final = {
    Encoding.GSM7: 0xF0,
    Encoding.UCS2: 0x18,
    Encoding.BINARY: 0xF4,
    Encoding.GSM7_NATIONAL: 0xF0,
}
"""Source: 3GPP TS 23.038 §4. The class group has no UCS-2: that stays with the general one."""

_SHORT_MESSAGE_MAX: Final = 254
"""Octets, by SMPP 3.4; UTF-8 can need more than the septets that were counted."""

_E164: Final = AddressKind.E164
_GSM7: Final = Encoding.GSM7
_BINARY: Final = Encoding.BINARY
_NATIONAL: Final = Encoding.GSM7_NATIONAL


class Outgoing:
    """One connector's way to write segments."""

    __slots__ = (
        "_alphabet",
        "_codings",
        "_concatenation",
        "_dest_npi",
        "_dest_ton",
        "_flash_codings",
        "_forms",
        "_keeps_plus",
        "_mode",
        "_national",
        "_packs",
        "_plain",
        "_priorities",
        "_protocol_id",
        "_reference_octets",
        "_registered",
        "_sends_validity",
        "_service_type",
        "_sources",
        "_tlvs",
        "_validities",
        "_validity_max_s",
    )

    def __init__(self, settings: SmppSettings, plain: Container[SegmentSubmission] = ()) -> None:
        """``plain`` holds the submissions that leave without the TLVs of the settings."""
        self._plain = plain
        self._service_type = settings.service_type
        own = {AddressKind[kind.upper()]: (ton, npi) for kind, (ton, npi) in settings.source_ton_npi.items()}
        self._sources = tuple(own.get(kind, _TON_NPI[kind]) for kind in AddressKind)
        self._dest_ton, self._dest_npi = settings.dest_ton_npi
        self._keeps_plus = settings.plus_sign
        self._mode = settings.esm_mode
        self._protocol_id = settings.protocol_id
        self._priorities = settings.priority_flags
        self._registered = settings.registered_delivery
        gsm7 = settings.gsm7_data_coding
        self._codings = (gsm7, settings.ucs2_data_coding, settings.binary_data_coding, gsm7)
        flash = _FLASH_CLASS if settings.flash_style == "class" else _FLASH_GENERAL
        self._flash_codings = tuple(flash[encoding] for encoding in Encoding)
        self._alphabet = sms.Alphabet(settings.default_alphabet)
        self._packs = self._alphabet != sms.Alphabet.GSM7
        self._concatenation = settings.concatenation
        self._national = settings.national_tables
        self._reference_octets = settings.reference_octets
        self._tlvs: Tlvs = tlv_table(settings.tlvs)
        self._sends_validity = settings.send_validity
        self._validity_max_s = settings.validity_max_s
        self._validities: dict[int, str] = {}
        self._forms: dict[tuple[object, ...], SubmitForm] = {}

    def submit(self, submission: SegmentSubmission) -> SubmitSm | bytes:
        """The submit_sm of one segment, or its body where there is straight code for such. Raises as :meth:`pdu`."""
        message = submission.live.message
        encoding = message.encoding
        if self._tlvs or self._packs or message.segments > 1 or encoding >= _BINARY:
            return self.pdu(submission)
        sender, kind = message.sender, message.sender_kind
        key = (sender, kind, message.type, encoding, message.flash, message.receipt_wanted)
        form = self._forms.get(key) or self._form(submission, key)
        if form is None:
            return self.pdu(submission)
        recipient, left_s = message.recipient, submission.validity_left_s
        if recipient[0] == "+" and not self._keeps_plus:
            recipient = recipient[1:]
        validity = (self._validities.get(left_s) or self._validity(left_s)) if self._sends_validity else ""
        return form.body(recipient, validity, submission.octets) or self.pdu(submission)

    def _form(self, submission: SegmentSubmission, key: tuple[object, ...]) -> SubmitForm | None:
        form = submit_form(self.pdu(submission))
        if form is not None:
            if len(self._forms) >= _FORMS_MAX:
                self._forms.clear()
            self._forms[key] = form
        return form

    def pdu(self, submission: SegmentSubmission) -> SubmitSm:
        """The submit_sm of one segment. Raises ``SubmitFailed`` where this carrier's alphabet can't say the text."""
        live = submission.live
        message = live.message
        encoding = message.encoding
        octets = submission.octets
        mode = self._mode
        tlvs = self._tlvs
        if tlvs and submission in self._plain:
            tlvs = {}
        header = 0
        if message.segments > 1 or encoding >= _BINARY:
            mode, octets, tlvs, header = self._placed(submission, tlvs)
        if encoding == _NATIONAL and not self._national:
            raise SubmitFailed("content_unsupported", None, Retry.ELSEWHERE)
        if self._packs and (encoding in (_GSM7, _NATIONAL)):
            octets = self._in_alphabet(octets, header)
            if len(octets) > _SHORT_MESSAGE_MAX:
                tlvs, octets = {**tlvs, c.TAG_MESSAGE_PAYLOAD: octets}, b""
        sender, recipient = message.sender, message.recipient
        if not self._keeps_plus:
            if sender[0] == "+" and message.sender_kind == _E164:
                sender = sender[1:]
            if recipient[0] == "+":
                recipient = recipient[1:]
        left_s = submission.validity_left_s
        ton, npi = self._sources[message.sender_kind]
        return SubmitSm(
            self._service_type,
            ton,
            npi,
            sender,
            self._dest_ton,
            self._dest_npi,
            recipient,
            mode,
            self._protocol_id,
            self._priorities[message.type],
            "",
            (self._validities.get(left_s) or self._validity(left_s)) if self._sends_validity else "",
            self._registered if message.receipt_wanted else 0,
            0,
            self._flash_codings[encoding] if message.flash else self._codings[encoding],
            0,
            octets,
            tlvs,
        )

    def whole(self, submission: SegmentSubmission) -> SubmitSm:
        """The submit_sm of a whole long message, which the carrier cuts: all its text in message_payload.

        Source: SMPP 3.4 §5.3.2.32
        """
        live = submission.live
        size = _own_header_octets(submission)
        octets = b"".join([part[size:] for part in live.parts])
        if self._packs and live.message.encoding in (_GSM7, _NATIONAL):
            octets = self._in_alphabet(octets, 0)
        tlvs = {} if submission in self._plain else self._tlvs
        return replace(
            self.pdu(submission),
            esm_class=self._mode | c.ESM_UDHI if size else self._mode,
            short_message=b"",
            tlvs={**tlvs, c.TAG_MESSAGE_PAYLOAD: live.parts[0][:size] + octets},
        )

    def _placed(self, submission: SegmentSubmission, tlvs: Tlvs) -> tuple[int, bytes, Tlvs, int]:
        """(esm_class, octets, TLVs, octets of header) of a segment that has a header, or is one of several."""
        message = submission.live.message
        octets = submission.octets
        own = _own_header_octets(submission)
        total, mode = message.segments, self._mode
        if total == 1 or self._concatenation == "payload":
            return (mode | c.ESM_UDHI if own else mode), octets, tlvs, own
        if self._concatenation == "sar":
            tlvs = {
                **tlvs,
                c.TAG_SAR_MSG_REF_NUM: (message.reference & 0xFFFF).to_bytes(2, "big"),
                c.TAG_SAR_TOTAL_SEGMENTS: bytes((total,)),
                c.TAG_SAR_SEGMENT_SEQNUM: bytes((submission.number,)),
            }
            return (mode | c.ESM_UDHI if own else mode), octets, tlvs, own
        extra = octets[1:own] if own else b""
        header = sms.concat_udh(message.reference, total, submission.number, self._reference_octets, extra)
        return mode | c.ESM_UDHI, header + octets[own:], tlvs, len(header)

    def _in_alphabet(self, octets: bytes, header: int) -> bytes:
        try:
            return octets[:header] + sms.to_alphabet(octets[header:], self._alphabet, header)
        except sms.CannotEncode:
            raise SubmitFailed("content_unsupported", None, Retry.ELSEWHERE) from None

    def _validity(self, left_s: int) -> str:
        if len(self._validities) >= _VALIDITIES_MAX:
            self._validities.clear()
        most_s = self._validity_max_s
        text = self._validities[left_s] = format_relative(min(left_s, most_s) if most_s else left_s)
        return text


def _own_header_octets(submission: SegmentSubmission) -> int:
    """Octets of the message's own header, in front of each segment: of a binary one, or naming national tables."""
    live = submission.live
    if live.message.encoding == _NATIONAL:
        return submission.octets[0] + 1
    if live.message.encoding != _BINARY or live.content is None:
        return 0
    return live.content.udh_octets
