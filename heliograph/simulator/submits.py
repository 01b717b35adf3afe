"""What a virtual carrier does with a submit: refuse it or hand it to a handset, answer it, have a receipt for it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Final

from heliograph.simulator.chance import Chance, write_id
from heliograph.simulator.clients import Client, Switchboard
from heliograph.simulator.deliveries import Deliveries
from heliograph.simulator.handsets import HandsetMessage, Handsets, Submit, address, read_part
from heliograph.simulator.log import CarrierLog, Fact
from heliograph.simulator.mischief import Mischief
from heliograph.simulator.outcomes import USUAL, Outcome
from heliograph.simulator.outgoing import Outgoing, receipt_pdu
from heliograph.simulator.settings import CarrierSettings
from heliograph.simulator.timetable import Timetable
from heliograph.smpp import constants as c
from heliograph.smpp.pdus import DataSmResp, SubmitSm, SubmitSmResp, Tlvs
from heliograph.sms import decode

__all__ = ["Submits", "wording"]

_AFTER_RECEIPT_S: Final = 0.05
_FIRSTS_MAX: Final = 10_000
"""Segments that wait for their second try; the oldest is forgotten beyond it."""


class Submits:
    """Takes submits in the order in which they come."""

    def __init__(
        self,
        settings: CarrierSettings,
        chance: Chance,
        log: CarrierLog,
        handsets: Handsets,
        board: Switchboard,
        deliveries: Deliveries,
        timetable: Timetable,
        mischief: Mischief,
        on_message: Callable[[HandsetMessage], None],
    ) -> None:
        self._chance = chance
        self._log = log
        self._handsets = handsets
        self._board = board
        self._deliveries = deliveries
        self._timetable = timetable
        self._mischief = mischief
        self._on_message = on_message
        self._next_id = settings.first_id if settings.first_id is not None else time.time_ns() // 1000
        self._firsts: dict[tuple[str, str, bytes], None] = {}
        self.change(settings)

    def change(self, settings: CarrierSettings) -> None:
        """Do as other settings say from now on."""
        self._settings = settings
        self._latency_s = settings.latency_ms / 1000
        self._receipt_delay_s = settings.receipts.delay_ms / 1000

    def take(self, client: Client, pdu: Submit, ticket: int, now: float, at: float) -> None:
        """One submit. ``now`` is the loop's time, ``at`` seconds since 1970."""
        client.submits += 1
        to = address(pdu.dest_addr_ton, pdu.dest_addr_npi, pdu.destination_addr)
        sender = address(pdu.source_addr_ton, pdu.source_addr_npi, pdu.source_addr)
        outcome = self._chance.outcome(to) if self._chance.ranges else USUAL
        status = _said_twice(pdu) or self._chance.status(to, now) or outcome.status
        if (outcome.first_status or not outcome.first_answer) and self._is_first(pdu, to, sender):
            if not outcome.first_answer:
                return
            status = status or outcome.first_status
        if self._mischief.kind is not None and not status:
            status = self._mischief.submit_status(now)
        id, receipt = "", None
        if not status:
            number = self._next_id
            self._next_id += 1
            id = write_id(number, self._settings.ids)
            receipt = self._receipt(client, pdu, number, to, sender, at, outcome)
        self._deliver(client, pdu, ticket, to, sender, id, status, at)
        unanswered = client.submits == self._settings.drop_after or self._chance.silent() or not outcome.answer
        if not status and unanswered:
            if receipt is not None:
                self._receipt_soon(receipt, now, outcome)
            return
        latency_s = self._latency_s + outcome.latency_ms / 1000
        if receipt is not None and outcome.receipt_first:
            self._give(receipt)
            receipt, latency_s = None, latency_s + _AFTER_RECEIPT_S
        if latency_s > 0:
            self._timetable.do_at(now + latency_s, self._answer_late, client, pdu, ticket, id, status, receipt, outcome)
        else:
            self._answer(client, pdu, ticket, id, status, receipt, outcome, now, at)

    def _is_first(self, pdu: Submit, to: str, sender: str) -> bool:
        """Whether this segment is here for the first time; the next time it is the second."""
        octets = pdu.short_message if isinstance(pdu, SubmitSm) else pdu.tlvs.get(c.TAG_MESSAGE_PAYLOAD, b"")
        key = (to, sender, octets)
        if key in self._firsts:
            del self._firsts[key]
            return False
        while len(self._firsts) >= _FIRSTS_MAX:
            del self._firsts[next(iter(self._firsts))]
        self._firsts[key] = None
        return True

    def _deliver(
        self, client: Client, pdu: Submit, ticket: int, to: str, sender: str, id: str, status: int, at: float
    ) -> None:
        """Tell the log, and the handset unless it is refused."""
        part = read_part(pdu)
        place = part.place
        message = None if status else self._handsets.take(part, pdu.data_coding, to, sender, id, at)
        if message is not None and place is None:
            said = message.text
        else:
            said = decode(part.octets, pdu.data_coding, part.header).text
        text, digest = wording(said, part.octets, self._settings.log_texts)
        self._log.add(
            Fact(
                fact="submit",
                at=at,
                link=client.number,
                sequence=ticket & 0xFFFFFFFF,
                to=to,
                sender=sender,
                id=id,
                status=status,
                text=text,
                hash=digest,
                part=f"{place[3]}/{place[2]}" if place is not None else "",
            )
        )
        if message is not None:
            self._on_message(message)

    def _receipt(
        self, client: Client, pdu: Submit, number: int, to: str, sender: str, at: float, outcome: Outcome
    ) -> Outgoing | None:
        """The receipt that this submit will have, if it asked for one and there are any."""
        receipts = self._settings.receipts
        wanted = pdu.registered_delivery & c.RECEIPT_MASK
        if not wanted or not receipts.send or not outcome.receipt:
            return None
        stat = outcome.stat or self._chance.final_state()
        if wanted == (c.RECEIPT_ON_FAILURE if stat == "DELIVRD" else c.RECEIPT_ON_SUCCESS):
            return None
        id = write_id(number, receipts.style or self._settings.ids)
        receipt = self._receipt_of(client, pdu, id, stat, to, sender, at, outcome.err)
        if outcome.second_stat:
            receipt.second = self._receipt_of(client, pdu, id, outcome.second_stat, to, sender, at)
        return receipt

    def _receipt_of(
        self, client: Client, pdu: Submit, id: str, stat: str, to: str, sender: str, at: float, err: str = ""
    ) -> Outgoing:
        text_octets = self._settings.receipts.text_octets
        delivery = receipt_pdu(pdu, id, stat, at, at + self._receipt_delay_s, text_octets, err)
        receipt = Outgoing("receipt", delivery, to=to, sender=sender, link=client.number, id=id, stat=stat)
        self._deliveries.begin(receipt)
        return receipt

    def _answer_late(
        self,
        client: Client,
        pdu: Submit,
        ticket: int,
        id: str,
        status: int,
        receipt: Outgoing | None,
        outcome: Outcome,
    ) -> None:
        self._answer(client, pdu, ticket, id, status, receipt, outcome, self._timetable.now(), time.time())

    def _answer(
        self,
        client: Client,
        pdu: Submit,
        ticket: int,
        id: str,
        status: int,
        receipt: Outgoing | None,
        outcome: Outcome,
        now: float,
        at: float,
    ) -> None:
        receipt_first = receipt is not None and self._settings.receipts.before_response
        if receipt is not None and receipt_first:
            self._give(receipt)
        if client.link is not None:
            tlvs: Tlvs = {}
            if self._settings.congestion >= 0 and client.speaks_5_0:
                tlvs = {c.TAG_CONGESTION_STATE: bytes((self._settings.congestion,))}
            answer = status or (SubmitSmResp(id, tlvs) if isinstance(pdu, SubmitSm) else DataSmResp(id, tlvs))
            self._board.answer(client, ticket, answer)
            self._log.add(
                Fact(
                    fact="response",
                    at=at,
                    link=client.number,
                    sequence=ticket & 0xFFFFFFFF,
                    id=id,
                    status=status,
                )
            )
        if receipt is not None and not receipt_first:
            self._receipt_soon(receipt, now, outcome)

    def _receipt_soon(self, receipt: Outgoing, now: float, outcome: Outcome) -> None:
        delay_s = self._receipt_delay_s + self._chance.jitter_s() + outcome.receipt_delay_ms / 1000
        if delay_s > 0:
            self._timetable.do_at(now + delay_s, self._give, receipt)
        else:
            self._give(receipt)

    def _give(self, receipt: Outgoing) -> None:
        self._deliveries.give(receipt)
        if receipt.second is not None:
            self._deliveries.give(receipt.second)


def _said_twice(pdu: Submit) -> int:
    """The refusal of a text in short_message and message_payload at once, of which one must be empty, or 0.

    Source: SMPP 3.4 §3.2.3
    """
    twice = pdu.tlvs and c.TAG_MESSAGE_PAYLOAD in pdu.tlvs and isinstance(pdu, SubmitSm) and pdu.short_message
    return c.ESME_RINVMSGLEN if twice else c.ESME_ROK


def wording(text: str | None, octets: bytes, log_texts: bool) -> tuple[str, str]:
    """How the log says a text: (text, "") or ("", hash)."""
    if text is not None and log_texts:
        return text, ""
    return "", hashlib.sha256(octets).hexdigest()
