"""A carrier over SMPP: links to it, segments out, outcomes, receipts and short messages in.

Fulfils ``heliograph.contracts.Connector`` over ``heliograph.smpplink``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from heliograph.connectors.smpp.listening import Ear, Link
from heliograph.connectors.smpp.outgoing import Outgoing
from heliograph.connectors.smpp.settings import SmppSettings
from heliograph.contracts import CarrierNews, Outcome, SegmentSubmission
from heliograph.errors import ConfigError, Retry, SubmitFailed
from heliograph.rules.idcodec import IdCodec
from heliograph.smpp import constants as c
from heliograph.smpp.errors import SmppError
from heliograph.smpp.pdus import Pdu
from heliograph.smpp.session import Timers
from heliograph.smpplink.client import ClientLink, LinkListener
from heliograph.smpplink.settings import BindMode, LinkSettings, TlsSettings

__all__ = ["SmppConnector", "link_settings"]

_UNSAYABLE: Final = "message_refused"
_MODES: Final = {
    "transceiver": (BindMode.TRANSCEIVER,),
    "transmitter": (BindMode.TRANSMITTER,),
    "receiver": (BindMode.RECEIVER,),
    "pair": (BindMode.TRANSMITTER, BindMode.RECEIVER),
}


_MakeLink = Callable[[LinkSettings, LinkListener, str, Callable[[str], None]], Link]
"""Gives a link from its settings, its listener, its name, and what hears of its troubles."""


def _client_link(settings: LinkSettings, listener: LinkListener, name: str, on_trouble: Callable[[str], None]) -> Link:
    return ClientLink(settings, listener, name=name, on_trouble=on_trouble)


def link_settings(settings: SmppSettings, mode: BindMode) -> LinkSettings:
    """What one link of a connector needs to know."""
    tls = TlsSettings(
        server_name=settings.tls_server_name,
        ca_file=settings.tls_ca,
        certificate_file=settings.tls_cert,
        key_file=settings.tls_key,
        verify=settings.tls_verify,
    )
    return LinkSettings(
        host=settings.host,
        port=settings.port,
        system_id=settings.system_id,
        password=settings.password,
        system_type=settings.system_type,
        bind=mode,
        interface_version=settings.bind_version,
        address_range=settings.address_range,
        window=settings.window,
        timers=Timers(
            session_init_s=settings.connect_timeout_s,
            enquire_link_s=settings.enquire_link_s,
            enquire_timeout_s=settings.enquire_timeout_s,
            response_s=settings.response_timeout_s,
        ),
        tls=tls if settings.tls else None,
        connect_timeout_s=settings.connect_timeout_s,
        reconnect_min_s=settings.reconnect_min_s,
        reconnect_max_s=settings.reconnect_max_s,
        reads_receipts=True,
    )


class SmppConnector:
    """Fulfils ``contracts.Connector``. Raises ``ConfigError`` for settings with faults."""

    def __init__(self, settings: SmppSettings, connector_id: int, *, make_link: _MakeLink = _client_link) -> None:
        faults = settings.faults()
        if faults:
            raise ConfigError(faults)
        self.id = connector_id
        self.name = settings.name
        self.settings = settings
        self.segments_per_second = settings.segments_per_second
        self.reference_octets = settings.reference_octets
        self.national_tables = settings.national_tables
        self.assigns_recent_writer = settings.assign_recent_writer
        self.wants_receipts = bool(settings.registered_delivery)
        self.ids = IdCodec(settings.id_codec)
        self._ear = Ear(self, settings, self.ids)
        self._outgoing = Outgoing(settings, self._ear.plain)
        self._whole = self._ear.whole
        modes = [mode for mode in _MODES[settings.bind] for _ in range(settings.links)]
        self._links = [self._link(make_link, at, mode) for at, mode in enumerate(modes, 1)]
        self._senders = [link for link, mode in zip(self._links, modes, strict=True) if mode.transmits]
        self.window = settings.window * len(self._senders)
        self._tasks: list[asyncio.Task[None]] = []
        self._later: list[Outcome] = []

    def _link(self, make_link: _MakeLink, number: int, mode: BindMode) -> Link:
        settings = link_settings(self.settings, mode)
        trouble = self._ear.teller.trouble_of(number, settings)
        link = make_link(settings, self._ear, f"{self.name}/{number} ({mode.value})", trouble)
        self._ear.know(link, number, mode)
        return link

    # --- the pipeline's side -------------------------------------------------------------------------------------

    @property
    def bound(self) -> bool:
        """Whether at least one link may transmit."""
        return self._ear.senders_bound > 0

    @property
    def free(self) -> int:
        """Submissions that can be written right now without waiting."""
        senders = self._senders
        return senders[0].free if len(senders) == 1 else sum(link.free for link in senders)

    @property
    def late_answers(self) -> int:
        """Answers that came after their submission was given up, since the start."""
        return self._ear.late_answers

    async def start(self, news: CarrierNews) -> None:
        """Begins to connect, and returns at once."""
        self._ear.news = news
        self._ear.teller.stopping = False
        self._ear.teller.start()
        self._tasks = [asyncio.create_task(link.run()) for link in self._links]

    async def stop(self, drain_s: float) -> None:
        """Takes no more, waits for what is unanswered, unbinds, closes. Reports every open outcome."""
        self._ear.teller.stopping = True
        await asyncio.gather(*(link.stop(drain_s) for link in self._links))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        self._tell_later()

    def submit(self, batch: Sequence[SegmentSubmission]) -> None:
        """Writes these, at most ``free`` of them, in one write a link. Each is reported once in ``outcomes``."""
        build = self._outgoing.submit if self._whole is None else self._whole_pdu
        requests: list[tuple[Pdu | bytes, object]] = []
        for submission in batch:
            try:
                pdu = build(submission)
            except SubmitFailed as failure:
                self._report_later(Outcome(submission, failure=failure))
                continue
            if pdu is not None:
                requests.append((pdu, submission))
        senders = self._senders
        if len(senders) == 1:
            self._write(senders[0], requests)
        else:
            self._spread(requests)

    def acknowledge(self, handles: Sequence[Any], *, kept: bool) -> None:
        """Answers receipts or inbound messages: durable (``kept``), or not, so that the carrier sends them again."""
        status = c.ESME_ROK if kept else c.ESME_RX_T_APPN
        answers: dict[Link, list[tuple[int, int]]] = {}
        for handle in (*handles, *self._ear.repeats.answered(handles, kept=kept)):
            link, sequence_number = handle
            if link in answers:
                answers[link].append((sequence_number, status))
            else:
                answers[link] = [(sequence_number, status)]
        for link, items in answers.items():
            link.acknowledge(items)

    def canonical(self, raw_id: str) -> tuple[str, ...]:
        """The form under which an id from a response is kept."""
        return (self.ids.for_response(raw_id),)

    def paired(self, response_id: str, receipt_id: str) -> None:
        """A response's id and a receipt's id proved to belong together."""
        self.ids.paired(response_id, receipt_id)

    # --- writing -------------------------------------------------------------------------------------------------

    def _whole_pdu(self, submission: SegmentSubmission) -> Pdu | bytes | None:
        """The whole message with its first segment; None for a segment that left, or waits, with another."""
        assert self._whole is not None
        if not self._whole.takes(submission):
            return self._outgoing.submit(submission)
        goes, outcome = self._whole.submit(submission)
        if outcome is not None:
            self._report_later(outcome)
        if not goes:
            return None
        try:
            return self._outgoing.whole(submission)
        except SubmitFailed as failure:
            outcomes = self._whole.answered(Outcome(submission, failure=failure))
            for one in outcomes[1:]:
                self._report_later(one)
            raise

    def _spread(self, requests: list[tuple[Pdu | bytes, object]]) -> None:
        """Over the links by their free slots: each gets its share of what all can take."""
        links = sorted(((link.free, at, link) for at, link in enumerate(self._senders) if link.free), reverse=True)
        room = sum(free for free, _, _ in links)
        start = 0
        for free, _, link in links:
            share = min(free, -(-(len(requests) - start) * free // room))
            room -= free
            if share:
                self._write(link, requests[start : start + share])
                start += share
        self._never_written(requests[start:])

    def _write(self, link: Link, requests: list[tuple[Pdu | bytes, object]]) -> None:
        free = link.free
        if len(requests) > free:
            self._never_written(requests[free:])
            requests = requests[:free]
        if not requests:
            return
        try:
            unsayable = link.submit(requests)
        except SmppError:
            self._never_written(requests)
            return
        for context, error in unsayable:
            self._ear.teller.unsayable(error)
            failure = SubmitFailed(_UNSAYABLE, None, Retry.NEVER)
            self._report_all_later(self._ear.outcomes_of(context, failure=failure))

    def _never_written(self, requests: Sequence[tuple[Pdu | bytes, object]]) -> None:
        for _, context in requests:
            self._report_all_later(self._ear.outcomes_of(context, never_written=True))

    def _report_later(self, outcome: Outcome) -> None:
        """Outcomes are told in a turn of their own: never inside the pipeline's call to ``submit``."""
        self._report_all_later([outcome])

    def _report_all_later(self, outcomes: list[Outcome]) -> None:
        if not self._later:
            asyncio.get_running_loop().call_soon(self._tell_later)
        self._later += outcomes

    def _tell_later(self) -> None:
        outcomes, self._later = self._later, []
        if outcomes and self._ear.news is not None:
            self._ear.news.outcomes(self, outcomes)
