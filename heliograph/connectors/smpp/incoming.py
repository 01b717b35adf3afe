"""What this carrier delivers: receipts and short messages, in the pipeline's words.

Source: SMPP 3.4 §4.6 and appendix B; docs/explanation/states.md
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo

from heliograph import sms
from heliograph.connectors.smpp.settings import RECEIPT_STATES, SmppSettings
from heliograph.contracts import InboundShort, ReceiptNews
from heliograph.model import State
from heliograph.rules.errorcodes import GSM_MAP_ERRORS, STAT_WORDS, Reported, reported
from heliograph.rules.idcodec import IdCodec
from heliograph.smpp import constants as c
from heliograph.smpp.pdus import DataSm, DeliverSm, Tlvs
from heliograph.smpp.receipts import ReceiptFields, is_intermediate, is_receipt, message_octets, parse_receipt

__all__ = ["Incoming"]

_FAILURES: Final = {
    State.UNDELIVERED: "undelivered",
    State.EXPIRED: "expired",
    State.REJECTED: "carrier_refused",
    State.UNKNOWN: "outcome_unknown",
}
_VENDORS: Final = frozenset(("FAILED", "NACK", "BLOCKED"))
"""Ends that no message_state says: they tell more than the TLV beside them."""

_UCS2: Final = 8
"""Every data_coding that means UTF-16 is told as the one that everybody knows."""


class Incoming:
    """One connector's way to read what is delivered."""

    __slots__ = ("_alphabet", "_by_tlv", "_errors", "_ids", "_last_time", "_own_words", "_words", "_zone")

    def __init__(self, settings: SmppSettings, ids: IdCodec) -> None:
        self._ids = ids
        self._by_tlv = settings.receipt_by_tlv
        self._alphabet = sms.Alphabet(settings.default_alphabet)
        self._zone = ZoneInfo(settings.time_zone) if settings.time_zone else None
        self._last_time: tuple[str, str | None] = ("", None)
        self._errors: Mapping[str, str] = {
            **(GSM_MAP_ERRORS if settings.receipt_errors == "gsm_map" else {}),
            **{_number(err): code for err, code in settings.receipt_error_codes.items()},
        }
        self._own_words = _VENDORS | {word.upper() for word in settings.receipt_stats}
        words = {
            "ACCEPTD": settings.receipt_accepted,
            "UNKNOWN": settings.receipt_unknown,
            **{word.upper(): state for word, state in settings.receipt_stats.items()},
        }
        self._words: Mapping[str, Reported] = {**STAT_WORDS, **{word: _meaning(to) for word, to in words.items()}}

    def read(self, handle: Any, pdu: DeliverSm | DataSm) -> ReceiptNews | InboundShort:
        """A receipt, or a short message from a handset. ``handle`` is given through."""
        if is_receipt(pdu, by_tlv=self._by_tlv):
            fields = parse_receipt(pdu)
            if fields.message_id or fields.stat or pdu.esm_class & c.ESM_TYPE_MASK == c.ESM_TYPE_RECEIPT:
                return self._receipt(handle, pdu, fields)
        return self._short(handle, pdu)

    def _receipt(self, handle: Any, pdu: DeliverSm | DataSm, fields: ReceiptFields) -> ReceiptNews:
        stat = fields.stat
        if fields.message_state is not None and stat not in self._own_words:
            stat = c.MESSAGE_STATES.get(fields.message_state, stat)  # the TLV beats the text
        meaning = self._words.get(stat) or reported(stat)
        if is_intermediate(pdu):
            meaning = STAT_WORDS["ENROUTE"]
        err = fields.err
        if not err and fields.network_error_code is not None:
            err = str(fields.network_error_code[1])
        error = meaning.error
        if error is not None and self._errors and err:
            error = self._errors.get(_number(err), error)
        return ReceiptNews(
            handle,
            self._ids.for_receipt(fields.message_id) if fields.message_id else (),
            meaning.state,
            fields.message_id,
            stat,
            error,
            err or None,
            self._time(fields) if fields.done_date else None,
        )

    def _time(self, fields: ReceiptFields) -> str | None:
        """The same time comes many times in a row: its text is kept until another comes."""
        if fields.done_date != self._last_time[0]:
            at = fields.done_at
            if at is not None and self._zone is not None:
                at = at.replace(tzinfo=self._zone)
            self._last_time = (fields.done_date, None if at is None else at.isoformat())
        return self._last_time[1]

    def _short(self, handle: Any, pdu: DeliverSm | DataSm) -> InboundShort:
        octets = message_octets(pdu)
        header = sms.Header()
        if pdu.esm_class & c.ESM_UDHI:
            header, body = sms.split_header(octets)
        else:
            body = octets
        tlvs = pdu.tlvs
        concat = sms.concat_info(
            header.elements,
            _integer(tlvs, c.TAG_SAR_MSG_REF_NUM, 2),
            _integer(tlvs, c.TAG_SAR_TOTAL_SEGMENTS, 1),
            _integer(tlvs, c.TAG_SAR_SEGMENT_SEQNUM, 1),
        )
        if concat is not None and concat.total == 1:
            concat = None
        decoded = sms.decode(body, pdu.data_coding, header, self._alphabet)
        return InboundShort(
            handle,
            sms.from_wire(pdu.source_addr_ton, pdu.source_addr_npi, pdu.source_addr).value,
            sms.from_wire(pdu.dest_addr_ton, pdu.dest_addr_npi, pdu.destination_addr).value,
            _UCS2 if decoded.encoding == sms.Encoding.UCS2 else pdu.data_coding,
            body,
            decoded.text,
            octets[: header.size_octets],
            None if concat is None else (concat.reference, concat.reference_octets, concat.total, concat.number),
        )


def _meaning(word: str) -> Reported:
    state = RECEIPT_STATES[word]
    return Reported(state, _FAILURES.get(state))


def _number(err: str) -> str:
    """``001`` and ``1`` are the same cause."""
    return err.lstrip("0") or "0"


def _integer(tlvs: Tlvs, tag: int, size: int) -> int | None:
    value = tlvs.get(tag)
    return int.from_bytes(value, "big") if value is not None and len(value) == size else None
