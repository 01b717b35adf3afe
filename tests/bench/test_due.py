"""A small run of messages that are all due at once."""

from pathlib import Path

from heliograph.bench.due import due
from heliograph.bench.options import Options


def test_what_is_due_at_once_leaves_paced_and_fair_and_none_early(tmp_path: Path) -> None:
    options = Options(due=2_000, connections=8, window=500, folder=str(tmp_path), timeout_s=30)
    found, text, _ = due(options)
    assert (found.scheduled, found.early, found.unfinished, found.lost, found.repeated) == (2_000, 0, 0, 0, 0)
    assert found.fairness > 0.5
    assert found.busiest_s <= 1_500
    assert "accept p99" in text
