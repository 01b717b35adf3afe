"""What the links of a connector tell: outcomes, receipts and short messages, in the pipeline's words."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

from heliograph.connectors.smpp.incoming import Incoming
from heliograph.connectors.smpp.plain import PlainTries
from heliograph.connectors.smpp.repeats import Arrival, Repeats
from heliograph.connectors.smpp.settings import SmppSettings
from heliograph.connectors.smpp.telling import Teller
from heliograph.connectors.smpp.whole import WholeMessages
from heliograph.contracts import CarrierNews, Connector, InboundShort, Outcome, ReceiptNews
from heliograph.rules.idcodec import IdCodec
from heliograph.rules.retry import failure_of, parse_overrides
from heliograph.smpp import constants as c
from heliograph.smpp.errors import EncodeError
from heliograph.smpp.events import LateResponse, Response, ResponseTimedOut
from heliograph.smpp.pdus import DataSm, DeliverSm, Pdu
from heliograph.smpp.plain import PlainReceipt
from heliograph.smpplink.client import Delivery
from heliograph.smpplink.settings import BindMode

__all__ = ["Ear", "Link", "greatest_congestion"]


class Link(Protocol):
    """What a connector needs of a link: ``heliograph.smpplink.client.ClientLink`` has it."""

    @property
    def free(self) -> int: ...

    @property
    def is_bound(self) -> bool: ...

    @property
    def heard_at(self) -> float: ...

    def submit(self, batch: Sequence[tuple[Pdu | bytes, object]]) -> list[tuple[object, EncodeError]]: ...

    def acknowledge(self, items: Sequence[tuple[int, int]]) -> None: ...

    async def run(self) -> None: ...

    async def stop(self, drain_s: float) -> None: ...


class Ear:
    """The ``LinkListener`` of all links of one connector."""

    def __init__(self, connector: Connector, settings: SmppSettings, ids: IdCodec) -> None:
        overrides = parse_overrides(settings.statuses)
        self.news: CarrierNews | None = None
        self.late_answers = 0
        """Answers that came after their submission was given up."""
        self.teller = Teller(settings.name)
        self.links: dict[Link, tuple[int, str]] = {}
        """Number and kind of bind of each link."""
        self.plain = PlainTries(settings, overrides)
        self.whole = WholeMessages(connector.id) if settings.concatenation == "payload" else None
        self.repeats = Repeats(lambda: asyncio.get_running_loop().time())
        self.senders_bound = 0
        """Links that hold a bind which may transmit."""
        self._senders: set[Link] = set()
        self._bound: set[Link] = set()
        self._hears_congestion = settings.version == "5.0"
        self._connector = connector
        self._incoming = Incoming(settings, ids)
        self._overrides = overrides

    def know(self, link: Link, number: int, mode: BindMode) -> None:
        """A link of this connector, before it is run."""
        self.links[link] = (number, mode.value)
        if mode.transmits:
            self._senders.add(link)

    def outcomes_of(self, context: Any, **what: Any) -> list[Outcome]:
        """The outcome of what had ``context``; of every segment that it took along."""
        outcome = Outcome(context, **what)
        return [outcome] if self.whole is None else self.whole.answered(outcome)

    def bound(self, link: Link) -> None:
        """There may be work to take."""
        self._bound.add(link)
        self.senders_bound = len(self._bound & self._senders)
        self.teller.bound(*self.links[link])
        if self.news is not None:
            self.news.ready(self._connector)

    def responses(self, link: Link, responses: list[Response]) -> None:
        """Part of ``LinkListener``."""
        if self.news is None:
            return
        if not responses:
            self.news.ready(self._connector)
            return
        if self._hears_congestion:
            state = greatest_congestion(responses)
            if state is not None:
                self.news.congested(self._connector, state)
        outcomes: list[Outcome] = []
        for response in responses:
            submission: Any = response.context
            if not response.status:
                outcomes.append(Outcome(submission, response.message_id or None))
            else:
                status = response.status
                failure = self.plain.failure(submission, status) or failure_of(status, self._overrides)
                if failure.pauses_lane:
                    self.teller.paused(failure)
                outcomes.append(Outcome(submission, None, failure))
        if self.whole is not None:
            outcomes = [shared for outcome in outcomes for shared in self.whole.answered(outcome)]
        self.news.outcomes(self._connector, outcomes)

    def timed_out(self, link: Link, timed_out: list[ResponseTimedOut]) -> None:
        """Part of ``LinkListener``: they were written, and nobody says what became of them."""
        self._unknown([one.context for one in timed_out])

    def late_responses(self, link: Link, responses: list[LateResponse]) -> None:
        """Part of ``LinkListener``: a refusal changes nothing any more, an id will come back in a receipt."""
        self.late_answers += len(responses)
        taken: list[tuple[Any, str]] = [
            (response.context, response.message_id)
            for response in responses
            if not response.status and response.message_id
        ]
        if taken and self.news is not None:
            self.news.late(self._connector, taken)

    def unbound(self, link: Link, lost: list[object], reason: str) -> None:
        """Part of ``LinkListener``."""
        self._bound.discard(link)
        self.senders_bound = len(self._bound & self._senders)
        self.teller.lost(self.links[link][0], reason, len(lost))
        self.repeats.lost(link, link.heard_at)
        self._unknown(lost)

    def _unknown(self, contexts: Sequence[object]) -> None:
        if contexts and self.news is not None:
            self.news.outcomes(
                self._connector, [one for context in contexts for one in self.outcomes_of(context, unknown=True)]
            )

    def deliveries(self, link: Link, deliveries: list[Delivery]) -> None:
        """Part of ``LinkListener``."""
        receipts: list[ReceiptNews] = []
        shorts: list[InboundShort] = []
        read, plain = self._incoming.read, self._incoming.plain
        for delivery in deliveries:
            pdu = delivery.pdu
            if type(pdu) is PlainReceipt:
                receipts.append(plain((link, delivery.sequence_number), pdu))
                continue
            if not isinstance(pdu, DeliverSm | DataSm):
                continue  # alert_notification has no answer, and nothing waits for it
            news = read((link, delivery.sequence_number), pdu)
            if type(news) is ReceiptNews:
                receipts.append(news)
            elif type(news) is InboundShort:
                arrival = Arrival.NEW
                if news.concat is None:
                    arrival = self.repeats.arrived(news.handle, pdu)
                if arrival is Arrival.NEW:
                    shorts.append(news)
                elif arrival is Arrival.KEPT:
                    link.acknowledge([(delivery.sequence_number, c.ESME_ROK)])
        if self.news is None:
            return
        if receipts:
            self.news.receipts(self._connector, receipts)
        if shorts:
            self.news.inbound(self._connector, shorts)


def greatest_congestion(responses: Sequence[Response]) -> int | None:
    """The greatest congestion_state in these, at most 100; None where none has one that can be read."""
    values = [response.tlvs.get(c.TAG_CONGESTION_STATE, b"") for response in responses]
    return max((min(value[0], c.CONGESTION_FULL) for value in values if len(value) == 1), default=None)
