"""Counters, histograms, and their exposition."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from prometheus_client.parser import text_string_to_metric_families

from heliograph.model import State
from heliograph.telemetry.histogram import Histogram
from heliograph.telemetry.metrics import METRICS, LaneReading, Metrics
from heliograph.telemetry.reference import page

DOCS = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"


def samples(metrics: Metrics) -> dict[tuple[str, str], float]:
    """Each sample by name and the value of its label, if it has one."""
    return {
        (sample.name, next(iter(sample.labels.values()), "")): sample.value
        for family in text_string_to_metric_families(metrics.exposition().decode())
        for sample in family.samples
    }


def test_everything_counted_is_exposed() -> None:
    metrics = Metrics()
    metrics.accepted(3, 0.002)
    metrics.accepted(0, 9.0)
    metrics.refused("number_unknown")
    metrics.submitted([SimpleNamespace(queued_at=10.0), SimpleNamespace(queued_at=10.9)], 11.0)
    metrics.reached([State.DELIVERED])
    metrics.received(assigned=False)
    metrics.receipts([1_000_000], 3_000_000)
    metrics.orphan()
    metrics.told(100, 0.02)
    metrics.webhook("done")
    metrics.committed(120, 0.004)
    metrics.trouble("lane")
    metrics.closed("header_timeout")
    metrics.read_lanes = lambda: [LaneReading("main", 5, 2, 100, 50.0, 1)]
    metrics.read_lags = lambda: {"webhook": 12, "counts": 0}
    metrics.depth = {"waiting": 7}
    got = samples(metrics)
    expected = {
        ("heliograph_accepted_messages_total", ""): 3,
        ("heliograph_refused_requests_total", "number_unknown"): 1,
        ("heliograph_submitted_segments_total", ""): 2,
        ("heliograph_reached_messages_total", "delivered"): 1,
        ("heliograph_received_messages_total", "no"): 1,
        ("heliograph_receipts_total", ""): 1,
        ("heliograph_orphan_receipts_total", ""): 1,
        ("heliograph_told_events_total", ""): 100,
        ("heliograph_webhook_requests_total", "done"): 1,
        ("heliograph_troubles_total", "lane"): 1,
        ("heliograph_closed_connections_total", "header_timeout"): 1,
        ("heliograph_accept_seconds_count", ""): 3,
        ("heliograph_accept_to_submit_seconds_bucket", "0.25"): 1,
        ("heliograph_accept_to_submit_seconds_bucket", "+Inf"): 2,
        ("heliograph_accept_to_receipt_seconds_sum", ""): 2,
        ("heliograph_receipt_to_webhook_seconds_count", ""): 100,
        ("heliograph_store_commit_rows_sum", ""): 120,
        ("heliograph_store_commit_seconds_count", ""): 1,
        ("heliograph_lane_messages", "main"): 5,
        ("heliograph_lane_window_used", "main"): 2,
        ("heliograph_lane_window", "main"): 100,
        ("heliograph_lane_pace", "main"): 50,
        ("heliograph_links_bound", "main"): 1,
        ("heliograph_outbox_lag_rows", "webhook"): 12,
        ("heliograph_outbox_lag_rows", "counts"): 0,
        ("heliograph_store_depth", "waiting"): 7,
    }
    assert {key: got.get(key) for key in expected} == expected


def test_every_metric_of_the_table_is_exposed_and_no_other() -> None:
    families = {family.name for family in Metrics().families()}
    assert families == set(METRICS)


def test_no_label_names_an_account() -> None:
    assert not any("account" in label for kind in METRICS.values() for label in kind.labels)


def test_the_page_of_metrics_is_complete() -> None:
    assert DOCS.read_text(encoding="utf-8") == page(), (
        "python -m heliograph.telemetry.reference > docs/reference/metrics.md"
    )


def test_a_value_on_a_bound_counts_below_it() -> None:
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.0, 3.0):
        histogram.observe(value)
    histogram.observe(9.0, times=2)
    assert histogram.buckets() == [("1.0", 2.0), ("2.0", 4.0), ("+Inf", 7.0)]
    assert histogram.total == 26.0
