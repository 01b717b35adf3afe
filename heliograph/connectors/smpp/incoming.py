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
from heliograph.smpp.plain import PlainReceipt
from heliograph.smpp.receipts import ReceiptFields, date_of, is_intermediate, is_receipt, message_octets, parse_receipt

__all__ = ["Incoming"]

_FAILURES: Final = {
    State.UNDELIVERED: "undelivered",
    State.EXPIRED: "expired",
    State.REJECTED: "carrier_refused",
    State.UNKNOWN: "outcome_unknown",
}
_VENDORS: Final = frozenset(("FAILED", "NACK", "BLOCKED"))
"""Ends that no message_state says: they tell more than the TLV beside them."""

_Meant = tuple[str, int, str | None]
"""(the word, our state, our error)."""
_MEANT_MAX: Final = 1_000

_UCS2: Final = 8
"""Every data_coding that means UTF-16 is told as the one that everybody knows."""


class Incoming:
    """One connector's way to read what is delivered."""

    __slots__ = ("_alphabet", "_by_tlv", "_errors", "_ids", "_last_time", "_meant", "_own_words", "_words", "_zone")

    def __init__(self, settings: SmppSettings, ids: IdCodec) -> None:
        self._ids = ids
        self._by_tlv = settings.receipt_by_tlv
        self._alphabet = sms.Alphabet(settings.default_alphabet)
        self._zone = ZoneInfo(settings.time_zone) if settings.time_zone else None
        self._last_time: tuple[str, str | None] = ("", None)
        self._meant: dict[tuple[str, int | None], _Meant] = {}
        """What words and states mean to this carrier, as far as they came: they are few."""
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

    def plain(self, handle: Any, receipt: PlainReceipt) -> ReceiptNews:
        """The same of an ordinary receipt."""
        key = (receipt.stat, receipt.message_state)
        meant = self._meant.get(key) or self._meaning(*key)
        return self._news(handle, receipt.message_id, meant, receipt.err, receipt.done_date)

    def _receipt(self, handle: Any, pdu: DeliverSm | DataSm, fields: ReceiptFields) -> ReceiptNews:
        stat, state, error = self._meaning(fields.stat, fields.message_state)
        if is_intermediate(pdu):
            state, error = State.SENT, None
        err = fields.err
        if not err and fields.network_error_code is not None:
            err = str(fields.network_error_code[1])
        return self._news(handle, fields.message_id, (stat, state, error), err, fields.done_date)

    def _meaning(self, stat: str, message_state: int | None) -> _Meant:
        key = (stat, message_state)
        if message_state is not None and stat not in self._own_words:
            stat = c.MESSAGE_STATES.get(message_state, stat)  # the TLV beats the text
        meaning = self._words.get(stat) or reported(stat)
        meant = (stat, meaning.state, meaning.error)
        if len(self._meant) < _MEANT_MAX:
            self._meant[key] = meant
        return meant

    def _news(self, handle: Any, message_id: str, meant: _Meant, err: str, done_date: str) -> ReceiptNews:
        stat, state, error = meant
        if error is not None and self._errors and err:
            error = self._errors.get(_number(err), error)
        return ReceiptNews(
            handle,
            self._ids.for_receipt(message_id) if message_id else (),
            state,
            message_id,
            stat,
            error,
            err or None,
            self._time(done_date) if done_date else None,
        )

    def _time(self, done_date: str) -> str | None:
        """The same time comes many times in a row: its text is kept until another comes."""
        if done_date != self._last_time[0]:
            at = date_of(done_date)
            if at is not None and self._zone is not None:
                at = at.replace(tzinfo=self._zone)
            self._last_time = (done_date, None if at is None else at.isoformat())
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
