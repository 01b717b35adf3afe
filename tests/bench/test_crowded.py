"""Small runs with a crowd: what is measured must be there; the ratios are a quiet machine's to judge."""

from pathlib import Path

from heliograph.bench.crowded import waiting
from heliograph.bench.options import Options


def test_what_waited_for_a_carrier_that_was_down_arrives_when_it_comes(tmp_path: Path) -> None:
    options = Options(
        waiting=2_000, messages=200, warmup=50, connections=8, window=500, folder=str(tmp_path), timeout_s=30
    )
    found, text, _ = waiting(options)
    assert found.before.load.accepted == found.after.load.accepted == 200
    assert found.before.rows.states == {"queued": 200}
    assert (found.drained, found.lost) == (2_450, 0)
    assert found.full_mib > 10
    assert "drained" in text
