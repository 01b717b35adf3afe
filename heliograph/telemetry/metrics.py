"""What is counted while messages pass: plain integers, put into words only when somebody scrapes.

Counting is on the hot path: a count is one addition, a latency one bisection. No label names an account.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, NamedTuple, Protocol

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from heliograph.model import State
from heliograph.telemetry.histogram import ROWS_BOUNDS, Histogram

__all__ = ["METRICS", "Kind", "LaneReading", "Metrics", "Queued"]


class Queued(Protocol):
    """What waited in a lane since ``queued_at`` (monotonic seconds)."""

    @property
    def queued_at(self) -> float: ...


class LaneReading(NamedTuple):
    """A lane at the moment of a scrape. ``pace`` is in segments per second, 0 for no limit; ``congestion`` 0 to 100."""

    connector: str
    depth: int
    window_used: int
    window: int
    pace: float
    links: int
    congestion: int = 0


class Kind(NamedTuple):
    """One metric: its type, its labels, and what it tells."""

    type: str
    help: str
    labels: tuple[str, ...] = ()


METRICS: Final[Mapping[str, Kind]] = {
    "heliograph_accepted_messages": Kind("counter", "Messages accepted and kept."),
    "heliograph_refused_requests": Kind("counter", "Requests and items refused, by their stable code.", ("code",)),
    "heliograph_submitted_segments": Kind("counter", "Segments written to carriers."),
    "heliograph_reached_messages": Kind("counter", "Messages that reached a state; ends are among them.", ("state",)),
    "heliograph_received_messages": Kind("counter", "Messages from handsets, by whether an account owns their number.",
                                         ("assigned",)),
    "heliograph_receipts": Kind("counter", "Final delivery receipts that found their message."),
    "heliograph_orphan_receipts": Kind("counter", "Delivery receipts that found no message and are kept."),
    "heliograph_told_events": Kind("counter", "Events that customers' webhooks took."),
    "heliograph_webhook_requests": Kind("counter", "Requests to webhooks, by what came of them.", ("outcome",)),
    "heliograph_endpoint_changes": Kind("counter", "Webhooks that began to fail or recovered (the journal says which).",
                                        ("what",)),
    "heliograph_dropped_dead_letters": Kind("counter", "Dead letters deleted because their webhook had too many."),
    "heliograph_unreadable_rows": Kind(
        "counter", "Rows of the store that were met and could not be read (the journal says which).", ("table",)),
    "heliograph_troubles": Kind("counter", "Unexpected errors inside; each has a line in the journal.", ("where",)),
    "heliograph_closed_connections": Kind("counter", "HTTP connections closed by a limit, by its name.", ("limit",)),
    "heliograph_refused_certificates": Kind("counter", "New files of a certificate that could not be used."),
    "heliograph_authentication_locks": Kind(
        "counter", "Locks after wrong credentials, of an address, a name, or everybody who failed (the journal says "
        "which).", ("what",)),
    "heliograph_accept_seconds": Kind("histogram", "Decision of a batch to its commit."),
    "heliograph_accept_to_submit_seconds": Kind("histogram", "Entering the lane to being written to a carrier."),
    "heliograph_accept_to_receipt_seconds": Kind("histogram", "Acceptance to the final receipt."),
    "heliograph_receipt_to_webhook_seconds": Kind("histogram", "An event's time to the webhook's answer that took it."),
    "heliograph_store_commit_seconds": Kind("histogram", "Time of a transaction, fsync included."),
    "heliograph_store_commit_rows": Kind("histogram", "Callers' rows in a transaction."),
    "heliograph_lane_messages": Kind("gauge", "Segments that wait in memory for a connector.", ("connector",)),
    "heliograph_lane_window_used": Kind("gauge", "Submissions without an answer yet.", ("connector",)),
    "heliograph_lane_window": Kind("gauge", "Submissions allowed without an answer.", ("connector",)),
    "heliograph_lane_pace": Kind("gauge", "Segments per second that are allowed now; 0 is no limit.", ("connector",)),
    "heliograph_lane_congestion": Kind(
        "gauge", "congestion_state that the carrier told last, 0 (idle, or it tells none) to 100 (congested).",
        ("connector",)),
    "heliograph_links_bound": Kind("gauge", "Links that may transmit.", ("connector",)),
    "heliograph_outbox_lag_rows": Kind(
        "gauge", "Outbox rows (on PostgreSQL: transactions) that the slowest reader of a kind is behind: webhook, "
        "callback, counts.", ("reader",)),
    "heliograph_endpoints": Kind(
        "gauge", "Webhook endpoints by their breaker: closed, half_open, open, paused.", ("health",)),
    "heliograph_store_depth": Kind(
        "gauge", "Rows that wait in the store: waiting, outbox_rows, pending_deliveries, dead_letters, write_queue.",
        ("what",)),
    "heliograph_configuration_faults": Kind(
        "gauge", "Connectors, routes and numbers of the store that do not hold (the journal says why).", ("kind",)),
    "heliograph_certificate_end_seconds": Kind(
        "gauge", "The last moment of the server's certificate, in seconds since 1970; without HTTPS it is not there."),
}  # fmt: skip
"""Every metric of our own. Counters are scraped with ``_total`` behind their names."""


class Metrics:
    """The counters of one process. Every method is a plain call, cheap enough for the hot path."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = dict.fromkeys(
            (name for name, kind in METRICS.items() if kind.type == "counter" and not kind.labels), 0
        )
        self.labelled: dict[str, defaultdict[str, int]] = {
            name: defaultdict(int) for name, kind in METRICS.items() if kind.type == "counter" and kind.labels
        }
        self.histograms: dict[str, Histogram] = {
            name: Histogram(ROWS_BOUNDS) if name.endswith("_rows") else Histogram()
            for name, kind in METRICS.items()
            if kind.type == "histogram"
        }
        self._reached = [0] * (max(State) + 1)
        self._refused = self.labelled["heliograph_refused_requests"]
        self._accept = self.histograms["heliograph_accept_seconds"]
        self._submit = self.histograms["heliograph_accept_to_submit_seconds"]
        self._receipt = self.histograms["heliograph_accept_to_receipt_seconds"]
        self._told = self.histograms["heliograph_receipt_to_webhook_seconds"]
        self._commit_seconds = self.histograms["heliograph_store_commit_seconds"]
        self._commit_rows = self.histograms["heliograph_store_commit_rows"]
        self.read_lanes: Callable[[], Iterable[LaneReading]] = tuple
        """Called at a scrape: what the lanes are doing."""
        self.read_lags: Callable[[], Mapping[str, int]] = dict
        """Called at a scrape: how far each kind of reader of the outbox is behind."""
        self.read_healths: Callable[[], Mapping[str, int]] = dict
        """Called at a scrape: how many webhook endpoints do how."""
        self.read_faults: Callable[[], Mapping[str, int]] = dict
        """Called at a scrape: how many objects of the store do not hold, by their kind."""
        self.certificate_end_s: float | None = None
        """The end of the HTTP server's certificate, if it has one."""
        self.depth: Mapping[str, int] = {}
        """What waits in the store, as it was read last (``Store.depth``)."""

    # --- while messages pass ----------------------------------------------------------------------
    def accepted(self, count: int, seconds: float) -> None:
        """``count`` messages were kept together after ``seconds``."""
        if count:
            self.counts["heliograph_accepted_messages"] += count
            self._accept.observe(seconds, count)

    def refused(self, code: str) -> None:
        """A request, or an item of a batch, was refused with ``code``."""
        self._refused[code] += 1

    def submitted(self, batch: Iterable[Queued], now: float) -> None:
        """These segments are written to a carrier at ``now`` (monotonic seconds)."""
        waited = [now - item.queued_at for item in batch]
        self._submit.observe_all(waited)
        self.counts["heliograph_submitted_segments"] += len(waited)

    def reached(self, states: Iterable[int]) -> None:
        """Messages reached these states, one each."""
        for state, messages in Counter(states).items():
            self._reached[state] += messages

    def received(self, *, assigned: bool) -> None:
        """A message came from a handset; ``assigned``: an account owns its number."""
        self.labelled["heliograph_received_messages"]["yes" if assigned else "no"] += 1

    def receipts(self, accepted_us: Iterable[int], at_us: int) -> None:
        """Final receipts came at ``at_us``, for messages accepted then."""
        waited = [(at_us - one) * 1e-6 for one in accepted_us]
        self._receipt.observe_all(waited)
        self.counts["heliograph_receipts"] += len(waited)

    def orphan(self) -> None:
        """A receipt found no message and is kept."""
        self.counts["heliograph_orphan_receipts"] += 1

    def told(self, events: int, seconds: float) -> None:
        """A webhook took ``events`` events, the oldest of them ``seconds`` after it happened."""
        self.counts["heliograph_told_events"] += events
        self._told.observe(seconds, events)

    def webhook(self, outcome: str) -> None:
        """A request to a webhook ended: ``done``, ``again``, ``gone``, ``one_by_one``."""
        self.labelled["heliograph_webhook_requests"][outcome] += 1

    def endpoint(self, what: str) -> None:
        """A webhook endpoint is ``failing`` or has ``recovered``."""
        self.labelled["heliograph_endpoint_changes"][what] += 1

    def dead_letters_dropped(self, count: int) -> None:
        """A webhook had too many dead letters: the oldest are gone."""
        self.counts["heliograph_dropped_dead_letters"] += count

    def committed(self, rows: int, seconds: float) -> None:
        """The store committed a transaction."""
        self._commit_rows.observe(rows)
        self._commit_seconds.observe(seconds)

    def trouble(self, where: str) -> None:
        """Something unexpected went wrong in a part."""
        self.labelled["heliograph_troubles"][where] += 1

    def unreadable(self, table: str) -> None:
        """A row of this table could not be read; a row counts once."""
        self.labelled["heliograph_unreadable_rows"][table] += 1

    def closed(self, limit: str) -> None:
        """An HTTP connection was closed by a limit."""
        self.labelled["heliograph_closed_connections"][limit] += 1

    def locked(self, what: str) -> None:
        """Too many failed to say who they are: an ``address``, at a ``name``, or ``everybody`` together."""
        self.labelled["heliograph_authentication_locks"][what] += 1

    def certificate_refused(self) -> None:
        """A new file of the certificate could not be used."""
        self.counts["heliograph_refused_certificates"] += 1

    # --- when somebody scrapes --------------------------------------------------------------------
    def exposition(self) -> bytes:
        """Everything in the Prometheus text format, with the process's own metrics."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Families(self))
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)
        return generate_latest(registry)

    def families(self) -> Iterator[Metric]:
        """Our own metrics, in the order of :data:`METRICS`."""
        reached = {State(at).word: self._reached[at] for at in State}
        lanes = list(self.read_lanes())
        gauges: dict[str, Mapping[str, float]] = {
            "heliograph_lane_messages": {lane.connector: lane.depth for lane in lanes},
            "heliograph_lane_window_used": {lane.connector: lane.window_used for lane in lanes},
            "heliograph_lane_window": {lane.connector: lane.window for lane in lanes},
            "heliograph_lane_pace": {lane.connector: lane.pace for lane in lanes},
            "heliograph_lane_congestion": {lane.connector: lane.congestion for lane in lanes},
            "heliograph_links_bound": {lane.connector: lane.links for lane in lanes},
            "heliograph_outbox_lag_rows": self.read_lags(),
            "heliograph_endpoints": self.read_healths(),
            "heliograph_store_depth": self.depth,
            "heliograph_configuration_faults": self.read_faults(),
            "heliograph_certificate_end_seconds": (
                {} if self.certificate_end_s is None else {"": self.certificate_end_s}
            ),
        }
        for name, kind in METRICS.items():
            if kind.type == "histogram":
                histogram = self.histograms[name]
                yield HistogramMetricFamily(name, kind.help, histogram.buckets(), histogram.total)
            elif kind.type == "gauge":
                yield _gauge(name, kind, gauges[name])
            elif kind.labels:
                values = reached if name == "heliograph_reached_messages" else self.labelled[name]
                yield _counter(name, kind, values)
            else:
                yield CounterMetricFamily(name, kind.help, self.counts[name])


class _Families(Collector):
    """What prometheus_client asks at a scrape."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        return self._metrics.families()


def _counter(name: str, kind: Kind, values: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, kind.help, labels=kind.labels)
    for label, value in list(values.items()):
        family.add_metric([label], value)
    return family


def _gauge(name: str, kind: Kind, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, kind.help, labels=kind.labels)
    for label, value in values.items():
        family.add_metric([label] if kind.labels else [], value)
    return family
